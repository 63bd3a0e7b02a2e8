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
ALONE: Final = (0, 1)  # place and size of what is no pack

Decoded: TypeAlias = Mark | Entry


class LogEnd(msgspec.Struct, frozen=True):
    """Where a log's valid lines end."""

    path: str
    keep: int  # bytes
    size: int  # bytes; more than ``keep`` if there is a torn tail
    reach: int = 0  # bytes that were on stable storage once, as the lines say

    @property
    def shrunk(self) -> bool:
        """Return whether the log is shorter than it was, whatever is gone."""
        return self.reach > self.size


def numbered(files: Files, path: str, offset: int, end: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield offset and bytes of each line before ``end``, and whether a line break ends it.

    The end is the log's length when the reading began: what another process adds meanwhile may be
    half a line first and a whole one a moment later, and neither may be taken for the other.
    """
    held: list[bytes] = []
    left = end - offset
    for chunk in files.read(path, offset) if left > 0 else ():
        lines = chunk[:left].split(b"\n")
        left -= len(chunk)
        held.append(lines[0])
        if len(lines) > 1:
            lines[0] = b"".join(held)
            held = [lines.pop()]
            for line in lines:
                yield offset, line, True
                offset += len(line) + 1
        if left <= 0:
            break
    if rest := b"".join(held):
        yield offset, rest, False


def records(files: Files, path: str, offset: int, end: int) -> Iterator[tuple[int, bytes, Mark]]:
    """Yield offset, bytes and mark of each result or error, up to the first line that is none."""
    for at, line, whole in numbered(files, path, offset, end):
        if not whole or not line.endswith(b"}") or b"\0" in line:
            return
        try:
            if at > end - PARSED_WHOLE:
                _parse(line)
            mark = decode_mark(line)
        except ValueError:
            return
        yield at, line, mark


def read_records(
    files: Files,
    path: str,
    offset: int,
    size: int,
    note: Callable[[Mark], None],
    run_id: str | None = None,
) -> LogEnd:
    """Read results or errors, noting each. A pack counts when all its lines are there.

    Raises BadData for damage, for a line that is there twice, and for one that is not ``run_id``'s.
    """
    keep, reach = offset, 0
    pack: list[Mark] = []
    for at, line, mark in records(files, path, offset, size):
        place, lines = mark.pack or ALONE
        if place != len(pack):
            break
        if run_id is not None and mark.run_id != run_id:
            raise BadData(
                f"{path}: line {mark.line} at byte {at} was recorded by another run: "
                f"{mark.run_id}, and this is {run_id}. {WAY_OUT}"
            )
        pack.append(mark)
        reach = max(reach, mark.synced)
        if len(pack) == lines:
            for one in pack:
                _note(note, one, path, at)
            pack.clear()
            keep = at + len(line) + 1
    return _judged(files, LogEnd(path, keep, size, reach), decode_mark)


def read_journal(
    files: Files, path: str, offset: int, size: int, note: Callable[[Entry], None]
) -> LogEnd:
    """Read the journal, noting each entry."""
    keep, reach = offset, 0
    for at, line, whole in numbered(files, path, offset, size):
        try:
            entry = decode_entry(line if whole else b"")
        except ValueError:
            break
        note(entry)
        keep, reach = at + len(line) + 1, max(reach, entry.synced)
    return _judged(files, LogEnd(path, keep, size, reach), decode_entry)


def _parse(line: bytes) -> None:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # A body may be nested as deep as the parser goes, and in its record it is deeper still.
        if not error.msg.startswith("depth limit"):
            raise


def _note(note: Callable[[Mark], None], mark: Mark, path: str, at: int) -> None:
    try:
        note(mark)
    except ValueError as twice:
        raise BadData(f"{path}: {twice} (the second at byte {at}). {WAY_OUT}") from twice


def _judged(files: Files, end: LogEnd, decode: Callable[[bytes], Decoded]) -> LogEnd:
    """Return the end if all that follows it may be a torn tail. Raises BadData if it is damage."""
    for _, line, whole in numbered(files, end.path, end.keep, end.size):
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
