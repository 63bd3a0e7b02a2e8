"""The commands, joined as ``batch.runs`` and ``batch.assemble`` join them, in virtual time.

Opening, engine, gate, ledger and conclusion are the house's own. Instead of sockets there is a
gateway that is handed in, instead of the file system one in memory, instead of threads the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from batch.assemble import Joined
from batch.deliver import Deliver
from batch.errors import BadUsage, NoInput, Refusal
from batch.files import Files
from batch.gate.gate import Gate
from batch.gate.memory import Memory
from batch.gauges import Gauges
from batch.halt import Halt
from batch.host import COMMAND, Host
from batch.inputs.envelope import Reader
from batch.labeling.script import recorded
from batch.ledger.book import Book
from batch.ledger.hold import held, keep_aside, writing
from batch.ledger.paths import Paths
from batch.ledger.publish import failed_lines
from batch.ledger.recover import recover
from batch.means import Means
from batch.media import MediaFolder
from batch.opening import Wanted, drop_changed, open_run, recorded_inputs, refuse_output
from batch.outlook.sendable import require_sendable
from batch.pipeline import Flow, Pipeline
from batch.plan import Plan, as_begun, as_recorded, identity, wanted_of
from batch.script import AskOnce
from batch.secret import Redactor, Secret
from batch.session.ending import Ending
from batch.session.event import Event
from batch.session.live import Stamp, write_live
from batch.session.snapshot import Snapshot
from batch.settings.tree import Settings
from batch.shares import Access, choice, gate_settings, inflight_bytes, likely_keys, retry_policy
from batch.shares import script as script_of
from batch.spending import Caps, caps_of
from batch.spill import Spill
from batch.texts import keep, kept, read_texts, reading
from batch.wire import formats
from tests.stateful.disk import Crash, Disk
from tests.stateful.gateway import Gateway
from tests.virtual import run as in_virtual_time

EPOCH: Final = 1_795_312_800.0  # 2026-11-22T02:00:00Z
NIGHT: Final = 1800.0  # seconds from one session's beginning to the next one's: hours change
WAY: Final = Access("http://127.0.0.1:9/v1", (("*", Secret("key", "sk-of-a-stateful-test")),))
COMMIT: Final = 0.002  # seconds that the disk takes
LOOK: Final = 5.0  # seconds between two looks at whether a session is over

T = TypeVar("T")


class Said:
    """Watches, and remembers what people were told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def begin(self, total: int, done: int) -> None:
        pass

    def tick(self, now: Snapshot) -> None:
        pass

    def say(self, message: str) -> None:
        self.messages.append(message)

    def note(self, event: Event) -> None:
        pass

    def end(self) -> None:
        pass


class Ended(msgspec.Struct, frozen=True):
    """What a command came to."""

    code: int | None  # None: it crashed
    refusal: str | None  # why it refused, or could not go on
    messages: tuple[str, ...]
    files: Disk  # what is there now
    acknowledged: frozenset[int]  # answered lines that it knew to be safe
    intruder: str | None = None  # what a second command was told that came meanwhile


class Command(msgspec.Struct, frozen=True):
    """What is asked for. ``retried``: the classes to ask again; None: it is no retry."""

    settings: Settings
    retried: tuple[frozenset[str] | None, bool] | None = None
    crash: Crash | None = None
    intruder: float | None = None  # after so many seconds a second command comes


class InlineMedia(MediaFolder):
    """Writes files in the loop: a thread would live in another time."""

    async def disk(self, path: str, work: Callable[[], T]) -> T:
        return work()

    def later(self, work: Callable[[], None]) -> None:
        work()

    async def close(self) -> None:
        pass


class Session(Joined):
    """The rooms of one session, with what a test hands in."""

    gateway: Gateway
    media: MediaFolder
    begun_at: float

    async def deliver_all(self, way: Access | None, host: Host) -> None:
        """As the house does, without a thread."""

        async def offload(write: Callable[[], None]) -> None:
            await asyncio.sleep(COMMIT)
            write()

        self.book.open(offload)
        try:
            await self._note_settings()
            if self.plan.todo:
                await self._pipe(WAY)
        except Refusal as refusal:
            self.ending.failed(refusal)
        finally:
            await self._close()

    async def _send_all(self, way: Access, reader: Reader, waiting: Spill) -> None:
        settings, plan, history = self.plan.settings, self.plan, self.book.history
        loop = asyncio.get_running_loop()
        self.gate = gate = Gate(gate_settings(settings), way.keys, loop.time)
        self.halt.listen(gate.halt)
        memory = Memory(inflight_bytes(settings)[0])
        self.halt.listen(memory.halt)
        self.purse = purse = self.caps.purse(self.book, self.begun_at, self.ending.stop)
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
        self.pipeline = pipeline = Pipeline(flow, self.book, self.halt)
        self.gauges = Gauges(gate, memory, pipeline, self.book, lambda: 0.0, LOOK)
        means = Means(
            script=plan.script,
            formats=formats(),
            gate=gate,
            transport=self.gateway,
            journal=self.book,
            media=self.media,
            policy=retry_policy(settings),
            resting=pipeline.resting,
            sleep=self.halt.sleep,
            chance=lambda: 0.5,
            clock=loop.time,
            now=lambda: self.begun_at + loop.time(),
            retried=self._retried,
            memory=memory,
            purse=purse,
        )
        self.deliver = Deliver(means)
        ticking = loop.create_task(self._tick(gate))
        try:
            lines = plan.pending(reader, history, Redactor(way.secrets))
            await pipeline.run(lines, self.deliver)
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking

    async def _tick(self, gate: Gate) -> None:
        is_over = self._is_over(gate)
        while True:
            await asyncio.sleep(LOOK)
            now = self._look()
            write_live(self.files, self.plan.paths, Stamp(self.book.run_id, EPOCH), now)
            if (over := is_over(now)) is not None:
                self.ending.stop(*over)


class Desk:
    """One output, and commands over it, one after the other."""

    def __init__(self, files: Disk, paths: Paths, gateway: Gateway) -> None:
        self.files = files
        self.paths = paths
        self.gateway = gateway
        self.commands = 0
        self._book: Book | None = None

    def run(self, command: Command, deeds: Sequence[str] = ()) -> Ended:
        """Run a command to its end, or to its crash, while the gateway does these things."""
        self.commands += 1
        self._book = None
        media = InlineMedia(self.files, self.paths.files)
        self.gateway.begin(deeds, media)
        ended = in_virtual_time(self._run(command, media))
        self.files = ended.files
        return ended

    async def _run(self, command: Command, media: MediaFolder) -> Ended:
        said = Said()
        image: Disk | None = None
        known: frozenset[int] = frozenset()
        crashed = asyncio.Event()
        crash = command.crash
        operations = 0

        def pull_the_plug(path: str = "", half: bytes = b"") -> None:
            nonlocal image, known
            assert crash is not None
            if image is None:
                image, known = crash.image(self.files, path, half), self._known()
                self.gateway.dead = True
                crashed.set()

        def before(operation: str, path: str, data: bytes) -> None:
            nonlocal operations
            if crash is not None and crash.operation == operations:
                pull_the_plug(path, data[: len(data) // 2])
            operations += 1

        self.files.before = before
        work = asyncio.ensure_future(self._outcome(command, said, media))
        intruding = asyncio.ensure_future(self._intrude(command))
        plug = asyncio.ensure_future(crashed.wait())
        limit = crash.seconds if crash is not None and crash.operation is None else None
        await asyncio.wait({work, plug}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and crash is not None:
            pull_the_plug()
        intruder = intruding.result() if intruding.done() else None
        for task in (work, plug, intruding):
            if not task.done():
                task.cancel()
        await asyncio.gather(work, plug, intruding, return_exceptions=True)
        self.files.before = lambda operation, path, data: None
        messages = tuple(said.messages)
        if image is not None:
            return Ended(None, None, messages, image, known, intruder)
        try:
            code = work.result()
        except Refusal as refusal:
            code, why = refusal.exit_code, str(refusal)
            return Ended(code, why, messages, self.files, self._known(), intruder)
        return Ended(code, None, messages, self.files, self._known(), intruder)

    def _known(self) -> frozenset[int]:
        """Return the lines whose answer the session has taken for safe."""
        if self._book is None:
            return frozenset()
        bits = self._book.history.answered
        return frozenset(n for n in range(1, 8 * len(bits.bits)) if n in bits)

    async def _intrude(self, command: Command) -> str | None:
        if command.intruder is None:
            return None
        await asyncio.sleep(command.intruder)
        try:
            with held(self.files, self.paths):
                return "let in"
        except Refusal as refusal:
            return f"{refusal.exit_code}: {refusal}"

    async def _outcome(self, command: Command, said: Said, media: MediaFolder) -> int:
        if command.retried is None:
            return await self._begin_or_go_on(command.settings, said, media)
        return await self._retry(*command.retried, command.settings, said, media)

    async def _begin_or_go_on(self, settings: Settings, said: Said, media: MediaFolder) -> int:
        """Do what ``runs.run`` does."""
        files, paths = self.files, self.paths
        script, texts = script_of(settings), read_texts(settings.request)
        refuse_output(settings.inputs, paths)
        wanted = wanted_of(settings, script, texts, choice(settings.run))
        if settings.run.new_run:
            with held(files, paths):
                open_run(files, paths, None, wanted)
                keep_aside(files, paths)
        with held(files, paths):
            opened = open_run(files, paths, recover(files, paths), wanted)
            plan = Plan(settings, paths, opened, script, None, texts)
            return await self._conduct(files, plan, said, media)

    async def _retry(
        self,
        only: frozenset[str] | None,
        ambiguous: bool,
        settings: Settings,
        said: Said,
        media: MediaFolder,
    ) -> int:
        """Do what ``runs.retry`` does."""
        files, paths = self.files, self.paths
        if not files.length(paths.journal):
            raise NoInput("no run was begun there")
        with held(files, paths):
            found = recover(files, paths)
            if found is None:
                raise NoInput("nothing was recorded there")
            settings = as_recorded(settings, found.history.identity)
            settings = as_begun(settings, found.history.header)
            texts = kept(files, paths, found.history.identity)
            wanted = Wanted(
                recorded_inputs(found.history, paths),
                settings.limits.max_line_bytes,
                identity=None,
                reading=reading(settings.request, texts),
            )
            opened = open_run(files, paths, found, wanted)
            failed = failed_lines(files, paths, found.history).values()
            classes = {one.class_ for one in failed}
            if only is not None and classes and not only & classes:
                raise BadUsage("--only: no line failed so")
            redo = {
                one.ordinal: one
                for one in failed
                if (
                    ambiguous
                    if one.class_ == "outcome_unknown"
                    else (one.class_ in only if only is not None else one.retryable)
                )
            }
            script = recorded(found.history.identity) or AskOnce()
            plan = Plan(settings, paths, opened, script, redo, texts)
            return await self._conduct(files, plan, said, media)

    async def _conduct(self, files: Files, plan: Plan, said: Said, media: MediaFolder) -> int:
        """Do what ``runs._conduct`` does."""
        caps = caps_of(plan.settings, None, (), EPOCH)
        if plan.todo:
            require_sendable(plan, caps.tariff)
        with writing(files, plan.paths):
            drop_changed(files, plan.paths, plan.opened)
            return await self._write(files, plan, said, media, caps)

    async def _write(
        self, files: Files, plan: Plan, said: Said, media: MediaFolder, caps: Caps
    ) -> int:
        """Do what ``runs._write`` does."""
        paths, settings, opened = plan.paths, plan.settings, plan.opened
        run_id = opened.found.run_id if opened.found else f"20261122T020000Z-{self.commands:06x}"
        book = Book(files, paths, run_id, settings.limits.at_most, inflight_bytes(settings)[1])
        header = {
            "created_at": round(EPOCH),
            "tool": "wenwen-batch",
            "output": "out.jsonl",
            "lines": opened.census.lines,
            "inputs": opened.inputs.describe(),
            "identity": identity(settings, plan.script, plan.texts),
        }
        keep(files, paths, plan.texts)
        book.begin(opened.found, header)
        self._book = book
        for note in opened.found.notes if opened.found else ():
            said.say(note)
        session = Session(files, plan, book, Ending(Halt(), said), said, caps)
        session.gateway, session.media = self.gateway, media
        session.begun_at = EPOCH + NIGHT * self.commands
        try:
            if plan.todo or opened.new_identity:
                await session.deliver_all(WAY, COMMAND)
            return session.conclude().exit_code
        finally:
            book.release()
