"""Reads answers: whole, or event by event. Never holds more than its cap, counted decompressed.

aiohttp counts the bytes and stops reading from the socket while nobody takes them, so that neither
an endless body nor a compressed bomb grows in memory.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final, NoReturn, TypeAlias

import aiohttp

from batch.errors import CallFailed, NotAnAnswer
from batch.transport.pauses import MUCH, Pause, Pauses
from batch.weights import LIGHT
from batch.wire import Folder
from batch.wire._sse import Events

# Told how many bytes have come since it was told last.
Grew: TypeAlias = Callable[[int], None]

BLANK: Final = b" \t\r\n\xef\xbb\xbf"  # with the bytes of a byte order mark
EVENT_STARTS: Final = (b"data:", b"event:", b":")
ENOUGH: Final = len(b"event:")


async def read(content: aiohttp.StreamReader, cap: int, grew: Grew, head: bytes = b"") -> bytes:
    """Return the whole body, of which ``head`` was read before.

    ``grew`` is told how many bytes are held, if they are many.
    """
    chunk = head or await content.readany()
    if content.at_eof() and content.total_bytes <= cap:
        return chunk  # nearly always: it came in one piece
    body, told = io.BytesIO(), 0  # which hands out what it holds without a copy
    while chunk:
        if content.total_bytes > cap:
            too_large(cap)
        told = _tell(grew, told, body.tell() + len(chunk))
        body.write(chunk)
        chunk = await content.readany()
    return body.getvalue()


async def peek(content: aiohttp.StreamReader, cap: int) -> bytes:
    """Return the beginning of a body, without leading blanks, long enough to look like events."""
    head = b""
    while len(head) < ENOUGH and (chunk := await content.readany()):
        if content.total_bytes > cap:
            too_large(cap)
        head = (head + chunk).lstrip(BLANK)
    return head


async def fold(
    content: aiohttp.StreamReader,
    cap: int,
    grew: Grew,
    folder: Folder,
    pauses: Pauses,
    head: bytes = b"",
) -> bytes:
    """Hand every event to the folder while they come, and return the folded body."""
    told = 0
    pause: Pause | None = None
    events = Events()
    feed, take = events.feed, folder.feed
    begun = False
    chunk = head or await content.readany()
    try:
        while chunk:
            for data in feed(chunk):
                take(data)
                begun = True
            if content.total_bytes > cap:
                too_large(cap)
            told = _tell(grew, told, content.total_bytes)
            if content.at_eof():
                break
            if len(chunk) < MUCH:
                pause = pause or Pause(pauses, content)
                await pause.rest()
            chunk = await content.readany()
        for data in events.end():
            take(data)
    except CallFailed as failure:
        failure.begun = begun
        raise
    return folder.body()


def _tell(grew: Grew, told: int, held: int) -> int:
    """Tell of what is held beyond what was told, if it is worth it; return what is told now."""
    if held - told < LIGHT:
        return told
    grew(held - told)
    return held


def too_large(cap: int) -> NoReturn:
    """Give up an answer that is larger than its cap."""
    raise NotAnAnswer(f"the answer is larger than {cap:,} bytes, so it was not read to its end")
