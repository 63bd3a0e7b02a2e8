"""The workers of each lane: as many as may have a call on the wire, so that few queue for that.

While a unit rests between two tries, another worker takes the next one, so that resting holds
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

LOOK_SECONDS: Final = 1.0  # between two looks at lanes whose own workers are all busy
RESTING_AT_ONCE: Final = 2000  # units that rest while others work in their place, per lane


class Pool:
    """The workers: so many for each lane that there are always enough that do not rest.

    ``at_once`` says how many of a lane's calls may be on the wire now.
    """

    def __init__(
        self, at_once: Callable[[str], int], work: Callable[[str], Coroutine[Any, Any, None]]
    ) -> None:
        self._at_once = at_once
        self._work = work
        self._resting: dict[str, int] = {}
        self._running: dict[str, int] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None
        self.over = asyncio.Event()

    def start(self, lane: str) -> None:
        """Bring a lane to life: its first worker calls in the others."""
        self._spawn(lane)

    def call_in(self, lane: str) -> None:
        """Bring in one more worker, if there are too few: for whoever has just found work."""
        if self.beyond(lane) < 0:
            self._spawn(lane)

    def beyond(self, lane: str) -> int:
        """Return how many workers a lane has beyond those it needs: below 0, that it lacks."""
        needed = self._at_once(lane) + min(self._resting.get(lane, 0), RESTING_AT_ONCE)
        return self._running[lane] - needed

    async def keep_up(self) -> None:
        """Call in who is lacking where no worker of a lane has ended a unit to see it.

        Others' answers may widen what they share, and a line is set aside in the midst of its way.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for lane, running in list(self._running.items()):
                if running:
                    self.call_in(lane)

    @contextlib.contextmanager
    def resting(self, lane: str) -> Iterator[None]:
        """While a worker rests in this, another one works in its place."""
        self._resting[lane] = self._resting.get(lane, 0) + 1
        self.call_in(lane)
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
