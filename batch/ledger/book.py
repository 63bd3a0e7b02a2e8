"""The one writer of a run's logs, and what of them is on stable storage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from batch import checkpoint
from batch.checkpoint import Position
from batch.errors import Busy, CannotWrite, Refusal
from batch.files import Files, write_all
from batch.ledger.compact import compact_errors
from batch.ledger.entries import (
    Entry,
    decode_entry,
    decode_mark,
    encode_entry,
    encode_error,
    encode_result,
)
from batch.ledger.log import Log
from batch.ledger.paths import Paths
from batch.ledger.recover import FORMAT_VERSION, Found, positions
from batch.ledger.state import History
from batch.ledger.writer import Offload, Writer
from batch.records import Answer, Result

JOURNAL, RESULTS, ERRORS = range(3)
REPLIES: Final = frozenset({"part", "billed"})  # entries for what was paid, as results are
CHECKPOINT_SECONDS: Final = 5.0
PROBE_BYTES: Final = 64 << 10  # about a group of answers
MOST_BYTES: Final = 64 << 20  # of records that wait for their commit, if nothing is said


class Book:
    """A run's logs, open for writing. Every promise about them is kept here or below.

    ``history`` is what the logs say up to the last acknowledged line.
    """

    def __init__(
        self, files: Files, paths: Paths, run_id: str, limit: int, most_bytes: int = MOST_BYTES
    ) -> None:
        self._files = files
        self._paths = paths
        self._limit = limit  # replies that may wait for their commit, at most
        self._waiting = 0
        self._most_bytes = most_bytes  # of what waits: above it no further reply may join
        self._bytes = 0
        self._saved_at = 0.0
        self.committed = 0  # records that this process wrote and that are on stable storage
        self.run_id = run_id
        self.on_commit: Callable[[], None] | None = None  # called when a group of records is safe
        self.on_safe: Callable[[int], None] | None = None  # called with each line whose record is
        self.history = History()
        self._logs: tuple[Log, ...] = ()
        self._writer: Writer | None = None
        self._offload: Offload | None = None

    def begin(self, found: Found | None, header: Mapping[str, Any]) -> None:
        """Mend torn tails, or make the files of a new run. Durable when it returns."""
        try:
            self._begin(found, header)
        except Refusal:
            self.release()
            raise
        except OSError as error:
            self.release()
            raise CannotWrite(
                f"{error.filename or self._paths.folder}: {error.strerror or error}. Nothing was "
                "sent. The same command goes on once the cause is mended."
            ) from error

    def _begin(self, found: Found | None, header: Mapping[str, Any]) -> None:
        for folder in (self._paths.folder, self._paths.cache):
            self._files.make_folder(folder)
        for path in (self._paths.journal, self._paths.results, self._paths.errors):
            self._logs = (*self._logs, Log(self._files, path))
        self._require_as_found(found)
        if found is None:
            for log in self._logs:
                log.cut(0)
            run = {"version": FORMAT_VERSION, "run_id": self.run_id, **header}
            self._logs[JOURNAL].write([encode_entry(Entry(kind="header", run=run))])
            self.history.note_entry(Entry(kind="header", run=run))
        else:
            self.history = found.history
            for log, end in zip(self._logs, found.ends, strict=True):
                if end.keep < log.size:
                    log.cut(end.keep)
                else:
                    log.sync()
        self._files.sync_folder(self._paths.folder)
        self._files.sync_folder(self._paths.parent)

    def _require_as_found(self, found: Found | None) -> None:
        """Raise Busy if another process, whose lock was removed, has written since they were read.

        The errors may have been compacted meanwhile, by this one.
        """
        sizes = (found.ends[JOURNAL].size, found.ends[RESULTS].size) if found else (None, 0)
        for log, size in zip(self._logs, sizes, strict=False):
            if size not in (None, log.size):
                raise Busy(
                    f"{log.path} has changed since it was read: another process works on this run. "
                    "Nothing was changed. Wait until it has ended, and run the same command again."
                )

    def open(self, offload: Offload) -> None:
        """Start committing. Needs the running loop. Raises CannotWrite if there is no room at all.

        A run from cron on a full disk would else pay for a handful of answers each time.
        """
        self._probe()
        self._offload = offload
        self._writer = Writer(self._logs, self._acknowledged, offload)
        self._writer.after_commit = self._after_commit
        self._saved_at = asyncio.get_running_loop().time()

    def _probe(self) -> None:
        path = f"{self._paths.checkpoint}.probe"
        try:
            fd = self._files.create(path)
            try:
                write_all(self._files, fd, bytes(PROBE_BYTES))
                self._files.sync(fd)
            finally:
                try:
                    self._files.close(fd)
                finally:
                    self._files.remove(path)
        except OSError as error:
            raise CannotWrite(
                f"{error.filename or self._paths.folder}: {error.strerror or error}. Nothing was "
                "sent. Make room, or mend what is in the way, and run the same command again."
            ) from error

    def record(self, results: Sequence[Result]) -> None:
        """Write results, or errors, of one unit of lines as one group. Does not wait."""
        # All of them first: a pack of which one cannot be written must not leave the others behind.
        written = list(map(self._written, results))
        for log, line in written:
            self._put(log, line)
        self._waiting += len(results)

    def note(self, entry: Entry) -> None:
        """Write a journal entry. Does not wait."""
        self._put(JOURNAL, self._encode(entry))

    async def keep(self, entry: Entry) -> None:
        """Write a journal entry and return when it is on stable storage."""
        self._waiting += entry.kind in REPLIES
        await asyncio.shield(self._put(JOURNAL, self._encode(entry)))

    @property
    def safe(self) -> tuple[int, int]:
        """Return how many bytes of results and of errors are on stable storage."""
        return self._logs[RESULTS].synced, self._logs[ERRORS].synced

    @property
    def behind(self) -> bool:
        """Return whether as many replies wait for their commit as may."""
        return self._waiting >= self._limit or self._bytes > self._most_bytes

    async def room(self) -> None:
        """Return when fewer replies wait for their commit than may, with fewer bytes."""
        while self.behind:
            await self.settled()

    async def settled(self) -> None:
        """Return when the oldest group under way is safe; at once if there is none."""
        commit = self._writer.next_commit() if self._writer is not None else None
        if commit is not None:
            await asyncio.shield(commit)

    async def emptied(self) -> None:
        """Return when no record waits for its commit any more."""
        while self._waiting:
            await self.settled()

    async def close(self, *, compact: bool) -> None:
        """Commit what is left, and leave a checkpoint. ``compact``: drop errors made up for."""
        writer, self._writer = self._writer, None
        if writer is None or self._offload is None:
            return
        await writer.close()
        await self._offload(lambda: self._finish(compact))

    def remember(self) -> None:
        """Leave a checkpoint without having committed anything, so that the next session has one.

        It is worth nothing but time, so that a disk which fails here is not worth a word.
        """
        with contextlib.suppress(OSError):
            self._save(checkpoint.encode(self.run_id, self.history, self._positions()))

    def release(self) -> None:
        """Let go of the files, without another write."""
        logs, self._logs = self._logs, ()
        for log in logs:
            log.close()

    def _finish(self, compact: bool) -> None:
        """Leave things tidy. All is safe already, so that a failure is not worth a word."""
        with contextlib.suppress(OSError):
            if compact and self.history.error_records > self.history.failed.count:
                self._compact()
            self.remember()

    def _compact(self) -> None:
        path, old = self._paths.errors, self._logs[ERRORS]
        compact_errors(self._files, path, old.size, self.history)
        self._logs = (*self._logs[:ERRORS], Log(self._files, path))
        old.close()

    def _put(self, log: int, line: bytes) -> asyncio.Future[None]:
        if self._writer is None:
            raise RuntimeError("the book is not open")
        self._bytes += len(line)
        return self._writer.put(log, (line,))

    def _written(self, result: Result) -> tuple[int, bytes]:
        """Return the log of a result or an error, and the line that stands there."""
        if isinstance(result.outcome, Answer):
            return RESULTS, encode_result(result, self.run_id, self._logs[RESULTS].synced)
        return ERRORS, encode_error(result, self.run_id, self._logs[ERRORS].synced)

    def _encode(self, entry: Entry) -> bytes:
        return encode_entry(msgspec.structs.replace(entry, synced=self._logs[JOURNAL].synced))

    def _acknowledged(self, log: int, lines: Sequence[bytes]) -> None:
        """Take safe lines into the history by the same way that a resume reads them."""
        self._bytes -= sum(map(len, lines))
        if log == JOURNAL:
            for entry in map(decode_entry, lines):
                self.history.note_entry(entry)
                self._waiting -= entry.kind in REPLIES
            return
        marks = [decode_mark(line) for line in lines]
        note = self.history.note_results if log == RESULTS else self.history.note_errors
        note(marks)
        self._waiting -= len(marks)
        self.committed += len(marks)
        if self.on_safe is not None:
            for mark in marks:
                self.on_safe(mark.line)

    async def _after_commit(self) -> None:
        if self.on_commit is not None:
            self.on_commit()
        await self._save_sometimes()

    async def _save_sometimes(self) -> None:
        """Save the checkpoint between two groups, when history and logs agree exactly."""
        now = asyncio.get_running_loop().time()
        if now - self._saved_at >= CHECKPOINT_SECONDS and self._offload is not None:
            self._saved_at = now
            # The cache is worth nothing but time: a disk that fails is told by the next commit.
            with contextlib.suppress(OSError):
                where: dict[str, Position] = {}
                await self._offload(lambda: where.update(self._positions()))
                data = checkpoint.encode(self.run_id, self.history, where)
                await self._offload(lambda: self._save(data))

    def _positions(self) -> dict[str, Position]:
        journal, results, errors = (log.size for log in self._logs)
        return positions(self._files, self._paths, (journal, results, errors))

    def _save(self, data: bytes) -> None:
        self._files.make_folder(self._paths.cache)
        checkpoint.save(self._files, self._paths.checkpoint, data)
