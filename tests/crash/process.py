"""One process: a command of a story, from its first look at the disk to its last word.

The engine, the ledger, media, the checkpoint, the summary and the publishing of a day are the real
ones, joined as a command joins them, over whatever disk is handed in. Time is virtual.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from batch.budget import Budget
from batch.deliver import Deliver
from batch.errors import CannotWrite
from batch.files import Files
from batch.gate.gate import Gate
from batch.gate.memory import Memory
from batch.gate.purse import Purse
from batch.gate.settings import GateSettings
from batch.halt import Halt
from batch.inputs.lines import RawLine
from batch.ledger.book import Book
from batch.ledger.compact import compact_errors
from batch.ledger.compare import Comparison, changed_since, sums_of
from batch.ledger.entries import Entry, timestamp
from batch.ledger.hold import held, keep_aside, writing
from batch.ledger.paths import Paths
from batch.ledger.publish import failed_lines
from batch.ledger.recover import Found, recover, take_up
from batch.ledger.reserves import Reserves
from batch.ledger.state import BLOCK, History, Open
from batch.means import Means
from batch.media import MediaFolder
from batch.nightly.partition import Partition
from batch.nightly.shelf import claimed, publish, tidy
from batch.nightly.state import publishes
from batch.pipeline import Flow, Pipeline
from batch.records import Request, Row
from batch.retry import RetryPolicy
from batch.secret import Secret
from batch.session import conclude
from batch.session.summary import Outcome
from batch.spill import Spill
from batch.usage import Usage
from tests.crash.gateway import Books, Dialect, Gateway
from tests.crash.known import Known
from tests.crash.story import Command, Story
from tests.ledger.memory_files import MemoryFiles
from tests.virtual import run

PARENT: Final = "/nowhere/days"
DAY: Final = Partition("2026-11-22", f"{PARENT}/2026-11-22", "answers.jsonl")
BUILDING, PUBLISHED = Paths(DAY.building), Paths(DAY.output)
EPOCH: Final = 1_760_000_000.0
SESSION_SECONDS: Final = 10_000.0  # from the start of one process to that of the next
AT_ONCE: Final = 3  # calls
BY_SIGNAL: Final = 130
PLENTY: Final = Decimal(1_000_000)  # of money: what is at risk is counted, and ends no run
POLICY: Final = RetryPolicy(attempts=3, task_timeout=60.0, poll_jitter=0.0)

T = TypeVar("T")


class Process:
    """A process that was given one command. It ends, unless the disk it works on stops before."""

    def __init__(
        self, files: MemoryFiles, story: Story, step: int, known: Known, books: Books
    ) -> None:
        self.step = step  # which of the story's commands
        self._files = files
        self._story = story
        self._known = known
        self._books = books
        self._book: Book | None = None
        books.sessions += 1

    @property
    def command(self) -> Command:
        """Return what it was told."""
        return self._story.commands[self.step]

    def knows(self) -> Known:
        """Return what it knows at this moment to be on stable storage."""
        return self._known if self._book is None else self._known.with_history(self._book.history)

    def run(self) -> int:
        """Do what was told, and return the exit code."""
        published = bool(self._files.length(PUBLISHED.journal))
        if published and self.command.kind in ("run", "new"):
            tidy(self._files, DAY)
            code = self._standing().exit_code
            self._known = msgspec.structs.replace(self._known, published=True)
            return code
        return run(self._make() if not published else self._mend())

    def _standing(self) -> Outcome:
        found = recover(self._files, PUBLISHED)
        assert found is not None
        return conclude.standing(self._files, PUBLISHED, found, self._now())

    def _now(self) -> float:
        return EPOCH + SESSION_SECONDS * self._books.sessions

    async def _make(self) -> int:
        with claimed(self._files, DAY):
            if begins_anew(self.command, self.step, self._books):
                self._put_aside()
            outcome = await self._ran(BUILDING)
            pending = outcome.summary["x_run"]["pending"]
            if publishes(outcome.exit_code, pending, self.command.on_failed):
                publish(self._files, DAY, outcome.summary)
                self._known = msgspec.structs.replace(self._known, published=True)
        return outcome.exit_code

    def _put_aside(self) -> None:
        """Begin anew, as with --new-run: once, since who gives the command again then goes on."""
        files = self._files
        logs = (BUILDING.journal, BUILDING.results, BUILDING.errors)
        safe = [(log, files.names[log].stable) for log in logs if log in files.names]
        self._books.begin_afresh(self._known, safe)
        self._known = Known()
        put_aside(files, self._now())
        self._books.afresh |= {self.step}

    async def _mend(self) -> int:
        return (await self._ran(PUBLISHED)).exit_code

    async def _ran(self, paths: Paths) -> Outcome:
        files = self._files
        with held(files, paths):
            found = recover(files, paths)
            with writing(files, paths):
                return await self._written(paths, found)

    async def _written(self, paths: Paths, found: Found | None) -> Outcome:
        files = self._files
        if found is not None and self.command.kind == "keep":
            self._drop_changed(paths, found)
        book = Book(files, paths, "20261122T020000Z-7f3a9c", 2 * AT_ONCE)
        header = {"created_at": self._story.seed, "output": os.path.basename(paths.results)}
        book.begin(found, {"inputs": [], "identity": {}, **header})
        self._book = book
        try:
            facts = await self._delivered(paths, book)
            return conclude.session(files, paths, book, facts)
        finally:
            self._known = self.knows()
            self._book = None
            book.release()

    def _drop_changed(self, paths: Paths, found: Found) -> None:
        """Forget the errors of lines that changed, as a run with --keep-answers does."""
        history = found.history
        if self.step not in self._books.edited:  # once: the input stays as it is from then on
            self._books.edited |= {self.step}
            self._books.changed |= {
                line.ordinal for line in self._story.lines if line.ordinal in history.failed
            }
        rows = self._rows()
        comparison = Comparison(history)
        for row in rows:
            comparison.visit(row)
        changed = {one.ordinal: one for one in comparison.begun}
        if blocks := comparison.blocks():
            now = sums_of((row.ordinal, row.sum) for row in rows if row.ordinal // BLOCK in blocks)
            _, results, errors = found.ends
            for one in changed_since(self._files, errors, results, history, now):
                changed[one.ordinal] = one
        assert not any(one.answered for one in changed.values())
        for one in changed.values():
            history.forget(one.ordinal, one.sum)
            self._books.ask_anew(one.ordinal)  # another line now
        self._known = self._known.without(changed)
        if changed:
            compact_errors(self._files, paths.errors, found.ends[2].keep, history)
            take_up(self._files, found, changed.keys())

    def _rows(self) -> list[Row]:
        return [line.row(line.ordinal in self._books.changed) for line in self._story.lines]

    async def _delivered(self, paths: Paths, book: Book) -> conclude.Facts:
        """Ask what is to be asked, and close the book."""
        redo = self._redo(paths, book.history)
        todo = [row for row in self._rows() if _wanted(row.ordinal, redo, book.history)]
        reasons: dict[int, str] = {}
        if todo or self.command.kind == "keep":
            book.open(_at_once)
            if self.command.kind == "keep":
                await book.keep(Entry(kind="settings", run={"identity": {}}))
            try:
                reasons = await self._asked(paths, book, todo, _begun(redo, book.history))
            finally:
                await book.close(compact=not reasons)
        return conclude.Facts(
            total=len(self._story.lines),
            started_at=self._now(),
            seconds=asyncio.get_running_loop().time(),
            todo=len(todo),
            recorded=book.committed,
            retries=0,
            reasons=reasons,
        )

    def _redo(self, paths: Paths, history: History) -> Mapping[int, int] | None:
        """Return the failed lines that a retry asks again, with their attempts; None: no retry."""
        if self.command.kind != "retry":
            return None
        failed = failed_lines(self._files, paths, history).values()
        redo = {
            one.ordinal: one.attempts
            for one in failed
            if one.retryable or one.class_ in ("outcome_unknown", "task_failed")
        }
        for ordinal in redo.keys() - history.open.keys():
            self._books.ask_anew(ordinal)
        return redo

    async def _asked(
        self, paths: Paths, book: Book, todo: Sequence[Row], begun: Mapping[int, Open]
    ) -> dict[int, str]:
        """Deliver; return why this ended early, if it did."""
        loop, halt = asyncio.get_running_loop(), Halt()
        gate = Gate(GateSettings(concurrency=AT_ONCE), [("*", Secret("key", "sk-1"))], loop.time)
        memory = Memory(1 << 20)
        purse = self._purse(book)
        for room in (gate, memory, purse):
            halt.listen(room.halt)
        media = MediaAtOnce(self._files, paths.files)
        gateway = Gateway(self._story.seed, self._books, media)
        spill = Spill(self._files, paths.cache, (), _unread, _read)
        script = self._story.script
        flow = Flow(
            at_once=gate.at_once,
            lane_of=lambda model: gate.lane(model).name,
            lanes=["*"],
            spill=spill,
            width=script.width,
            memory=memory,
            begun=begun,
        )
        pipeline = Pipeline(flow, book, halt)
        means = Means(
            script=script,
            formats={Dialect.name: Dialect()},  # type: ignore[dict-item]
            gate=gate,
            transport=gateway,
            journal=book,
            media=media,
            policy=POLICY,
            resting=pipeline.resting,
            sleep=halt.sleep,
            chance=lambda: 0.5,
            clock=loop.time,
            now=lambda: self._now() + loop.time(),
            retried=lambda line, attempts, failure, wait: None,
            memory=memory,
            purse=purse,
        )
        if self.command.stop_after is not None:
            loop.call_later(self.command.stop_after, halt.request, "by SIGINT")
        with spill:
            await pipeline.run(iter(todo), Deliver(means))
        await book.emptied()
        await purse.close()
        if gateway.broken is not None:
            raise gateway.broken
        return {BY_SIGNAL: "by SIGINT"} if halt.reason else {}

    def _purse(self, book: Book) -> Purse:
        """Return what has the journal say how much a crash may leave in the dark."""
        word = Reserves(book, timestamp(self._now()), "USD")
        lost = sum((Decimal(amount) for amount, _ in book.history.reserved.values()), Decimal(0))
        purse = Purse(Budget(PLENTY, None, earlier=lost), OneEach(), word)  # type: ignore[arg-type]
        book.on_safe = purse.saved
        return purse


def begins_anew(command: Command, step: int, books: Books) -> bool:
    """Return whether a command has yet to put an older run aside."""
    return command.kind == "new" and step not in books.afresh


def put_aside(files: Files, now: float) -> None:
    """Do what a command does with --new-run before it begins."""
    with held(files, BUILDING):
        keep_aside(files, BUILDING, now)


class OneEach:
    """Prices: each request costs one."""

    def worst(self, request: Request) -> Decimal:
        return Decimal(1)

    def cost(self, model: str, usage: Usage) -> Decimal:
        return Decimal(1)

    def exchanged(self, amount: str, currency: str) -> Decimal:
        return Decimal(amount)


class MediaAtOnce(MediaFolder):
    """Does at once, and in virtual time, what a thread would do."""

    async def disk(self, path: str, work: Callable[[], T]) -> T:
        await asyncio.sleep(0.001)
        try:
            return work()
        except OSError as broken:
            raise CannotWrite(f"cannot write {path}: {broken.strerror or broken}") from broken

    def later(self, work: Callable[[], None]) -> None:
        work()


def _wanted(ordinal: int, redo: Mapping[int, int] | None, history: History) -> bool:
    return ordinal in redo if redo is not None else not history.ended(ordinal)


def _begun(redo: Mapping[int, int] | None, history: History) -> dict[int, Open]:
    begun = {
        ordinal: msgspec.structs.replace(one, parts=list(one.parts))
        for ordinal, one in history.open.items()
    }
    for ordinal, attempts in (redo or {}).items():
        begun.setdefault(ordinal, Open(attempts=attempts))
    return begun


async def _at_once(work: Callable[[], None]) -> None:
    """Stand for the thread of the commits: it takes a moment."""
    await asyncio.sleep(0.001)
    work()


async def _read(read: Callable[[], list[bytes]]) -> list[bytes]:
    return read()


def _unread(line: RawLine) -> Any:
    raise AssertionError("no line waits outside memory here")
