"""Many lines: fan out over workers, record what comes back, and end in order.

A worker delivers one unit at a time and records it without waiting for the disk; only when too many
replies wait for their commit does it wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, TypeVar

import msgspec

from batch.deliver import Deliver, Halves
from batch.errors import Blocked, Halted, Refusal
from batch.feed import Feed, Lines, Spill
from batch.gate.memory import Memory
from batch.halt import Halt
from batch.ledger.state import Open
from batch.pool import Pool
from batch.records import BadLine, Fault, Result, Row, Timing

DRAIN_SECONDS: Final = 20.0  # for what is on the wire, once the run has been asked to end

T = TypeVar("T")


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

    at_once: Callable[[str], int]  # how many calls of a lane may be on the wire now
    lane_of: Callable[[str], str]  # model → name of the lane; raises Blocked
    lanes: Collection[str]  # those that are likely to have lines
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
    resting: int  # units that wait for their task, or before they are asked again, or for the disk


class Pipeline:
    """One pass over the lines still to be asked."""

    def __init__(
        self,
        flow: Flow,
        records: Records,
        halt: Halt,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        """``say`` tells people what takes long."""
        self._flow = flow
        self._records = records
        self._halt = halt
        self._say = say
        self._refused: Refusal | None = None  # what the inputs said, if no more can be had of them
        self._pool = Pool(flow.at_once, self._work)
        self._feed: Feed
        self._deliver: Deliver
        self._in_hand: Counter[str] = Counter()  # lines that workers have taken, by lane
        self._ended: Counter[str] = Counter()  # lines that were recorded, by lane
        self.blocked = 0  # lines left pending because key, model or account is hopeless

    async def run(self, lines: Lines, deliver: Deliver) -> None:
        """Deliver every line, or as many as can be. Raises what broke a worker, or the inputs."""
        flow, pool = self._flow, self._pool
        self._deliver = deliver
        to = flow.lane_of, flow.width, pool.start, flow.spill, flow.lanes
        self._feed = feed = Feed(lines, *to, flow.memory.for_lines)
        self._halt.listen(feed.stop)
        pool.join(self._read_ahead())
        halted = asyncio.ensure_future(self._halt.wait())
        over = asyncio.ensure_future(pool.over.wait())
        watching = asyncio.ensure_future(pool.keep_up())
        try:
            await asyncio.wait({over, halted}, return_when=asyncio.FIRST_COMPLETED)
            if halted.done() and pool.tasks:
                await self._drain()
        finally:
            for one in (over, halted, watching):
                one.cancel()
            await pool.stop()
        self.blocked += feed.blocked
        if broken := pool.failure or self._refused:
            raise broken

    def resting(self, lane: str) -> AbstractContextManager[None]:
        """While one of a lane's units rests in this, another one is worked on in its place."""
        return self._pool.resting(lane)

    @property
    def unsent(self) -> bool:
        """Return whether lines are left that no worker has taken."""
        return not self._feed.exhausted or any(self._feed.waiting().values())

    def backlog(self) -> Backlog:
        """Return where the lines are."""
        waiting = self._feed.waiting()
        lanes = waiting.keys() | self._in_hand.keys()
        return Backlog(
            ended=dict(self._ended),
            begun={lane: waiting.get(lane, 0) + self._in_hand[lane] for lane in lanes},
            unsent=self.unsent,
            exhausted=self._feed.exhausted,
            resting=self._pool.at_rest,
        )

    async def _read_ahead(self) -> None:
        while self._halt.reason is None and await self._had(self._feed.ahead()):
            await self._record_bad()

    async def _had(self, wanted: Coroutine[Any, Any, T]) -> T | None:
        """Return what is wanted of the inputs; None if they refuse, which ends the run.

        It ends in order: what is on the wire may be paid.
        """
        try:
            return await wanted
        except Refusal as refusal:
            if self._refused is None:
                self._refused = refusal
                self._say(f"{refusal} Sending no more, and waiting for answers under way")
                self._halt.request(str(refusal), patient=True)
            return None

    async def _work(self, lane: str) -> None:
        """Take one unit after the other, and deliver it."""
        feed, in_hand = self._feed, self._in_hand
        while self._halt.reason is None and (beyond := self._pool.beyond(lane)) <= 0:
            unit = feed.at_hand(lane) or await self._had(feed.take(lane))
            if feed.bad:
                await self._record_bad()
            if unit is None:
                return
            if unit.rows:
                if beyond < 0:
                    self._pool.call_in(lane)
                in_hand[lane] += len(unit.rows)
                if unit.weight:
                    self._flow.memory.carry(unit.weight)
                await self._deliver_unit(lane, unit.rows)
                if unit.weight:
                    self._flow.memory.put_down(unit.weight)
                    feed.end(lane, unit)
                in_hand[lane] -= len(unit.rows)
                # What answers need done is other code than what sends the next lines: many of the
                # one in a row, then many of the other, and a processor's caches hold each of them.
                # And of a key that is closed no line waits for anything.
                await asyncio.sleep(0)

    async def _deliver_unit(self, lane: str, rows: Sequence[Row]) -> None:
        """Deliver and record. A refused pack is halved until the line to blame stands alone."""
        begun = self._begun(rows[0]) if self._flow.begun and len(rows) == 1 else None
        units: list[tuple[Sequence[Row], Open | None, Mapping[str, int]]]
        units = [(rows, begun, {})]
        while units:
            rows, begun, repeats = units.pop()
            try:
                outcome = await self._deliver(rows, begun, repeats)
            except Blocked:
                self.blocked += len(rows)
                continue
            except Halted:
                return
            if isinstance(outcome, Halves):
                first, second = outcome.units
                so_far = Open(attempts=outcome.attempts)
                told = msgspec.structs.replace(so_far, maybe_billed=outcome.maybe_billed)
                units += (first, told, outcome.repeats), (second, so_far, outcome.repeats)
                continue
            self._records.record(outcome)
            self._ended[lane] += len(outcome)

    def _begun(self, row: Row) -> Open | None:
        """Return what was begun of a line, if it was asked as it is now."""
        begun = self._flow.begun.get(row.ordinal)
        other = begun is not None and begun.sum not in ("", f"{row.sum:016x}")
        return None if other else begun

    async def _record_bad(self) -> None:
        bad = self._feed.bad
        while bad:
            self._records.record([bad_result(bad.popleft())])
            await self._records.room()

    async def _drain(self) -> None:
        """Let what is on the wire finish, for a bounded time once somebody presses."""
        hurried = asyncio.ensure_future(self._halt.hurried())
        over = asyncio.ensure_future(self._pool.over.wait())
        pressed = asyncio.ensure_future(self._halt.pressed())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait({hurried, over, pressed}, return_when=first)
        await asyncio.wait({hurried, over}, timeout=DRAIN_SECONDS, return_when=first)
        for one in (hurried, over, pressed):
            one.cancel()


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
