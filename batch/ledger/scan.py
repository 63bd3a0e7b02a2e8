"""Reading a log back: every whole line, and where its torn tail begins.

A crash leaves valid lines and at most one torn tail: a cut line, zeros, or a hole in what was not
yet synced. Anything else is damage, which is refused: to guess would lose answers that were paid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import msgspec
import orjson

from batch.errors import BadData
from batch.files import Files
from batch.ledger.entries import Entry, Mark, decode_entry, decode_mark

# Lines that may not have been synced lie near the end. There each one is parsed whole; before it
# the ends of a line are looked at, which reads a large log several times faster.
PARSED_WHOLE: Final = 8 << 20

Decoded: TypeAlias = Mark | Entry


class LogEnd(msgspec.Struct, frozen=True):
    """Where a log's valid lines end."""

    path: str
    keep: int  # bytes
    size: int  # bytes; more than ``keep`` if there is a torn tail


def numbered(files: Files, path: str, offset: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield offset and bytes of each line, and whether it ends with a line break."""
    rest = b""
    for chunk in files.read(path, offset):
        lines = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield offset, line, True
            offset += len(line) + 1
    if rest:
        yield offset, rest, False


def read_records(
    files: Files, path: str, offset: int, size: int, note: Callable[[Mark], None]
) -> LogEnd:
    """Read results or errors, noting each. A pack counts when all its lines are there."""
    pack: list[Mark] = []
    start = end = offset
    for at, line, whole in numbered(files, path, offset):
        try:
            mark = _whole_record(line, whole, parse=at > size - PARSED_WHOLE)
        except ValueError:
            return _torn(files, LogEnd(path, start if pack else at, size), decode_mark)
        end = at + len(line) + 1
        if mark.pack is None:
            _note(note, mark, path, at)
            continue
        start = start if pack else at
        pack.append(mark)
        if mark.pack[0] == mark.pack[1] - 1:
            for one in pack:
                _note(note, one, path, at)
            pack = []
    return LogEnd(path, start if pack else end, size)


def read_journal(
    files: Files, path: str, offset: int, size: int, note: Callable[[Entry], None]
) -> LogEnd:
    """Read the journal, noting each entry."""
    end = offset
    for at, line, whole in numbered(files, path, offset):
        try:
            entry = decode_entry(line if whole else b"")
        except ValueError:
            return _torn(files, LogEnd(path, at, size), decode_entry)
        note(entry)
        end = at + len(line) + 1
    return LogEnd(path, end, size)


def _whole_record(line: bytes, whole: bool, parse: bool) -> Mark:
    if not whole or not line.endswith(b"}") or b"\0" in line:
        raise ValueError("cut")
    if parse:
        orjson.loads(line)
    return decode_mark(line)


def _note(note: Callable[[Mark], None], mark: Mark, path: str, at: int) -> None:
    try:
        note(mark)
    except ValueError as twice:
        raise BadData(f"{path}: {twice} (the second at byte {at}). {WAY_OUT}") from twice


def _torn(files: Files, end: LogEnd, decode: Callable[[bytes], Decoded]) -> LogEnd:
    """Return the end if all that follows it may be a torn tail. Raises BadData if it is damage."""
    for _, line, whole in numbered(files, end.path, end.keep):
        try:
            later = decode(line) if whole else None
        except ValueError:
            continue
        if later is not None and later.synced > end.keep:
            raise BadData(
                f"{end.path} is damaged at byte {end.keep}: lines after it were written when it "
                f"was already on disk, so this is no torn tail of a crash. {WAY_OUT}"
            )
    return end


WAY_OUT: Final = (
    "Nothing was changed. Restore the file from a backup, or start over with --new-run, which "
    "keeps the old files aside."
)
