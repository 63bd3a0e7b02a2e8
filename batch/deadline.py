"""When a run has to end by the clock: how that is written, and what it means while it runs.

It stops to send early enough for what is on the wire to be answered in time. Times are seconds.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

import msgspec

SPANS: Final = "a time such as 2h, 90m, 1h30m or 45s, or a number of seconds"
CLOCKS: Final = "a time of day such as 06:00, or a day and a time such as 2026-11-28T06:00"
_SPAN: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_SECONDS: Final = (86_400, 3600, 60, 1)
# What is on the wire is given so many answer times to come in before the end.
ANSWERS: Final = 2.0
LEAST: Final = 2.0  # and some seconds in any case: what is recorded must be on disk, too


def seconds_of(span: str | float) -> float | None:
    """Return how long a span is that was written as 1h30m; None for what is none."""
    if isinstance(span, int | float):
        return float(span)
    text = span.replace(" ", "").lower()
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return float(text) or None
    found = _SPAN.fullmatch(text)
    if found is None or not text:
        return None
    return sum(int(n or 0) * one for n, one in zip(found.groups(), _SECONDS, strict=True)) or None


def clock_time(text: str) -> time | datetime | None:
    """Return a time of day, or a moment, as it was written; None for what is neither."""
    for read in (time.fromisoformat, datetime.fromisoformat):
        try:
            found = read(text)
        except ValueError:
            continue
        # A day alone would mean its first moment, which is hardly what somebody meant by it.
        return found if ":" in text else None
    return None


def next_moment(said: time | datetime, now: datetime) -> float:
    """Return the moment that is meant, in seconds since the epoch: of a time of day the next one.

    ``now`` has a zone, or is of this machine's: that of a moment far ahead may be another offset.
    Raises ``ValueError`` or ``OverflowError`` for one that no calendar has.
    """
    if isinstance(said, datetime):
        return (said if said.tzinfo else said.replace(tzinfo=now.tzinfo)).timestamp()
    here = now.astimezone(said.tzinfo) if said.tzinfo else now
    today = datetime.combine(here.date(), said, here.tzinfo)
    # An hour that comes twice, as the clock is set back, is meant as long as it is to come.
    either = (today.timestamp(), today.replace(fold=1).timestamp())
    ahead = (one for one in either if one > now.timestamp())
    return next(ahead, (today + timedelta(days=1)).timestamp())


class Deadline(msgspec.Struct, frozen=True):
    """How long a session may send, and by when it has to end; None: as long as it takes."""

    send_for: float | None = None  # from its beginning; what is on the wire then may finish
    end_by: float | None = None  # seconds since the epoch; nothing may go on then

    def passed(self, elapsed: float, now: float, answer_seconds: float | None) -> str | None:
        """Return why nothing more is to be sent, if an answer takes so long; None if it is."""
        if self.send_for is not None and elapsed >= self.send_for:
            return "--max-duration is over"
        if self.over(now):
            return "--finish-by has passed"
        early = max(LEAST, ANSWERS * (answer_seconds or 0))
        if self.end_by is not None and now >= self.end_by - early:
            return "--finish-by is near"
        return None

    def over(self, now: float) -> bool:
        """Return whether even what is on the wire is to be given up."""
        return self.end_by is not None and now >= self.end_by
