"""The records of a run as they stand, also while another process writes them.

A line's record is its result, else its last error. Files are held open from the start and read up
to the length that they had then, so that neither a writer nor a compaction changes what is read.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from array import array
from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import BinaryIO, Final, Self

import orjson

from batch.errors import CannotWrite, NoInput
from batch.files import CHUNK, OsFiles
from batch.ledger.entries import HEAD, Mark
from batch.ledger.lines import LineSet
from batch.ledger.paths import Paths
from batch.ledger.recover import Found, recover
from batch.ledger.scan import records, stretches
from batch.results.record import decode_record

_WORD: Final = 8  # bytes of an offset
_GUESS: Final = 4096  # bytes of a record, before one was seen


class Held(OsFiles):
    """Files of which some are held open, and are as long as they were then."""

    def __init__(self, *paths: str) -> None:
        self._held: dict[str, tuple[int, int]] = {}
        self._guess = _GUESS
        for path in paths:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            self._held[path] = (fd, os.fstat(fd).st_size)

    def length(self, path: str) -> int:
        """Return the length that a held file had at the start."""
        return self._held[path][1] if path in self._held else super().length(path)

    def read(self, path: str, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from an offset on. Raises FileNotFoundError."""
        if path not in self._held:
            yield from super().read(path, offset)
            return
        fd, _ = self._held[path]
        while chunk := os.pread(fd, CHUNK, offset):
            yield chunk
            offset += len(chunk)

    def line_at(self, path: str, offset: int) -> bytes:
        """Return the line of a held file that begins there, without its line break."""
        fd, _ = self._held[path]
        held = os.pread(fd, self._guess, offset)
        while (end := held.find(b"\n")) < 0:
            more = os.pread(fd, max(len(held), _GUESS), offset + len(held))
            if not more:
                return held
            held += more
        self._guess = min(CHUNK, max(_GUESS, 2 * end))
        return held[:end]

    def close_all(self) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.popitem()[1][0])


class Offsets:
    """A place in a log for each line, in a file without a name: 8 bytes a line, none in memory."""

    def __init__(self, last: int, folder: str | None) -> None:
        """Raises CannotWrite if the folder has no room: a hole would be found out too late.

        None stands for the folder that the system has for such files.
        """
        try:
            self._file = _zeros((last + 1) * _WORD, folder)
            self._map = mmap.mmap(self._file.fileno(), 0)
        except OSError as error:
            todo = "" if folder else ". Have TMPDIR name a folder that has room"
            raise CannotWrite(
                f"no room to put the lines in order: {error.strerror}{todo}"
            ) from None
        self._words = memoryview(self._map).cast("q")

    def __setitem__(self, ordinal: int, value: int) -> None:
        self._words[ordinal] = value

    def __getitem__(self, ordinal: int) -> int:
        return self._words[ordinal]

    def close(self) -> None:
        """Give the file back."""
        self._words.release()
        self._map.close()
        self._file.close()


def _zeros(size: int, folder: str | None) -> BinaryIO:
    """Return a file without a name that holds so many zeros, to be closed. Raises OSError."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by whoever has it
    try:
        while size:
            size -= file.write(bytes(min(size, CHUNK)))
        file.flush()
    except OSError:
        file.close()
        raise
    return file


class Logs:
    """The records of one run. ``scratch`` is a folder for what does not fit into memory."""

    def __init__(self, paths: Paths, scratch: str | None = None) -> None:
        """Raises NoInput if no run was begun there, BadData for one that is damaged."""
        self.paths = paths
        self._scratch = scratch
        self._files = Held(paths.results, paths.errors)
        try:
            self.found = self._recover()
        except BaseException:
            self._files.close_all()
            raise
        _, self._results, self._errors = self.found.ends
        self.answered: LineSet = self.found.history.answered
        self.failed: LineSet = self.found.history.failed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._files.close_all()

    def _recover(self) -> Found:
        found = recover(self._files, self.paths)
        if found is None:
            raise NoInput(
                f"{self.paths.results}: no run was begun there. Name the file that was given as "
                "--output"
            )
        return found

    @property
    def identity(self) -> dict[str, object]:
        """Return the settings under which the run stands: those that it was last given."""
        return self.found.history.identity

    def results(self) -> Iterator[bytes]:
        """Yield the results, with their line breaks, in the order in which they were finished.

        Each was read as one when the run was opened, or by whom its checkpoint is from.
        """
        end = self._results.keep
        for stretch in stretches(self._files, self.paths.results, 0, end) if end else ():
            yield from stretch.lines

    def errors(self) -> Iterator[bytes]:
        """Yield the errors of lines that have no result, the last one of each."""
        places = self._places(errors=True, results=False)
        try:
            for at, line, mark in self._read_errors():
                if places[mark.line] == -1 - at:
                    yield line
        finally:
            places.close()

    def find(self, custom_id: str | None, ordinal: int | None) -> bytes | None:
        """Return the record of one line, by custom_id or by ordinal; None if it has none."""
        mark = HEAD + (b'{"line":%d,' % ordinal if ordinal is not None else b"")
        named = b'"custom_id":%b,' % orjson.dumps(custom_id) if custom_id is not None else b""
        for line in chain(self.results(), self.errors()):
            # An answer may hold the same words as an id.
            if (line.startswith(mark) and named in line) and (
                custom_id is None or decode_record(line).custom_id == custom_id
            ):
                return line
        return None

    def in_order(self, *, errors: bool) -> Iterator[tuple[int, bytes]]:
        """Yield ordinal and record of each line that has one, in the order of the inputs."""
        places = self._places(errors=errors, results=True)
        try:
            for ordinal in range(1, self.found.history.last() + 1):
                if place := places[ordinal]:
                    yield ordinal, self.at(place)
        finally:
            places.close()

    def ordered(self) -> array[int]:
        """Return the places of all records in the order of the inputs: 8 bytes of memory each."""
        places = self._places(errors=True, results=True)
        try:
            lines = range(1, self.found.history.last() + 1)
            return array("q", filter(None, (places[ordinal] for ordinal in lines)))
        finally:
            places.close()

    def at(self, place: int) -> bytes:
        """Return the record at one of these places."""
        if place > 0:
            return self._files.line_at(self.paths.results, place - 1)
        return self._files.line_at(self.paths.errors, -1 - place)

    def _read_errors(self) -> Iterator[tuple[int, bytes, Mark]]:
        end = self._errors.keep
        for at, line, mark in records(self._files, self.paths.errors, 0, end) if end else ():
            if mark.line in self.failed:
                yield at, line, mark

    def _places(self, *, errors: bool, results: bool) -> Offsets:
        """Return where the record of each line begins: 1 and more of a result, -1 and less else."""
        places = Offsets(self.found.history.last(), self._scratch)
        if errors:
            for at, _, mark in self._read_errors():
                places[mark.line] = -1 - at
        if results and (end := self._results.keep):
            for at, _, mark in records(self._files, self.paths.results, 0, end):
                places[mark.line] = at + 1
        return places
