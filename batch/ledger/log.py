"""One append-only file: write, sync, and what to do when either fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from batch.errors import CannotWrite
from batch.files import Files, write_all


class Log:
    """An append-only file of lines. ``synced`` bytes of it are on stable storage."""

    def __init__(self, files: Files, path: str) -> None:
        self.path = path
        self._files = files
        self._fd = files.append(path)
        self.size = self.synced = files.size(self._fd)

    def cut(self, length: int) -> None:
        """Cut a torn tail off and make that durable; needs no free space."""
        self._files.truncate(self._fd, length)
        self._files.sync(self._fd)
        self.size = self.synced = length

    def sync(self) -> None:
        """Make what is there durable, before anything is built on it."""
        self._files.sync(self._fd)
        self.synced = self.size

    def write(self, blocks: Iterable[bytes]) -> None:
        """Append and sync once, or raise CannotWrite with the file cut back to what was synced.

        The first failure is final: after a failed fsync the kernel may have dropped the pages, and
        a second one that succeeds would prove nothing.
        """
        try:
            for block in blocks:
                write_all(self._files, self._fd, block)
                self.size += len(block)
            self._files.sync(self._fd)
        except OSError as error:
            self.size = self.synced
            with contextlib.suppress(OSError):
                self._files.truncate(self._fd, self.synced)
            raise CannotWrite(
                f"{self.path}: {error.strerror or error}. What was counted is safe; the same "
                "command goes on from there once the cause is mended."
            ) from error
        self.synced = self.size

    def close(self) -> None:
        """Close the descriptor."""
        self._files.close(self._fd)
