"""Hands out units of work: reads on only as far as somebody needs, and keeps the keys' lines apart.

Workers of one lane take from its own bounded queue. Whoever finds its queue empty reads the inputs
on until a line of its own turns up; what belongs to others goes into their queues on the way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from batch.errors import Blocked
from batch.records import BadLine, Row

QUEUE_ROWS: Final = 2000  # lines that wait in one queue, at most
READ_AT_ONCE: Final = 200  # lines read before others get their turn
Unit: TypeAlias = Sequence[Row]
# None stands for a stretch of lines that need nothing: a moment to let others have their turn.
Lines: TypeAlias = Iterator[Row | BadLine | None]


class Feed:
    """The lines still to be asked, by the lane that will ask them."""

    def __init__(
        self,
        lines: Lines,
        lane_of: Callable[[str], str],
        width: int,
        new_lane: Callable[[str], None],
    ) -> None:
        self._lines = lines
        self._lane_of = lane_of
        self._width = width
        self._new_lane = new_lane
        self._queues: dict[str, deque[Row]] = {}
        self._changed = asyncio.Event()
        self._reading = False
        self.bad: deque[BadLine] = deque()
        self.exhausted = False
        self.blocked = 0  # lines read whose key, model or account is blocked: they stay pending

    async def prime(self) -> None:
        """Read up to the first line that can be asked, so that its lane comes to life."""
        while not (self.exhausted or self.bad or self._queues):
            await self._read(None)

    async def take(self, lane: str) -> Unit | None:
        """Return the next unit of a lane; empty if bad lines came up first; None at the end."""
        queue = self._queues[lane]
        while len(queue) < self._width and not self.exhausted:
            if self.bad:
                return ()
            if self._reading or self._full():
                if queue and not self._reading:
                    break
                self._changed.clear()
                await self._changed.wait()
            else:
                await self._read(queue)
        if not queue:
            return () if self.bad else None
        unit = self._unit(queue)
        if len(queue) + len(unit) >= QUEUE_ROWS:
            self._changed.set()
        return unit

    def _unit(self, queue: deque[Row]) -> list[Row]:
        """Take the first line, and those that can be asked together with it."""
        unit = [queue.popleft()]
        if self._width == 1 or not unit[0].pack_key:
            return unit
        others: deque[Row] = deque()
        while queue and len(unit) < self._width:
            row = queue.popleft()
            (unit if _together(row, unit[0]) else others).append(row)
        queue.extendleft(reversed(others))
        return unit

    def stop(self) -> None:
        """Hand out nothing more."""
        self.exhausted = True
        for queue in self._queues.values():
            queue.clear()
        self._changed.set()

    def _full(self) -> bool:
        return any(len(queue) >= QUEUE_ROWS for queue in self._queues.values())

    async def _read(self, wanted: deque[Row] | None) -> None:
        """Read on until the wanted queue has a unit, another one is full, or the inputs end."""
        self._reading = True
        count = 0
        try:
            for line in self._lines:
                count += 1
                if line is not None:
                    self._sort(line)
                if self.bad or wanted is None or len(wanted) >= self._width or self._full():
                    return
                if line is None or count % READ_AT_ONCE == 0:
                    await asyncio.sleep(0)
                if self.exhausted:
                    return
            self.exhausted = True
        finally:
            self._reading = False
            self._changed.set()

    def _sort(self, line: Row | BadLine) -> None:
        if isinstance(line, BadLine):
            self.bad.append(line)
            return
        try:
            lane = self._lane_of(line.model)
        except Blocked:
            self.blocked += 1
            return
        queue = self._queues.get(lane)
        if queue is None:
            queue = self._queues[lane] = deque()
            self._new_lane(lane)
        queue.append(line)


def _together(one: Row, other: Row) -> bool:
    """Return whether one request may ask both lines."""
    return (one.pack_key, one.format, one.model, one.path) == (
        other.pack_key,
        other.format,
        other.model,
        other.path,
    )
