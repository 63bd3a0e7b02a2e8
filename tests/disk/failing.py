"""The real file system, one of whose calls fails: the n-th of its kind, once or from then on.

Nothing is really synced: what a power loss takes is a matter of the crash tests. Here a sync only
succeeds or fails, and what is done with the descriptor after it failed is kept in mind.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from batch.files import OsFiles

SHORT: Final = "short"  # a write takes half of its bytes, and says so
FULL: Final = "full"  # that too, and from then on there is no room at all
ERRORS: Final = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EINTR": errno.EINTR}
# What can fail, and what a disk that is gone fails at: all of it.
OPERATIONS: Final = (
    "write",
    "sync",
    "open",
    "truncate",
    "replace",
    "lock",
    "sync_folder",
    "make_folder",
    "remove",
    "read",
    "look",
    "close",
)
ANY: Final = "any"


class Fault(NamedTuple):
    """Which call fails, and how."""

    operation: str
    number: int  # from 1, among the calls of this operation
    kind: str  # a name of ``ERRORS``, SHORT or FULL
    for_good: bool  # every later one too

    def __str__(self) -> str:
        then = " and all later ones" if self.for_good else ""
        return f"{self.operation} {self.number}{then}: {self.kind}"


class FailingFiles(OsFiles):
    """Files with one fault, or with none: then they only count."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self.reached = False
        self.wrong: list[str] = []  # what was done that must never be
        self.open: dict[int, str] = {}
        self._fault = fault
        self._unsure: dict[int, str] = {}  # descriptors whose sync failed
        self._guard = threading.Lock()  # calls come from several threads

    def append(self, path: str) -> int:
        self._pass("open", path)
        return self._opened(super().append(path), path)

    def create(self, path: str) -> int:
        self._pass("open", path)
        return self._opened(super().create(path), path)

    def scratch(self, path: str) -> int:
        self._pass("open", path)
        return self._opened(super().scratch(path), path)

    def write(self, fd: int, data: bytes) -> int:
        if fd in self._unsure:
            self.wrong.append(f"a write to {self._unsure[fd]}, whose sync had failed")
        kind = self._hit("write")
        if kind in (SHORT, FULL):
            data = data[: max(1, len(data) // 2)]
        elif kind is not None:
            raise _failure(kind, None)
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        if fd in self._unsure:
            self.wrong.append(f"a second sync of {self._unsure[fd]}, whose first had failed")
        try:
            self._pass("sync")
        except OSError:
            self._unsure[fd] = self.open[fd]
            raise

    def size(self, fd: int) -> int:
        self._pass("look")
        return super().size(fd)

    def identity(self, path: str) -> tuple[int, int] | None:
        self._pass("look", path)
        return super().identity(path)

    def length(self, path: str) -> int:
        self._pass("look", path)
        return super().length(path)

    def truncate(self, fd: int, length: int) -> None:
        self._pass("truncate")
        super().truncate(fd, length)

    def close(self, fd: int) -> None:
        # As the system does it: the descriptor is closed even where that fails.
        del self.open[fd]
        self._unsure.pop(fd, None)
        super().close(fd)
        self._pass("close")

    def read(self, path: str, offset: int = 0) -> Iterator[bytes]:
        self._pass("read", path)
        yield from super().read(path, offset)

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        self._pass("read")
        return super().read_at(fd, offset, size)

    def replace(self, old: str, new: str) -> None:
        self._pass("replace", old)
        super().replace(old, new)

    def remove(self, path: str) -> None:
        self._pass("remove", path)
        super().remove(path)

    def make_folder(self, path: str) -> None:
        self._pass("make_folder", path)
        super().make_folder(path)

    def sync_folder(self, path: str) -> None:
        self._pass("sync_folder", path)

    def lock(self, path: str) -> int:
        self._pass("lock", path)
        return self._opened(super().lock(path), path)

    def _opened(self, fd: int, path: str) -> int:
        self.open[fd] = path
        return fd

    def _pass(self, operation: str, path: str | None = None) -> None:
        """Count a call, and fail if its turn has come."""
        kind = self._hit(operation)
        if kind is not None:
            raise _failure(kind, path)

    def _hit(self, operation: str) -> str | None:
        """Count a call, and return how it fails, if it does."""
        fault = self._fault
        with self._guard:
            self.calls[operation] += 1
            self.calls[ANY] += 1
            if fault is None or fault.operation not in (operation, ANY):
                return None
            number = self.calls[fault.operation]
            if number < fault.number or (number > fault.number and not fault.for_good):
                return None
            self.reached = True
        return "ENOSPC" if fault.kind == FULL and number > fault.number else fault.kind


def _failure(kind: str, path: str | None) -> OSError:
    """Return the error of the system; it knows the path only where the call was given one."""
    number = ERRORS[kind]
    return OSError(number, os.strerror(number), path)
