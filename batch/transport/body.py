"""Reads answers: whole, or event by event. Never holds more than its cap, counted decompressed.

aiohttp counts the bytes and stops reading from the socket while nobody takes them, so that neither
an endless body nor a compressed bomb grows in memory.
"""

from __future__ import annotations

from typing import Final, NoReturn

import aiohttp

from batch.errors import CallFailed, NotAnAnswer
from batch.wire import Folder
from batch.wire._sse import Events

BLANK: Final = b" \t\r\n\xef\xbb\xbf"  # with the bytes of a byte order mark
EVENT_STARTS: Final = (b"data:", b"event:", b":")
ENOUGH: Final = len(b"event:")


async def read(content: aiohttp.StreamReader, cap: int, head: bytes = b"") -> bytes:
    """Return the whole body, of which ``head`` was read before."""
    chunk = head or await content.readany()
    if content.at_eof() and content.total_bytes <= cap:
        return chunk  # nearly always: it came in one piece
    body = bytearray()
    while chunk:
        if content.total_bytes > cap:
            too_large(cap)
        body += chunk
        chunk = await content.readany()
    return bytes(body)


async def peek(content: aiohttp.StreamReader, cap: int) -> bytes:
    """Return the beginning of a body, without leading blanks, long enough to look like events."""
    head = b""
    while len(head) < ENOUGH and (chunk := await content.readany()):
        if content.total_bytes > cap:
            too_large(cap)
        head = (head + chunk).lstrip(BLANK)
    return head


async def fold(content: aiohttp.StreamReader, cap: int, folder: Folder, head: bytes = b"") -> bytes:
    """Hand every event to the folder as it comes, and return the folded body."""
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
            chunk = await content.readany()
        for data in events.end():
            take(data)
    except CallFailed as failure:
        failure.begun = begun
        raise
    return folder.body()


def too_large(cap: int) -> NoReturn:
    """Give up an answer that is larger than its cap."""
    raise NotAnAnswer(f"the answer is larger than {cap:,} bytes, so it was not read to its end")
