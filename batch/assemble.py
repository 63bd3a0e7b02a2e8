"""The one place where the rooms are joined, each with its own part of the settings."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from batch.deliver import Deliver
from batch.errors import CAPPED, CallFailed, Refusal
from batch.files import Files
from batch.gate.breakers import Breaker
from batch.gate.gate import Gate
from batch.gate.memory import Memory
from batch.gate.purse import Purse
from batch.gauges import Count, Gauges
from batch.host import Host
from batch.inputs.envelope import Reader
from batch.ledger.book import Book
from batch.ledger.entries import Entry
from batch.means import Means
from batch.pipeline import Flow, Pipeline
from batch.plan import Plan, identity
from batch.secret import Redactor
from batch.session import conclude
from batch.session.advice import closures
from batch.session.ending import TICK_SECONDS, Ending, Watch, silence, ticker
from batch.session.event import Changes, Event, asked_again, started
from batch.session.live import Stamp, write_live
from batch.session.snapshot import Snapshot
from batch.session.summary import Outcome
from batch.shares import (
    Access,
    gate_settings,
    inflight_bytes,
    input_settings,
    likely_keys,
    retry_policy,
    transport_settings,
)
from batch.spending import Caps
from batch.spill import Spill
from batch.surroundings import (
    gateway,
    media,
    processor_seconds,
    spill,
)
from batch.transport.client import AioTransport
from batch.wire import formats


class Joined:
    """The rooms of one session, joined."""

    def __init__(
        self,
        files: Files,
        plan: Plan,
        book: Book,
        ending: Ending,
        watch: Watch,
        caps: Caps,
    ) -> None:
        self.files = files
        self.caps = caps
        self.plan = plan
        self.watch = watch
        self.book = book
        self.halt = ending.halt
        self.ending = ending
        self.started_at, self.started = time.time(), time.monotonic()
        self.retries = 0
        self.changes = Changes()
        self.gate: Gate | None = None
        self.base_url = ""
        self.executor: ThreadPoolExecutor | None = None
        self.pipeline: Pipeline | None = None
        self.deliver: Deliver | None = None
        self.purse: Purse | None = None
        self.gauges: Gauges | None = None
        history = book.history
        self.before = plan.ended(history) - len(plan.redo or ())
        self.todo = plan.todo  # as of now: of a plan it becomes less while lines end

    async def deliver_all(self, way: Access | None, host: Host) -> None:
        """Send everything that is to be sent, and commit what comes of it."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "commit") as executor, host.sending(self.ending):
            self.executor = executor
            self.book.open(lambda write: loop.run_in_executor(executor, write))
            try:
                await self._note_settings()
                if self.plan.todo:
                    self.watch.begin(self.plan.asked, self.before)
                    self.watch.note(started(self.book.run_id, self.plan.asked, self.before))
                    # What is sent in the last seconds would be paid, and given up.
                    if why := self.caps.deadline.passed(0.0, time.time(), None):
                        self.ending.stop(CAPPED, why)
                    else:
                        await self._deliver(way)
            except Refusal as refusal:
                self.ending.failed(refusal)
            finally:
                await self._close()

    async def _deliver(self, way: Access | None) -> None:
        async with gateway(self.plan.settings, way) as reached:
            if reached.detour:
                self.watch.say(f"through the proxy {reached.detour}")
            await self._pipe(reached)

    async def _note_settings(self) -> None:
        """Have the journal say under which settings a run with kept answers goes on."""
        if self.plan.opened.new_identity:
            run = {"identity": identity(self.plan.settings, self.plan.script, self.plan.texts)}
            await self.book.keep(Entry(kind="settings", run=run))

    async def _close(self) -> None:
        if self.purse is not None:
            with contextlib.suppress(Refusal):  # a disk that fails is told by the close
                # Else a kill between the two would take answers whose cost is no longer at risk.
                await self.book.emptied()
                await self.purse.close()
        try:
            await self.book.close(compact=not self.ending.reasons)
        except Refusal as refusal:
            self.ending.failed(refusal)
        self._note(self.changes.closures(self._blocked))
        self.watch.tick(self.snapshot())
        self.watch.end()

    async def _pipe(self, way: Access) -> None:
        opened = self.plan.opened
        settings = input_settings(self.plan.settings, opened.reading)
        reader = Reader(formats(), settings, opened.inputs.forms)
        with spill(self.files, self.plan, reader.parse) as waiting:
            await self._send_all(way, reader, waiting)

    async def _send_all(self, way: Access, reader: Reader, waiting: Spill) -> None:
        settings, plan, history = self.plan.settings, self.plan, self.book.history
        loop = asyncio.get_running_loop()
        self.base_url = way.base_url
        self.gate = gate = Gate(gate_settings(settings), way.keys, loop.time)
        self.halt.listen(gate.halt)
        memory = Memory(inflight_bytes(settings)[0])
        self.halt.listen(memory.halt)
        purse = self.caps.purse(self.book, self.started_at, self.ending.stop)
        self.purse = purse
        self.halt.listen(purse.halt)
        flow = Flow(
            at_once=gate.at_once,
            lane_of=lambda model: gate.lane(model).name,
            lanes=likely_keys([pattern for pattern, _ in way.keys], plan.opened.models, settings),
            spill=waiting,
            width=plan.script.width,
            begun=plan.begun(history),
            memory=memory,
        )
        self.pipeline = pipeline = Pipeline(flow, self.book, self.halt, self.watch.say)
        self.gauges = Gauges(gate, memory, pipeline, self.book, processor_seconds, TICK_SECONDS)
        redactor = Redactor(way.secrets)
        async with (
            media(self.files, plan) as folder,
            AioTransport(transport_settings(settings, way), redactor, folder) as transport,
        ):
            means = Means(
                script=plan.script,
                formats=formats(),
                gate=gate,
                transport=transport,
                journal=self.book,
                media=folder,
                policy=retry_policy(settings),
                resting=pipeline.resting,
                sleep=self.halt.sleep,
                chance=random.random,
                clock=loop.time,
                now=time.time,
                retried=self._retried,
                memory=memory,
                purse=purse,
            )
            ticking = loop.create_task(self._tick(gate))
            ticking.add_done_callback(lambda _: self.halt.request("progress ended"))
            try:
                self.deliver = Deliver(means)
                await pipeline.run(plan.pending(reader, history, redactor), self.deliver)
            finally:
                ticking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await ticking  # what broke it is a bug, and stops the run

    async def _tick(self, gate: Gate) -> None:
        await ticker(
            self.ending,
            self._look,
            self._is_over(gate),
            self.watch,
            self._write_status,
        )

    def _is_over(self, gate: Gate) -> Callable[[Snapshot], tuple[int, str] | None]:
        """Return what looks whether the session is over: by the clock, or as nobody answers."""
        loop, deadline = asyncio.get_running_loop(), self.caps.deadline

        def is_over(now: Snapshot) -> tuple[int, str] | None:
            wall = time.time()
            if deadline.over(wall):
                self.halt.hurry()
            if why := deadline.passed(now.seconds, wall, gate.answer_seconds):
                return CAPPED, why
            silent = gate.down_for(loop.time())
            return silence(silent, gate.trouble) if silent is not None else None

        return is_over

    def _write_status(self, now: Snapshot) -> None:
        """Have the commit's thread write it: a disk that stalls must stall nothing else."""
        if self.executor is not None:
            lines = self.plan.opened.census.lines
            stamp = Stamp(self.book.run_id, time.time(), lines)
            self.executor.submit(write_live, self.files, self.plan.paths, stamp, now)

    def _retried(self, line: int, attempts: int, failure: CallFailed, wait: float) -> None:
        self.retries += 1
        self.watch.note(asked_again(line, attempts, failure, wait))

    def _look(self) -> Snapshot:
        """Have the gauges look once more, and return where the run stands."""
        now = self.snapshot()
        if self.gauges is None:
            return now
        pending = now.total - now.done - now.pending_blocked
        self.gauges.look(now.seconds, Count(now.done, pending, now.tasks))
        self._note(self.changes.closures(self._blocked))
        if self.halt.reason is None:  # nobody waits at the end, and that is no answer
            down = self.gate is not None and self.gate.down
            self._note(self.changes.silence(self.gauges.waiting_for, down=down))
        return self.snapshot()

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            self.watch.note(event)

    @property
    def _blocked(self) -> Sequence[Breaker]:
        return self.gate.blocked if self.gate else ()

    def snapshot(self) -> Snapshot:
        """Return where the run stands."""
        history, gauges = self.book.history, self.gauges
        return Snapshot(
            total=self.plan.asked,
            done=self.before + self.book.committed,
            ok=history.answered.count,
            failed=history.failed.count,
            pending_blocked=self.pipeline.blocked if self.pipeline else 0,
            retries=self.retries,
            in_flight=self.gate.in_flight if self.gate else 0,
            tasks=self.deliver.tasks if self.deliver else 0,
            waiting_for=str(why) if (why := gauges and gauges.waiting_for) else None,
            seconds=time.monotonic() - self.started,
            rate=gauges.rate if gauges else None,
            seconds_left=gauges.left if gauges else None,
            window=self.gate.window if self.gate else None,
            pace=self.gate.pace if self.gate else None,
            bottleneck=gauges.bottleneck if gauges else None,
        )

    def conclude(self) -> Outcome:
        """Say what the session came to, and publish it."""
        facts = conclude.Facts(
            total=self.plan.opened.census.lines,
            started_at=self.started_at,
            seconds=time.monotonic() - self.started,
            todo=self.todo,
            recorded=self.book.committed,
            retries=self.retries,
            reasons=self.ending.reasons,
            closed=closures(self._blocked),
            base_url=self.base_url,
            notes=found.notes if (found := self.plan.opened.found) else (),
            bottlenecks=self.gauges.bottlenecks if self.gauges else (),
            tags=self.plan.settings.tags,
            chosen=self.plan.opened.chosen,
            budget=self.caps.document(),
            silence=self.gate.silence if self.gate else "",
        )
        return conclude.session(self.files, self.plan.paths, self.book, facts)
