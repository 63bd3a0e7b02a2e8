"""Files on the web, at addresses that answers or lines name: asked without a key."""

from __future__ import annotations

import re
from typing import Final

import aiohttp
from yarl import URL

from batch.errors import (
    BadFile,
    CallFailed,
    FileGone,
    FileUnread,
    NotAnAnswer,
    ProxyRefuses,
    Refused,
)
from batch.transport.address import host_of, is_host
from batch.transport.body import Grew, read
from batch.transport.failures import FOREIGN, of_another_host, ours
from batch.transport.outside import Outside
from batch.transport.proxy import Proxies
from batch.transport.sessions import Sessions
from batch.transport.trust import Distrust
from batch.transport.tunnel import WANTS_LOGIN, login_headers, refused
from batch.wire._http import HOPS, REDIRECTS

PLAIN_ADDRESS: Final = re.compile(r"[!-~]+")


class Web:
    """Asks hosts that are not the gateway."""

    def __init__(
        self,
        sessions: Sessions,
        outside: Outside,
        proxies: Proxies,
        distrust: Distrust,
        patience: aiohttp.ClientTimeout,
    ) -> None:
        self._sessions = sessions
        self._outside = outside
        self._proxies = proxies
        self._distrust = distrust
        self._patience = patience

    async def get(
        self, address: str, headers: tuple[tuple[str, str], ...], patience: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Return the answer, its body unread. Raises ``FileGone`` for what cannot be asked."""
        url = _url(address)
        host = url.raw_host or ""
        # A name is looked at when it is resolved; an address is not resolved.
        await self._outside.check(host)
        session, proxy = self._sessions.web, self._proxies.to(address)
        if proxy is not None:
            if proxy.fault:
                raise FileGone(f"{host} cannot be asked: {proxy.origin} {proxy.fault}")
            await self._outside.check_name(host)  # as the proxy resolves it, and not we
            session = self._sessions.far
        to_proxy = login_headers(proxy)
        if url.scheme == "http":
            headers = (*headers, *to_proxy.items())
        response = await session.get(
            url,
            headers=headers,
            allow_redirects=False,
            timeout=patience,
            proxy=proxy.address if proxy else None,
            proxy_headers=to_proxy or None,
        )
        if proxy is not None and response.status == WANTS_LOGIN and url.scheme == "http":
            response.close()
            raise refused(response, host, proxy)
        return response

    async def failure(self, broken: Exception, address: str) -> CallFailed:
        """Return our failure for one of aiohttp's on the way to an address."""
        proxy = self._proxies.to(address)
        return of_another_host(await ours(broken, address, proxy, self._distrust))

    async def download(self, address: str, cap: int, grew: Grew) -> tuple[bytes, str]:
        """Return a file that a line names, and its declared type.

        ``grew`` is told how many bytes of it are held. Raises ``BadFile``, and ``FileUnread`` for
        trouble that may pass.
        """
        for _ in range(HOPS):
            host = host_of(address)
            try:
                response = await self.get(address, (), self._patience)
                try:
                    body = await read(response.content, cap, grew)
                finally:
                    response.close()
            except FOREIGN as broken:
                failure = await self.failure(broken, address)
                kind = BadFile if isinstance(failure, Refused) else FileUnread
                raise kind(f"a file of the line: {failure.message}") from None
            except ProxyRefuses as barred:
                raise FileUnread(f"a file of the line: {barred.message}") from None
            except NotAnAnswer:
                raise BadFile(f"the file at {host} has more than {cap:,} bytes") from None
            except FileGone as gone:
                raise BadFile(f"a file of the line: {gone.message}") from None
            if response.status in REDIRECTS and "Location" in response.headers:
                address = _target(address, response.headers["Location"])
                continue
            said = f"a file of the line: {host} answered HTTP {response.status}"
            if response.status >= 500 or response.status == 429:
                raise FileUnread(said)
            if response.status != 200 or not body:
                raise BadFile(said if response.status != 200 else f"{said}, and nothing else")
            return body, response.headers.get("Content-Type", "")
        raise BadFile(f"a file of the line: too many redirects at {host_of(address)}")


def _target(address: str, location: str) -> str:
    """Return where a redirect leads. Raises ``BadFile``."""
    try:
        return str(URL(address).join(URL(location)))
    except ValueError:
        raise BadFile(f"a file of the line: {host_of(address)} redirects to no address") from None


def _url(address: str) -> URL:
    """Take an address as it is: quoting it anew would break signed ones."""
    try:
        url = URL(address, encoded=PLAIN_ADDRESS.fullmatch(address) is not None)
        if url.scheme in {"http", "https"} and is_host(url.raw_host or ""):
            return url
    except ValueError:
        pass
    raise FileGone(f"{address[:200]!r}, where a file should be, is no web address")
