"""Hands the body of an answer to the disk while it comes."""

from __future__ import annotations

from typing import Final

import aiohttp

from batch.media import Part
from batch.records import Saved
from batch.transport.body import too_large

BLOCK: Final = 1 << 20  # bytes for one trip to the thread, which costs about 100 microseconds


async def save(
    content: aiohttp.StreamReader, part: Part, cap: int, first: bytes, hint: str
) -> Saved:
    """Save a body that begins with ``first``. Raises ``CannotWrite``, also ``NotAnAnswer``."""
    try:
        block = bytearray(first)
        while chunk := await content.readany():
            if content.total_bytes > cap:
                too_large(cap)
            block += chunk
            if len(block) >= BLOCK:
                await part.write(bytes(block))
                block.clear()
        await part.write(bytes(block))
        return await part.finish(hint)
    except BaseException:
        part.abandon()
        raise
