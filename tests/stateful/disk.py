"""The file system of a stateful test: that in memory, and what somebody may do to it.

A crash is an image of it, taken at a drawn moment; the session goes on into nothing.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import msgspec

from tests.ledger.memory_files import Choose, MemoryFiles


class Crash(msgspec.Struct, frozen=True):
    """When a session crashes, and how: at a file operation or after so many seconds."""

    operation: int | None = None  # the which-th of the session, from 0; None: by the clock
    seconds: float = 0.0
    power: int | None = None  # the seed of what a power loss leaves; None: kill -9

    def image(self, files: Disk, path: str = "", half: bytes = b"") -> Disk:
        """Return what is left; of a write that was under way, half."""
        left = files.killed()
        if half:
            left.names[path].data += half
        if self.power is not None:
            left = left.unplugged(Random(self.power).choice)
        assert isinstance(left, Disk)
        return left


class Disk(MemoryFiles):
    """Files in memory.

    Of a file that was durable under its old name, a power loss leaves the old or the new name, and
    never neither.
    """

    def __init__(self, *folders: str) -> None:
        super().__init__(*folders)
        self._renamed: list[tuple[str, str]] = []  # durable files, and their names are not yet

    def killed(self) -> MemoryFiles:
        """Leave everything that was written."""
        after = super().killed()
        assert isinstance(after, Disk)
        after._renamed = list(self._renamed)
        return after

    def unplugged(self, choose: Choose[Any]) -> MemoryFiles:
        """Leave what was synced, and of the rest what is chosen."""
        settled = self.copied()
        names, stable = settled.names, settled.stable_names
        for old, new in settled._renamed:
            if old not in stable or names.get(new) is not stable[old]:
                continue  # something else has happened to it since
            if choose([False, True]):
                stable[new] = stable.pop(old)
            else:
                names[old] = names.pop(new)
        settled._renamed.clear()
        return MemoryFiles.unplugged(settled, choose)

    def sync_folder(self, path: str) -> None:
        """Make names durable."""
        super().sync_folder(path)
        self._renamed = [one for one in self._renamed if os.path.dirname(one[0]) != path]

    def replace(self, old: str, new: str) -> None:
        """Rename a file or a folder."""
        inode = self.names.get(old)
        durable = inode is not None and self.stable_names.get(old) is inode
        durable = durable and new not in self.stable_names
        super().replace(old, new)
        if durable:
            self._renamed.append((old, new))

    def forget(self, folder: str) -> None:
        """Delete a folder, as somebody does who tidies up between two sessions."""
        for path in [path for path in self.names if _within(path, folder)]:
            self.names.pop(path)
            self.stable_names.pop(path, None)
        self.folders -= {one for one in self.folders if _within(one, folder)}

    def all_bytes(self, *but: str) -> dict[str, bytes]:
        """Return every file but these, to be compared."""
        return {path: inode.data for path, inode in self.names.items() if path not in but}

    def copied(self) -> Disk:
        """Return another one that is the same, also in what is not durable yet."""
        other = self.killed()
        assert isinstance(other, Disk)
        return other


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)
