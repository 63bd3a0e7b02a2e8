"""Slots on the wire: as many as the window says."""

from __future__ import annotations

import math

from batch.adapt.window import Window
from batch.bottleneck import Held
from batch.gate.holdups import Holdup
from batch.gate.waits import Bell, Waiter


class Slots:
    """Counts calls on the wire. Only one at a time waits here; the others are behind a door."""

    __slots__ = ("_bell", "alone_since", "empty", "taken", "window")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.taken = 0
        self.empty = 0  # that nobody may take for now; one call may always go
        # A call sent since then has been the only one on the wire; infinity: there is none such.
        self.alone_since = math.inf
        self._bell = Bell()

    def free(self) -> bool:
        """Return whether there is a slot."""
        return not self.taken or self.taken + self.empty < self.window.limit

    async def freed(self, waiter: Waiter) -> None:
        """Wait until there is a slot."""
        while why := self.full():
            await self._bell.wait(waiter, why)

    def full(self) -> Holdup | None:
        """Return what a call has to wait for, if there is no slot."""
        if self.free():
            return None
        limit = self.window.limit
        kind: Held = "ceiling" if limit >= self.window.ceiling else "window"
        return Holdup(kind, f"window of {limit}")

    def take(self, now: float) -> None:
        """Take a slot that is free."""
        self.taken = taken = self.taken + 1
        self.alone_since = now if taken == 1 else math.inf
        if taken >= self.window.limit:
            self.window.filled(taken)

    def give_back(self) -> None:
        """Return a slot."""
        self.taken -= 1
        self.look()

    def look(self) -> None:
        """Wake who waits for a slot, after one came free or the window changed."""
        if self._bell.awaited and self.free():
            self._bell.ring()
