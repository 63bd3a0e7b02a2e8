"""What is used of aiohttp's inner parts, and what its session does that is done again here.

A new aiohttp that changes any of it is to fail here first.
"""

from __future__ import annotations

import asyncio
import inspect

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict
from yarl import URL

from batch.records import Call
from batch.transport.payload import LARGE
from batch.transport.posts import UNWRITABLE, Prepared
from tests.raw_server import http
from tests.transport.kit import KEY, run, transport

HEADERS = (
    ("anthropic-version", "2023-06-01"),
    ("X-Twice", "1"),
    ("X-Twice", "2"),
    ("user-agent", "another"),
    ("Accept", "application/json"),
)


@pytest.mark.parametrize("key", [KEY, None], ids=["a key", "no key"])
@pytest.mark.parametrize("headers", [(), HEADERS, (("Content-Type", "text/json"),)])
@pytest.mark.parametrize("path", ["/v1/x", "/v1/a%2Fb/c d:\u732b?alt=sse&k=%20#end"])
def test_a_post_goes_out_with_the_line_and_the_headers_that_a_session_sends(
    path: str, headers: tuple[tuple[str, str], ...], key: object
) -> None:
    heads: list[list[str]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(head.rpartition("Content-Length: ")[2].split()[0]))
        heads.append(head.split("\r\n"))
        writer.write(http(b"{}", "Connection: close"))
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, transport(address) as network:
            # Given that a session sends what is large
            for size in (LARGE - 1, LARGE):
                await network.send(Call("POST", path, b"x" * size, headers=headers), key)

    run(main())
    posted, sent = heads
    posted[posted.index(f"Content-Length: {LARGE - 1}")] = f"Content-Length: {LARGE}"
    assert posted[0] == sent[0]
    assert sorted(map(spelled, posted[1:])) == sorted(map(spelled, sent[1:]))


def spelled(line: str) -> str:
    """Return a header with its name in lower case, as it is read."""
    name, _, value = line.partition(": ")
    return f"{name.lower()}: {value}"


def test_the_characters_that_aiohttp_refuses_in_headers_are_refused() -> None:
    def refuses(character: str) -> bool:
        try:
            _serialize_headers("POST / HTTP/1.1", CIMultiDict({"a": character}))
        except ValueError:
            return True
        return False

    every = list(map(chr, range(256)))
    assert list(filter(UNWRITABLE.search, every)) == list(filter(refuses, every))


def test_what_is_prepared_for_a_key_does_not_show_it() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession(headers={"Authorization": KEY.reveal()}) as session:
            request = aiohttp.ClientRequest("POST", URL("http://h/"), session=session)
            assert KEY.reveal() not in repr([Prepared(request, KEY.reveal().encode())])

    run(main())


def parameters(function: object) -> list[str]:
    """Return the names of the parameters that a function is called with."""
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_inner_parts_of_aiohttp_that_are_used_are_there() -> None:
    async def main() -> None:
        async with aiohttp.ClientSession(headers={"A": "b"}) as session:
            # A request that is made once, of a session with its connector and its headers
            url = URL("http://127.0.0.1:9/x?y")
            request = aiohttp.ClientRequest("POST", url, headers=session.headers, session=session)
            assert request.session is session
            assert request.headers["Content-Length"] == "0"
            assert request.headers["A"] == "b"
            assert request.request_info.url == url
            assert isinstance(session.connector, aiohttp.BaseConnector)
            assert parameters(session.connector.connect) == ["req", "traces", "timeout"]
            assert inspect.iscoroutinefunction(aiohttp.BaseConnector.connect)

        # A connection that is given back or not
        for name in ("close", "release"):
            assert parameters(getattr(Connection, name)) == ["self"]
        for name in ("closed", "protocol", "transport"):
            assert isinstance(getattr(Connection, name), property)

        # A protocol that parses answers, queues them, and can be told that it is over
        protocol = ResponseHandler(asyncio.get_running_loop())
        wanted = {"read_until_eof", "max_line_size", "max_field_size"}
        assert wanted <= set(parameters(protocol.set_response_params))
        protocol.set_response_params(read_until_eof=True, max_line_size=99, max_field_size=99)
        assert len(protocol) == 0
        protocol.data_received(b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n{")
        assert len(protocol) == 1
        message, content = await protocol.read()
        assert (message.code, message.headers["a"], len(protocol)) == (200, "b", 0)
        assert protocol.should_close

        # A body that tells what has come of it, and when it is whole
        whole: list[bool] = []
        content.on_eof(lambda: whole.append(True))
        assert (content.is_eof(), content.total_bytes, content.total_raw_bytes) == (False, 1, 1)
        protocol.data_received(b"}")
        assert (content.is_eof(), whole, await content.readany()) == (True, [True], b"{}")
        assert content.at_eof()
        assert not protocol.should_close
        protocol.force_close()
        assert protocol.should_close

        # And the failures of both
        protocol.set_exception(HttpProcessingError(code=400, message="odd"))
        with pytest.raises(HttpProcessingError) as failure:
            await protocol.read()
        assert (failure.value.code, failure.value.message) == (400, "odd")

    run(main())
