"""Puts the body of an answer on disk while it comes: whole, synced and named, or not at all.

Disk is never waited for inside the loop. Everything that touches a file is done by one thread, in
the order asked for: so no descriptor is closed under a running write when a call is cancelled, and
what a failed attempt leaves is gone before the next one begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import aiohttp

from batch.errors import CannotWrite
from batch.files import Files, write_all
from batch.records import Saved
from batch.transport.body import too_large

BLOCK: Final = 1 << 20  # bytes for one trip to the thread, which costs about 100 microseconds
HEAD: Final = 512  # bytes kept to tell the type from

T = TypeVar("T")


class Part:
    """One file on its way to disk. Used by the disk thread only."""

    def __init__(self, files: Files, folder: str, name: str) -> None:
        self.path = os.path.join(folder, name)
        self._files = files
        self._folder = folder
        self._fd: int | None = None
        self._sha = hashlib.sha256()
        self._size = 0
        self._head = b""

    def write(self, data: bytes) -> None:
        """Add bytes. The first ones open the file, in place of what a crash may have left."""
        if self._fd is None:
            self._files.make_folder(self._folder)
            self._fd = self._files.create(f"{self.path}.part")
            self._head = data[:HEAD]
        write_all(self._files, self._fd, data)
        self._sha.update(data)
        self._size += len(data)

    def finish(self) -> Saved:
        """Sync and give the file its name."""
        assert self._fd is not None
        self._files.sync(self._fd)
        self._close()
        self._files.replace(f"{self.path}.part", self.path)
        self._files.sync_folder(self._folder)
        return Saved(self.path, self._size, self._sha.hexdigest(), self._head)

    def abandon(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            self._close()
            self._files.remove(f"{self.path}.part")

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._files.close(fd)


class Saver:
    """Streams bodies into one folder."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="saving")

    async def save(self, content: aiohttp.StreamReader, cap: int, first: bytes, name: str) -> Saved:
        """Save a body that begins with ``first``. Raises ``CannotWrite``, also ``NotAnAnswer``."""
        if name != os.path.basename(name) or name in {"", ".", ".."}:
            raise ValueError(f"{name!r} is no plain file name")
        part = Part(self._files, self._folder, name)
        try:
            block = bytearray(first)
            while chunk := await content.readany():
                if content.total_bytes > cap:
                    too_large(cap)
                block += chunk
                if len(block) >= BLOCK:
                    await self._disk(part, part.write, bytes(block))
                    block.clear()
            await self._disk(part, part.write, bytes(block))
            return await self._disk(part, part.finish)
        except BaseException:
            self._thread.submit(part.abandon)
            raise

    async def close(self) -> None:
        """Return when the thread has done all that it was asked for."""
        await asyncio.to_thread(self._thread.shutdown)

    async def _disk(self, part: Part, work: Callable[..., T], *args: bytes) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work, *args)
        except OSError as broken:
            raise CannotWrite(f"cannot write {part.path}: {broken.strerror or broken}") from broken
