"""Copies a stream to disk, because every input is read twice: by the scan, then by the run.

A copy stands beside its place until nothing is to be said against what it holds: that of an earlier
session is what its run was asked. In its place stands a whole copy or none, also after a crash, as
a retry reads it there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

from batch.errors import CannotWrite, NoInput
from batch.files import Files, write_all
from batch.wording import shown

_PIECE: Final = 1024 * 1024
_FRESH: Final = ".new"


def spool(files: Files, stream: int, name: str, path: str) -> None:
    """Copy a descriptor, up to its end, to a new private file at ``path``; durable, but its name.

    Raises ``NoInput`` if the stream fails, ``CannotWrite`` if the disk does.
    """
    with _writable(path):
        files.make_folder(os.path.dirname(path))
        copy = files.create(path)
        try:
            while piece := _read(stream, name):
                write_all(files, copy, piece)
            files.sync(copy)
        finally:
            files.close(copy)


def fresh(path: str) -> str:
    """Return where a copy stands until it is settled."""
    return f"{path}{_FRESH}"


def settle(files: Files, path: str) -> str:
    """Put a fresh copy in its place, which is returned. Raises ``CannotWrite``."""
    place = path.removesuffix(_FRESH)
    with _writable(place):
        files.replace(path, place)
        files.sync_folder(os.path.dirname(place))
    return place


def discard(files: Files, path: str) -> None:
    """Remove a fresh copy, if it is there."""
    with contextlib.suppress(OSError):
        files.remove(path)


def _read(stream: int, name: str) -> bytes:
    try:
        return os.read(stream, _PIECE)
    except OSError as error:
        raise NoInput(f"{name}: cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def _writable(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            f"{shown(path, 300)}: cannot keep a copy of the input stream: "
            f"{error.strerror or error}. Free some space, or name a file instead of a stream."
        ) from None
