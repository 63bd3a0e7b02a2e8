"""Days, weeks and months in a time zone, and the spans that people name. The clock is handed in."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from batch.errors import BadUsage

FORMATS: Final = "2026-11-01, 2026-11, 30d (days, with today), today, yesterday, month or year"
_DAYS: Final = re.compile(r"([1-9]\d{0,4})d")
_MONTH: Final = re.compile(r"(\d{4})-(\d\d)")


def zone(name: str | None) -> tzinfo | None:
    """Return a time zone by its name; None: that of this machine. Raises ``BadUsage``."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadUsage(
            f"--tz: no time zone is called {name!r}. Write Europe/Berlin or UTC"
        ) from None


def day_of(seconds: float, tz: tzinfo | None) -> date:
    """Return the day of a time; tz None is the machine's own zone."""
    return datetime.fromtimestamp(seconds, tz).date()


def week_of(day: date) -> str:
    """Return the week as ISO writes it."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def first_day(said: str, today: date) -> date:
    """Return the day with which a span begins. Raises ``BadUsage``."""
    return _span(said, today, "--since")[0]


def last_day(said: str, today: date) -> date:
    """Return the day with which a span ends, which belongs to it. Raises ``BadUsage``."""
    return _span(said, today, "--until")[1]


def _span(said: str, today: date, flag: str) -> tuple[date, date]:
    one = timedelta(days=1)
    try:
        if found := _DAYS.fullmatch(said):
            return today - (int(found[1]) - 1) * one, today
        if found := _MONTH.fullmatch(said):
            first = date(int(found[1]), int(found[2]), 1)
            return first, (first + 31 * one).replace(day=1) - one
        if said in ("month", "year"):
            return today.replace(day=1, month=1 if said == "year" else today.month), today
        if said in ("today", "yesterday"):
            day = today - one if said == "yesterday" else today
            return day, day
        day = date.fromisoformat(said)
    except (ValueError, OverflowError):
        raise BadUsage(f"{flag} takes {FORMATS}") from None
    return day, day
