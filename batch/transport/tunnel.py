"""Connections through a proxy: whatever fails before they stand has reached no host behind it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

import aiohttp
from aiohttp.connector import Connection

from batch.errors import CallFailed, ProxyRefuses, Unreachable
from batch.transport.kept import CleanConnector
from batch.transport.proxy import Proxy

MAY_PASS: Final = (408, 429)  # beside 5xx: statuses of a proxy that is not decided
WANTS_LOGIN: Final = 407


class NoTunnel(aiohttp.ClientConnectionError):
    """The proxy was reached, and no way through it was had."""

    def __init__(self, broken: aiohttp.ClientError) -> None:
        super().__init__(str(broken))
        self.answer: aiohttp.ClientHttpProxyError | None = None
        if isinstance(broken, aiohttp.ClientHttpProxyError):
            self.answer = broken


class TunnelConnector(CleanConnector):
    """Tells what fails before a connection stands from what fails on it.

    A proxy that hangs up looks like a gateway that does, which may have begun to work.
    """

    async def connect(self, *given: Any, **named: Any) -> Connection:
        """Return a connection. Raises ``NoTunnel`` where aiohttp is vague."""
        try:
            return await super().connect(*given, **named)
        except aiohttp.ClientConnectorError:
            raise
        except aiohttp.ClientError as broken:
            raise NoTunnel(broken) from broken


def login_headers(proxy: Proxy | None) -> dict[str, str]:
    """Return what is said to a proxy, and to nobody behind it, about who asks."""
    if proxy is None or proxy.login is None:
        return {}
    said = b64encode(proxy.login.reveal().encode()).decode()
    return {"Proxy-Authorization": f"Basic {said}"}


def no_tunnel(broken: NoTunnel, host: str, proxy: Proxy) -> CallFailed:
    """Return our failure for a proxy that opened no way to a host."""
    answer = broken.answer
    if answer is None:
        return Unreachable(f"the proxy {proxy} hung up before it let us through to {host}")
    return refused(answer, host, proxy)


def refused(
    answer: aiohttp.ClientHttpProxyError | aiohttp.ClientResponse, host: str, proxy: Proxy
) -> CallFailed:
    """Return our failure for what a proxy answers in the place of a host."""
    status = answer.status
    if status == WANTS_LOGIN:
        wanted = answer.headers.get("Proxy-Authenticate", "") if answer.headers else ""
        return ProxyRefuses(_no_login(wanted, proxy))
    reason = answer.reason if isinstance(answer, aiohttp.ClientResponse) else answer.message
    said = f"HTTP {status} {_shown(reason or '')}".strip()
    if status >= 500 or status in MAY_PASS:
        return Unreachable(f"the proxy {proxy} does not reach {host}: it says {said}")
    return ProxyRefuses(
        f"the proxy {proxy} does not let us through to {host}: it says {said}. Ask who runs the "
        f"proxy, or if {host} can be reached without it, name the host in NO_PROXY"
    )


def _shown(text: str) -> str:
    """Return what a proxy says as it may stand in a message. Not cut: it may hold the login."""
    return "".join(char for char in text if char.isprintable())


def _no_login(wanted: str, proxy: Proxy) -> str:
    kinds = _shown(wanted).replace(",", " ").split()
    if kinds and "basic" not in wanted.lower():
        return (
            f"the proxy {proxy} wants a login by {kinds[0]} (HTTP 407), and only Basic is known "
            "here: "
            "put a proxy between that speaks it, such as cntlm or px"
        )
    if proxy.login is not None:
        return f"the proxy {proxy} does not accept the user and password given there (HTTP 407)"
    variable = f"HTTPS_PROXY, and go without {proxy.origin}"
    if not proxy.origin.startswith("-"):
        variable = proxy.origin
    address = proxy.address.replace("://", "://USER:PASSWORD@")
    return (
        f"the proxy {proxy} wants a user and a password (HTTP 407): write {address} into {variable}"
    )
