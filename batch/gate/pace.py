"""How often calls may go where a gateway was seen to count them: one at a time, evenly.

Nobody declares this rate. Calls that go evenly need no bucket at the gateway, however shallow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from batch.adapt.load import Load
from batch.gate.holdups import Holdup
from batch.gate.waits import Bell, Waiter

# Timers fire late. What was lost by it is made up for, as long as it is no more than that.
LATE_SECONDS: Final = 0.01


class Pace:
    """The next call's time."""

    __slots__ = ("_bell", "_clock", "_due", "_held", "_load")

    def __init__(self, load: Load, clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._bell = Bell()
        self._due = -math.inf  # when the next call may go
        self._held = False  # the next call has waited for its time

    @property
    def rate(self) -> float | None:
        """Return the calls a second, or None if there is no pace."""
        search = self._load.pace
        return None if search is None else search.size

    def free(self, now: float) -> bool:
        """Return whether a call may go at once."""
        return self._due <= now or self._load.pace is None

    async def passed(self, waiter: Waiter) -> None:
        """Wait until the next call may go."""
        while (rate := self.rate) is not None and (left := self._due - self._clock()) > 0:
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
        self._due = max(self._due, self._clock() - LATE_SECONDS) + 1 / search.size

    def renew(self) -> None:
        """Take note that a call which has had its time goes only now, after another wait.

        Without this, it and the next one would be sent together.
        """
        search = self._load.pace
        if search is not None:
            self._due = max(self._due, self._clock() - LATE_SECONDS + 1 / search.size)

    def look(self) -> None:
        """Wake who waits, after the pace has become another."""
        self._bell.ring()
