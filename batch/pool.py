"""The workers of each lane.

While a unit rests between two tries, another worker takes the next one, so that resting holds
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

RESTING_AT_ONCE: Final = 2000  # units that rest while others work in their place, per lane


class Pool:
    """The workers: so many for each lane that there are always enough that do not rest."""

    def __init__(self, workers: int, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        self._wanted = workers
        self._work = work
        self._resting: dict[str, int] = {}
        self._running: dict[str, int] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None
        self.over = asyncio.Event()

    def start(self, lane: str) -> None:
        """Bring a lane to life."""
        for _ in range(self._wanted):
            self._spawn(lane)

    def surplus(self, lane: str) -> bool:
        """Return whether a lane has more workers than it needs."""
        more = self._running[lane] - self._wanted
        return more > 0 and more > min(self._resting.get(lane, 0), RESTING_AT_ONCE)

    @contextlib.contextmanager
    def resting(self, lane: str) -> Iterator[None]:
        """While a worker rests in this, another one works in its place."""
        self._resting[lane] = self._resting.get(lane, 0) + 1
        if self._resting[lane] <= RESTING_AT_ONCE:
            self._spawn(lane)
        try:
            yield
        finally:
            self._resting[lane] -= 1

    @property
    def at_rest(self) -> int:
        """Return how many units rest."""
        return sum(self._resting.values())

    def join(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that belongs to the same end: they are over when it is, too."""
        self._add(work, "joined")

    async def stop(self) -> None:
        """Cancel every worker, and return when they are gone."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, lane: str) -> None:
        self._running[lane] = self._running.get(lane, 0) + 1
        self._add(self._live(lane), lane)

    def _add(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    async def _live(self, lane: str) -> None:
        """Count a worker out in the step in which it leaves, so that not too many leave at once."""
        try:
            await self._work(lane)
        finally:
            self._running[lane] -= 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and self.failure is None:
            self.failure = failure
        if not self.tasks or self.failure is not None:
            self.over.set()
