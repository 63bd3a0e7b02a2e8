"""Calls through a proxy: what it may see, what it can do wrong, and what that means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from batch.errors import (
    BadFile,
    CallFailed,
    FileGone,
    FileUnread,
    Interrupted,
    ProxyRefuses,
    Unreachable,
    Untrusted,
)
from batch.records import Call, FileRef, Spliced
from batch.transport.client import AioTransport
from batch.transport.outside import Outside
from batch.transport.proxy import Proxies, read_proxy
from tests.raw_server import Act, RawServer, Script, http
from tests.transport.authorities import Authority
from tests.transport.kit import ASK, KEY, run, transport
from tests.transport.proxy_server import OPENED, ProxyServer

READ, CLOSE = Act.READ, Act.CLOSE
GATEWAY = "https://gateway.example"
LOGIN = "Basic bWU6bG9uZyBwQHNzd29yZA=="  # me:long p@ssword
ANSWER: Script = (READ, http(b"{}"), READ, http(b"[]"), READ, http(b"{}"))


@asynccontextmanager
async def behind(
    proxy: ProxyServer, bundle: str, user: str = "", **settings: Any
) -> AsyncIterator[AioTransport]:
    """Open a transport to the gateway that only the proxy knows."""
    given = {"ca_bundle": bundle, "proxies": proxy.proxies(user), **settings}
    async with transport(given.pop("base_url", GATEWAY), **given) as network:
        yield network


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("user", "login"), [("", None), ("me:long%20p%40ssword@", LOGIN)])
def test_a_gateway_behind_a_proxy_is_asked_through_one_tunnel_in_which_the_key_is_not_seen(
    user: str, login: str | None, tmp_path: Path, loop: str
) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        async with (
            RawServer(ANSWER, tls=authority.server("gateway.example")) as server,
            ProxyServer(server.port, login) as proxy,
            behind(proxy, authority.bundle, user) as network,
        ):
            assert (await network.send(ASK, KEY)).body == b"{}"
            assert (await network.send(ASK, KEY)).body == b"[]"

            assert proxy.tunnels == ["gateway.example:443"]
            for got in server.got:
                assert got.headers["authorization"] == f"Bearer {KEY.reveal()}"
                assert "proxy-authorization" not in got.headers
            assert KEY.reveal().encode() not in proxy.seen
            assert (b"uthorization" in proxy.seen) is (login is not None)

    run(main(), loop)


def status(line: str, *headers: str) -> bytes:
    return http(b"<html>page</html>", *headers, status=line)


WRONG = {
    "wants a login": (
        status("407 Auth", "Proxy-Authenticate: Basic realm=x"),
        ProxyRefuses,
        r"a password \(HTTP 407\): write http://USER:PASSWORD@127.0.0.1:\d+ into HTTPS_PROXY$",
    ),
    "wants another kind of login": (
        status("407 Auth", "Proxy-Authenticate: NTLM"),
        ProxyRefuses,
        "wants a login by NTLM .* only Basic is known here",
    ),
    "wants nothing that has a name": (
        status("407 Auth", "Proxy-Authenticate: ,\u0085"),
        ProxyRefuses,
        r"wants a user and a password \(HTTP 407\)",
    ),
    "forbids": (
        status("403 Forbidden"),
        ProxyRefuses,
        "does not let us through to gateway.example: it says HTTP 403 Forbidden. .* NO_PROXY",
    ),
    "is a server": (status("404 Not Found"), ProxyRefuses, "it says HTTP 404"),
    "is a portal": (status("302 Found", "Location: http://login.example"), ProxyRefuses, "302"),
    "reaches nobody": (
        status("502 Bad Gateway"),
        Unreachable,
        "does not reach gateway.example: it says HTTP 502 Bad Gateway",
    ),
    "has too much to do": (status("429 Too Many"), Unreachable, "HTTP 429"),
    "hangs up": (b"", Unreachable, "hung up before it let us through"),
    "talks nonsense": (b"\x00\x01nonsense\r\n\r\n", Unreachable, "hung up before|no HTTP"),
    "goes on without TLS": (
        OPENED,
        Unreachable,
        "no TLS connection to gateway.example through the proxy .*: what answers there speaks no",
    ),
}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("instead", "kind", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_proxy_that_opens_no_way_is_named_and_nothing_was_sent(
    instead: bytes, kind: type[CallFailed], said: str, loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        bundle = Authority(tmp_path).bundle
        async with ProxyServer(9, instead=instead) as proxy, behind(proxy, bundle) as network:
            with pytest.raises(CallFailed, match=said) as failed:
                await network.send(ASK, KEY)

            assert type(failed.value) is kind
            assert failed.value.precedes_work
            assert f"127.0.0.1:{proxy.port} (HTTPS_PROXY)" in failed.value.message

    run(main(), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_proxy_that_speaks_tls_itself_is_trusted_by_the_same_authorities(
    loop: str, tmp_path: Path
) -> None:
    async def main() -> None:
        authority, other = Authority(tmp_path), Authority(tmp_path, "Other")
        async with (
            RawServer(ANSWER, tls=authority.server("gateway.example")) as server,
            ProxyServer(server.port, tls=authority.server("127.0.0.1")) as proxy,
        ):
            async with behind(proxy, authority.bundle) as network:
                assert (await network.send(ASK, KEY)).body == b"{}"
            async with behind(proxy, other.bundle) as network:
                with pytest.raises(Untrusted, match=r"certificate of 127\.0\.0\.1 was issued by"):
                    await network.send(ASK, KEY)

            assert proxy.tunnels == ["gateway.example:443"]

    run(main(), loop)


def test_a_login_that_is_not_accepted_is_not_shown(tmp_path: Path) -> None:
    async def main() -> None:
        bundle = Authority(tmp_path).bundle
        async with (
            ProxyServer(9, LOGIN) as proxy,
            behind(proxy, bundle, "me:hush@") as network,
        ):
            with pytest.raises(ProxyRefuses, match="does not accept the user and password") as no:
                await network.send(ASK, KEY)

        assert "hush" not in no.value.message

    run(main())


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("127.0.0.1:9", r"no connection to the proxy 127\.0\.0\.1:9 \(HTTPS_PROXY\): Conn"),
        (
            "http://proxy.invalid:1",
            r"the name of the proxy proxy\.invalid:1 \(HTTPS_PROXY\) is not",
        ),
    ],
)
def test_a_proxy_that_is_not_there_is_named(proxy: str, said: str) -> None:
    async def main() -> None:
        proxies = Proxies(https=read_proxy(proxy, "HTTPS_PROXY"))
        async with transport(GATEWAY, proxies=proxies) as network:
            with pytest.raises(Unreachable, match=said):
                await network.send(ASK, KEY)

    run(main())


def test_what_breaks_inside_the_tunnel_may_have_begun(tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        async with (
            RawServer((READ, CLOSE), tls=authority.server("gateway.example")) as server,
            ProxyServer(server.port) as proxy,
            behind(proxy, authority.bundle) as network,
        ):
            with pytest.raises(Interrupted, match=r"gateway\.example hung up"):
                await network.send(ASK, KEY)

    run(main())


def test_a_gateway_without_tls_is_asked_of_the_proxy_itself() -> None:
    async def main() -> None:
        async with (
            RawServer((READ, http(b"{}"))) as server,
            ProxyServer(server.port, LOGIN) as proxy,
            transport(
                "http://gateway.example:81",
                allow_http=True,
                proxies=proxy.proxies("me:long%20p%40ssword@"),
            ) as network,
        ):
            assert (await network.send(ASK, KEY)).body == b"{}"

            assert proxy.tunnels == ["http://gateway.example:81/v1/chat/completions"]
            assert server.got[0].line == "POST /v1/chat/completions HTTP/1.1"
            assert server.got[0].headers["authorization"] == f"Bearer {KEY.reveal()}"

    run(main())


def test_a_proxy_that_wants_a_login_for_a_gateway_without_tls_is_named() -> None:
    async def main() -> None:
        async with (
            ProxyServer(9, LOGIN) as proxy,
            transport(
                "http://gateway.example", allow_http=True, proxies=proxy.proxies()
            ) as network,
        ):
            with pytest.raises(ProxyRefuses, match="wants a user and a password"):
                await network.send(ASK, KEY)

    run(main())


def test_a_gateway_on_this_machine_or_excepted_is_asked_directly() -> None:
    async def main() -> None:
        async with RawServer((READ, http(b"{}"))) as server, ProxyServer(9) as proxy:
            async with transport(server.url, proxies=proxy.proxies()) as network:
                assert (await network.send(ASK, KEY)).body == b"{}"

            proxies = proxy.proxies(direct=("gateway.invalid",))
            async with transport("https://gateway.invalid", proxies=proxies) as network:
                with pytest.raises(Unreachable, match=r"the name of gateway\.invalid is not known"):
                    await network.send(ASK, KEY)

            assert proxy.tunnels == []

    run(main())


def fetch(address: str) -> Call:
    return Call("GET", address, kind="fetch", origin="foreign")


def line(address: str) -> Call:
    return Call("POST", "/v1/x", Spliced((b'{"a":"', FileRef(address, "base64"), b'"}')))


def test_files_on_the_web_come_through_the_proxy_and_without_the_key(tmp_path: Path) -> None:
    async def main() -> None:
        authority = Authority(tmp_path)
        tls = authority.server("gateway.example", "files.invalid")
        picture = http(b"\x89PNG\r\n\x1a\n", "Content-Type: image/png")
        async with (
            RawServer((READ, picture), (READ, http(b"{}")), tls=tls) as server,
            ProxyServer(server.port, LOGIN) as proxy,
            behind(proxy, authority.bundle, "me:long%20p%40ssword@") as network,
        ):
            await network.send(line("https://files.invalid/a"), KEY)

            assert proxy.tunnels == ["files.invalid:443", "gateway.example:443"]
            assert "authorization" not in server.got[0].headers
            assert server.got[1].body == b'{"a":"iVBORw0KGgo="}'

    run(main())


@pytest.mark.parametrize(
    "address", ["https://10.0.0.1/a", "https://127.1/a", "https://localhost:1/a", "http://[::1]/a"]
)
def test_no_proxy_is_asked_for_a_private_address_that_others_chose(
    address: str, tmp_path: Path
) -> None:
    async def main() -> None:
        bundle = Authority(tmp_path).bundle
        async with (
            ProxyServer(9) as proxy,
            behind(proxy, bundle, base_url="https://8.8.8.8:1") as network,
        ):
            with pytest.raises(FileGone, match="private network"):
                await network.send(fetch(address), None)
            with pytest.raises(BadFile, match="private network"):
                await network.send(line(address), KEY)

            assert proxy.tunnels == []

    run(main())


def test_a_name_that_leads_inside_is_not_asked_of_a_proxy_and_one_that_nobody_knows_is() -> None:
    async def main() -> None:
        known = {"intranet.example": ["10.0.0.7"], "files.example": ["8.8.8.8"]}
        asked: list[str] = []

        async def look_up(host: str) -> list[str]:
            asked.append(host)
            return known.get(host, [])

        outside = Outside("gateway.example", look_up)
        with pytest.raises(FileGone, match=r"10\.0\.0\.7"):
            await outside.check_name("intranet.example")
        for host in ("files.example", "files.invalid", "files.invalid"):
            await outside.check_name(host)

        assert asked == ["intranet.example", "gateway.example", "files.example", "files.invalid"]
        await outside.close()

    run(main())


def test_files_without_tls_come_through_the_proxy_too_and_the_login_goes_no_further() -> None:
    async def main() -> None:
        picture = http(b"\x89PNG\r\n\x1a\n", "Content-Type: image/png")
        async with RawServer((READ, picture)) as server, ProxyServer(server.port, LOGIN) as proxy:
            proxies = proxy.proxies("me:long%20p%40ssword@")
            async with transport(GATEWAY, proxies=proxies) as network:
                reply = await network.send(fetch("http://files.invalid/a"), KEY)
            assert reply.status == 200
            assert "authorization" not in server.got[0].headers

            async with transport(GATEWAY, proxies=proxy.proxies()) as network:
                with pytest.raises(Unreachable, match="wants a user and a password"):
                    await network.send(fetch("http://files.invalid/a"), KEY)
                with pytest.raises(FileUnread, match="wants a user and a password"):
                    await network.send(line("http://files.invalid/a"), KEY)

            assert proxy.tunnels == ["http://files.invalid/a"] * 3

    run(main())


def test_a_proxy_that_lets_no_files_through_says_nothing_of_the_gateway(tmp_path: Path) -> None:
    async def main() -> None:
        bundle = Authority(tmp_path).bundle
        async with (
            ProxyServer(9, instead=status("403 Forbidden")) as proxy,
            behind(proxy, bundle) as network,
        ):
            with pytest.raises(Unreachable, match="does not let us through") as failed:
                await network.send(fetch("https://files.invalid/a"), None)
            assert type(failed.value) is Unreachable
            with pytest.raises(FileUnread, match="does not let us through"):
                await network.send(line("https://files.invalid/a"), KEY)

    run(main())
