"""When a scope may go on after it was told to wait: one time for all, not one for each worker."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from batch.gate.holdups import Holdup
from batch.gate.waits import Bell, Waiter

LONGEST: Final = 60.0  # seconds of a pause that nobody asked for
# Such pauses are shorter by different parts, lest two clients, or one and the rhythm in which a
# gateway has room, come to knock at the same moments for ever.
SHORTER: Final = 0.4  # at the most
GOLDEN: Final = (5**0.5 - 1) / 2  # its multiples' fractions are spread evenly, in no pattern


class Schedule:
    """One pause for everybody under the same limit. Times in seconds."""

    __slots__ = (
        "_asked_until",
        "_before_at",
        "_bell",
        "_clock",
        "_held_at",
        "_parts",
        "_pause",
        "_trip",
        "_why",
        "until",
    )

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._bell = Bell()
        self._held_at = -math.inf  # when the last pause began
        self._before_at = -math.inf  # when the one before it did
        self._asked_until = -math.inf
        self._pause = 0.0  # the last one that nobody asked for, before it was made shorter
        self._trip = 0.0  # what it is at the least
        self._parts = 0.0
        self._why: Holdup | None = None
        self.until = -math.inf

    def rejected(self, sent_at: float, asked: float | None, trip: float) -> bool:
        """Pause after a rejection: as long as asked, else about ``trip``, next time twice that.

        Returns whether it is news. Of calls that were sent before the last pause began and are
        rejected in it, none is; it moves the pause only if it asks for more.
        """
        fresh = sent_at >= self._held_at
        if asked:
            self.asked(asked)
        elif fresh:
            self._pause = min(max(2 * self._pause, trip), LONGEST)
            self._trip = trip
            self._parts = (self._parts + GOLDEN) % 1
            pause = self._pause * (1 - SHORTER * self._parts)
            why = f"pause of {pause:.1f} s after a rate limit"
            self.hold(pause, Holdup("gateway", why))
        return fresh

    def asked(self, seconds: float) -> None:
        """Pause for as long as the gateway asked."""
        self._asked_until = max(self._asked_until, self._clock() + seconds)
        self.hold(seconds, Holdup("gateway", f"gateway asked for {seconds:.0f} s"))

    def hold(self, seconds: float, why: Holdup) -> None:
        """Let nobody through for some time from now on; a pause that is longer stays as it is."""
        now = self._clock()
        if now + seconds > self.until:
            if self.is_open():
                self._before_at = self._held_at
            self.until = now + seconds
            self._held_at = now
            self._why = why

    def answered(self, sent_at: float) -> None:
        """Take note of an answer: the next pause that nobody asked for is short again.

        What was sent before a pause says nothing of whether it has helped, but of whether the one
        before it had. Where many go at once, some are rejected before the others are answered; the
        pauses would grow as if nobody ever was.
        """
        if sent_at >= self._held_at:
            self._pause = 0.0
        elif sent_at >= self._before_at:
            self._pause = min(self._pause, self._trip)

    def resume(self) -> None:
        """End now a pause that nobody asked for."""
        self.until = self._asked_until
        self._bell.ring()

    def is_open(self) -> bool:
        """Return whether nobody needs to wait."""
        return self.until <= self._clock()

    async def passed(self, waiter: Waiter) -> None:
        """Wait until nobody needs to; the pause may be moved meanwhile."""
        while (left := self.until - self._clock()) > 0:
            await self._bell.wait(waiter, self._why, left)
