"""A run in small: real gate, retries, engine and ledger around a transport that a test hands in.

Time is virtual, files are real. A session can be crashed: it is dropped where it stands, and the
next one finds only what was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from batch.deliver import Deliver
from batch.errors import Refusal
from batch.files import OsFiles
from batch.gate.gate import Gate
from batch.gate.memory import Memory
from batch.gate.purse import Purse
from batch.gate.settings import GateSettings, KeyLimits
from batch.gauges import Count, Gauges
from batch.halt import Halt
from batch.inputs.lines import RawLine
from batch.inputs.source import Source
from batch.ledger.book import Book
from batch.ledger.paths import Paths
from batch.ledger.publish import failed_lines
from batch.ledger.recover import recover
from batch.ledger.state import Open
from batch.means import Means
from batch.media import MediaFolder
from batch.pipeline import Flow, Pipeline
from batch.records import Call, Reply, Row
from batch.retry import RetryPolicy
from batch.script import AskOnce, Script
from batch.secret import Secret
from batch.spill import Parse, Spill
from batch.transport import Folding, Transport, nobody
from batch.wire import WireFormat, formats
from tests.virtual import run

EPOCH = 1_760_000_000.0
TICK = 0.25


class Scripted:
    """A transport that answers with what a function says, and remembers what it was asked."""

    def __init__(self, reply_to: Callable[[Call], Reply]) -> None:
        self.reply_to = reply_to
        self.calls: list[Call] = []
        self.keys: list[Secret | None] = []

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        """Answer after a moment."""
        self.calls.append(call)
        self.keys.append(secret)
        if leaves is not None:
            leaves()
        await asyncio.sleep(0.01)
        return self.reply_to(call)


class Crashed(Exception):
    """The session was dropped, as by kill -9."""


def json_reply(value: object, status: int = 200) -> Reply:
    """Return a reply of JSON."""
    return Reply(status, {"content-type": "application/json"}, orjson.dumps(value), EPOCH, 10)


def rows(count: int, format_name: str, model: str = "toy", **more: Any) -> list[Row]:
    """Return so many lines of a format; each body says which line it is."""
    return [
        Row(
            ordinal=n,
            sum=n * 1_000_003,
            custom_id=f"row-{n}",
            format=format_name,
            model=model,
            body=b'{"line":%d}' % n,
            source="toys.jsonl",
            number=n,
            path="/toy",
            endpoint="/toy",
            **more,
        )
        for n in range(1, count + 1)
    ]


def unread(line: RawLine) -> Row:
    """Stand for the parsing of lines that come out of no file."""
    raise AssertionError("this line was read from no file")


async def at_once(read: Callable[[], list[bytes]]) -> list[bytes]:
    """Read where a run would have a thread do it."""
    return read()


class Rig:
    """One output folder, and sessions over it."""

    def __init__(
        self,
        folder: Path,
        wire: WireFormat,
        script: Script | None = None,
        concurrency: int = 8,
        keys: Sequence[str] = ("*",),
    ) -> None:
        self.paths = Paths(str(folder / "out.jsonl"))
        self.wire = wire
        self.script = script or AskOnce()
        self.concurrency = concurrency
        self.policy = RetryPolicy(poll_jitter=0.0)
        self.stall = 0.0  # seconds that the disk takes for each commit
        self.keys = [(pattern, Secret(f"key of {pattern}", "sk-1")) for pattern in keys]
        self.inflight = 256 << 20  # bytes
        self.gate, self.media = Gate, MediaFolder  # or what does a little more
        self.purse: Callable[[Book, Halt], Purse] = lambda book, halt: Purse()
        self.limits: tuple[KeyLimits, ...] = ()
        self.rpm: float | None = None  # of the account
        self.wall = lambda elapsed: EPOCH + elapsed  # what the clock on the wall says then
        self.watched = False  # whether gauges look four times a second; then they stay here
        self.gauges: Gauges | None = None
        self.left: dict[float, float | None] = {}  # seconds → how long it was to take yet
        # Where lines that come out of files are read again; others are spilled whole.
        self.sources: Sequence[Source] = ()
        self.parse: Parse = unread
        self.broken: Refusal | None = None  # what the inputs say where they break off

    def session(
        self,
        lines: Iterable[Row],
        transport: Transport,
        crash: Callable[[], bool] | None = None,
        halt: Halt | None = None,
        redo: bool = False,
    ) -> None:
        """Run to the end, or until ``crash`` says so: then raise Crashed.

        ``redo``: ask again what ended with an error.
        """
        run(self._session(list(lines), transport, crash, halt or Halt(), redo))

    async def _session(
        self,
        lines: Sequence[Row],
        transport: Transport,
        crash: Callable[[], bool] | None,
        halt: Halt,
        redo: bool,
    ) -> None:
        files = OsFiles()
        book = Book(files, self.paths, "20261122T020000Z-abcdef", limit=self.concurrency)
        book.begin(recover(files, self.paths), {"inputs": [], "identity": {}})

        async def offload(write: Callable[[], None]) -> None:
            await asyncio.sleep(self.stall)
            write()

        book.open(offload)
        loop = asyncio.get_running_loop()
        limits = GateSettings(concurrency=self.concurrency, keys=self.limits, rpm=self.rpm)
        gate = self.gate(limits, self.keys, loop.time)
        halt.listen(gate.halt)
        self.memory = memory = Memory(self.inflight)
        halt.listen(memory.halt)
        purse = self.purse(book, halt)
        halt.listen(purse.halt)
        begun = {
            n: msgspec.structs.replace(one, parts=list(one.parts))
            for n, one in book.history.open.items()
        }
        for one in failed_lines(files, self.paths, book.history).values() if redo else ():
            begun.setdefault(one.ordinal, Open(attempts=one.attempts))
        spill = Spill(files, self.paths.cache, self.sources, self.parse, at_once)
        flow = Flow(
            at_once=gate.at_once,
            lane_of=lambda model: gate.lane(model).name,
            lanes=[pattern for pattern, _ in self.keys],
            spill=spill,
            width=self.script.width,
            begun=begun,
            memory=memory,
        )
        pipeline = Pipeline(flow, book, halt)
        means = Means(
            script=self.script,
            formats={**formats(), self.wire.name: self.wire},
            gate=gate,
            transport=transport,
            journal=book,
            media=self.media(OsFiles(), self.paths.files),
            policy=self.policy,
            resting=pipeline.resting,
            sleep=halt.sleep,
            chance=lambda: 0.5,
            clock=loop.time,
            now=lambda: self.wall(loop.time()),
            retried=lambda line, attempts, failure, wait: None,
            memory=memory,
            purse=purse,
        )
        done = book.history.answered if redo else book.history
        ended = done.__contains__ if redo else done.ended
        todo = self._until_broken([row for row in lines if not ended(row.ordinal)])
        deliver = Deliver(means)
        work = loop.create_task(pipeline.run(todo, deliver))
        if self.watched:
            self.gauges = Gauges(gate, means.memory, pipeline, book, lambda: 0.0, TICK)
            watching = loop.create_task(self._watch(self.gauges, book, deliver, len(lines)))
            work.add_done_callback(lambda _: watching.cancel())
        while crash is not None and not work.done():
            await asyncio.wait({work}, timeout=0.004)
            if crash():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                book.release()
                raise Crashed
        try:
            with spill:
                await work
            await book.emptied()
            await purse.close()
        finally:
            await book.close(compact=True)
            book.release()

    def _until_broken(self, lines: Sequence[Row]) -> Iterator[Row]:
        yield from lines
        if self.broken is not None:
            raise self.broken

    async def _watch(self, gauges: Gauges, book: Book, deliver: Deliver, total: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            done = book.committed
            gauges.look(loop.time(), Count(done, total - done, deliver.tasks))
            self.left[loop.time()] = gauges.left
            await asyncio.sleep(TICK)

    def results(self) -> dict[int, dict[str, Any]]:
        """Return the answered lines' records by ordinal."""
        return _by_line(self.paths.results)

    def errors(self) -> dict[int, dict[str, Any]]:
        """Return the failed lines' records by ordinal."""
        return _by_line(self.paths.errors)

    def journal(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the journal's entries of a kind."""
        with open(self.paths.journal, "rb") as file:
            entries = [orjson.loads(line) for line in file]
        return [entry for entry in entries if entry["kind"] == kind]

    def totals(self) -> dict[str, Any]:
        """Return the usage totals, from the logs alone."""
        found = recover(OsFiles(), self.paths)
        assert found is not None
        return found.history.totals.sum()


def _by_line(path: str) -> dict[int, dict[str, Any]]:
    with open(path, "rb") as file:
        records = [orjson.loads(line) for line in file]
    by_line = {record["x_run"]["line"]: record for record in records}
    assert len(by_line) == len(records), "a line has two records"
    return by_line
