"""A file system in memory that can be full, can fail, and can forget.

What was written survives a kill; only what was synced is sure to survive a power loss. Of a tail
that was not synced a power loss leaves nothing, a part, zeros, or a hole; of a name that was not
synced, the old or the new one. A folder that was renamed has its old or its new name, with all that
is in it, and so has a file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import TypeVar

T = TypeVar("T")
LONG = 100  # bytes of a tail in which there may be small holes, as sectors are in a real one
SMALL_HOLES = 6
Choose = Callable[[Sequence[T]], T]


def taking(number: int) -> Choose[T]:
    """Return a choice that takes the option of this number each time, or the last one."""
    return lambda options: options[min(number, len(options) - 1)]


class Inode:
    """A file: its bytes as every process sees them, and as they are on stable storage."""

    __slots__ = ("data", "number", "stable")

    def __init__(self, number: int, data: bytes = b"", stable: bytes = b"") -> None:
        self.number = number
        self.data = data
        self.stable = stable

    def remains(self) -> list[bytes]:
        """What a power loss may leave; of a tail of several lines also whole lines, and holes."""
        return _remains(self.data, self.stable)


@lru_cache(maxsize=64)
def _remains(data: bytes, stable: bytes) -> list[bytes]:
    """Each moment asks again and again, and puts long logs together each time."""
    if data == stable:
        return [data]
    if not data.startswith(stable):
        return [stable, data]
    tail = data[len(stable) :]
    third, half = len(tail) // 3, len(tail) // 2
    hole = tail[:third] + bytes(half - third) + tail[half:]
    cuts = (b"", tail[:1], tail[:half], tail[:-1], tail)
    rests = [*cuts, bytes(len(tail)), bytes(half) + tail[half:], hole]
    if len(tail) >= LONG:
        places = (len(tail) * part // SMALL_HOLES for part in range(1, SMALL_HOLES))
        rests += (tail[:at] + b"\0" + tail[at + 1 :] for at in places)
    start = 0
    for end in _line_ends(tail)[:-1]:
        rests += (tail[:end], tail[:end] + bytes(len(tail) - end))
        rests += (tail[:start] + bytes(end - start) + tail[end:], tail[: end + 1])
        start = end
    return [stable + rest for rest in rests]


def _line_ends(tail: bytes) -> list[int]:
    """Return where each whole line ends."""
    ends, at = [], 0
    for line in tail.split(b"\n")[:-1]:
        at += len(line) + 1
        ends.append(at)
    return ends


class MemoryFiles:
    """Implements ``batch.files.Files``. Folders are durable at once, names in them are not."""

    def __init__(self, *folders: str) -> None:
        self.names: dict[str, Inode] = {}
        self.stable_names: dict[str, Inode] = {}
        self.folders = set(folders)
        self.free: int | None = None  # bytes that the disk still takes
        self.most: int | None = None  # bytes that one write takes
        self.chunk = 1 << 16
        self.before: Callable[[str, str, bytes], None] = lambda operation, path, data: None
        self._open: dict[int, tuple[Inode, str]] = {}
        self._locks: dict[int, int] = {}  # descriptor → inode
        self._moved: list[tuple[str, str]] = []  # folders renamed, and not yet synced: old, new
        self._last = 0

    # What a crash leaves.

    def killed(self) -> MemoryFiles:
        """The files after kill -9: everything written is there, synced or not."""
        after = type(self)(*self.folders)
        after._last = self._last
        after._moved = list(self._moved)
        again: dict[int, Inode] = {}
        for inode in (*self.names.values(), *self.stable_names.values()):
            again[inode.number] = Inode(inode.number, inode.data, inode.stable)
        after.names = {path: again[inode.number] for path, inode in self.names.items()}
        after.stable_names = {path: again[i.number] for path, i in self.stable_names.items()}
        return after

    def unplugged(self, choose: Choose[bytes | str | Inode | None]) -> MemoryFiles:
        """The files after a power loss, of all the ways it can go the one that was chosen."""
        after = self.killed()
        for before, now in reversed(after._moved):
            if choose([before, now]) == before:
                after._move(now, before)
        after._moved.clear()
        names: dict[str, Inode] = {}
        for path in sorted({*after.names, *after.stable_names}):
            old, new = after.stable_names.get(path), after.names.get(path)
            inode = new if old is new else choose([old, new])
            if isinstance(inode, Inode):
                names[path] = inode
        left_over = {inode.number for inode in names.values()}
        was = {inode.number for inode in after.stable_names.values()}
        for path, inode in after.names.items():
            if inode.number in was - left_over and path not in names:
                names[path] = inode  # a rename is one step: there is the old name or the new one
        for inode in {inode.number: inode for inode in names.values()}.values():
            left = choose(inode.remains())
            assert isinstance(left, bytes)
            inode.data = inode.stable = left
        after.names, after.stable_names = names, dict(names)
        return after

    def unsafe(self, skipped: Callable[[str], bool]) -> int:
        """Return how many options a power loss has at the most for one thing; 0: all is safe.

        ``skipped`` names are not looked at.
        """
        ways = 2 if self._moved else 0
        for path in self.names.keys() | self.stable_names.keys():
            if skipped(path):
                continue
            inode = self.names.get(path)
            if inode is not self.stable_names.get(path):
                ways = max(ways, 2)
            if inode is not None and inode.data != inode.stable:
                ways = max(ways, len(inode.remains()))
        return ways

    def fingerprint(self, skipped: Callable[[str], bool]) -> int:
        """Return a number that tells names and bytes from others."""
        seen = ((path, i.data) for path, i in self.names.items() if not skipped(path))
        return hash(frozenset(seen))

    def state(self, skipped: Callable[[str], bool]) -> int:
        """Return a number that tells from others what a crash may leave."""
        both = (self.names.items(), self.stable_names.items())
        now, safe = (
            frozenset((p, i.data, i.stable, i.number) for p, i in names if not skipped(p))
            for names in both
        )
        return hash((now, safe, tuple(self._moved)))

    # The protocol.

    def append(self, path: str) -> int:
        if path not in self.names:
            self.before("append", path, b"")
            self.names[path] = self._inode(path)
        return self._descriptor(self.names[path], path)

    def create(self, path: str) -> int:
        self.before("create", path, b"")
        self.names[path] = self._inode(path)
        return self._descriptor(self.names[path], path)

    def scratch(self, path: str) -> int:
        self.before("scratch", path, b"")
        self.names.pop(path, None)
        return self._descriptor(self._inode(path), path)

    def write(self, fd: int, data: bytes) -> int:
        inode, path = self._open[fd]
        self.before("write", path, data)
        taken = data[: self.most]
        if self.free is not None:
            if data and not self.free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            taken = taken[: self.free]
            self.free -= len(taken)
        inode.data += taken
        return len(taken)

    def sync(self, fd: int) -> None:
        inode, path = self._open[fd]
        self.before("sync", path, b"")
        inode.stable = inode.data

    def size(self, fd: int) -> int:
        return len(self._open[fd][0].data)

    def identity(self, path: str) -> tuple[int, int] | None:
        if path in self.folders:
            return 1, sorted(self.folders).index(path)
        return (0, self.names[path].number) if path in self.names else None

    def length(self, path: str) -> int:
        return len(self.names[path].data) if path in self.names else 0

    def truncate(self, fd: int, length: int) -> None:
        inode, path = self._open[fd]
        self.before("truncate", path, b"")
        inode.data = inode.data[:length].ljust(length, b"\0")

    def close(self, fd: int) -> None:
        if fd not in self._open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        del self._open[fd]
        self._locks.pop(fd, None)

    def read(self, path: str, offset: int = 0) -> Iterator[bytes]:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        while piece := self.names[path].data[offset : offset + self.chunk]:
            yield piece
            offset += len(piece)

    def read_at(self, fd: int, offset: int, size: int) -> bytes:
        return self._open[fd][0].data[offset : offset + size]

    def replace(self, old: str, new: str) -> None:
        self.before("replace", new, b"")
        if old in self.folders:
            if any(name.startswith(f"{new}/") for name in self.names):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), new)
            self._move(old, new)
            self._moved.append((old, new))
        elif old in self.names:
            self.names[new] = self.names.pop(old)
        else:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old)

    def remove(self, path: str) -> None:
        self.before("remove", path, b"")
        self.names.pop(path, None)

    def make_folder(self, path: str) -> None:
        while path and path not in self.folders:
            self.folders.add(path)
            path = os.path.dirname(path)

    def sync_folder(self, path: str) -> None:
        self.before("sync_folder", path, b"")
        self._moved = [move for move in self._moved if os.path.dirname(move[1]) != path]
        for name in {*self.names, *self.stable_names}:
            if os.path.dirname(name) == path:
                if name in self.names:
                    self.stable_names[name] = self.names[name]
                else:
                    del self.stable_names[name]

    def lock(self, path: str) -> int:
        fd = self.append(path)
        number = self.names[path].number
        if number in self._locks.values():
            del self._open[fd]
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        self._locks[fd] = number
        return fd

    def show_everybody(self, fd: int) -> None:
        self.before("show_everybody", self._open[fd][1], b"")

    # What tests look at and put there.

    def content(self, path: str) -> bytes:
        return self.names[path].data

    def put(self, path: str, data: bytes) -> None:
        """Have a file hold these bytes, on stable storage, as the same file if it is there."""
        inode = self.names.get(path) or self._inode(path)
        inode.data = inode.stable = data
        self.names[path] = self.stable_names[path] = inode

    def open_descriptors(self) -> int:
        return len(self._open)

    def _move(self, old: str, new: str) -> None:
        """Have all that is in a folder be in it under its new name; open files stay open."""

        def moved(path: str) -> str:
            inside = path == old or path.startswith(f"{old}/")
            return new + path[len(old) :] if inside else path

        self.folders = {moved(path) for path in self.folders}
        self.names = {moved(path): inode for path, inode in self.names.items()}
        self.stable_names = {moved(path): inode for path, inode in self.stable_names.items()}

    def _inode(self, path: str) -> Inode:
        if os.path.dirname(path) not in self.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        # As a real one does: the lowest number that is free, also if another file had it before.
        kept = (*self.names.values(), *self.stable_names.values())
        taken = {inode.number for inode in kept} | {
            inode.number for inode, _ in self._open.values()
        }
        return Inode(next(number for number in count(1) if number not in taken))

    def _descriptor(self, inode: Inode, path: str) -> int:
        self._last += 1
        self._open[self._last] = inode, path
        return self._last
