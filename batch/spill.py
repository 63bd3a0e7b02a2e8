"""Where lines wait whose queue is full: as notes of where they stand, in files without names.

A note has 40 bytes, however long its line is, so that some lanes may fall millions of lines behind
the reader in the memory of a few buffers. The line is read again where it stands and compared with
its hash. A line that stands in no file that can be read from the middle, as in a packed one, waits
here whole, as long as there is room.

All of it is a cache of one process: the files are gone with it, and a resume reads its lines anew.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from struct import Struct
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeAlias

import msgspec

from batch.errors import BadData, CannotWrite
from batch.files import Files, write_all
from batch.inputs.again import Again, Spot, read_spots
from batch.inputs.lines import RawLine
from batch.inputs.source import Source
from batch.records import BadLine, Row

BUFFER_NOTES: Final = 1000  # of each lane in memory; more go to disk
WHOLE_BYTES: Final = 1 << 30  # of lines that wait whole, at most
WHOLE: Final = -1  # the place of those

_NOTE: Final = Struct("<iQIQQQ")

Parse: TypeAlias = Callable[[RawLine], Row | BadLine]
# Has a function that reads files called where a slow disk holds up nothing else: one at a time.
Offload: TypeAlias = Callable[[Callable[[], list[bytes]]], Awaitable[list[bytes]]]


class Note(NamedTuple):
    """What is remembered of a line that waits."""

    place: int  # which of the inputs it stands in, or WHOLE
    offset: int
    size: int  # bytes
    ordinal: int
    number: int
    sum: int


class Spill:
    """The lines of all lanes that wait, each lane's in order."""

    def __init__(
        self,
        files: Files,
        folder: str,
        sources: Sequence[Source],
        parse: Parse,
        offload: Offload,
        whole_bytes: int = WHOLE_BYTES,
    ) -> None:
        self._files = files
        self._path = os.path.join(folder, "spill")
        self._sources = sources
        self._again = Again(sources)
        self._parse = parse
        self._offload = offload
        self._piles: dict[str, _Pile] = {}
        self._whole = _Whole(files, self._path, whole_bytes)
        self._full = False  # the disk took no more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._again.close()
        self._whole.close()
        for pile in self._piles.values():
            pile.close()

    def put(self, lane: str, row: Row) -> bool:
        """Have a line wait behind all others of its lane; False if there is no room for it."""
        if self._full:
            return False
        try:
            note = self._noted(row)
            if note is None:
                return False
            pile = self._piles.get(lane)
            if pile is None:
                pile = self._piles[lane] = _Pile(self._files, self._path)
            pile.add(note)
        except OSError:
            # Who does not fit in here waits in the inputs, so that this is no reason to end.
            self._full = True
            return False
        return True

    async def take(self, lane: str, rows: int, size: int) -> list[Row]:
        """Return the next lines of a lane: so many, in so many bytes, but one at least.

        Ask for a lane's lines one call at a time. Raises ``BadData`` if an input changed meanwhile,
        ``NoInput`` or ``CannotWrite`` if one cannot be read.
        """
        try:
            notes = self._piles[lane].take(rows, size)
            spots = [Spot(note.place, note.offset, note.size) for note in notes]
            read = await self._offload(lambda: list(read_spots(spots, self._read_at)))
        except OSError as error:
            raise CannotWrite(
                f"{self._path}: what was kept there cannot be read back: {error.strerror}. "
                "Run the same command again."
            ) from error
        found = [self._row(note, raw) for note, raw in zip(notes, read, strict=True)]
        self._whole.taken(sum(note.place == WHOLE for note in notes))
        return found

    def _noted(self, row: Row) -> Note | None:
        """Return a line's note, or None if it would have to wait whole and has no room."""
        if self._again.can(row.place):
            return Note(row.place, row.offset, row.size, row.ordinal, row.number, row.sum)
        data = msgspec.msgpack.encode(msgspec.structs.astuple(row))
        offset = self._whole.add(data)
        if offset is None:
            return None
        return Note(WHOLE, offset, len(data), row.ordinal, row.number, row.sum)

    def _read_at(self, place: int, offset: int, size: int) -> bytes:
        if place == WHOLE:
            return self._whole.read_at(offset, size)
        return self._again.read_at(place, offset, size)

    def _row(self, note: Note, raw: bytes) -> Row:
        if note.place == WHOLE:
            return Row(*msgspec.msgpack.decode(raw))
        source = self._sources[note.place]
        where = note.place, note.offset
        line = RawLine(
            note.ordinal, note.number, source.name, raw, note.size, 0, *where, source.form.salt
        )
        if line.sum != note.sum:
            raise BadData(
                f"{line.where}: the line was changed while the run was reading it. "
                "Run the same command again."
            )
        row = self._parse(line)
        assert isinstance(row, Row)  # only those are put here, and the bytes are the same
        return row


class _Pile:
    """The notes of one lane, first in, first out: the newest in memory, the others on disk."""

    __slots__ = ("_fd", "_files", "_newest", "_path", "_read", "_written")

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path
        self._fd: int | None = None
        self._read = self._written = 0  # bytes of the file
        self._newest = bytearray()

    def add(self, note: Note) -> None:
        if len(self._newest) >= BUFFER_NOTES * _NOTE.size:
            self._flush()
        self._newest += _NOTE.pack(*note)

    def _flush(self) -> None:
        if self._fd is None:
            self._fd = self._files.scratch(self._path)
        write_all(self._files, self._fd, bytes(self._newest))
        self._written += len(self._newest)
        self._newest.clear()

    def take(self, most: int, size: int) -> list[Note]:
        """Return notes of up to so many lines, in so many bytes, but one at least."""
        notes = self._oldest(most)
        kept = 0
        for note in notes:
            size -= note.size
            if size < 0 and kept:
                break
            kept += 1
        self._drop(kept)
        return notes[:kept]

    def _oldest(self, most: int) -> list[Note]:
        wanted = most * _NOTE.size
        if self._fd is not None and self._read < self._written:
            wanted = min(wanted, self._written - self._read)
            data = self._files.read_at(self._fd, self._read, wanted)
        else:
            data = bytes(self._newest[:wanted])
        return [Note(*fields) for fields in _NOTE.iter_unpack(data)]

    def _drop(self, count: int) -> None:
        if self._fd is None or self._read == self._written:
            del self._newest[: count * _NOTE.size]
            return
        self._read += count * _NOTE.size
        if self._read == self._written:
            self._files.truncate(self._fd, 0)
            self._read = self._written = 0

    def close(self) -> None:
        if self._fd is not None:
            self._files.close(self._fd)


class _Whole:
    """Lines that wait as they are, those of all lanes in one file."""

    __slots__ = ("_fd", "_files", "_left", "_most", "_path", "_written")

    def __init__(self, files: Files, path: str, most: int) -> None:
        self._files = files
        self._path = path
        self._most = most
        self._fd: int | None = None
        self._written = 0  # bytes
        self._left = 0  # lines that were not taken yet

    def add(self, data: bytes) -> int | None:
        """Append a line and return its offset, or None if there is no room."""
        offset = self._written
        if offset + len(data) > self._most:
            return None
        if self._fd is None:
            self._fd = self._files.scratch(self._path)
        write_all(self._files, self._fd, data)
        self._written += len(data)
        self._left += 1
        return offset

    def read_at(self, offset: int, size: int) -> bytes:
        assert self._fd is not None
        return self._files.read_at(self._fd, offset, size)

    def taken(self, count: int) -> None:
        """Take note that so many lines were read; after the last one the file is empty again."""
        self._left -= count
        if count and not self._left and self._fd is not None:
            self._files.truncate(self._fd, 0)
            self._written = 0

    def close(self) -> None:
        if self._fd is not None:
            self._files.close(self._fd)
