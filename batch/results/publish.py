"""A file that is written aside and put in place whole: it is there, or it is not."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from batch.errors import BadUsage, Busy, CannotWrite
from batch.files import Files, write_all
from batch.ledger.paths import Paths
from batch.wording import shown

GZIP: Final = ".gz"
_GZIP_BITS: Final = 31
_LEVEL: Final = 6


class Target:
    """The file to be. What was in its place stays until ``place``."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path
        self.aside = f"{path}.tmp"
        self._zip = zlib.compressobj(_LEVEL, wbits=_GZIP_BITS) if path.endswith(GZIP) else None
        self.fd = -1
        self._made: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        self.fd = self._files.create(self.aside)
        self._made = self._files.identity(self.aside)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.fd >= 0:
            mine = self._is_mine()
            self._close()
            if mine:
                self._files.remove(self.aside)

    def write(self, data: bytes) -> None:
        """Write at the end."""
        packed = self._zip.compress(data) if self._zip else data
        if packed:
            write_all(self._files, self.fd, packed)

    def place(self) -> None:
        """Put the file in its place. Raises Busy if somebody else writes one aside by now."""
        if self._zip:
            write_all(self._files, self.fd, self._zip.flush())
        self._files.sync(self.fd)
        if not self._is_mine():
            raise Busy(
                f"{shown(self._path, 300)} is being written by somebody else too. Wait until that "
                "has ended"
            )
        self._close()
        self._files.replace(self.aside, self._path)
        self._files.sync_folder(os.path.dirname(self._path))

    def _is_mine(self) -> bool:
        """Return whether the name still leads to this file: whoever comes later takes it."""
        return self._files.identity(self.aside) == self._made

    def _close(self) -> None:
        self._files.close(self.fd)
        self.fd = -1


def refuse_target(path: str, kept: Sequence[str], folder: str, *, force: bool) -> None:
    """Refuse a file that must not be written.

    ``kept`` are the files of the run and its inputs, ``folder`` is the run's. Raises BadUsage, or
    CannotWrite for what is there and was not to be replaced.
    """
    name = shown(path, 300)
    real = os.path.realpath(path)
    if os.path.commonpath((real, os.path.realpath(folder))) == os.path.realpath(folder):
        raise BadUsage(f"{name} is within the folder of the run. Choose another file")
    refuse_kept(path, kept)
    if os.path.exists(path) and not force:
        raise CannotWrite(f"{name} is there already. Choose another file, or replace it: --force")


def refuse_kept(path: str, kept: Sequence[str]) -> None:
    """Refuse to replace a file of any run, one of those that are ``kept``, or what is no file.

    Raises BadUsage or CannotWrite.
    """
    name = shown(path, 300)
    if path == "-":
        raise BadUsage(
            "- is no file, and this does not go to stdout. Name a file: ./- if that is it"
        )
    if path.endswith(".toml") and os.path.exists(path):
        raise BadUsage(f"{name} holds settings: a job, or prices. Choose another file")
    if any(os.path.exists(one) and _same(one, path) for one in kept):
        raise BadUsage(f"{name} is a file of the run itself, or its input. Choose another file")
    if _is_of_a_run(os.path.realpath(path)):
        raise BadUsage(f"{name} is a file of a run. Choose another file")
    if os.path.exists(path) and not os.path.isfile(path):
        raise CannotWrite(f"{name} is no file that could be replaced. Choose another one")


def _is_of_a_run(real: str) -> bool:
    """Return whether a path is that of a run's results, or is within a run's folder."""
    if os.path.exists(Paths(real).journal):
        return True
    folder = os.path.dirname(real)
    while folder != os.path.dirname(folder):
        if folder.endswith(".run") and os.path.exists(os.path.join(folder, "journal.jsonl")):
            return True
        folder = os.path.dirname(folder)
    return False


def _same(one: str, other: str) -> bool:
    return os.path.exists(other) and os.path.samefile(one, other)
