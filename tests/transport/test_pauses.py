from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol

from batch.transport.body import fold
from batch.transport.pauses import MUCH, SECONDS, Pauses
from tests.transport.kit import Joined
from tests.virtual import run

EVENT = b"data: {}\n\n"


class Stream(aiohttp.StreamReader):
    """A stream that others feed, and that counts how often it is read."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.connection_made(asyncio.Transport())
        super().__init__(protocol, 1 << 20, loop=loop)
        self.reads = 0

    async def readany(self) -> bytes:
        self.reads += 1
        return await super().readany()


class Read:
    """What became of a stream that was read while it was fed."""

    def __init__(self, feed: Callable[[Stream], Awaitable[None]]) -> None:
        self.events = self.reads = 0
        self.after = 0.0  # seconds from the end of the feeding until the body was there
        run(self._read(feed))

    async def _read(self, feed: Callable[[Stream], Awaitable[None]]) -> None:
        loop, stream, folder = asyncio.get_running_loop(), Stream(), Joined()
        reading = loop.create_task(fold(stream, 1 << 24, lambda grew: None, folder, Pauses()))
        await feed(stream)
        fed = loop.time()
        await asyncio.wait({reading})
        self.after = loop.time() - fed
        self.events, self.reads = len(folder.events), stream.reads
        await reading


async def apart(stream: Stream, chunks: int = 200) -> None:
    for _ in range(chunks):
        await asyncio.sleep(0.005)
        stream.feed_data(EVENT)


def test_a_stream_that_is_there_whole_is_read_once_and_nobody_rests() -> None:
    async def feed(stream: Stream) -> None:
        for _ in range(20):
            stream.feed_data(EVENT)
        stream.feed_eof()

    found = Read(feed)

    assert (found.events, found.reads) == (20, 1)
    assert found.after < SECONDS / 10


def test_chunks_that_come_one_by_one_are_read_ten_times_a_second() -> None:
    async def feed(stream: Stream) -> None:
        await apart(stream)
        stream.feed_eof()

    read = Read(feed)

    assert read.events == 200  # in a second
    assert read.reads <= 1 / SECONDS + 3


def test_the_end_of_a_stream_is_noticed_as_it_comes() -> None:
    async def feed(stream: Stream) -> None:
        await apart(stream, 3)
        stream.feed_eof()

    read = Read(feed)

    assert read.events == 3
    assert read.after == pytest.approx(0, abs=1e-6)


def test_who_finds_much_reads_on() -> None:
    async def feed(stream: Stream) -> None:
        for _ in range(50):
            stream.feed_data(b"data: %b\n\n" % bytes(MUCH).replace(b"\0", b"x"))
            await asyncio.sleep(0.001)
        stream.feed_eof()

    assert Read(feed).reads >= 50


def test_a_stream_that_breaks_is_noticed_at_the_next_look() -> None:
    async def feed(stream: Stream) -> None:
        await apart(stream, 3)
        stream.set_exception(aiohttp.ClientPayloadError("cut"))
        await asyncio.sleep(SECONDS)

    with pytest.raises(aiohttp.ClientPayloadError, match="cut"):
        Read(feed)


def test_who_rests_can_be_cancelled_and_no_timer_is_left_for_long() -> None:
    async def main() -> int:
        loop, stream, pauses = asyncio.get_running_loop(), Stream(), Pauses()
        stream.feed_data(EVENT)
        reading = loop.create_task(fold(stream, 1000, lambda grew: None, Joined(), pauses))
        await asyncio.sleep(SECONDS / 2)
        reading.cancel()
        await asyncio.wait({reading})
        await asyncio.sleep(SECONDS)
        return len([one for one in loop._scheduled if not one.cancelled()])  # type: ignore[attr-defined]

    assert run(main()) == 0
