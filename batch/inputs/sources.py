"""Turns the paths that the user named into inputs that can be read again and again.

Everything that can be refused by looking at the paths and the first bytes is refused here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from batch.errors import BadBody, BadData, BadUsage, NoInput
from batch.files import Files, OsFiles
from batch.inputs.form import Form
from batch.inputs.lines import Damaged, RawLine, read_lines
from batch.inputs.recognise import recognise
from batch.inputs.settings import MAX_LINE_BYTES, Reading
from batch.inputs.source import CHUNK_BYTES, GZIP_MAGIC, Source
from batch.inputs.spool import discard, fresh, settle, spool
from batch.wording import counted, shown

STDIN: Final = "-"
_PLAIN: Final = Reading()
_DISK: Final[Files] = OsFiles()
_HEAD_BYTES: Final = CHUNK_BYTES
_FIRST_BYTES: Final = 4 << 20  # until a first line ends: as many tokens as any model reads
_UNREADABLE: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "a directory. Name the files in it"),
    (stat.S_ISCHR, "a device. Name a file, or pipe the lines in"),
    (stat.S_ISBLK, "a device. Name a file, or pipe the lines in"),
    (stat.S_ISSOCK, "a socket. Name a file, or pipe the lines in"),
)


class Inputs(msgspec.Struct, frozen=True):
    """All inputs of a run, in their order."""

    sources: tuple[Source, ...]
    max_line_bytes: int

    @property
    def forms(self) -> tuple[Form, ...]:
        """Return how the lines of each are to be understood."""
        return tuple(source.form for source in self.sources)

    def fields(self, line: RawLine) -> dict[str, Any]:
        """Return what a line holds, by name. Raises ``BadBody`` for one that cannot be read."""
        if line.raw is None:
            raise BadBody("The line is too long.", "line_too_long")
        return self.sources[line.place].form.fields(line.raw)

    def describe(self) -> list[dict[str, str | int]]:
        """Return each input for the run's header: path, bytes on disk, container format."""
        return [
            {"path": s.given, "bytes": s.size, "format": s.container, "lines": s.form.kind}
            for s in self.sources
        ]

    def told(self) -> list[str]:
        """Return what they were found to be, for people: a line for each kind."""
        groups: dict[str, list[str]] = {}
        for source in self.sources:
            groups.setdefault(source.form.told, []).append(source.name)
        return [
            f"{names[0] if len(names) == 1 else counted(len(names), 'file')}: {what}"
            for what, names in groups.items()
        ]

    def lines(self) -> Iterator[RawLine]:
        """Read all lines from the start. Raises ``BadData`` and ``NoInput``."""
        return read_lines(self.sources, self.max_line_bytes)

    def settled(self, files: Files = _DISK) -> Inputs:
        """Return them with the copies of streams in their place. Raises ``CannotWrite``.

        For when nothing stands against what they hold: those of an earlier session are gone then.
        """
        kept = (
            msgspec.structs.replace(one, path=settle(files, one.path)) if one.streamed else one
            for one in self.sources
        )
        return msgspec.structs.replace(self, sources=tuple(kept))

    def discard(self, files: Files = _DISK) -> None:
        """Remove the copies of streams that were not settled."""
        for one in self.sources:
            if one.streamed:
                discard(files, one.path)


class _Named(msgspec.Struct, frozen=True):
    """A path that exists, not yet looked into."""

    path: str
    name: str
    status: os.stat_result

    @property
    def streamed(self) -> bool:
        return self.path == STDIN or not stat.S_ISREG(self.status.st_mode)


def open_inputs(
    paths: Sequence[str],
    spool_path: str,
    max_line_bytes: int = MAX_LINE_BYTES,
    stdin: int = 0,
    reading: Reading = _PLAIN,
    files: Files = _DISK,
) -> Inputs:
    """Check all paths, then copy standard input and named pipes to disk, then look at each head.

    Standard input goes to ``spool_path``, a named pipe beside it, once they are ``settled``.
    Raises ``NoInput`` for what cannot be read, ``BadUsage`` for a file named twice, ``BadData`` for
    what is no prompt file, ``CannotWrite`` if a stream finds no room.
    """
    named = [_look(path, stdin) for path in paths]
    _refuse_twice(named)
    copies = [
        fresh(os.path.abspath(spool_path if one.path == STDIN else f"{spool_path}.{place}"))
        for place, one in enumerate(named, 1)
    ]
    try:
        pairs = zip(named, copies, strict=True)
        sources = [_source(files, one, copy, stdin) for one, copy in pairs]
        known = [msgspec.structs.replace(one, form=_recognised(one, reading)) for one in sources]
    except BaseException:
        for copy in copies:
            discard(files, copy)
        raise
    return Inputs(tuple(known), max_line_bytes)


def _look(path: str, stdin: int) -> _Named:
    """Return a path with what the system says of it. Raises ``NoInput``."""
    name = "standard input" if path == STDIN else shown(path, 300) or '""'
    try:
        status = os.fstat(stdin) if path == STDIN else os.stat(path)
    except OSError as error:
        pattern = " A shell leaves a pattern as it is where no file fits." * _is_pattern(path)
        raise NoInput(f"{name}: {error.strerror}. Check the path.{pattern}") from None
    except ValueError:
        raise NoInput(f"{name}: a path cannot hold a NUL character.") from None
    for is_kind, hint in _UNREADABLE:
        if is_kind(status.st_mode):
            raise NoInput(f"{name} is {hint}.")
    return _Named(path, name, status)


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _refuse_twice(named: Sequence[_Named]) -> None:
    """Refuse the same file under two names: its lines would be paid twice."""
    seen: dict[tuple[int, int], str] = {}
    for one in named:
        inode = (one.status.st_dev, one.status.st_ino)
        if inode in seen:
            raise BadUsage(
                f"{one.name} and {seen[inode]} are the same file: its lines would be asked twice. "
                "Name it once."
            )
        seen[inode] = one.name


def _source(files: Files, one: _Named, copy: str, stdin: int) -> Source:
    """Return the file to read: the one named, or the copy of a stream."""
    path = os.path.abspath(one.path)
    given = STDIN if one.path == STDIN else path
    if one.streamed:
        _spool(files, one, copy, stdin)
        path = copy
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    except OSError as error:
        raise NoInput(f"{one.name}: cannot be read: {error.strerror}.") from None
    inode = (status.st_dev, status.st_ino)
    return Source(one.name, path, given, status.st_size, inode, zipped)


def _spool(files: Files, one: _Named, copy: str, stdin: int) -> None:
    if one.path == STDIN:
        spool(files, stdin, one.name, copy)
        return
    try:
        stream = os.open(one.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NoInput(f"{one.name}: cannot be read: {error.strerror}.") from None
    try:
        spool(files, stream, one.name, copy)
    finally:
        os.close(stream)


def _recognised(source: Source, reading: Reading) -> Form:
    """Return the form that a source's first bytes show. Raises ``BadData``, ``BadUsage``."""
    head = b""
    try:
        for chunk in source.chunks():
            head += chunk
            if len(head) >= (_HEAD_BYTES if b"\n" in head else _FIRST_BYTES):
                break
    except Damaged as damage:
        reached = head.count(b"\n") + 1
        raise BadData(f"{source.name}:{reached}: {damage}") from None
    return recognise(source.name, source.given, head, reading)
