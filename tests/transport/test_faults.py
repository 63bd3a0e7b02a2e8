"""What a gateway, or something in front of it, can do wrong, and what the transport makes of it."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tracemalloc
import zlib
from typing import TypeAlias

import pytest

from batch.errors import (
    CallFailed,
    Interrupted,
    NotAnAnswer,
    Refused,
    TimedOut,
    Unreachable,
)
from batch.records import Call
from tests.raw_server import Act, Forever, RawServer, Script, chunk, head, http
from tests.transport.kit import ASK, KEY, TLS_FILE, Joined, run, transport

READ, CLOSE, RESET, HOLD = Act.READ, Act.CLOSE, Act.RESET, Act.HOLD
JSON = "Content-Type: application/json"
EVENTS = "Content-Type: text/event-stream"
CHUNKED = "Transfer-Encoding: chunked"
ZIPPED = "Content-Encoding: gzip"
DONE = chunk(b"")
MIB = 1 << 20

Expected: TypeAlias = tuple[int, bytes] | type[CallFailed]

# A whole answer is a Reply whatever is in it: what it means is the wire format's matter.
ANSWERS: dict[str, tuple[Script, Expected]] = {
    "HTML under 200": ((READ, http(b"<html>", "Content-Type: text/html")), (200, b"<html>")),
    "no body under 200": ((READ, http(b"", JSON)), (200, b"")),
    "cut JSON of the promised length": ((READ, http(b'{"a":', JSON)), (200, b'{"a":')),
    "promised too much": ((READ, http(b"{}", JSON, length=50), CLOSE), Interrupted),
    "promised too little": ((READ, http(b'{"a":1}', JSON, length=3), CLOSE), Interrupted),
    "no length, closed": ((READ, head(JSON) + b'{"a":', CLOSE), (200, b'{"a":')),
    "HTTP/1.0, closed": ((READ, b'HTTP/1.0 200 OK\r\n\r\n{"a', CLOSE), (200, b'{"a')),
    "cut inside a chunk": ((READ, head(CHUNKED) + b"ff\r\nabc", CLOSE), Interrupted),
    "cut before the last chunk": ((READ, head(CHUNKED) + chunk(b"abc"), CLOSE), Interrupted),
    "bad chunk size": ((READ, head(CHUNKED) + b"zz\r\nabc\r\n", HOLD), Interrupted),
    "half of a gzip stream": (
        (READ, http(gzip.compress(b"{}" * 99)[:12], ZIPPED)),
        (200, b"{"),
    ),
    "gzip": ((READ, http(gzip.compress(b"{}"), ZIPPED)), (200, b"{}")),
    "plain but called gzip": ((READ, http(b"plain", ZIPPED)), Interrupted),
    "unknown encoding": ((READ, http(b"as is", "Content-Encoding: odd")), (200, b"as is")),
    "reset inside the body": ((READ, http(b"abc", length=50), RESET), Interrupted),
    "reset instead of an answer": ((READ, RESET), Interrupted),
    "closed instead of an answer": ((READ, CLOSE), Interrupted),
    "closed at once": ((CLOSE,), Interrupted),
    "closed inside the head": ((READ, b"HTTP/1.1 200 OK\r\nX-", CLOSE), Interrupted),
    "garbage": ((READ, b"\x00\x01garbage\r\n\r\n", CLOSE), Interrupted),
    "1xx before the answer": (
        (READ, head(status="100 Continue") + head(status="103 Early Hints") + http(b"{}")),
        (200, b"{}"),
    ),
    "another protocol": (
        (READ, head("Upgrade: odd", "Connection: upgrade", status="101 Switching"), HOLD),
        (101, b""),
    ),
    "204 with a body": ((READ, http(b"abc", status="204 No Content"), HOLD), Interrupted),
    "304": ((READ, http(status="304 Not Modified", length=7), HOLD), (304, b"")),
    "two lengths that agree": ((READ, http(b"abc", "Content-Length: 3")), Interrupted),
    "two lengths that differ": ((READ, http(b"abc", "Content-Length: 4")), Interrupted),
    "negative length": ((READ, head("Content-Length: -1") + b"abc"), Interrupted),
    "length and chunks": (
        (READ, head(CHUNKED, "Content-Length: 3") + chunk(b"abc") + DONE),
        Interrupted,
    ),
    "header of 20 KB": ((READ, http(b"{}", "X: " + "a" * 20_000)), (200, b"{}")),
    "header of 100 KB": ((READ, http(b"{}", "X: " + "a" * 100_000)), Interrupted),
    "300 headers": ((READ, http(b"{}", *[f"X-{n}: a" for n in range(300)])), Interrupted),
    "status 999": ((READ, http(b"{}", status="999 Odd")), (999, b"{}")),
    "status 99999": ((READ, http(b"{}", status="99999 Odd")), Interrupted),
    "byte order mark": ((READ, http(b"\xef\xbb\xbf{}", JSON)), (200, b"\xef\xbb\xbf{}")),
    "no UTF-8": ((READ, http(b"\xff\xfe", JSON)), (200, b"\xff\xfe")),
    "deep JSON": ((READ, http(b"[" * 100_000, JSON)), (200, b"[" * 100_000)),
    "error before the request was read": (
        (http(b"{}", status="503 Busy"), HOLD),
        (503, b"{}"),
    ),
    "drips its body": ((READ, http(length=999), Forever(b"x", 0.02)), TimedOut),
    "drips its head": ((READ, b"HTTP/1.1 200 OK\r\nX: ", Forever(b"x", 0.02)), TimedOut),
    "never answers": ((READ, HOLD), TimedOut),
    **{
        f"redirects with {status}": (
            (READ, http(b"", "Location: http://127.0.0.1:1/", status=f"{status} Odd")),
            (status, b""),
        )
        for status in (301, 302, 303, 307, 308)
    },
}

STREAMS: dict[str, tuple[Script, Expected]] = {
    "events": (
        (READ, head(EVENTS, CHUNKED) + chunk(b"data: 1\n\n") + chunk(b"data: 2\n\n") + DONE),
        (200, b"1|2"),
    ),
    "events without an end mark, closed": (
        (READ, head(EVENTS) + b"data: 1\n\ndata: 2", CLOSE),
        (200, b"1|2"),
    ),
    "events with CRLF, cut inside a character": (
        (READ, head(EVENTS) + b"data: \xc3", b"\xa9\r\n\r\n", CLOSE),
        (200, b"\xc3\xa9"),
    ),
    "events that nobody announced": (
        (READ, head("Content-Type: text/plain") + b"\r\n d", b"ata", b": 1\n\n", CLOSE),
        (200, b"1"),
    ),
    "a comment first, no content type": (
        (READ, head() + b": PING\n\ndata: 1\n\n", CLOSE),
        (200, b"1"),
    ),
    "JSON instead of events": ((READ, http(b'{"a":1}', JSON)), (200, b'{"a":1}')),
    "JSON without a content type": ((READ, http(b'{"a":1}')), (200, b'{"a":1}')),
    "an error in the shape of events": (
        (READ, http(b"data: 1\n\n", EVENTS, status="500 Odd")),
        (500, b"data: 1\n\n"),
    ),
    "nothing at all": ((READ, http(b"", EVENTS)), (200, b"")),
    "cut inside a chunk": (
        (READ, head(EVENTS, CHUNKED) + chunk(b"data: 1\n\n") + b"ff\r\ndata: 2", CLOSE),
        Interrupted,
    ),
    "cut before the last chunk": (
        (READ, head(EVENTS, CHUNKED) + chunk(b"data: 1\n\n"), CLOSE),
        Interrupted,
    ),
    "reset": ((READ, head(EVENTS, CHUNKED) + chunk(b"data: 1\n\n"), RESET), Interrupted),
    "keep-alive comments for ever": (
        (READ, head(EVENTS), Forever(b": PING\n\n", 0.02)),
        TimedOut,
    ),
    "endless events": (
        (READ, head(EVENTS), Forever(b"data: " + b"x" * 60_000 + b"\n\n")),
        NotAnAnswer,
    ),
    "endless blanks": ((READ, head(), Forever(b" " * 60_000)), NotAnAnswer),
    "one endless event": ((READ, head(EVENTS) + b"data: ", Forever(b"x" * 60_000)), NotAnAnswer),
}


# What cannot be read is told in words for people, and without the 400 that aiohttp has for it.
UNREADABLE: dict[str, tuple[Script, str]] = {
    "SSH": (
        (READ, b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE),
        "is no HTTP: it begins with 'SSH-2.0-OpenSSH_9.2'",
    ),
    "TLS": ((READ, b"\x15\x03\x01\x00\x02\x02\x46", CLOSE), "is no HTTP but TLS: write https://"),
    "promised too much": ((READ, http(b"{}", length=50), CLOSE), "was cut: 2 of 50 bytes came"),
    "cut inside a chunk": (
        (READ, head(CHUNKED) + b"ff\r\nabc", CLOSE),
        "was cut: the end of its chunks is missing",
    ),
    "reset inside the body": (
        (READ, http(b"abc", length=50), RESET),
        "was cut: 3 of 50 bytes came",
    ),
    "plain but called gzip": (
        (READ, http(b"plain", ZIPPED)),
        "cannot be unpacked: it is called gzip, and is none or is damaged",
    ),
    "packed as nobody asked": (
        (READ, http(b"plain", "Content-Encoding: br")),
        "is packed as brotli (br), which was not asked for",
    ),
    "a header without a colon": (
        (READ, head("odd"), CLOSE),
        "is no HTTP: Invalid header token: b'odd'",
    ),
    "a bad size of the second chunk": (
        (READ, head(CHUNKED) + chunk(b"abc"), b"zz\r\n", HOLD),
        "is no HTTP: Invalid character in chunk size: b'zz'",
    ),
    "header of 100 KB": (
        (READ, http(b"{}", "X: " + "a" * 100_000)),
        "has a line of more than 65536 bytes outside its body",
    ),
}


def patience(expected: Expected) -> float:
    """Return seconds: few only where they must pass."""
    return 0.1 if expected is TimedOut else 5.0


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("script", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_answer_that_cannot_be_read_is_told_in_plain_words(
    script: Script, words: str, loop: str
) -> None:
    async def main() -> None:
        async with RawServer(script) as server, transport(server.url) as network:
            with pytest.raises(Interrupted) as failure:
                await network.send(ASK, KEY)
            host = server.url.removeprefix("http://")
            assert failure.value.message == f"the answer of {host} {words}"

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("script", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_odd_answer_is_a_reply_or_the_right_failure(
    script: Script, expected: Expected, loop: str
) -> None:
    async def main() -> None:
        async with (
            RawServer(script) as server,
            transport(server.url, total_seconds=patience(expected)) as network,
        ):
            if isinstance(expected, tuple):
                reply = await network.send(ASK, KEY)
                assert (reply.status, reply.body, reply.streamed) == (*expected, False)
            else:
                with pytest.raises(CallFailed) as failure:
                    await network.send(ASK, KEY)
                assert type(failure.value) is expected
            assert server.connections == 1

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("script", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_is_folded_or_the_right_failure(
    script: Script, expected: Expected, loop: str
) -> None:
    async def main() -> None:
        async with (
            RawServer(script) as server,
            transport(server.url, total_seconds=patience(expected), max_body=MIB) as network,
        ):
            folder = Joined()
            if isinstance(expected, tuple):
                reply = await network.send(ASK, KEY, lambda: folder)
                assert (reply.status, reply.body) == expected
                assert reply.streamed == (reply.body == folder.body())
            else:
                with pytest.raises(CallFailed) as failure:
                    await network.send(ASK, KEY, lambda: folder)
                assert type(failure.value) is expected

    run(main(), loop)


def test_the_idle_time_runs_only_once_the_answer_has_begun() -> None:
    async def main() -> None:
        think, more = asyncio.Event(), asyncio.Event()
        script = (READ, think, http(b"{}"), READ, http(b"{", length=9), more, b"more", HOLD)
        async with (
            RawServer(script) as server,
            transport(server.url, idle_seconds=0.1, total_seconds=60) as network,
        ):
            # Given an answer that takes longer than the idle time to begin
            asyncio.get_running_loop().call_later(0.15, think.set)
            assert (await network.send(ASK, KEY)).body == b"{}"

            # When one begins, goes on and then stops
            asyncio.get_running_loop().call_later(0.05, more.set)
            with pytest.raises(TimedOut, match="silent"):
                await network.send(ASK, KEY)

    run(main())


def test_an_answer_that_goes_on_outlives_the_idle_time() -> None:
    async def main() -> None:
        script = (READ, head(EVENTS), Forever(b": PING\n\n", 0.01))
        async with (
            RawServer(script) as server,
            transport(server.url, idle_seconds=0.05, total_seconds=0.3) as network,
        ):
            with pytest.raises(TimedOut, match="no whole answer"):
                await network.send(ASK, KEY, Joined)

    run(main())


def test_a_stream_whose_framing_breaks_midway_ends_before_the_idle_time() -> None:
    async def main() -> None:
        begun = asyncio.Event()
        script = (READ, head(EVENTS, CHUNKED) + chunk(b"data: 1\n\n"), begun, b"zz\r\n", HOLD)

        class Begins(Joined):
            def feed(self, event: bytes) -> None:
                begun.set()

        async with (
            RawServer(script) as server,
            transport(server.url, idle_seconds=1.0, total_seconds=60) as network,
        ):
            with pytest.raises(Interrupted, match="cut"):
                await network.send(ASK, KEY, Begins)

    run(main())


def test_a_kept_connection_that_dies_is_ambiguous_for_a_post_and_nothing_for_a_get() -> None:
    async def main() -> None:
        dies, lives = (READ, http(b"{}"), READ, CLOSE), (READ, http(b"[]"))
        get = Call("GET", "/v1/tasks/1", kind="poll")
        async with (
            RawServer(dies, dies, lives) as server,
            transport(server.url) as network,
        ):
            # Given a connection that is kept, and closed when it is used again
            await network.send(ASK, KEY)
            with pytest.raises(Interrupted):
                await network.send(ASK, KEY)
            assert server.connections == 1

            await network.send(ASK, KEY)
            assert (await network.send(get, KEY)).body == b"[]"

    run(main())


def test_a_refused_connection_means_nothing_was_sent() -> None:
    async def main() -> None:
        async with RawServer((CLOSE,)) as server:
            gone = server.url
        async with transport(gone) as network:
            with pytest.raises(Unreachable, match=r"to 127\.0\.0\.1:\d+: Connection refused"):
                await network.send(ASK, KEY)

    run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_name_that_is_not_known_means_nothing_was_sent(loop: str) -> None:
    async def main() -> None:
        async with transport("https://gateway.invalid", connect_seconds=1.0) as network:
            with pytest.raises(Unreachable, match=r"gateway\.invalid"):
                await network.send(ASK, KEY)

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_that_never_shakes_hands_means_nothing_was_sent(loop: str) -> None:
    async def main() -> None:
        async with (
            RawServer((HOLD,)) as server,
            transport(server.url.replace("http", "https"), connect_seconds=0.1) as network,
        ):
            with pytest.raises(Unreachable, match="in time"):
                await network.send(ASK, KEY)

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_certificate_must_be_known_and_of_the_host(loop: str) -> None:
    async def main() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(TLS_FILE)
        async with RawServer((READ, http(b"{}")), tls=context) as server:
            other_name = server.url.replace("127.0.0.1", "localhost")
            # Given nobody who vouches for it, and one who vouches for it under another name
            async with transport(server.url, ca_bundle=None) as network:
                with pytest.raises(Unreachable, match="certificate"):
                    await network.send(ASK, KEY)
            async with transport(other_name) as network:
                with pytest.raises(Unreachable, match="certificate"):
                    await network.send(ASK, KEY)
            assert server.got == []

            # When it is vouched for
            async with transport(server.url) as network:
                assert (await network.send(ASK, KEY)).body == b"{}"

    run(main(), loop)


def test_what_speaks_no_tls_is_unreachable() -> None:
    async def main() -> None:
        async with (
            RawServer((http(b"plain"), HOLD)) as server,
            transport(server.url.replace("http", "https")) as network,
        ):
            with pytest.raises(Unreachable, match="no TLS connection"):
                await network.send(ASK, KEY)

    run(main())


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://host/x", "/etc/passwd", "http://", "http://[odd", "http://h:99999/", "", "x"),
        *("http://a b/", "http://a\u3000b/"),
    ],
)
def test_a_foreign_address_that_cannot_be_called_is_refused(address: str) -> None:
    async def main() -> None:
        async with transport("http://127.0.0.1:1") as network:
            with pytest.raises(Refused):
                await network.send(Call("GET", address, origin="foreign"), None)

    run(main())


def test_a_foreign_name_that_no_resolver_takes_fails_the_call_and_not_the_run() -> None:
    async def main() -> None:
        names = ["http://" + "a" * 70 + ".com/x", "http://127.1/x", "http://a..b/x"]
        async with transport("http://127.0.0.1:1") as network:
            for name in names:
                with pytest.raises(CallFailed):
                    await network.send(Call("GET", name, origin="foreign"), None)

    run(main())


def test_the_cap_is_the_largest_body_that_is_read() -> None:
    async def main() -> None:
        script = (READ, http(b"x" * 100, JSON), READ, http(b"x" * 101, JSON), HOLD)
        async with (
            RawServer(script) as server,
            transport(server.url, max_body=100) as network,
        ):
            assert (await network.send(ASK, KEY)).body == b"x" * 100
            with pytest.raises(NotAnAnswer, match="100 bytes"):
                await network.send(ASK, KEY)

    run(main())


def bomb() -> bytes:
    """Return 64 MiB of zero bytes, compressed."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(64)), packer.flush()])


BOMB = bomb()


@pytest.mark.parametrize(
    ("script", "folding"),
    [
        ((READ, http(BOMB, ZIPPED, JSON)), None),
        ((READ, head(CHUNKED), Forever(chunk(b"x" * 65_536))), None),
        ((READ, head(CHUNKED, EVENTS), Forever(chunk(b"x" * 65_536))), Joined),
        ((READ, http(BOMB, ZIPPED, EVENTS)), Joined),
    ],
    ids=["gzip bomb", "endless", "endless event", "gzip bomb as events"],
)
def test_a_body_without_end_is_given_up_in_bounded_memory(
    script: Script, folding: type[Joined] | None
) -> None:
    async def main() -> None:
        async with (
            RawServer(script) as server,
            transport(server.url, max_body=2 * MIB) as network,
        ):
            tracemalloc.start()
            try:
                with pytest.raises(NotAnAnswer, match="2,097,152 bytes"):
                    await network.send(ASK, KEY, folding)
                assert tracemalloc.get_traced_memory()[1] < 8 * MIB
            finally:
                tracemalloc.stop()

    run(main())
