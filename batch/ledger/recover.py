"""What an earlier session left: read, judged, and not yet touched.

Nothing is written here, so that every refusal comes before the first change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from batch import checkpoint
from batch.checkpoint import Checkpoint, Position
from batch.errors import BadData, CannotWrite
from batch.files import Files
from batch.ledger.entries import HEAD, Entry, Header, decode_entry
from batch.ledger.paths import Paths, folder_of
from batch.ledger.scan import WAY_OUT, LogEnd, numbered, read_journal, read_records
from batch.ledger.state import History
from batch.ledger.witness import answers_told, refuse_headless
from batch.wording import agreeing, counted

FORMAT_VERSION: Final = 1
TAIL_BYTES: Final = 4096  # before the place up to which a log was read: they tell it from another


class Found(msgspec.Struct, frozen=True):
    """An earlier session's run: what its logs say, and where their torn tails begin."""

    history: History
    run_id: str
    ends: tuple[LogEnd, LogEnd, LogEnd]  # journal, results, errors
    lost: int = 0  # answers that were known of and that the logs no longer have
    begun: int = 0  # lines with work under way, of which the journal no longer tells
    missing: bool = False  # the results have no file at all
    remembered: bool = False  # the checkpoint says all of this

    @property
    def notes(self) -> list[str]:
        """Return what people should know about the mending."""
        torn = [
            f"{end.path}: cut a torn tail of {counted(end.size - end.keep, 'byte')} that a crash "
            "left"
            for end in self.ends
            if end.keep < end.size
        ]
        return torn + self.losses

    @property
    def losses(self) -> list[str]:
        """Return what the logs no longer have, and what follows from that."""
        said = []
        journal, results, _ = self.ends
        if self.lost > 0:
            said.append(
                f"{results.path} is shorter than it was: {counted(self.lost, 'answer')} "
                f"{agreeing(self.lost, 'is', 'are')} lost and "
                f"{agreeing(self.lost, 'its line', 'their lines')} will be asked again"
            )
        elif results.shrunk:
            said.append(
                f"{results.path} is shorter than it was: it had {results.reach:,} bytes and has "
                f"{results.size:,}. The answers that are gone will be asked for again"
            )
        elif self.missing:
            said.append(
                f"{results.path} is missing: the answers that it held, if any, will be asked for "
                "again"
            )
        if self.begun or journal.shrunk:
            lines = f", those of {counted(self.begun, 'line')} among them" if self.begun else ""
            said.append(
                f"{journal.path} is shorter than it was: what it said of paid attempts and of work "
                f"under way is lost{lines}. The totals may be too low, and lines without a record "
                "are asked again"
            )
        return said


def recover(files: Files, paths: Paths) -> Found | None:
    """Return what is there, or None if nothing was ever recorded.

    Raises BadData, and CannotWrite for files that cannot even be read.
    """
    try:
        return _recover(files, paths)
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or paths.results}: {error.strerror}. Nothing was changed. To go on "
            "with a run its files must be readable and writable."
        ) from error


def _recover(files: Files, paths: Paths) -> Found | None:
    header = _read_header(files, paths)
    if header is None:
        refuse_headless(files, paths)
        return None
    run_id = str((header.run or {}).get("run_id", ""))
    cached = checkpoint.load(files, paths.checkpoint)
    if cached is None or cached.history.header != header:
        return _read_logs(files, paths, run_id, None)
    if _fits(files, paths, cached):
        return _read_logs(files, paths, run_id, cached)
    found = _read_logs(files, paths, run_id, None)
    now = found.history
    journal, results, errors = found.ends
    return msgspec.structs.replace(
        found,
        ends=(_reaching(journal, cached, "journal"), _reaching(results, cached, "results"), errors),
        lost=max(now.answered.lacking(cached.history.answered), found.lost),
        begun=sum(not now.ended(one) and one not in now.open for one in cached.history.open),
    )


def _reaching(end: LogEnd, cached: Checkpoint, name: str) -> LogEnd:
    """Return a log's end with what the checkpoint knows of how far it reached once."""
    at = cached.positions.get(name)
    return msgspec.structs.replace(end, reach=max(end.reach, at.offset if at else 0))


def take_up(files: Files, found: Found, dropped: AbstractSet[int]) -> None:
    """Note again what lines had begun before the errors that ended them were dropped.

    The journal still says it, and whoever reads the logs without the checkpoint goes by that. Of
    paid work that may be done, and whose line comes back as it was, nobody else would know.
    """
    journal, told = found.ends[0], History()
    told.answered = found.history.answered

    def note(entry: Entry) -> None:
        if not entry.line or entry.line in dropped:  # with the settings, which are no line's
            told.note_entry(entry)

    read_journal(files, journal.path, 0, journal.keep, note)
    found.history.open |= told.open


def positions(files: Files, paths: Paths, offsets: tuple[int, int, int]) -> dict[str, Position]:
    """Return where the logs stand, for a checkpoint."""
    return {
        name: Position(files.identity(path), offset, _digest(_tail(files, path, offset)))
        for (name, path), offset in zip(_logs(paths).items(), offsets, strict=True)
    }


def _logs(paths: Paths) -> dict[str, str]:
    return {"journal": paths.journal, "results": paths.results, "errors": paths.errors}


def _read_header(files: Files, paths: Paths) -> Entry | None:
    """Return the header, or None if a crash tore it before anything else was written."""
    size = files.length(paths.journal)
    first = next(numbered(files, paths.journal, 0, size), None)
    if first is None:
        return None
    _, line, whole = first
    if not whole or b"\0" in line:
        read_journal(files, paths.journal, 0, size, lambda _: None)  # refuses, if that is damage
        return None
    header = _decoded(line)
    if header is None or header.kind != "header":
        raise BadData(f"{paths.journal} does not begin with a header. {WAY_OUT}")
    version = (header.run or {}).get("version")
    if version != FORMAT_VERSION:
        raise BadData(
            f"{paths.journal} was written in format {version}, this is format {FORMAT_VERSION}. "
            "Use the version of wbatch that wrote it, or choose another --output."
        )
    try:
        told = msgspec.convert(header.run, Header)
    except msgspec.ValidationError as wrong:
        raise BadData(f"the header of {paths.journal} was changed: {wrong}. {WAY_OUT}") from None
    name = os.path.basename(paths.results)
    if told.output not in ("", name) and folder_of(told.output) == folder_of(name):
        raise BadData(
            f"{paths.folder} belongs to {told.output}, and {name} would need a folder of the same "
            "name. Nothing was changed. Choose another --output."
        )
    return header


def _refuse_foreign(files: Files, path: str) -> None:
    """Refuse a file that never was a log of ours: cut as a torn tail, it would be gone for good."""
    head = next(files.read(path), b"")[: len(HEAD)]
    if head.strip(b"\0") and head != HEAD[: len(head)]:
        raise BadData(f"{path} does not begin as a log of this tool does. {WAY_OUT}")


def _decoded(line: bytes) -> Entry | None:
    try:
        return decode_entry(line)
    except ValueError:
        return None


def _fits(files: Files, paths: Paths, cached: Checkpoint) -> bool:
    """Return whether each log is still the file that was read, and at least that long."""
    return all(
        (at := cached.positions.get(name)) is not None
        and at.identity == files.identity(path)
        and _goes_on(_tail(files, path, at.offset), at)
        for name, path in _logs(paths).items()
    )


def _goes_on(tail: bytes, at: Position) -> bool:
    """Return whether a line begins after this, or would, and it is what was read then."""
    return (at.offset == 0 or tail.endswith(b"\n")) and _digest(tail) == at.tail


def _tail(files: Files, path: str, offset: int) -> bytes:
    """Return what stands just before an offset: nothing, if that is beyond the end."""
    begin = max(0, offset - TAIL_BYTES)
    data = next(files.read(path, begin), b"") if offset else b""
    return data[: offset - begin] if len(data) >= offset - begin else b""


def _digest(tail: bytes) -> bytes:
    return hashlib.blake2b(tail, digest_size=8).digest()


def _read_logs(files: Files, paths: Paths, run_id: str, start: Checkpoint | None) -> Found:
    """Read all logs, from their start or from where the checkpoint ends.

    A refusal says how many answers could be read up to there.
    """
    history = start.history if start is not None else History()
    at = {name: start.positions[name].offset if start else 0 for name in _logs(paths)}
    known = answers_told(files, paths, run_id) if start is None else 0
    try:
        ends = _read_each(files, paths, run_id, history, at)
    except BadData as damage:
        answers = counted(history.answered.count, "answer")
        raise BadData(f"{damage} {answers} of {paths.results} could be read.") from None
    lost, missing = known - history.answered.count, files.identity(paths.results) is None
    read = zip(ends, at.values(), strict=True)
    remembered = start is not None and all(end.keep == offset for end, offset in read)
    return Found(history, run_id, ends, max(0, lost), missing=missing, remembered=remembered)


def _read_each(
    files: Files, paths: Paths, run_id: str, history: History, at: Mapping[str, int]
) -> tuple[LogEnd, LogEnd, LogEnd]:
    """Read results first, then the journal, then errors.

    So a line with its result needs nothing kept of its journal, and an error finds what it ends.
    """
    sizes = {name: files.length(path) for name, path in _logs(paths).items()}

    def records_of(name: str, path: str) -> LogEnd:
        if not sizes[name]:
            return LogEnd(path, 0, 0)
        note = history.note_results if name == "results" else history.note_errors
        return read_records(files, path, at[name], sizes[name], note, run_id)

    results = records_of("results", paths.results)
    journal = read_journal(
        files, paths.journal, at["journal"], sizes["journal"], history.note_entry
    )
    errors = records_of("errors", paths.errors)
    for end in (results, errors):
        if end.size and not end.keep:
            _refuse_foreign(files, end.path)
    return journal, results, errors
