"""Sends one notice over HTTP, a few times if need be, and returns why that failed.

Of the address no more is ever said than its host: the rest of it is a secret.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import msgspec

from batch.transport.address import host_of
from batch.transport.failures import told_by_system
from batch.transport.proxy import Proxies
from batch.transport.tunnel import login_headers

# What may be answered otherwise a moment later, beside the 5xx.
_PASSING: Final = (408, 425, 429)
_NO_ADDRESS: Final = "it is no address that can be called"


class Patience(msgspec.Struct, frozen=True):
    """How long an address is waited for, and how often it is tried. Times in seconds."""

    seconds: float = 10.0
    tries: int = 3
    pause: float = 1.0  # before the second try; then twice that


class Post:
    """Sends notices. ``sleep`` waits between tries."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        proxies: Proxies,
        patience: Patience,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._proxies = proxies
        self._patience = patience
        self._sleep = sleep

    async def __call__(self, url: str, body: bytes, content_type: str) -> str | None:
        """Post a body. Returns None, or why nobody took it."""
        why, pause = None, self._patience.pause
        for number in range(self._patience.tries):
            if number:
                await self._sleep(pause)
                pause *= 2
            why, final = await self._once(url, body, content_type)
            if final:
                break
        return why

    async def _once(self, url: str, body: bytes, content_type: str) -> tuple[str | None, bool]:
        """Return why it failed, if it did, and whether another try is pointless."""
        host = host_of(url)
        try:
            proxy = self._proxies.to(url)
        except ValueError:
            return _NO_ADDRESS, True
        if proxy is not None and proxy.fault:
            return f"{proxy.origin} {proxy.fault}", True
        headers = {"Content-Type": content_type}
        if url.startswith("http://"):  # without a tunnel the proxy reads the request itself
            headers |= login_headers(proxy)
        limit = aiohttp.ClientTimeout(total=self._patience.seconds)
        try:
            async with self._session.post(
                url,
                data=body,
                headers=headers,
                timeout=limit,
                proxy=proxy.address if proxy else None,
                proxy_headers=login_headers(proxy) or None,
                allow_redirects=False,  # who is sent elsewhere would come there without the body
            ) as answer:
                status = answer.status
        except aiohttp.ClientConnectorCertificateError as broken:  # which is a ValueError too
            return f"the TLS certificate of {host} is not accepted: {_flaw(broken)}", True
        except (aiohttp.InvalidURL, ValueError):  # their texts hold the address
            return _NO_ADDRESS, True
        except TimeoutError:
            return f"{host} gave no answer within {self._patience.seconds:g} s", False
        except aiohttp.ClientConnectorError as broken:
            cause = told_by_system(broken.os_error) or "it was closed"
            return f"no connection to {host}: {cause}", False
        except aiohttp.ClientError as broken:
            return f"the connection to {host} broke: {type(broken).__name__}", False
        if 200 <= status < 300:
            return None, True
        return f"{host} answered {status}", status < 500 and status not in _PASSING


def _flaw(broken: aiohttp.ClientConnectorCertificateError) -> str:
    wrong = broken.certificate_error
    return wrong.verify_message if isinstance(wrong, ssl.SSLCertVerificationError) else str(wrong)


def session(agent: str, ca_bundle: str | None) -> aiohttp.ClientSession:
    """Return a session that trusts the system's authorities, and those in the bundle too.

    Raises ``OSError`` if that cannot be read.
    """
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle:
        tls.load_verify_locations(ca_bundle)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls),
        headers={"User-Agent": agent},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
