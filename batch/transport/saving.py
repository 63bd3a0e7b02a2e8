"""Hands the body of an answer to the disk while it comes."""

from __future__ import annotations

import aiohttp

from batch.errors import CutAnswer, FileGone
from batch.media import Part
from batch.records import Saved
from batch.weights import SAVED


async def save(
    content: aiohttp.StreamReader, part: Part, cap: int, first: bytes, hint: str
) -> Saved:
    """Save a body that begins with ``first``.

    Raises ``CannotWrite``; ``FileGone`` for one that is too large; ``CutAnswer``.
    """
    try:
        await _write(content, part, cap, first)
        return await part.finish(hint)
    except BaseException:
        part.abandon()
        raise


async def _write(content: aiohttp.StreamReader, part: Part, cap: int, first: bytes) -> None:
    block = bytearray(first)
    while chunk := await content.readany():
        if content.total_bytes > cap:
            # To fetch it again would give the same, at the same cost.
            raise FileGone(f"the file is larger than {cap:,} bytes, so it was not read to its end")
        block += chunk
        if len(block) >= SAVED:  # worth the trip to the thread, of about 100 microseconds
            await part.write(bytes(block))
            block.clear()
    await part.write(bytes(block))
    if not await part.is_whole():
        raise CutAnswer("the file stops before its end, though its answer ended in order")
