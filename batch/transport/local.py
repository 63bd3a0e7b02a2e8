"""Files of this machine that lines name: only from the one folder that the user allowed.

A small one is read when it is found. Of a larger one a slice is read at a time, while the body goes
out, so that the largest picture takes no more memory than a slice. It is opened anew for each, and
must still be the same: nothing is held open that a call which is given up could leave behind.
"""

from __future__ import annotations

import os
import stat
from typing import Final

import msgspec

from batch.errors import BadFile
from batch.weights import READ
from batch.wire._files import LOCAL
from batch.wire._media import HEAD

_SHOWN: Final = 200  # characters of a name in a message
# Not through a link, and without blocking: a named pipe would wait for its other end.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalFile(msgspec.Struct, frozen=True):
    """A file that is too large to be held."""

    name: str  # as the line calls it
    path: str  # without links
    size: int
    head: bytes  # enough of it to tell what it is
    stamp: tuple[int, ...]  # what changes when the file does

    def slice(self, start: int) -> bytes:
        """Read the slice from a place on. Blocks. Raises ``BadFile`` if the file has changed."""
        length = min(READ, self.size - start)
        try:
            with open(os.open(self.path, _FLAGS), "rb") as file:
                file.seek(start)
                same = _stamp(os.fstat(file.fileno())) == self.stamp
                content = file.read(length) if same else b""
        except OSError as broken:
            raise _unreadable(self.name, broken) from broken
        if len(content) != length:
            raise BadFile(
                f"the local file {shown(self.name)} changed while it was sent, which was given up"
            )
        return content


def find(folder: str | None, source: str, most: int) -> bytes | LocalFile:
    """Return a small file's content, or a larger file. Blocks. Raises ``BadFile``.

    A file of more than ``most`` bytes may be cut off after them.
    """
    name = source.removeprefix(LOCAL).removeprefix("//")
    if folder is None:
        raise BadFile(
            f"the line names the local file {shown(name)}: allow the folder that it is in "
            "with --allow-files DIR, then: wbatch retry --only bad_file"
        )
    try:
        path = os.path.realpath(os.path.join(folder, name))
        if os.path.commonpath((path, folder)) != folder:
            raise BadFile(
                f"the line names the local file {shown(name)}, which is not under "
                f"{folder} (--allow-files)"
            )
        with open(os.open(path, _FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadFile(f"the local file {shown(name)} is no regular file")
            if status.st_size > READ:
                return LocalFile(name, path, status.st_size, file.read(HEAD), _stamp(status))
            content = file.read(most + 1)
    except (OSError, ValueError) as broken:
        raise _unreadable(name, broken) from broken
    if not content:
        raise BadFile(f"the local file {shown(name)} is empty")
    return content


def shown(name: str) -> str:
    """Return as much of a name as a message can hold, quoted."""
    return repr(name[:_SHOWN])


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _unreadable(name: str, broken: OSError | ValueError) -> BadFile:
    why = broken.strerror if isinstance(broken, OSError) else broken
    return BadFile(f"cannot read the local file {shown(name)}: {why}")
