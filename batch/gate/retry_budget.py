"""How many retries an account is burdened with: about a tenth of what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from batch.errors import Halted
from batch.gate.waits import Bell, Door, Waiter

PER_ANSWER: Final = 0.1  # retries that each answer allows
PER_SECOND: Final = 1.0  # and time alone, so that a budget never runs dry for good
FIRST: Final = 10.0
MOST: Final = 100.0


class RetryBudget:
    """A bucket of retries. An empty one delays; it never fails a line."""

    __slots__ = ("_at", "_bell", "_clock", "_door", "_halted", "_level", "_waiting")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._level = FIRST
        self._at: float | None = None  # when the level was brought up to date
        self._door = Door()
        self._bell = Bell()
        self._halted = False
        self._waiting: dict[Waiter, None] = {}  # in the order they came

    def earn(self) -> None:
        """Take note of an answer."""
        if self._level < MOST:
            self._level += PER_ANSWER
        if self._waiting and self._level >= 1:
            self._bell.ring()

    async def take(self) -> None:
        """Take one retry, in order of arrival; wait for it while there is none."""
        if self._halted:
            raise Halted("the run is ending")
        waiter = Waiter()
        self._waiting[waiter] = None
        try:
            await self._door.enter(waiter)
            try:
                while (short := 1 - self._now()) > 0:
                    await self._bell.wait(waiter, None, short / PER_SECOND)
                self._level -= 1
            finally:
                self._door.leave()
        finally:
            del self._waiting[waiter]

    def halt(self) -> None:
        """Send away everybody who waits, and whoever comes."""
        self._halted = True
        for waiter in self._waiting:
            waiter.send_away(Halted("the run is ending"))

    def _now(self) -> float:
        """Bring the level up to date."""
        now = self._clock()
        if self._at is not None:
            self._level = min(self._level + (now - self._at) * PER_SECOND, MOST)
        self._at = now
        return self._level
