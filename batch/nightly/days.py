"""Which days a command is for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

MOST: Final = 366  # days that may be caught up with


def days(last: str, catch_up: int) -> tuple[str, ...]:
    """Return so many days before the last one, the oldest first, and the last one itself.

    Days are those of the calendar: one of 23 or of 25 hours is a day too.
    """
    end = date.fromisoformat(last)
    back = min(catch_up, (end - date.min).days)
    return tuple((end - timedelta(days=n)).isoformat() for n in range(back, -1, -1))
