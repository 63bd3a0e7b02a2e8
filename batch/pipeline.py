"""Many lines: fan out over workers, record what comes back, and end in order.

A worker delivers one unit at a time and records it without waiting for the disk; only when too many
replies wait for their commit does it wait. While a unit rests between two tries, another worker
takes the next one, so that resting holds nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import msgspec

from batch.deliver import Deliver, Halves
from batch.errors import Blocked, Halted
from batch.feed import Feed, Lines, Spill
from batch.gate.memory import Memory
from batch.halt import Halt
from batch.ledger.state import Open
from batch.records import BadLine, Fault, Result, Row, Timing
from batch.weights import of_lines

DRAIN_SECONDS: Final = 20.0  # for what is on the wire, once the run has been asked to end
RESTING_AT_ONCE: Final = 2000  # units that rest while others work in their place, per lane


class Records(Protocol):
    """Where results go."""

    def record(self, results: Sequence[Result]) -> None:
        """Write one unit's records as one group."""
        ...

    async def room(self) -> None:
        """Return when another reply may wait for its commit."""
        ...


class Flow(msgspec.Struct, frozen=True):
    """How wide the pipeline is, and what its lines need."""

    workers: int  # per lane
    lane_of: Callable[[str], str]  # model → name of the lane; raises Blocked
    lanes: Collection[str]  # all that there may be
    spill: Spill  # where lines wait of lanes that are slower than others
    width: int = 1  # lines of a unit
    memory: Memory = msgspec.field(default_factory=Memory)  # which lines in work take from
    begun: Mapping[int, Open] = {}  # what earlier sessions left of lines that did not end


class Backlog(msgspec.Struct, frozen=True):
    """Where the lines of a pass are, by lane: a lane's name stands for a key and its models."""

    ended: Mapping[str, int]  # recorded
    begun: Mapping[str, int]  # read and not ended, those in work among them
    unsent: bool  # lines are left that no worker has taken
    exhausted: bool  # the inputs are read to their end
    resting: int  # units that wait for their task, or before they are asked again


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
        resting = min(self._resting.get(lane, 0), RESTING_AT_ONCE)
        return self._running[lane] > self._wanted + resting

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


class Pipeline:
    """One pass over the lines still to be asked."""

    def __init__(self, flow: Flow, records: Records, halt: Halt) -> None:
        self._flow = flow
        self._records = records
        self._halt = halt
        self._pool = Pool(flow.workers, self._work)
        self._feed: Feed
        self._deliver: Deliver
        self._in_hand: Counter[str] = Counter()  # lines that workers have taken, by lane
        self._ended: Counter[str] = Counter()  # lines that were recorded, by lane
        self.blocked = 0  # lines left pending because key, model or account is hopeless

    async def run(self, lines: Lines, deliver: Deliver) -> None:
        """Deliver every line, or as many as can be. Raises what broke a worker."""
        flow, pool = self._flow, self._pool
        self._deliver = deliver
        to = flow.lane_of, flow.width, pool.start, flow.spill, flow.lanes
        self._feed = feed = Feed(lines, *to, flow.memory.for_lines)
        self._halt.listen(feed.stop)
        pool.join(self._read_ahead())
        halted = asyncio.ensure_future(self._halt.wait())
        over = asyncio.ensure_future(pool.over.wait())
        try:
            await asyncio.wait({over, halted}, return_when=asyncio.FIRST_COMPLETED)
            if halted.done() and pool.tasks:
                await self._drain()
        finally:
            over.cancel()
            halted.cancel()
            await pool.stop()
        self.blocked += feed.blocked
        if pool.failure is not None:
            raise pool.failure

    def resting(self, lane: str) -> AbstractContextManager[None]:
        """While one of a lane's units rests in this, another one is worked on in its place."""
        return self._pool.resting(lane)

    def backlog(self) -> Backlog:
        """Return where the lines are."""
        waiting = self._feed.waiting()
        lanes = waiting.keys() | self._in_hand.keys()
        return Backlog(
            ended=dict(self._ended),
            begun={lane: waiting.get(lane, 0) + self._in_hand[lane] for lane in lanes},
            unsent=not self._feed.exhausted or any(waiting.values()),
            exhausted=self._feed.exhausted,
            resting=self._pool.at_rest,
        )

    async def _read_ahead(self) -> None:
        while self._halt.reason is None and await self._feed.ahead():
            await self._record_bad()

    async def _work(self, lane: str) -> None:
        while self._halt.reason is None and not self._pool.surplus(lane):
            if not await self._work_once(lane):
                return

    async def _work_once(self, lane: str) -> bool:
        """Take a unit, and deliver it; return whether there may be another one."""
        unit = await self._feed.take(lane)
        if self._feed.bad:
            await self._record_bad()
        if unit:
            self._in_hand[lane] += len(unit)
            if weight := of_lines(sum(len(row.body) for row in unit)):
                self._flow.memory.carry(weight)
            await self._deliver_unit(lane, unit)
            if weight:
                self._flow.memory.put_down(weight)
                self._feed.end(lane, unit)
            self._in_hand[lane] -= len(unit)
        return unit is not None

    async def _deliver_unit(self, lane: str, unit: Sequence[Row]) -> None:
        """Deliver and record. A refused pack is halved until the line to blame stands alone."""
        begun = self._flow.begun.get(unit[0].ordinal) if len(unit) == 1 else None
        units: list[tuple[Sequence[Row], Open | None]] = [(unit, begun)]
        while units:
            rows, begun = units.pop()
            try:
                outcome = await self._deliver(rows, begun)
            except Blocked:
                self.blocked += len(rows)
                continue
            except Halted:
                return
            if isinstance(outcome, Halves):
                units.extend((half, Open(attempts=outcome.attempts)) for half in outcome.units)
                continue
            self._records.record(outcome)
            self._ended[lane] += len(outcome)

    async def _record_bad(self) -> None:
        bad = self._feed.bad
        while bad:
            self._records.record([bad_result(bad.popleft())])
            await self._records.room()

    async def _drain(self) -> None:
        """Let what is on the wire finish, for a bounded time."""
        hurried = asyncio.ensure_future(self._halt.hurried())
        over = asyncio.ensure_future(self._pool.over.wait())
        await asyncio.wait(
            {hurried, over}, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        over.cancel()


def bad_result(line: BadLine) -> Result:
    """Return the error record of a line that asks nothing."""
    return Result(
        ordinal=line.ordinal,
        sum=line.sum,
        custom_id=line.custom_id,
        model="",
        endpoint="",
        key=None,
        timing=Timing(0.0, 0, 0),
        outcome=Fault(line.code, f"{line.where}: {line.message}"),
    )
