"""Reading a log back: every whole line, and where its torn tail begins.

A crash leaves valid lines and at most one torn tail: a cut line, zeros, or a hole in what was not
yet synced. Anything else is damage, which is refused: to guess would lose answers that were paid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

import msgspec
import orjson

from batch.errors import BadData
from batch.files import Files
from batch.ledger.entries import HEAD, Entry, Mark, decode_entry, decode_mark, decode_marks
from batch.ledger.lines import Repeated

# Lines that may not have been synced are parsed whole, as the last record says where they begin; of
# those before them the ends are looked at, which reads a large log several times faster. In any
# case those so near the end are parsed: some disks say that they have what they have not.
NEAR_END: Final = 1 << 20
PARSED_WHOLE: Final = 8 << 20  # where the end says nothing, as it is torn, or of a large record
ALONE: Final = (0, 1)  # place and size of what is no pack

Decoded: TypeAlias = Mark | Entry


class Stretch(NamedTuple):
    """Lines that stand one after the other."""

    at: int  # offset in the file
    lines: list[bytes]  # with their line breaks
    holed: bool  # there are zeros in them
    whole: bool = True  # each has its line break

    def placed(self) -> Iterator[tuple[int, bytes]]:
        """Yield them with their offsets in the file."""
        return zip(accumulate(map(len, self.lines), initial=self.at), self.lines, strict=False)


class Marked(NamedTuple):
    """Records that stand one after the other."""

    stretch: Stretch  # where they are, and perhaps other lines after them
    marks: list[Mark]

    def begin(self, place: int) -> int:
        """Return the offset in the file of one of them, or of what follows the last."""
        return self.stretch.at + sum(map(len, self.stretch.lines[:place]))


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


def stretches(files: Files, path: str, offset: int, end: int) -> Iterator[Stretch]:
    """Yield the lines before ``end``, as many at a time as one read of the file has.

    The end is the log's length when the reading began: what another process adds meanwhile may be
    half a line first and a whole one a moment later, and neither may be taken for the other.
    """
    held: list[bytes] = []
    left = end - offset
    for chunk in files.read(path, offset) if left > 0 else ():
        first, *others = BytesIO(chunk[:left])
        left -= len(chunk)
        held.append(first)
        if first.endswith(b"\n"):
            lines = [b"".join(held), *others]
            held = [] if lines[-1].endswith(b"\n") else [lines.pop()]
            yield Stretch(offset, lines, holed=lines[0].find(0) >= 0 or chunk.find(0) >= 0)
            offset += sum(map(len, lines))
        if left <= 0:
            break
    if rest := b"".join(held):
        yield Stretch(offset, [rest], holed=True, whole=False)


def numbered(files: Files, path: str, offset: int, end: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield offset and bytes of each line before ``end``, and whether a line break ends it."""
    for stretch in stretches(files, path, offset, end):
        for at, line in stretch.placed():
            yield at, line.removesuffix(b"\n"), stretch.whole


def records(files: Files, path: str, offset: int, end: int) -> Iterator[tuple[int, bytes, Mark]]:
    """Yield offset, bytes and mark of each result or error, up to the first line that is none."""
    for found in _marked(files, path, offset, end):
        for mark, (at, line) in zip(found.marks, found.stretch.placed(), strict=False):
            yield at, line[:-1], mark


def _marked(files: Files, path: str, offset: int, end: int) -> Iterator[Marked]:
    """Yield results or errors, many at a time, up to the first line that is none."""
    parsed = _in_doubt(files, path, end)
    for stretch in stretches(files, path, offset, end):
        if not stretch.whole:
            return
        found = _looked_at(stretch, parsed)
        if found.marks:
            yield found
        if len(found.marks) < len(stretch.lines):
            return


def _in_doubt(files: Files, path: str, end: int) -> int:
    """Return from where on lines may not have been on stable storage, or have to be doubted."""
    near = max(0, end - NEAR_END)
    if not near:
        return 0
    tail = b"".join(files.read(path, near))[: end - near]
    try:
        synced = decode_mark(tail[tail.rfind(b"\n" + HEAD) + 1 :]).synced
    except ValueError:
        return end - PARSED_WHOLE
    return min(synced, near)


def _looked_at(stretch: Stretch, parsed: int) -> Marked:
    """Return the records of a stretch, up to the first line that is none.

    Lines that begin at ``parsed`` or after it are parsed whole.
    """
    try:
        marks = _one_by_one(stretch.lines) if stretch.holed else decode_marks(stretch.lines)
    except ValueError:
        marks = _one_by_one(stretch.lines)
    found = Marked(stretch, marks)
    if found.begin(len(marks)) > parsed:
        for place, (begin, line) in enumerate(stretch.placed()):
            if begin >= parsed and not _parses(line):
                return Marked(stretch, marks[:place])
    return found


def _one_by_one(lines: Sequence[bytes]) -> list[Mark]:
    """Return what lines say, up to the first that is no record."""
    marks: list[Mark] = []
    for line in lines:
        if not line.endswith(b"}\n") or b"\0" in line:
            break
        try:
            marks.append(decode_mark(line))
        except ValueError:
            break
    return marks


def read_records(
    files: Files,
    path: str,
    offset: int,
    size: int,
    note: Callable[[Sequence[Mark]], None],
    run_id: str | None = None,
) -> LogEnd:
    """Read results or errors, noting them. A pack counts when all its lines are there.

    Raises BadData for damage, for a line that is there twice, and for one that is not ``run_id``'s.
    """
    keep, reach = offset, 0
    pack: list[Mark] = []  # begun: its other lines may be in the next stretch
    for found in _marked(files, path, offset, size):
        own = _own(found.marks, run_id)
        marks = [*pack, *found.marks[:own]]
        ready, fits = _units(marks)
        if ready:
            _note(note, marks[:ready], path, found, len(pack))
            keep = found.begin(ready - len(pack))
        reach = max(reach, *[mark.synced for mark in found.marks])
        if own < len(found.marks):
            raise BadData(
                f"{path}: line {found.marks[own].line} at byte {found.begin(own)} was recorded by "
                f"another run: {found.marks[own].run_id}, and this is {run_id}. {WAY_OUT}"
            )
        if not fits:
            break
        pack = marks[ready:]
    return _judged(files, LogEnd(path, keep, size, reach), decode_mark)


def _own(marks: Sequence[Mark], run_id: str | None) -> int:
    """Return how many records are of a run, up to the first that is not."""
    if run_id is None:
        return len(marks)
    if [mark.run_id for mark in marks].count(run_id) == len(marks):
        return len(marks)
    return [mark.run_id == run_id for mark in marks].index(False)


def _units(marks: Sequence[Mark]) -> tuple[int, bool]:
    """Return how many records are there with all of their pack, and whether the rest begins one."""
    if [mark.pack for mark in marks].count(None) == len(marks):
        return len(marks), True
    ready = held = 0
    for count, mark in enumerate(marks, 1):
        place, lines = mark.pack or ALONE
        if place != held:
            return ready, False
        held += 1
        if held == lines:
            ready, held = count, 0
    return ready, True


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


def _parses(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # A body may be nested as deep as the parser goes, and in its record it is deeper still.
        return error.msg.startswith("depth limit")
    return True


def _note(
    note: Callable[[Sequence[Mark]], None],
    marks: Sequence[Mark],
    path: str,
    found: Marked,
    before: int,
) -> None:
    """Note records, of which so many stand ``before`` those that were found."""
    try:
        note(marks)
    except Repeated as again:
        at = found.begin(max(0, again.place - before))
        raise BadData(
            f"{path}: line {again.ordinal} has two results (the second at byte {at}). {WAY_OUT}"
        ) from again
    except ValueError as wrong:
        raise BadData(f"{path}: after byte {found.stretch.at}: {wrong}. {WAY_OUT}") from wrong


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
