"""One unit's whole life: begin, admit, send, understand, wait and try again, until a verdict.

This is the one retry loop of the product: the transport sends once, the gate admits, the wire
format says what a reply means, and ``retry.judge`` whether to ask again. Nothing is held while a
unit waits.

Longer than other files, because the loop and what it does at each turn are read together.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from batch import weights
from batch.errors import Blocked, CallFailed, Halted, OutcomeUnknown, Refused, TaskLate
from batch.gate.lane import Lane
from batch.ledger.entries import Entry
from batch.ledger.state import Open
from batch.means import Means
from batch.records import Answer, Call, Done, Reply, Request, Result, Row, Send, State, Step, Wait
from batch.retry import Again, Block, Case, End, Past, judge, leaves_doubt, one_lines_own
from batch.script import Ask, Verdict
from batch.unit import NO_REPEATS, Unit, rejected_usage
from batch.wire import WireFormat
from batch.wire._halves import understood

GONE: Final = 410  # the status of a host that has nothing, and will not
NOT_BEGUN: Final = Open()
LAST_CALL: Final = 30.0  # seconds for a call after a task that begins when its time is nearly over


class Halves(msgspec.Struct, frozen=True):
    """A pack that was refused as a whole: each half is to be asked on its own."""

    units: tuple[tuple[Row, ...], tuple[Row, ...]]
    attempts: int
    maybe_billed: int = 0  # of these
    repeats: Mapping[str, int] = NO_REPEATS  # granted to all its lines, by name of the rule


class Deliver:
    """Delivers units, any number at a time."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self.tasks = 0  # that were submitted, and are waited for

    async def __call__(
        self,
        rows: Sequence[Row],
        begun: Open | None = None,
        repeats: Mapping[str, int] = NO_REPEATS,
    ) -> Sequence[Result] | Halves:
        """Return a record for each row. Raises Halted or Blocked if they stay pending.

        ``repeats`` were granted to these rows already, as a part of a larger pack.
        """
        means = self._means
        unit = Unit(rows, begun or NOT_BEGUN, means.clock(), repeats)
        try:
            verdict, answers = await self._verdict(unit, unit.begun.parts)
        except CallFailed as failure:
            if len(rows) > 1 and one_lines_own(failure):
                middle = len(rows) // 2
                halves = tuple(rows[:middle]), tuple(rows[middle:])
                return Halves(halves, unit.attempts, unit.maybe_billed, unit.past.repeats)
            return unit.failed(failure, unit.ended_at(means.clock(), means.now()))
        asked, last = len(answers), answers[-1]
        if asked > 1 and len(rows) > 1:
            raise TypeError("a script asks a pack once: its usage could not be divided otherwise")
        for code, usage in rejected_usage(verdict, last, asked):
            await self._kept(rows[0].model, unit.billed(asked - 1, usage, code))
        return unit.judged(verdict, last, asked, unit.ended_at(means.clock(), means.now()))

    async def _verdict(
        self, unit: Unit, on_record: Sequence[Answer]
    ) -> tuple[Verdict, Sequence[Answer]]:
        """Ask what the script wants, one request after the other, until it has its verdict.

        What is on record of it is not asked again, but for the last request: with other settings
        fewer may be enough, and what those cost stands in the journal, and in no result.
        """
        means = self._means
        step: Ask | Verdict = means.script.begin(unit.rows)
        answers: list[Answer] = []
        while isinstance(step, Ask):
            for request in step.requests:
                if len(answers) < len(on_record):
                    answers.append(on_record[len(answers)])
                    continue
                if len(answers) > len(on_record):
                    part = unit.answered_part(len(answers) - 1, answers[-1])
                    await self._kept(request.model, part)
                    means.purse.saved(unit.rows[0].ordinal)
                unit.kept = len(answers)
                answers.append(await self._ask(unit, request))
            step = means.script.more(unit.rows, answers)
        if len(answers) > len(on_record):
            return step, answers
        return await self._verdict(unit, on_record[: len(answers) - 1])

    async def _kept(self, model: str, entry: Entry) -> None:
        """Put on record what was paid. Nobody needs a slot for that: another one may have it."""
        with self._means.resting(self._means.gate.lane(model).name):
            await self._means.journal.keep(entry)

    async def _ask(self, unit: Unit, request: Request) -> Answer:
        """Have one request answered: follow it through its format's steps.

        Its answer's memory is held until its media are files.
        """
        means = self._means
        step = _first_step(means.formats[request.format], unit, request)
        if not (isinstance(step, Send) and step.call.kind == "submit"):
            await self._take_over(unit, request)
        try:
            while isinstance(step, Send) and step.call.kind == "submit":
                step = await self._exchange(unit, request, step.call, step.state)
            if not isinstance(step, Done):
                unit.since = means.clock()  # a task's own time begins when it is there
                # Who waits, or asks how far a task is, keeps nobody from submitting the next one.
                with means.resting(means.gate.lane(request.model).name), self._counted():
                    step = await self._follow(unit, request, step)
            answer, unit.state = step.answer, None
            if unit.reserved is not None:
                means.purse.answered(unit.spent(), request, answer.usage)
            return await means.media.keep(answer) if answer.blobs else answer
        finally:
            if unit.reserved is not None:
                means.purse.lost(unit.spent())
            unit.let_go()

    async def _take_over(self, unit: Unit, request: Request) -> None:
        """Count what a task may cost that an earlier session has begun, and have that on record."""
        purse, begun = self._means.purse, unit.begun
        on_record = begun.owed if begun.part == request.part else None
        unit.reserved = await purse.take_over(request, on_record)
        owed = purse.owed(unit.reserved)
        if owed != on_record:
            entry = unit.entry("task", request.part, unit.state, owed)
            await self._means.journal.keep(entry)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.tasks += 1
        try:
            yield
        finally:
            self.tasks -= 1

    async def _follow(self, unit: Unit, request: Request, step: Send | Wait) -> Done:
        """Wait, ask and fetch until what was submitted is done. Raises TaskLate at the deadline."""
        following: Step = step
        while not isinstance(following, Done):
            if isinstance(following, Wait):
                await self._wait(unit, request, following)
            try:
                async with asyncio.timeout(self._left(unit)) as limit:
                    following = await self._exchange(unit, request, following.call, following.state)
            except TimeoutError:
                if not limit.expired():
                    raise  # a disk's
                raise self._late(unit, "gave no reply") from None
        return following

    def _left(self, unit: Unit) -> float:
        """Return for how many seconds the next call may go on: until the deadline, and a moment."""
        whole = self._means.policy.task_timeout
        return max(unit.since + whole - self._means.clock(), min(LAST_CALL, whole))

    def _late(self, unit: Unit, what: str) -> TaskLate:
        return TaskLate(
            f"{unit.task_name} {what} within {self._means.policy.task_timeout:,.0f} s. It may "
            "still; to go on waiting for it: wbatch retry"
        )

    async def _wait(self, unit: Unit, request: Request, step: Wait) -> None:
        """Put on record what a crash must not lose, and rest. Raises TaskLate at the deadline."""
        means = self._means
        if step.state != unit.state:  # a poll that brought no news needs no new entry
            owed = means.purse.owed(unit.reserved)
            await means.journal.keep(unit.entry("task", request.part, step.state, owed))
            unit.state = step.state
        if means.clock() - unit.since > means.policy.task_timeout:
            raise self._late(unit, "did not end")
        # Not all at the same moment: those that were submitted together would be polled so.
        await means.sleep(step.seconds * (1 + means.policy.poll_jitter * means.chance()))

    async def _exchange(
        self, unit: Unit, request: Request, call: Call, state: State | None
    ) -> Step:
        """Put a call on the wire until it has an answer, or until asking again is pointless."""
        means = self._means
        followed = None if call.kind == "submit" else Past()
        while True:
            lane = means.gate.lane(request.model)
            unit.key = lane.key_name
            previous = unit.sent_at
            try:
                return await self._send(unit, lane, request, call, state)
            except CallFailed as failure:
                unit.let_go()
                _forget_answer(failure)
                if call.kind == "submit" and unit.reserved is not None:
                    means.purse.failed(unit.spent(), request, failure)
                if other := self._other_way(request, call, state, failure):
                    return other
                await self._settle(unit, request, call, failure)
                case = self._case(unit, lane, request.model, call, failure, previous)
                verdict = judge(means.policy, failure, followed or unit.past, case)
                if isinstance(verdict, Again):
                    means.retried(unit.rows[0].ordinal, unit.attempts, failure, verdict.wait)
            await self._obey(lane, request.model, call, verdict)

    async def _send(
        self, unit: Unit, lane: Lane, request: Request, call: Call, state: State | None
    ) -> Step:
        """Admit and send one call, and have its reply understood. The slot is held only here."""
        means = self._means
        wire = means.formats[request.format]
        gate, clock = means.gate, means.clock
        submit = call.kind == "submit"
        if submit and means.purse.limited:
            unit.reserved = await means.purse.reserve(request)
        estimate = wire.estimate(request) if submit and lane.needs_estimates else None
        held = unit.held = means.memory.held(request.model if submit else "")
        visit = gate.admit(lane, request.model, call, estimate)
        async with visit:
            sent, unknown = weights.of_call(call, unit.rows[0].body), weights.of_unknown(call)
            if held.needs(sent, unknown):
                await held.take(sent, unknown)
            # Last of all, so that a disk that stalls is not overrun by who waited in the gate.
            if means.journal.behind:
                await means.journal.room()
            gate.check(lane, request.model, call)
            noted = submit and (call.repeat == "once" or means.purse.limited)
            if submit:
                unit.sends(clock(), means.now())
                if call.repeat == "once":
                    await self._intend(unit, lane, request, call)
            sent_at = clock()
            try:
                reply = await means.transport.send(
                    call,
                    lane.secret if call.origin == "gateway" else None,
                    partial(wire.folder, request) if call.expect != "file" else None,
                    held.grew,
                    partial(self._leaves, unit) if noted else None,
                )
                step = understood(wire, request, state, reply)
            except CallFailed as failure:
                if not failure.local and call.origin == "gateway":
                    gate.failed(lane, request.model, failure, sent_at)
                raise
            except asyncio.CancelledError:
                if submit and call.repeat == "once" and not unit.left:
                    means.journal.note(unit.entry("void", request.part))
                raise
        if isinstance(step, Done):
            held.answered(weights.of_answer(step.answer))
        else:
            held.answered(0)  # beyond what came: a task's number, or where its files are
            unit.let_go()
        if call.origin == "foreign":
            return step
        usage = step.answer.usage if isinstance(step, Done) else None
        gate.answered(visit, usage, clock() - sent_at)
        return step

    def _leaves(self, unit: Unit) -> None:
        """Take note that a unit's request begins to leave: from here on it may be done."""
        unit.left = True
        self._means.purse.leaves(unit.reserved)

    async def _intend(self, unit: Unit, lane: Lane, request: Request, call: Call) -> None:
        """Put on record that work which must not be done twice is about to be asked for."""
        means = self._means
        try:
            await means.journal.keep(unit.entry("intent", request.part))
            # While the disk was waited for, the key may have been refused to somebody else.
            means.gate.check(lane, request.model, call)
        except (Halted, asyncio.CancelledError):  # nothing was sent
            means.journal.note(unit.entry("void", request.part))
            raise

    def _other_way(
        self, request: Request, call: Call, state: State | None, failure: CallFailed
    ) -> Step | None:
        """Return the step that goes round a host which gave no reply, if the format knows one."""
        if call.origin == "gateway" or failure.status is not None:
            return None
        # What may not be asked, or is too large, is so for good; any other trouble may pass.
        status = GONE if isinstance(failure, Refused) else 0
        try:
            return self._means.formats[request.format].next(request, state, Reply(status, {}, b""))
        except CallFailed:
            return None

    async def _settle(self, unit: Unit, request: Request, call: Call, failure: CallFailed) -> None:
        """Put on record what a failed attempt cost, before the unit's next send or error."""
        if call.kind != "submit":
            return
        journal, once = self._means.journal, call.repeat == "once"
        if failure.usage is not None:
            billed = unit.billed(request.part, failure.usage, failure.code)
            await self._kept(request.model, billed)
            self._means.purse.saved(unit.rows[0].ordinal)
        elif failure.doubtful or leaves_doubt(failure, once=once):
            unit.maybe_billed += 1
        if once and failure.precedes_work:
            journal.note(unit.entry("void", request.part))

    def _case(
        self,
        unit: Unit,
        lane: Lane,
        model: str,
        call: Call,
        failure: CallFailed,
        previous: float,
    ) -> Case:
        gate, now = self._means.gate, self._means.clock()
        submit = call.kind == "submit"
        if failure.scope == "model":
            answered_at = gate.model_answered_at(lane, model)
        else:
            answered_at = gate.last_answer_at(lane)
        answered = answered_at is not None and answered_at >= previous
        return Case(
            chance=self._means.chance(),
            elapsed=now - unit.since,
            once=submit and call.repeat == "once",
            safe=not submit,
            counts=submit and answered and gate.down_for(now) is None,
            trip=gate.answer_seconds or 0.0,
            hopeless=gate.hopeless(lane, model, failure),
        )

    async def _obey(self, lane: Lane, model: str, call: Call, verdict: Again | End | Block) -> None:
        """Wait for the next try, or raise what ends the unit."""
        if isinstance(verdict, End):
            raise verdict.failure
        if isinstance(verdict, Block):
            self._means.gate.block(verdict.scope, lane, model, verdict.failure)
            raise Blocked(verdict.failure.message)
        if not verdict.budgeted and not verdict.wait:
            return
        # Whoever polls or fetches rests already.
        rest = self._means.resting(lane.name) if call.kind == "submit" else contextlib.nullcontext()
        with rest:
            if verdict.budgeted:
                await self._means.gate.retry_budget(lane)
            await self._means.sleep(verdict.wait)


def _forget_answer(failure: CallFailed) -> None:
    """Let go of the frames, and of the error before it, that hold the answer of a failed call.

    They are held by who holds the failure, and these hold one another: an answer of megabytes would
    stay until the next search for garbage, which is seldom.
    """
    failure.__traceback__ = failure.__context__ = None


def _first_step(wire: WireFormat, unit: Unit, request: Request) -> Step:
    """Start, or go on from what an earlier session left; never repeat a step that was paid."""
    begun = unit.begun
    if begun.part != request.part or (begun.state is None and not begun.intent):
        return wire.start(request)
    if begun.state is not None:
        return wire.resume(request, begun.state)
    unit.maybe_billed += 1
    raise OutcomeUnknown(
        "the earlier session ended while this paid request was on its way; it may have been done. "
        "Look at the gateway's own log, then send it again with: wbatch retry --ambiguous"
    )
