"""When a server asks to come back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

_LONGEST_PAUSE: Final = 900.0  # seconds; a server that asks for more is not believed


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the server asks to wait, 0 to 900, or None if it does not say.

    ``now``, in seconds since the epoch, is what a date is compared with; a past one means 0.
    """
    waits = (
        _number(headers.get("retry-after-ms"), 1000),
        _number(headers.get("retry-after"), 1),
        _until(headers.get("retry-after"), now),
    )
    return next((min(wait, _LONGEST_PAUSE) for wait in waits if wait is not None), None)


def _number(value: str | None, per_second: int) -> float | None:
    try:
        seconds = float(value or "") / per_second
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _until(value: str | None, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(value or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # Only a date without a zone is naive, and HTTP has no other than UTC.
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)
