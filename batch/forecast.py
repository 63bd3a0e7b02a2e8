"""How long a run will take yet: as long as the key whose lines take longest at their own rate.

A rule: counts and times are handed in. A run whose fast keys do a hundred lines a second still
takes hours if ten thousand lines wait for a key that does one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec

MARK_SECONDS: Final = 5.0  # between two counts that are kept
MARKS: Final = 121  # kept: ten minutes' worth
RECENT_SECONDS: Final = 60.0  # a rate is that of the last minute,
ENOUGH: Final = 20  # or of so much longer as it takes for so many lines to end
SHORTEST: Final = 1.0  # seconds that tell anything of a rate


class Load(msgspec.Struct, frozen=True):
    """One key's lines, as far as they have been read."""

    ended: int  # since the process began
    waiting: int  # not ended: those on the wire and those that rest among them
    rate: float | None  # lines a second; None: not known
    read: float | None = None  # lines a second that are read for it


class Forecast(msgspec.Struct, frozen=True):
    """How long it will take, and whose lines take that long."""

    seconds: float
    last: str  # the name that the load has


class Speed:
    """How fast something was counted lately. Times in seconds, of any clock."""

    __slots__ = ("_count", "_marks", "_now")

    def __init__(self, now: float, count: int) -> None:
        self._now, self._count = now, count
        self._marks = deque([(now, count)], maxlen=MARKS)

    def note(self, now: float, count: int) -> None:
        """Take note of a count."""
        self._now, self._count = now, count
        if now - self._marks[-1][0] >= MARK_SECONDS:
            self._marks.append((now, count))

    def rate(self) -> float | None:
        """Return how many a second, or None if that cannot be told yet."""
        seconds, more = 0.0, 0
        for at, count in reversed(self._marks):
            seconds, more = self._now - at, self._count - count
            if seconds >= RECENT_SECONDS and more >= ENOUGH:
                break
        return more / seconds if more > 0 and seconds >= SHORTEST else None


def forecast(loads: Mapping[str, Load], unread: int) -> Forecast | None:
    """Return how long it will take yet, or None if no rate is known.

    What is not read yet is taken to be for the same keys as what was read lately. A key of unknown
    rate is left out as long as there are others.
    """
    read = {name: load.read or 0.0 for name, load in loads.items()}
    if not any(read.values()):
        read = {name: load.ended + load.waiting for name, load in loads.items()}
    share = unread / (sum(read.values()) or 1.0)
    times = {
        name: (load.waiting + share * read[name]) / load.rate
        for name, load in loads.items()
        if load.rate is not None
    }
    if not times:
        return None
    last = max(times, key=times.__getitem__)
    return Forecast(times[last], last)
