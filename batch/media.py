"""The folder of an answer's files: each is written whole, synced, and only then named.

Disk is never waited for inside the loop. Everything that touches a file is done by one thread, in
the order asked for: so no descriptor is closed under a running write when a call is cancelled, and
what a failed attempt leaves is gone before the next one begins. A name is made of the line and its
hash, and its extension comes of the file's first bytes: nothing that others wrote steers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec
import orjson

from batch.errors import CannotWrite
from batch.files import Files, write_all
from batch.records import Answer, Blob, Saved
from batch.wire._media import HEAD, decode, sniff, substitute
from batch.wire._whole import is_whole

# Each blob is looked for in the whole body: of a reply with thousands the rest stays where it is.
MOST_BLOBS: Final = 64

T = TypeVar("T")


class MediaFolder:
    """Writes files into one folder, which is made when the first one comes."""

    def __init__(self, files: Files, folder: str, inline: bool = False) -> None:
        """``inline``: leave media in the bodies of answers."""
        self.inline = inline
        self._files = files
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="media")

    def part(self, name: str) -> Part:
        """Begin a file, whose name still lacks its extension."""
        if name != os.path.basename(name) or name in {"", ".", ".."}:
            raise ValueError(f"{name!r} is no plain file name")
        return Part(self, self._files, self._folder, name)

    async def keep(self, answer: Answer) -> Answer:
        """Return the answer with its blobs as files, named in its body. Raises ``CannotWrite``."""
        if self.inline:
            return msgspec.structs.replace(answer, blobs=())
        return await self.disk(self._folder, lambda: self._kept(answer))

    async def close(self) -> None:
        """Return when the thread has done all that it was asked for."""
        await asyncio.to_thread(self._thread.shutdown)

    async def disk(self, path: str, work: Callable[[], T]) -> T:
        """Have the thread do something. Raises ``CannotWrite``."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work)
        except OSError as broken:
            raise CannotWrite(
                f"cannot write {path}: {broken.strerror or broken}. What was counted is safe; the "
                "same command goes on from there once the cause is mended."
            ) from broken

    def later(self, work: Callable[[], None]) -> None:
        """Have the thread do something that nobody waits for."""
        self._thread.submit(work)

    def _kept(self, answer: Answer) -> Answer:
        body, content, files = answer.body, answer.content, list(answer.files)
        for blob in answer.blobs[:MOST_BLOBS]:
            saved = self._save(blob)
            if saved is not None:
                files.append(saved)
                body = substitute(body, blob.text, saved.name)
                if content and blob.text in content:
                    # As JSON, so that what takes its place there takes it here.
                    content = orjson.loads(substitute(orjson.dumps(content), blob.text, saved.name))
        return msgspec.structs.replace(
            answer, body=body, content=content, files=tuple(files), blobs=()
        )

    def _save(self, blob: Blob) -> Saved | None:
        """Write one, or nothing if it is no base64: it then stays in the body."""
        data = decode(blob.text)
        if data is None:
            return None
        part = self.part(blob.name)
        try:
            part.add(data)
            return part.end(blob.hint)
        except BaseException:
            part.drop()
            raise


class Part:
    """One file on its way. ``add``, ``end`` and ``drop`` are the thread's, the rest the loop's."""

    def __init__(self, home: MediaFolder, files: Files, folder: str, name: str) -> None:
        self.path = os.path.join(folder, name)
        self._home = home
        self._files = files
        self._folder = folder
        self._fd: int | None = None
        self._sha = hashlib.sha256()
        self._size = 0
        self._head = b""

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises ``CannotWrite``."""
        await self._home.disk(self.path, lambda: self.add(data))

    async def is_whole(self) -> bool:
        """Return whether the file is all there, as far as its structure tells."""
        kind = sniff(self._head).extension
        return await self._home.disk(self.path, lambda: is_whole(kind, self._size, self._look))

    async def finish(self, hint: str) -> Saved:
        """Sync and name the file, ``hint`` helping to tell its type. Raises ``CannotWrite``."""
        return await self._home.disk(self.path, lambda: self.end(hint))

    def abandon(self) -> None:
        """Leave nothing behind, as soon as the thread comes to it."""
        self._home.later(self.drop)

    def add(self, data: bytes) -> None:
        """Write bytes. The first ones open the file, in place of what a crash may have left."""
        if self._fd is None:
            self._files.make_folder(self._folder)
            self._fd = self._files.create(f"{self.path}.part")
        if len(self._head) < HEAD:
            self._head = (self._head + data[:HEAD])[:HEAD]
        write_all(self._files, self._fd, data)
        self._sha.update(data)
        self._size += len(data)

    def end(self, hint: str) -> Saved:
        """Sync, close and name."""
        assert self._fd is not None
        self._files.sync(self._fd)
        self._close()
        kind = sniff(self._head, hint)
        self._files.replace(f"{self.path}.part", f"{self.path}{kind.extension}")
        self._files.sync_folder(self._folder)
        name = f"{os.path.basename(self.path)}{kind.extension}"
        return Saved(name, self._size, self._sha.hexdigest(), kind.content_type)

    def drop(self) -> None:
        """Close and remove."""
        with contextlib.suppress(OSError):
            self._close()
        with contextlib.suppress(OSError):
            self._files.remove(f"{self.path}.part")

    def _look(self, offset: int, length: int) -> bytes:
        return next(self._files.read(f"{self.path}.part", offset), b"")[:length]

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._files.close(fd)
