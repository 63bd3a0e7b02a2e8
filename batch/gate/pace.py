"""How often calls may go where a gateway was seen to count them: one at a time, evenly.

Nobody declares this rate. Calls that go evenly need no bucket at the gateway, however shallow.
Where there turned out to be one, each goes later than that by another part of some hundredths of a
second, so that now and then a few go together: `batch/adapt/spread.py` says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from batch.adapt.load import Load
from batch.gate.holdups import Holdup
from batch.gate.waits import Bell, Waiter

# Timers fire late. What was lost by it is made up for, as long as it is no more than that.
LATE_SECONDS: Final = 0.01
SPREAD_SECONDS: Final = 0.012  # by up to which calls go later than evenly, where they do
SPREAD: Final = 0.5  # the same as a part of the time between two calls, if that is more
GOLDEN: Final = (5**0.5 - 1) / 2  # its multiples' fractions are spread evenly, in no pattern


class Pace:
    """The next call's time."""

    __slots__ = ("_at", "_bell", "_clock", "_due", "_held", "_load", "_part")

    def __init__(self, load: Load, clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._bell = Bell()
        self._due = self._at = 0.0  # the next call's even time, and when it may go
        self._part = 0.0  # of the spread
        self._held = False  # the next call has waited for its time

    @property
    def rate(self) -> float | None:
        """Return the calls a second, or None if there is no pace."""
        search = self._load.pace
        return None if search is None else search.size

    def free(self, now: float) -> bool:
        """Return whether a call may go at once."""
        return self._at <= now or self._load.pace is None

    async def passed(self, waiter: Waiter) -> None:
        """Wait until the next call may go."""
        while (rate := self.rate) is not None and (left := self._at - self._clock()) > 0:
            self._held = True
            why = Holdup("gateway", f"gateway takes about {rate:,.1f} requests/s")
            await self._bell.wait(waiter, why, left)

    def take(self, in_flight: int) -> None:
        """Take note that a call goes now, with so many on the wire."""
        search = self._load.pace
        if search is None:
            return
        if self._held:
            self._held = False
            search.filled(in_flight)
        self._move(1 / search.size)

    def renew(self) -> None:
        """Take note that a call which has had its time goes only now, after another wait.

        Without this, it and the next one would be sent together.
        """
        search = self._load.pace
        if search is not None:
            apart = 1 / search.size
            self._due -= apart
            self._move(apart)

    def _move(self, apart: float) -> None:
        """Move on to the next call's time."""
        spread = max(SPREAD * apart, SPREAD_SECONDS) if self._load.spread.on else 0.0
        # A call that goes with one before it is not late for that.
        self._due = max(self._due, self._clock() - LATE_SECONDS - spread) + apart
        self._part = (self._part + GOLDEN) % 1
        self._at = self._due + spread * self._part

    def look(self) -> None:
        """Wake who waits, after the pace has become another."""
        self._bell.ring()
