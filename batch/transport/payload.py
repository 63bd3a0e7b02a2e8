"""Bodies of requests as aiohttp writes them at least cost, in time and in memory."""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Final, NoReturn, TypeAlias

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from batch.transport.local import LocalFile
from batch.weights import READ

JSON: Final = "application/json"
# From here on bodies are written in slices, so that others run between them. aiohttp wants a file
# for that, of whose content it makes a copy only to know its size.
LARGE: Final = 1 << 20


def json_payload(body: bytes) -> aiohttp.Payload:
    """Return a JSON body as aiohttp writes it at least cost, content type included."""
    if len(body) < LARGE:
        return aiohttp.BytesPayload(body, content_type=JSON)
    return Pieces((body,), JSON)


class Contents:
    """What a file holds, as it is or as base64, never encoded as a whole."""

    def __init__(self, source: bytes | LocalFile, *, encoded: bool) -> None:
        self._source = source
        self._encoded = encoded
        self._length = len(source) if isinstance(source, bytes) else source.size
        self.size = 4 * -(-self._length // 3) if encoded else self._length

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write slice by slice. Raises ``BadFile`` if a local file has changed meanwhile."""
        for start in range(0, self._length, READ):
            await writer.write(await self._slice(start))

    def whole(self) -> bytes:
        """Return all of what is in memory."""
        assert isinstance(self._source, bytes)
        return b2a_base64(self._source, newline=False) if self._encoded else self._source

    @property
    def local(self) -> bool:
        """Return whether it is still on disk."""
        return isinstance(self._source, LocalFile)

    async def _slice(self, start: int) -> bytes | memoryview:
        slice_: bytes | memoryview
        if isinstance(self._source, LocalFile):
            slice_ = await asyncio.to_thread(self._source.slice, start)
        else:
            slice_ = memoryview(self._source)[start : start + READ]
        return b2a_base64(slice_, newline=False) if self._encoded else slice_


Piece: TypeAlias = bytes | Contents


def in_pieces(pieces: Sequence[Piece], content_type: str = JSON) -> aiohttp.Payload:
    """Return a body that is put together while it is written, or at once if it is small."""
    held = [one for one in pieces if not (isinstance(one, Contents) and one.local)]
    if len(held) == len(pieces) and sum(map(_size, pieces)) < LARGE:
        whole = b"".join(one if isinstance(one, bytes) else one.whole() for one in held)
        return aiohttp.BytesPayload(whole, content_type=content_type)
    return Pieces(pieces, content_type)


class Pieces(aiohttp.Payload):
    """A body that is put together while it is written, so that it is nowhere as a whole."""

    _autoclose = True

    def __init__(self, pieces: Sequence[Piece], content_type: str) -> None:
        super().__init__(pieces, content_type=content_type)
        self._size = sum(map(_size, pieces))

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it. Raises ``BadFile``."""
        for piece in self._value:
            contents = Contents(piece, encoded=False) if isinstance(piece, bytes) else piece
            await contents.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        """Refuse: nobody needs it as a text."""
        raise TypeError("a body in pieces is only written")


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.size
