"""What was submitted and takes its time: how far each task is, by the clock and the dials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from batch.errors import BadUsage
from batch.mock import chance
from batch.mock.dials import Dials

REMEMBERED: Final = 100_000  # tasks, the latest ones


class Task(msgspec.Struct, frozen=True):
    """One task as it stands at the moment when somebody asks."""

    id: str
    facts: Mapping[str, Any]  # what its twin wants to know again
    progress: int  # percent
    failed: bool  # in the end: while the progress is below 100, nobody can know

    @property
    def done(self) -> bool:
        """Return whether it has ended, well or not."""
        return self.progress >= 100


class Tasks:
    """All tasks of one gateway."""

    def __init__(self, dials: Dials, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.turn(dials)
        # When each began, what its twin wants to know again, and the dials of that time.
        self._begun: dict[str, tuple[float, Mapping[str, Any], Dials]] = {}

    def turn(self, dials: Dials) -> None:
        """Go on with other dials; what has begun goes on as it would have."""
        if dials.task_ms < 0 or not 0 <= dials.task_fail <= 1:
            raise BadUsage("a task takes no negative time, and the share that fails is 0 to 1")
        self._dials = dials

    @property
    def hint_ms(self) -> float | None:
        """Return when the gateway would like to be asked again, in milliseconds, if it says so."""
        return self._dials.task_hint_ms

    @property
    def film_bytes(self) -> int:
        """Return how large a film is that the gateway itself gives out."""
        return self._dials.file_bytes

    def begin(self, task_id: str, facts: Mapping[str, Any]) -> Task:
        """Begin a task of this id."""
        self._begun[task_id] = (self._clock(), facts, self._dials)
        if len(self._begun) > REMEMBERED:
            del self._begun[next(iter(self._begun))]
        return self._task(task_id)

    def find(self, task_id: str) -> Task | None:
        """Return a task as it stands now, or None if nobody submitted it."""
        return self._task(task_id) if task_id in self._begun else None

    def fails(self, task_id: str) -> bool:
        """Return whether a task of this id will fail: known to nobody but the dice."""
        return _fails(task_id, self._dials)

    def _task(self, task_id: str) -> Task:
        since, facts, dials = self._begun[task_id]
        _, when = chance.rolls(dials.seed, task_id, 1)
        takes = dials.task_ms / 1000 * (1 + dials.latency_jitter * (2 * when - 1))
        passed = self._clock() - since
        progress = 100 if passed >= takes else int(100 * passed / takes)
        return Task(task_id, facts, progress, _fails(task_id, dials))


def _fails(task_id: str, dials: Dials) -> bool:
    return chance.rolls(dials.seed, task_id, 0)[0] < dials.task_fail
