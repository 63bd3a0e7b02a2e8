"""The two ways in which a gateway counts what it admits: a bucket, or windows of time.

Times are handed in. A bucket admits at most ``burst + rate * t`` over any span ``t``; a count over
fixed windows admits twice its allowance around the end of one.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

_MINUTE: Final = 60.0


class Meter(Protocol):
    """Counts what was admitted. Units; times in seconds."""

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much would be admitted: 0 if now, infinity if never."""
        ...

    def take(self, amount: float) -> None:
        """Take what ``wait`` has just admitted."""
        ...

    def scale(self, factor: float, now: float) -> None:
        """Go on with the declared limit times a factor."""
        ...

    def left(self) -> tuple[float, float]:
        """Return what could be taken at the time of the last call, and when all of it is back."""
        ...


class Bucket:
    """A token bucket, full at the start."""

    __slots__ = ("_at", "_burst", "_declared", "_level", "_rate")

    def __init__(self, per_minute: float, burst: float | None, now: float) -> None:
        """Take a rate in units a minute, and a depth in units: by default a minute's worth."""
        self._declared = per_minute / _MINUTE, per_minute if burst is None else burst
        self._rate, self._burst = self._declared
        self._level = self._burst
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much would be admitted: 0 if now, infinity if never."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if amount <= self._level:
            return 0.0
        return math.inf if amount > self._burst else (amount - self._level) / self._rate

    def take(self, amount: float) -> None:
        """Take what ``wait`` has just admitted, or all there is."""
        self._level = max(0.0, self._level - amount)

    def scale(self, factor: float, now: float) -> None:
        """Fill and hold so many times as fast and as much; what is in it stays."""
        self.wait(0, now)
        self._rate, self._burst = (factor * one for one in self._declared)
        self._level = min(self._level, self._burst)

    def left(self) -> tuple[float, float]:
        """Return the level, and the seconds until it is full."""
        return self._level, (self._burst - self._level) / self._rate


class Count:
    """A count that begins anew with each window of time; the first begins with the count."""

    __slots__ = ("_allowance", "_at", "_declared", "_seconds", "_start", "_taken")

    def __init__(self, per_minute: float, seconds: float, now: float) -> None:
        """Take a rate in units a minute, and the length of a window in seconds."""
        self._allowance = self._declared = per_minute * seconds / _MINUTE
        self._seconds = seconds
        self._start = self._at = now
        self._taken = 0.0

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much would be admitted: 0 if now, infinity if never."""
        self._at = now
        if (windows := (now - self._start) // self._seconds) > 0:
            self._start += windows * self._seconds
            self._taken = 0.0
        if self._taken + amount <= self._allowance:
            return 0.0
        return math.inf if amount > self._allowance else self._start + self._seconds - now

    def take(self, amount: float) -> None:
        """Take what ``wait`` has just admitted, or all there is."""
        self._taken = min(self._allowance, self._taken + amount)

    def scale(self, factor: float, now: float) -> None:
        """Allow so many times as much in a window, in this one as well."""
        self.wait(0, now)
        self._allowance = factor * self._declared

    def left(self) -> tuple[float, float]:
        """Return what is left of this window, in units and in seconds."""
        return max(0.0, self._allowance - self._taken), self._start + self._seconds - self._at
