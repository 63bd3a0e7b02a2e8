"""Hands out units of work: reads on only as far as somebody needs, and keeps the keys' lines apart.

Each lane has a queue, bounded in lines and in bytes. What finds its queue full goes into the spill,
and comes back from there in order, so that no lane holds up the reader for another one. The reader
goes on for whoever finds nothing of his own, and in small steps as long as there may be keys whose
lines it has not met: these would else not begin before somebody else needs more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Protocol, TypeAlias

from batch.errors import Blocked
from batch.queues import IN_HAND_BYTES, Queue, Unit, shared
from batch.records import BadLine, Row

READ_AT_ONCE: Final = 200  # lines read before others get their turn
READ_BYTES: Final = 256 << 10  # or so many bytes of bodies
LOOK_AHEAD: Final = 20  # lines read at once that nobody needs yet: some 0.5 ms
NOTHING: Final = Unit((), 0)
# None stands for a stretch of lines that need nothing: a moment to let others have their turn.
Lines: TypeAlias = Iterator[Row | BadLine | None]


class Spill(Protocol):
    """Where lines wait whose queue is full."""

    def put(self, lane: str, row: Row) -> bool:
        """Have a line wait behind all others of its lane; False if there is no room for it."""
        ...

    async def take(self, lane: str, rows: int, size: int) -> Sequence[Row]:
        """Return the next lines of a lane: so many, in so many bytes, but one at least."""
        ...


class Feed:
    """The lines still to be asked, by the lane that will ask them.

    ``lanes`` are those that are likely to have lines, and share the memory. Any lane is announced
    to ``new_lane`` with its first line.
    ``in_hand`` is how many bytes the bodies may have that are in work, those of a lane its share.
    """

    def __init__(
        self,
        lines: Lines,
        lane_of: Callable[[str], str],
        width: int,
        new_lane: Callable[[str], None],
        spill: Spill,
        lanes: Collection[str],
        in_hand: int = IN_HAND_BYTES,
    ) -> None:
        self._lines = lines
        self._lane_of = lane_of
        self._new_lane = new_lane
        self._spill = spill
        self._unmet = set(lanes)
        self._bounds = shared(len(lanes), width, in_hand)
        self._queues: dict[str, Queue] = {}
        self._by_model: dict[str, Queue] = {}
        self._held: tuple[Queue, Row] | None = None  # a line that has no room anywhere
        self._needed = asyncio.Event()
        self.bad: deque[BadLine] = deque()
        self.exhausted = False
        self.blocked = 0  # lines read whose key, model or account is blocked: they stay pending

    def at_hand(self, lane: str) -> Unit | None:
        """Return the next unit of a lane if nothing has to be read or waited for to have it."""
        queue = self._queues[lane]
        if queue.spilled or not self._ready(queue) or queue.busy:
            return None
        return self._pop(queue)

    async def take(self, lane: str) -> Unit | None:
        """Return the next unit of a lane; without lines if bad ones came up; None at the end."""
        queue = self._queues[lane]
        while True:
            if queue.spilled and not queue.refilling and queue.low:
                await self._refill(queue)
            elif self._ready(queue):
                if not queue.busy:
                    return self._pop(queue)
                await queue.ended()
            elif self.bad:
                return NOTHING
            elif self._over(queue):
                return None
            elif queue.spilled or self._wanted() or not self._read(READ_AT_ONCE, queue):
                self._needed.set()
                await queue.wait()

    async def ahead(self) -> bool:
        """Read on for whoever needs it, until bad lines come up; False at the end of all."""
        while not (self.exhausted or self.bad):
            wanted = self._wanted()
            idle = self._queues and not (wanted or self._unmet)
            if idle or not self._placed():
                self._needed.clear()
                await self._needed.wait()
                continue
            self._read(READ_AT_ONCE if wanted else LOOK_AHEAD)
            await asyncio.sleep(0)
        return bool(self.bad)

    def end(self, lane: str, unit: Unit) -> None:
        """Take note that a unit is not in work any more: its memory is free for the next."""
        self._queues[lane].end(unit)

    def waiting(self) -> dict[str, int]:
        """Return how many lines were read and not handed out, by lane."""
        return {lane: queue.waiting for lane, queue in self._queues.items()}

    def stop(self) -> None:
        """Hand out nothing more."""
        self._held = None
        for queue in self._queues.values():
            queue.clear()
        self._end()

    def _end(self) -> None:
        self.exhausted = True
        self._needed.set()
        for queue in self._queues.values():
            queue.wake_all()

    def _pop(self, queue: Queue) -> Unit:
        unit = queue.pop()
        if self._held is not None:
            self._needed.set()
        return unit

    def _ready(self, queue: Queue) -> bool:
        """Return whether a queue has a unit: a whole one, or one that will not grow."""
        if (filled := queue.filled) or not len(queue):
            return filled
        stuck = self._held is not None and self._held[0] is queue
        return stuck or self._over(queue)

    def _over(self, queue: Queue) -> bool:
        """Return whether no more lines will come into a queue."""
        return self.exhausted and not queue.spilled

    def _wanted(self) -> bool:
        """Return whether somebody waits for lines that were not read yet."""
        return any(queue.awaited and not queue.spilled for queue in self._queues.values())

    async def _refill(self, queue: Queue) -> None:
        """Get lines back from the spill."""
        rows, size = queue.room
        queue.refilling = True
        woken = 1  # should this be cancelled, somebody else has to go on
        try:
            bounds = max(1, min(READ_AT_ONCE, rows)), min(READ_BYTES, size)
            back = await self._spill.take(queue.lane, *bounds)
            if queue.spilled:  # else all was forgotten meanwhile
                queue.spilled -= len(back)
                for row in back:
                    queue.push(row)
            woken = len(back)
        finally:
            queue.refilling = False
            queue.wake(woken)
        if self._over(queue):
            queue.wake_all()

    def _read(self, most: int, wanted: Queue | None = None) -> bool:
        """Read so many lines, or until something comes up; return whether it did.

        What may come up is a unit for the wanted queue, a bad line, or the end. Once there is a
        unit, a few lines are read beyond it: to begin a reading costs as much as a line does.
        """
        if not self._placed():
            return False
        size = 0
        found = False
        for count, line in enumerate(self._lines, 1):
            if isinstance(line, Row):
                size += len(line.body)
                self._sort(line, wanted)
            elif line is not None:
                self.bad.append(line)
                return True
            if wanted is not None and not found and (wanted.filled or wanted.spilled):
                found, most = True, min(most, LOOK_AHEAD)
            if line is None or count >= most or size >= READ_BYTES or self._held is not None:
                return found
        self._end()
        return True

    def _sort(self, row: Row, wanted: Queue | None) -> None:
        queue = self._by_model.get(row.model)
        if queue is None:
            try:
                queue = self._queue(self._lane_of(row.model))
            except Blocked:
                self.blocked += 1
                return
            self._by_model[row.model] = queue
        if not self._place(queue, row, queue is wanted):
            self._held = queue, row
            queue.wake_all()

    def _queue(self, lane: str) -> Queue:
        """Return the queue of a lane, which is announced with its first line."""
        queue = self._queues.get(lane)
        if queue is None:
            queue = self._queues[lane] = Queue(lane, self._bounds)
            self._unmet.discard(lane)
            self._new_lane(lane)
        return queue

    def _placed(self) -> bool:
        """Return whether no line is held, or the one that was has found room."""
        if self._held is not None and self._place(*self._held, False):
            self._held = None
        return self._held is None

    def _place(self, queue: Queue, row: Row, wanted: bool) -> bool:
        """Put a line into its queue, or behind it. Returns whether there was room."""
        if queue.spilled or not queue.takes(row):
            if not queue.waiting and (wanted or queue.awaited):
                queue.push(row)  # whatever its size, as somebody takes it at once
            elif self._spill.put(queue.lane, row):
                queue.spilled += 1
            elif queue.waiting:
                return False
            else:
                queue.push(row)
        if not queue.refilling:
            queue.wake(1)
        return True
