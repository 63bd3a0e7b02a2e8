"""What JSON that is posted past aiohttp's session keeps to, whatever the other side does."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import zlib
from collections.abc import Callable
from typing import Self

import pytest

from batch.errors import CallFailed, Interrupted, TimedOut, Unreachable
from batch.records import Call, Field, Form
from tests.raw_server import Act, Forever, RawServer, Script, head, http, read_request
from tests.transport.kit import ASK, KEY, TLS_FILE, Joined, run, transport

READ, CLOSE, RESET, HOLD = Act.READ, Act.CLOSE, Act.RESET, Act.HOLD
BOTH = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
LARGEST = Call("POST", "/v1/x", b'"' + b"x" * 900_000 + b'"')  # that is sent in this way
LARGE = Call("POST", "/v1/x", b'"' + b"x" * 2_000_000 + b'"')  # which goes by a session of aiohttp
FORM = Call("POST", "/v1/images/edits", Form((Field("prompt", "a cat"),)), repeat="once")  # as well
LARGE_FORM = Call("POST", "/v1/x", Form((Field("prompt", "x" * 900_000),)))
STREAM = http(b"data: 1\n\n", "Content-Type: text/event-stream", length=99)  # which goes no further
TLS_DATA = b"\x17"  # the first byte of a record with something of ours, RFC 5246 6.2.1
BUSY = http(b"busy", status="503 Busy")


def speaks_tls() -> ssl.SSLContext:
    """Return what a server shows the certificate of the tests with."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS_FILE)
    return context


class Narrow:
    """A server on whose connections little fits that it has not read."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # Of small segments the other side's system holds few: the rest waits in its process.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def accept(self) -> socket.socket:
        """Return a connection of which the beginning has come."""
        theirs, _ = await self._loop.sock_accept(self._socket)
        assert await self._loop.sock_recv(theirs, 4)
        return theirs

    async def rest(self, theirs: socket.socket) -> bytes:
        """Return all that comes until the other side goes."""
        got = bytearray()
        try:
            while some := await self._loop.sock_recv(theirs, 4096):
                got += some
        except ConnectionResetError:
            pass
        theirs.close()
        return bytes(got)


@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_each_call_has_the_length_of_its_own_body_and_all_use_one_connection(
    loop: str, tls: bool
) -> None:
    async def main() -> None:
        bodies = [b'{"a":1}', b"", LARGEST.payload, b"[]"]
        script = (READ, http(b"{}")) * len(bodies)
        async with (
            RawServer(script, tls=speaks_tls() if tls else None) as server,
            transport(server.url) as network,
        ):
            for body in bodies:
                await network.send(Call("POST", "/v1/x", body), KEY)

        assert [got.body for got in server.got] == bodies
        assert server.connections == 1

    run(main(), loop)


async def hang_up_at_once(server: socket.socket) -> bytes:
    """Shake hands over TLS, say goodbye in the segment that ends that, and return what comes."""
    loop, got = asyncio.get_running_loop(), bytearray()
    context = speaks_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # of which the server has the last word
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, goes, server_side=True)
    theirs, _ = await loop.sock_accept(server)
    with theirs:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            await loop.sock_sendall(theirs, goes.read())
            came.write(await loop.sock_recv(theirs, 1 << 16))
        with contextlib.suppress(ssl.SSLWantReadError):  # a goodbye in return
            tls.unwrap()
        await loop.sock_sendall(theirs, goes.read())
        with contextlib.suppress(ConnectionResetError):
            while some := await loop.sock_recv(theirs, 1 << 16):
                got += some
    return bytes(got)


@pytest.mark.parametrize("call", [ASK, FORM, LARGE], ids=["ask", "form", "large"])
def test_on_a_connection_that_is_gone_before_its_use_nothing_was_sent(call: Call) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            url = f"https://127.0.0.1:{server.getsockname()[1]}"
            async with transport(url) as network:
                other = asyncio.create_task(hang_up_at_once(server))
                with pytest.raises(Unreachable, match="closed the connection before") as caught:
                    await network.send(call, KEY)

                assert caught.value.precedes_work
                assert not caught.value.ambiguous
                assert not (await other).startswith(TLS_DATA)

    run(main())  # uvloop writes before it has read the goodbye


@BOTH
def test_a_body_arrives_whole_at_one_who_reads_slowly(loop: str) -> None:
    async def main() -> None:
        with Narrow() as server:
            async with transport(server.url) as network:
                call = asyncio.create_task(network.send(LARGEST, KEY))
                theirs = await server.accept()
                got = bytearray()
                while not got.endswith(b'x"'):
                    got += await asyncio.get_running_loop().sock_recv(theirs, 4096)
                await asyncio.get_running_loop().sock_sendall(theirs, http(b"{}"))
                assert (await call).body == b"{}"
                theirs.close()

        assert got.partition(b"\r\n\r\n")[2] == LARGEST.payload

    run(main(), loop)


@BOTH
def test_who_answers_before_the_request_is_sent_is_sent_no_more_of_it(loop: str) -> None:
    async def main() -> None:
        with Narrow() as server:
            async with transport(server.url) as network:
                # Given one who says no to what it has not read
                call = asyncio.create_task(network.send(LARGEST, KEY))
                theirs = await server.accept()
                await asyncio.get_running_loop().sock_sendall(theirs, BUSY)

                assert (await call).body == b"busy"
                assert len(await server.rest(theirs)) < len(LARGEST.payload)

                # Then the next call goes on another connection
                call = asyncio.create_task(network.send(ASK, KEY))
                theirs = await server.accept()
                await asyncio.get_running_loop().sock_sendall(theirs, http(b"{}"))
                assert (await call).body == b"{}"
                theirs.close()

    run(main(), loop)


@BOTH
@pytest.mark.parametrize("ends", ["cancelled", "its time is over"])
@pytest.mark.parametrize("given", [LARGEST, LARGE_FORM], ids=["json", "form"])
def test_a_call_that_is_given_up_is_not_sent_to_its_end(given: Call, loop: str, ends: str) -> None:
    async def main() -> None:
        patience = 5.0 if ends == "cancelled" else 0.05
        with Narrow() as server:
            async with transport(server.url, total_seconds=patience) as network:
                call = asyncio.create_task(network.send(given, KEY))
                theirs = await server.accept()
                if ends == "cancelled":
                    call.cancel()
                with pytest.raises(asyncio.CancelledError if ends == "cancelled" else TimedOut):
                    await call

                assert len(await server.rest(theirs)) < 900_000

    run(main(), loop)


@BOTH
def test_a_call_that_is_cancelled_while_it_connects_leaves_nothing_behind(loop: str) -> None:
    async def main() -> None:
        # Given one who never shakes hands
        async with (
            RawServer((HOLD,)) as server,
            transport(server.url.replace("http", "https")) as network,
        ):
            call = asyncio.create_task(network.send(ASK, KEY))
            while not server.connections:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await server.left.wait()

    run(main(), loop)


@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_call_that_is_cancelled_at_any_moment_leaves_the_next_its_own_answer(
    loop: str, tls: bool
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                writer.write(http((await read_request(reader)).body))
        writer.close()

    async def main() -> None:
        context = speaks_tls() if tls else None
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
        address = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ended: set[bool] = set()
        async with server, transport(address) as network:
            for moment in range(60):
                call = asyncio.create_task(network.send(Call("POST", "/v1/x", b"first"), KEY))
                for _ in range(moment):
                    await asyncio.sleep(0)
                ended.add(call.cancel())
                await asyncio.wait([call])

                second = Call("POST", "/v1/x", b"%d" % moment)
                assert (await network.send(second, KEY)).body == second.payload
        assert ended == {True, False}  # it was cancelled before its end, and had ended

    run(main(), loop)


@BOTH
def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(loop: str) -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(b"{}"), CLOSE), (READ, http(b"[]"))) as server,
            transport(server.url) as network,
        ):
            await network.send(ASK, KEY)
            for _ in range(500):  # until its end has come
                await asyncio.sleep(0)

            assert (await network.send(ASK, KEY)).body == b"[]"
            assert server.connections == 2

    run(main(), loop)


@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(
    ("script", "body"),
    [
        ((READ, http(b"{}", "Connection: close"), HOLD), b"{}"),
        ((READ, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", HOLD), b"{}"),
        ((READ, b"HTTP/1.0 200 OK\r\n\r\n{}", CLOSE), b"{}"),
        ((READ, head() + b"{}", CLOSE), b"{}"),
        ((READ, head("Connection: close", status="204 No Content"), HOLD), b""),
        ((READ, head(status="101 Switching"), READ, http(b"stale"), HOLD), b""),
    ],
    ids=["close", "HTTP/1.0", "HTTP/1.0 to its end", "to its end", "no content", "no HTTP"],
)
def test_a_connection_that_is_not_to_be_kept_is_not(
    script: Script, body: bytes, loop: str, tls: bool
) -> None:
    async def main() -> None:
        async with (
            RawServer(script, tls=speaks_tls() if tls else None) as server,
            transport(server.url) as network,
        ):
            for _ in range(2):
                assert (await network.send(ASK, KEY)).body == body
            assert server.connections == 2

    run(main(), loop)


@BOTH
def test_nobody_announces_an_answer_for_longer_than_it_may_take(loop: str) -> None:
    async def main() -> None:
        announces = Forever(head(status="102 Processing") * 100)
        async with (
            RawServer((READ, announces)) as server,
            transport(server.url, total_seconds=0.1) as network,
        ):
            with pytest.raises(TimedOut, match="no whole answer"):
                await network.send(ASK, KEY)

    run(main(), loop)


def test_a_call_for_media_is_given_the_time_of_media() -> None:
    async def main() -> None:
        ready = asyncio.Event()
        media = Call("POST", "/v1/images/generations", b"{}", media=True)
        async with (
            RawServer((READ, ready, http(b"{}"))) as server,
            transport(server.url, total_seconds=0.05, media_seconds=5.0) as network,
        ):
            call = asyncio.create_task(network.send(media, KEY))
            with pytest.raises(TimedOut):
                await network.send(ASK, KEY)
            ready.set()

            assert (await call).body == b"{}"

    run(main())


@BOTH
@pytest.mark.parametrize(
    "script",
    [(READ, http(b"abc", length=50), CLOSE), (READ, CLOSE), (READ, http(b"abc", length=50), RESET)],
    ids=["in its body", "before it", "reset"],
)
def test_an_answer_over_tls_that_is_cut_is_no_answer(script: Script, loop: str) -> None:
    async def main() -> None:
        async with (
            RawServer(script, tls=speaks_tls()) as server,
            transport(server.url) as network,
        ):
            with pytest.raises(Interrupted):
                await network.send(ASK, KEY)

    run(main(), loop)


@pytest.mark.parametrize(("name", "packed"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_what_is_compressed_as_was_offered_is_read(
    name: str, packed: Callable[[bytes], bytes]
) -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(packed(b"{}"), f"Content-Encoding: {name}"))) as server,
            transport(server.url) as network,
        ):
            assert (await network.send(ASK, KEY)).body == b"{}"

        assert name in server.got[0].headers["accept-encoding"]

    run(main())


def test_of_a_header_that_is_too_long_and_holds_the_key_nothing_is_said() -> None:
    async def main() -> None:
        echo = "X-Echo: " + "a" * 80 + KEY.reveal() * 4000
        async with RawServer((READ, http(b"{}", echo))) as server, transport(server.url) as network:
            with pytest.raises(Interrupted) as failure:
                await network.send(ASK, KEY)

        assert KEY.reveal()[:8] not in failure.value.message
        assert failure.value.__suppress_context__

    run(main())


def test_a_header_that_would_begin_another_is_not_sent() -> None:
    async def main() -> None:
        async with RawServer((READ, http(b"{}"))) as server, transport(server.url) as network:
            with pytest.raises(ValueError, match="header"):
                await network.send(Call("POST", "/v1/x", b"{}", headers=(("a", "b\r\nc: d"),)), KEY)

        assert server.connections == 0

    run(main())


@BOTH
@pytest.mark.parametrize("begun", [b"", STREAM], ids=["before", "within"])
def test_a_call_that_is_open_when_the_transport_is_closed_ends(begun: bytes, loop: str) -> None:
    async def main() -> None:
        async with RawServer((READ, begun, HOLD)) as server:
            async with transport(server.url, idle_seconds=0.2) as network:
                folder = Joined()
                call = asyncio.create_task(network.send(ASK, KEY, lambda: folder))
                while not (folder.events if begun else server.got):
                    await asyncio.sleep(0)
            with pytest.raises(CallFailed):
                await call

    run(main(), loop)


def test_a_loop_in_debug_mode_has_nothing_to_say() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_debug(True)
        script = (READ, http(b"{}"), READ, STREAM, HOLD)
        async with RawServer(script) as server, transport(server.url) as network:
            await network.send(ASK, KEY)
            folder = Joined()
            call = asyncio.create_task(network.send(ASK, KEY, lambda: folder))
            while not folder.events:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(main())
