"""Ends answers whose whole time is over: one timer for all that have the same time."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Endable(Protocol):
    """What can be told that its time is over."""

    def fail(self, error: Exception) -> None:
        """Raise this in whoever waits for it."""
        ...


class Deadlines:
    """The deadlines of answers that are each given ``seconds``; the first to start ends first."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._ends: dict[Endable, float] = {}  # when, in the order of the starts
        self._timer: asyncio.TimerHandle | None = None

    def start(self, one: Endable) -> None:
        """Fail it unless it is left within its time."""
        end = self._loop.time() + self._seconds
        self._ends[one] = end
        if self._timer is None:
            self._timer = self._loop.call_at(end, self._look)

    def leave(self, one: Endable) -> None:
        """Let it be: it has come whole, or nobody waits for it."""
        self._ends.pop(one, None)

    def _look(self) -> None:
        now = self._loop.time()
        self._timer = None
        for one, end in list(self._ends.items()):
            if end > now:
                self._timer = self._loop.call_at(end, self._look)
                return
            del self._ends[one]
            one.fail(TimeoutError())
