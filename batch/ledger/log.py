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
        try:
            self._identity = files.identity(path)
            self.size = self.synced = files.size(self._fd)
        except OSError:
            self.close()
            raise

    def cut(self, length: int) -> None:
        """Cut a torn tail off and make that durable; needs no free space. Raises CannotWrite."""
        try:
            self._files.truncate(self._fd, length)
        except OSError as error:
            raise self._unmended(error) from error
        self.size = length
        self.sync()

    def sync(self) -> None:
        """Make what is there durable, before anything is built on it. Raises CannotWrite."""
        try:
            self._files.sync(self._fd)
        except OSError as error:
            raise self._unmended(error) from error
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

    def require_place(self) -> None:
        """Raise CannotWrite unless the file still has its name, and holds what was written here.

        What is written to a file that was moved away would be counted, and missed by the next
        session; and where another process writes too, a line would come to stand there twice.
        """
        try:
            there = self._files.identity(self.path) == self._identity
            if there and self._files.size(self._fd) == self.size:
                return
        except OSError as error:
            raise CannotWrite(
                f"{self.path}: {error.strerror or error}. What was counted is safe; the same "
                "command goes on from there once the cause is mended."
            ) from error
        if there:
            raise CannotWrite(
                f"{self.path}: another process has cut the file, or has written to it, while the "
                "run was writing. Nothing more was written. Put back what it held, keep other "
                "programs off it, and run the same command again."
            )
        raise CannotWrite(
            f"{self.path}: the file was moved, removed or replaced while the run was writing to "
            "it. Nothing more was written. Put it back as it is now, and run the same command "
            "again."
        )

    def close(self) -> None:
        """Close the descriptor. What counts was synced: no failure of this says anything."""
        with contextlib.suppress(OSError):
            self._files.close(self._fd)

    def _unmended(self, error: OSError) -> CannotWrite:
        return CannotWrite(
            f"{self.path}: {error.strerror or error}. Nothing was sent. The same command goes on "
            "once the cause is mended."
        )
