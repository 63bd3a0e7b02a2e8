"""When a request begins to leave: before that nothing was sent, whatever becomes of the call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batch.errors import CallFailed
from batch.records import Call, Field, FileRef, Form
from tests.raw_server import Act, RawServer, http
from tests.transport.authorities import Authority
from tests.transport.kit import ASK, KEY, run, transport
from tests.transport.proxy_server import ProxyServer

BOTH = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
WAYS = pytest.mark.parametrize(
    "call",
    [
        Call("POST", "/v1/images/generations", b'{"model":"m"}', repeat="once"),
        Call("POST", "/v1/images/edits", Form((Field("prompt", "a cat"),)), repeat="once"),
        Call("POST", "/v1/x", b'"' + b"x" * 2_000_000 + b'"'),
    ],
    ids=["json", "form", "large"],
)


class Stop(Exception):
    """Whoever was told of it stopped the request at that moment."""


def stop() -> None:
    raise Stop


@BOTH
@WAYS
def test_it_is_told_before_the_first_byte(call: Call, loop: str) -> None:
    got: list[bytes] = []
    ended = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()
        ended.set()

    async def main() -> None:
        server = await asyncio.start_server(take, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, transport(address) as network:
            with pytest.raises(Stop):
                await network.send(call, KEY, leaves=stop)
            await asyncio.wait_for(ended.wait(), 5)

    run(main(), loop)

    assert got == [b""]


@BOTH
@WAYS
def test_it_is_told_once_of_each_call(call: Call, loop: str) -> None:
    told: list[int] = []

    async def main() -> None:
        answer = Act.READ, http(b"{}")
        async with RawServer((*answer, *answer)) as server, transport(server.url) as network:
            for number in (1, 2):
                await network.send(call, KEY, leaves=lambda number=number: told.append(number))

    run(main(), loop)

    assert told == [1, 2]


@BOTH
@WAYS
def test_a_call_that_is_cancelled_while_it_connects_has_not_left(call: Call, loop: str) -> None:
    told: list[int] = []

    async def main() -> None:
        # Given one who never shakes hands
        async with (
            RawServer((Act.HOLD,)) as server,
            transport(server.url.replace("http", "https")) as network,
        ):
            task = asyncio.create_task(network.send(call, KEY, leaves=lambda: told.append(1)))
            while not server.connections:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main(), loop)

    assert told == []


@WAYS
def test_a_call_that_is_cancelled_once_it_was_sent_has_left(call: Call) -> None:
    told: list[int] = []

    async def main() -> None:
        async with RawServer((Act.READ, Act.HOLD)) as server, transport(server.url) as network:
            task = asyncio.create_task(network.send(call, KEY, leaves=lambda: told.append(1)))
            while not server.got:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())

    assert told == [1]


@WAYS
def test_a_call_for_which_there_is_no_connection_has_not_left(call: Call) -> None:
    told: list[int] = []

    async def main() -> None:
        async with RawServer(()) as server:
            nobody = server.url
        async with transport(nobody) as network:
            with pytest.raises(CallFailed) as failed:
                await network.send(call, KEY, leaves=lambda: told.append(1))
            assert failed.value.precedes_work

    run(main())

    assert told == []


def test_a_call_whose_file_is_not_there_has_not_left(tmp_path: Path) -> None:
    told: list[int] = []
    form = Form((Field("image", FileRef("file:none.png")),))

    async def main() -> None:
        async with (
            RawServer((Act.READ, http(b"{}"))) as server,
            transport(server.url, allow_files=str(tmp_path)) as network,
        ):
            with pytest.raises(CallFailed, match=r"none\.png"):
                await network.send(Call("POST", "/v1/x", form), KEY, leaves=lambda: told.append(1))
            assert server.connections == 0

    run(main())

    assert told == []


@BOTH
def test_through_a_proxy_it_is_told_when_the_tunnel_stands(tmp_path: Path, loop: str) -> None:
    tunnels: list[list[str]] = []

    async def main() -> None:
        authority = Authority(tmp_path)
        async with (
            RawServer((Act.READ, http(b"{}")), tls=authority.server("gateway.example")) as server,
            ProxyServer(server.port) as proxy,
            transport(
                "https://gateway.example", ca_bundle=authority.bundle, proxies=proxy.proxies()
            ) as network,
        ):
            await network.send(ASK, KEY, leaves=lambda: tunnels.append(list(proxy.tunnels)))

    run(main(), loop)

    assert tunnels == [["gateway.example:443"]]


def test_behind_a_proxy_that_opens_no_tunnel_nothing_has_left(tmp_path: Path) -> None:
    told: list[int] = []

    async def main() -> None:
        bundle = Authority(tmp_path).bundle
        async with (
            ProxyServer(9, instead=http(b"", status="502 Bad Gateway")) as proxy,
            transport(
                "https://gateway.example", ca_bundle=bundle, proxies=proxy.proxies()
            ) as network,
        ):
            with pytest.raises(CallFailed):
                await network.send(ASK, KEY, leaves=lambda: told.append(1))

    run(main())

    assert told == []
