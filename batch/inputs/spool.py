"""Copies a stream to disk, because every input is read twice: by the scan, then by the run.

A copy stands beside its place until nothing is to be said against what it holds: that of an earlier
session is what its run was asked.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from batch.errors import CannotWrite, NoInput
from batch.wording import shown

_PIECE: Final = 1024 * 1024
# Prompts are for the user's eyes alone, and no link may lead them elsewhere.
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o600
_FRESH: Final = ".new"


def spool(stream: int, name: str, path: str) -> None:
    """Copy a descriptor, up to its end, to a new private file at ``path``.

    Raises ``NoInput`` if the stream fails, ``CannotWrite`` if the disk does.
    """
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        copy = os.open(path, _FLAGS, _MODE)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        os.fchmod(copy, _MODE)  # the file may be left over with another mode
        while piece := _read(stream, name):
            _write(copy, piece, path)
    finally:
        os.close(copy)


def fresh(path: str) -> str:
    """Return where a copy stands until it is settled."""
    return f"{path}{_FRESH}"


def settle(path: str) -> str:
    """Put a fresh copy in its place, which is returned. Raises ``CannotWrite``."""
    place = path.removesuffix(_FRESH)
    try:
        os.replace(path, place)
    except OSError as error:
        raise _unwritable(place, error) from None
    return place


def discard(path: str) -> None:
    """Remove a fresh copy, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def _read(stream: int, name: str) -> bytes:
    try:
        return os.read(stream, _PIECE)
    except OSError as error:
        raise NoInput(f"{name}: cannot be read: {error.strerror}") from None


def _write(copy: int, piece: bytes, path: str) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[os.write(copy, rest) :]
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: str, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"{shown(path, 300)}: cannot keep a copy of the input stream: {error.strerror}. "
        "Free some space, or name a file instead of a stream."
    )
