"""The one door to the file system for everything that must survive a crash.

Every operation whose failure or loss matters passes here as one small method, so that a test can
hand in a file system that fails at the n-th call, or one that forgets what was not synced.

No failure is answered by doing the same once more. Python itself repeats what a signal interrupted;
where a call says so all the same, as on some network file systems, nobody knows whether it was
done, and it counts as failed like any other. The run ends, and the same command finds out.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import ClassVar, Final, Protocol

# Memory of a few times this size stays with the process. That of larger pieces goes back to the
# system and comes anew, page by page, each time: half of what it costs to look through a log.
CHUNK: Final = 1 << 18  # bytes that are read at once
OWNER_ONLY: Final = 0o600
EVERYBODY: Final = 0o644


class Files(Protocol):
    """What the ledger, the checkpoint and publishing need of a file system."""

    def append(self, path: str) -> int:
        """Open for appending, made if missing, readable by the owner alone."""
        ...

    def create(self, path: str) -> int:
        """Open an empty file for writing, whatever was there."""
        ...

    def scratch(self, path: str) -> int:
        """Open an empty file to append to and read from; it is gone when it is closed."""
        ...

    def write(self, fd: int, data: bytes) -> int:
        """Write and return how many bytes were taken, which may be fewer than given."""
        ...

    def sync(self, fd: int) -> None:
        """Return when all that was written is on stable storage."""
        ...

    def size(self, fd: int) -> int:
        """Return the length in bytes."""
        ...

    def identity(self, path: str) -> tuple[int, int] | None:
        """Return what tells this file from another one of the same name, or None if missing."""
        ...

    def length(self, path: str) -> int:
        """Return the length in bytes of a file by name, 0 if missing."""
        ...

    def truncate(self, fd: int, length: int) -> None:
        """Cut to a length."""
        ...

    def close(self, fd: int) -> None:
        """Close."""
        ...

    def read(self, path: str, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes from an offset on, in chunks. Raises FileNotFoundError."""
        ...

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        """Return so many bytes of an open file from an offset on, fewer where it ends."""
        ...

    def replace(self, old: str, new: str) -> None:
        """Rename, atomically, over what may be there."""
        ...

    def remove(self, path: str) -> None:
        """Remove if there."""
        ...

    def make_folder(self, path: str) -> None:
        """Make a folder for the owner alone, and those above it, if missing; durable at once."""
        ...

    def sync_folder(self, path: str) -> None:
        """Return when the names in a folder are on stable storage."""
        ...

    def lock(self, path: str) -> int:
        """Lock a file for this process until closed. Raises BlockingIOError if another holds it."""
        ...

    def show_everybody(self, fd: int) -> None:
        """Let every user of the machine read an open file."""
        ...


class OsFiles:
    """The real file system."""

    _locks_of: ClassVar[dict[int, int]] = {}  # descriptor of a lock → the process that has it

    def append(self, path: str) -> int:
        """Open with O_APPEND and no buffer, so that what was written survives a kill.

        A pipe that nobody reads is an error, and no wait for somebody.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(path, flags, OWNER_ONLY)

    def create(self, path: str) -> int:
        """Open anew; a link of that name is not followed."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, OWNER_ONLY)

    def scratch(self, path: str) -> int:
        """Take the name away at once: not even a kill leaves the file behind."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, OWNER_ONLY)
        os.unlink(path)
        return fd

    def write(self, fd: int, data: bytes) -> int:
        """Write once."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Use fdatasync; on macOS only F_FULLFSYNC reaches the platter."""
        if sys.platform == "darwin":
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def size(self, fd: int) -> int:
        """Ask the descriptor."""
        return os.fstat(fd).st_size

    def identity(self, path: str) -> tuple[int, int] | None:
        """Return device and inode."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def length(self, path: str) -> int:
        """Ask the name."""
        try:
            return os.stat(path).st_size
        except FileNotFoundError:
            return 0

    def truncate(self, fd: int, length: int) -> None:
        """Cut; needs no free space."""
        os.ftruncate(fd, length)

    def close(self, fd: int) -> None:
        """Close. A lock is let go of where a child that was forked still has it open, too."""
        if self._locks_of.pop(fd, None) == os.getpid():
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)

    def read(self, path: str, offset: int = 0) -> Iterator[bytes]:
        """Read in chunks."""
        with _naming(path), open(path, "rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                yield chunk

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        """Read wherever the descriptor stands."""
        return os.pread(fd, size, offset)

    def replace(self, old: str, new: str) -> None:
        """Rename."""
        os.replace(old, new)

    def remove(self, path: str) -> None:
        """Unlink."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def make_folder(self, path: str) -> None:
        """Make with mode 0700. Each name is synced, else a power loss could take all within."""
        parent = os.path.dirname(path)
        if parent and not os.path.isdir(parent):
            self.make_folder(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode=0o700)
            try:
                self.sync_folder(parent)
            except OSError:
                # Else the next one would find it, and trust its name.
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                raise

    def sync_folder(self, path: str) -> None:
        """Open the folder and fsync it."""
        fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with _naming(path or "."):
                os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, path: str) -> int:
        """Use flock, which dies with the process: there is no stale lock."""
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
            try:
                with _naming(path):
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = os.fstat(fd)
                there = self.identity(path)
            except BaseException:
                os.close(fd)
                raise
            if there == (mine.st_dev, mine.st_ino):
                self._locks_of[fd] = os.getpid()
                return fd
            # The holder before us removed or moved the file: a lock on no name guards nothing.
            os.close(fd)

    def show_everybody(self, fd: int) -> None:
        """Set the mode, whatever the umask: it is meant for another user."""
        os.fchmod(fd, EVERYBODY)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Have a failure say of which file it is; the system tells only of those that it opens."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def write_all(files: Files, fd: int, data: bytes) -> None:
    """Write every byte; a short write is normal, one that takes nothing is an error."""
    view = memoryview(data)
    while view:
        taken = files.write(fd, bytes(view) if len(view) != len(data) else data)
        if taken <= 0:
            raise OSError(errno.EIO, f"a write of {len(view)} bytes took nothing")
        view = view[taken:]


@contextlib.contextmanager
def replacing(files: Files, path: str) -> Iterator[int]:
    """Give an empty file that takes this path when it is filled; if that fails, it is gone."""
    temporary = f"{path}.tmp"
    fd = files.create(temporary)
    try:
        try:
            yield fd
        finally:
            files.close(fd)
        files.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            files.remove(temporary)  # a full disk needs the room for what counts
        raise


def write_whole(files: Files, path: str, data: bytes, *, everybody: bool = False) -> None:
    """Put a file in place in one step: the old one or the new one is there, also after a crash.

    It is for its owner alone, or for ``everybody`` to read.
    """
    with replacing(files, path) as fd:
        if everybody:
            files.show_everybody(fd)
        write_all(files, fd, data)
        files.sync(fd)
    files.sync_folder(os.path.dirname(path))


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of what ends with a line break, without their breaks.

    ``split`` would look at each byte by itself, which takes several times as long.
    """
    return [line[:-1] for line in BytesIO(data)]


def read_whole(files: Files, path: str) -> bytes | None:
    """Return a file's bytes, or None if it is missing."""
    try:
        return b"".join(files.read(path))
    except FileNotFoundError:
        return None
