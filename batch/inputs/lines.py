"""Cuts streams of bytes into lines, in memory that neither lines nor files can grow.

A line feed ends a line, and one carriage return before it belongs to that break. Nothing else does:
U+2028 and its like are text. Of a table each record is a line, though its fields may hold line
breaks, and the first one, which names the columns, is none.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from batch.errors import BadData, BatchError
from batch.files import lines_of
from batch.inputs.table import Table, ends_within_quotes

SUM_BYTES: Final = 8
UTF8_MARK: Final = b"\xef\xbb\xbf"


class Damaged(BatchError):
    """The bytes of a source end early or are corrupt."""


class Chunked(Protocol):
    """Something that lines can be read from."""

    @property
    def name(self) -> str:
        """Return the name that messages use."""
        ...

    @property
    def table(self) -> Table | None:
        """Return the layout of its records; None if each line stands for itself."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Return the bytes in pieces of any size. Raises ``Damaged``."""
        ...


class RawLine(msgspec.Struct, frozen=True, gc=False):
    """One line that is not blank, not yet understood."""

    ordinal: int  # over all inputs, from 1; blank lines count
    number: int  # in its file, from 1: of a record that has several lines the first
    source: str  # file it came from, for messages
    raw: bytes | None  # without the line break; None if it is over the cap
    size: int  # bytes, without the line break
    long_sum: int = 0  # the sum of a line that is over the cap
    place: int = 0  # which of the sources that file is, from 0
    offset: int = 0  # of its first byte among the bytes of its source
    salt: bytes = b""  # what tells its meaning and does not stand in it: the columns of its table

    @property
    def sum(self) -> int:
        """Return the line's identity beside its ordinal."""
        return self.long_sum if self.raw is None else line_sum(self.raw, self.salt)

    @property
    def where(self) -> str:
        """Return ``file:line``, for messages."""
        return f"{self.source}:{self.number}"


def line_sum(raw: bytes, salt: bytes = b"") -> int:
    """Return the 64-bit hash of a line's bytes without the line break."""
    return int.from_bytes(blake2b(raw, digest_size=SUM_BYTES, key=salt).digest(), "big")


def read_lines(sources: Iterable[Chunked], max_line_bytes: int) -> Iterator[RawLine]:
    """Read every line that is not blank; a longer one than allowed comes without its bytes.

    Raises ``BadData`` with file and line where a source turns out to be damaged.
    """
    before = 0
    for place, source in enumerate(sources):
        read = _read_one if source.table is None else _read_records
        before += yield from read(source, place, before, max_line_bytes)


def _read_one(source: Chunked, place: int, before: int, cap: int) -> Generator[RawLine, None, int]:
    """Yield the lines of one source and return how many it has, blank ones included."""
    name, number = source.name, 0
    for begins, block in _blocks(source, cap):
        at = begins
        for item in block:
            number += 1
            if not item:  # of which a file may have a hundred million
                at += 1
                continue
            ordinal = before + number
            if isinstance(item, bytes):
                raw = item.removesuffix(b"\r")
                size = len(raw)
                if size > cap:
                    yield RawLine(ordinal, number, name, None, size, line_sum(raw), place, at)
                elif raw and not raw.isspace():
                    yield RawLine(ordinal, number, name, raw, size, 0, place, at)
                at += len(item) + 1
            else:
                yield RawLine(ordinal, number, name, None, item.size, item.sum(), place, at)
                at += item.passed + 1
    return number


def _read_records(
    source: Chunked, place: int, before: int, cap: int
) -> Generator[RawLine, None, int]:
    """Yield the records of a table and return how many it has, blank lines included."""
    assert source.table is not None
    name, salt, count = source.name, source.table.salt, -1  # the first one names the columns
    for number, offset, raw in records(source, cap, source.table.separator):
        blank = not raw or raw.isspace()
        if count < 0 and blank:
            continue
        count += 1
        if count and not blank:
            ordinal, size = before + count, len(raw)
            yield RawLine(ordinal, number, name, raw, size, 0, place, offset, salt)
    return max(count, 0)


def records(source: Chunked, cap: int, separator: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield the records of a source: line of the file, offset, and bytes without the line break.

    Raises ``BadData`` for one over the cap: where a quote is not closed, the rest of the file is
    one record, and nobody can tell that from a long one.
    """
    mark = separator.encode()
    number = first = start = held = 0
    begun: list[bytes] = []
    for begins, block in _blocks(source, cap):
        at = begins
        for item in block:
            number += 1
            if not begun:
                first, start, held = number, at, 0
            held += item.size if isinstance(item, _Skipped) else len(item)
            if isinstance(item, _Skipped) or held > cap + 1:
                raise BadData(
                    f"{source.name}:{first}: the row that begins here has more than {cap} bytes. "
                    "Close the quote in it that is open, or allow longer rows (--max-line-bytes)."
                )
            at += len(item) + 1
            held += 1
            within = ends_within_quotes(item, mark, bool(begun))
            if within or begun:
                begun.append(item)
            if not within:
                yield first, start, (b"\n".join(begun) if begun else item).removesuffix(b"\r")
                begun.clear()
    if begun:
        raise BadData(f"{source.name}:{first}: a quote is open to the end of the file. Close it.")


def _blocks(source: Chunked, cap: int) -> Iterator[tuple[int, list[bytes | _Skipped]]]:
    """Yield the lines of a source, as many at a time as a chunk ends, and where these begin."""
    cutter, marked = _Cutter(cap), 0
    try:
        for marked, chunk in _unmarked(source.chunks()):
            begins = marked + cutter.begins
            yield begins, cutter.feed(chunk)
    except Damaged as damage:
        raise BadData(f"{source.name}:{cutter.ended + 1}: {damage}") from None
    yield marked + cutter.begins, cutter.finish()


def _unmarked(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the chunks without a UTF-8 byte order mark at their very start, and its length."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(UTF8_MARK):
            break
    text = head.removeprefix(UTF8_MARK)
    marked = len(head) - len(text)
    yield marked, text
    for chunk in chunks:
        yield marked, chunk


class _Skipped:
    """A line over the cap: hashed as it passes, never held."""

    __slots__ = ("_digest", "_return", "passed", "size")

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=SUM_BYTES)
        self._return = b""  # a last \r: it may turn out to belong to the line break
        self.size = 0
        self.passed = 0  # bytes, that one among them

    def feed(self, piece: bytes) -> None:
        self.passed += len(piece)
        data = self._return + piece
        self._return = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(b"\r")
        self._digest.update(data)
        self.size += len(data)

    def sum(self) -> int:
        return int.from_bytes(self._digest.digest(), "big")


class _Cutter:
    """Cuts chunks at line feeds and holds the one line that has begun, up to the cap."""

    __slots__ = ("_cap", "_fed", "_held", "_pieces", "_skipped", "begins", "ended")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._pieces: list[bytes] = []
        self._held = 0
        self._skipped: _Skipped | None = None
        self._fed = 0  # bytes
        self.begins = 0  # where among these the line that has begun does
        self.ended = 0  # lines

    def feed(self, chunk: bytes) -> list[bytes | _Skipped]:
        """Take a chunk and return the lines that end in it."""
        self._fed += len(chunk)
        stop = chunk.rfind(b"\n") + 1
        if not stop:
            self._hold(chunk)
            return []
        first, *others = lines_of(chunk[:stop])
        self._hold(first)
        ended = [self._take(), *others]
        self.ended += len(ended)
        self.begins = self._fed - len(chunk) + stop
        self._hold(chunk[stop:])
        return ended

    def finish(self) -> list[bytes | _Skipped]:
        """Return the last line if no line break ended it."""
        return [self._take()] if self._held or self._skipped else []

    def _hold(self, piece: bytes) -> None:
        if self._skipped is not None:
            self._skipped.feed(piece)
            return
        self._pieces.append(piece)
        self._held += len(piece)
        # One byte more than the cap, because it may be the \r of the line break.
        if self._held > self._cap + 1:
            self._skipped = _Skipped()
            for held in self._pieces:
                self._skipped.feed(held)
            self._pieces, self._held = [], 0

    def _take(self) -> bytes | _Skipped:
        line = self._skipped or b"".join(self._pieces)
        self._pieces, self._held, self._skipped = [], 0, None
        return line
