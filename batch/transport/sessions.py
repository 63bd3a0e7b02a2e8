"""Sessions of aiohttp: one for each key, whose every request carries it, and two for the web."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver

from batch.secret import Secret
from batch.transport import TransportSettings
from batch.transport.kept import CleanConnector
from batch.transport.proxy import Proxy
from batch.transport.tunnel import WANTS_LOGIN, TunnelConnector, login_headers

KEEPALIVE_SECONDS: Final = 30  # shorter than what common proxies allow, to lose few races
DNS_SECONDS: Final = 60
HEADER_BYTES: Final = 64 << 10  # aiohttp's 8 KiB are too few for some proxies

Headers: TypeAlias = tuple[tuple[str, str], ...]
Leaves: TypeAlias = Callable[[], None] | None  # called before the first byte of a request


class Sessions:
    """All sessions of a transport. They keep no cookie and read nothing from the environment."""

    def __init__(
        self, settings: TransportSettings, tls: ssl.SSLContext, outside: AbstractResolver
    ) -> None:
        """``outside`` resolves the names that answers and lines choose. Needs the running loop."""
        self._agent = settings.user_agent
        self._proxy = settings.proxies.to(settings.base_url)
        self._tunnelled = settings.base_url.startswith("https:")
        self._gateway = _connector(tls, None, tunnels=self._proxy is not None)
        self._outside = outside
        self._web_connector = _connector(tls, outside)
        self._far_connector = _connector(tls, None, tunnels=True)
        self._by_key: dict[Secret | None, aiohttp.ClientSession] = {}
        self._telling = _telling()
        self._to_proxy = login_headers(self._proxy)
        # These two never carry a key. A proxy's own name is none that an answer or a line chose.
        self.web = self._session(self._web_connector, None)
        self.far = self._session(self._far_connector, None)

    def of(self, secret: Secret | None) -> aiohttp.ClientSession:
        """Return the session for requests with this key; all share the connections."""
        session = self._by_key.get(secret)
        if session is None:
            # aiohttp shows all headers of a session to the proxy too, the key among them.
            shared = None if self._proxy else secret
            session = self._session(self._gateway, shared, self._proxy, [self._telling])
            self._by_key[secret] = session
        return session

    def beside(self, secret: Secret | None) -> tuple[Headers, Headers | None]:
        """Return what a request carries that its session does not, to the gateway and the proxy."""
        if self._proxy is None:
            return (), None
        key = {} if secret is None else _with_key(secret)
        to_proxy = self._to_proxy
        if self._tunnelled:
            return tuple(key.items()), tuple(to_proxy.items())
        return tuple((key | to_proxy).items()), None

    def refuses(self, response: aiohttp.ClientResponse) -> Proxy | None:
        """Return the proxy if it is that which answers, in the gateway's place, to say no."""
        said = response.status == WANTS_LOGIN and not self._tunnelled
        return self._proxy if said else None

    async def close(self) -> None:
        """Close everything."""
        for session in (*self._by_key.values(), self.web, self.far):
            await session.close()
        for connector in (self._gateway, self._web_connector, self._far_connector):
            await connector.close()
        await self._outside.close()

    def _session(
        self,
        connector: aiohttp.TCPConnector,
        secret: Secret | None,
        proxy: Proxy | None = None,
        traces: list[aiohttp.TraceConfig] | None = None,
    ) -> aiohttp.ClientSession:
        headers = {"User-Agent": self._agent}
        if secret is not None:
            headers |= _with_key(secret)
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy.address if proxy else None,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            trace_configs=traces,
        )


def _telling() -> aiohttp.TraceConfig:
    """Return what has a request tell that it leaves, once its connection stands."""

    async def tell(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        headers: aiohttp.TraceRequestHeadersSentParams,
    ) -> None:
        leaves: Leaves = context.trace_request_ctx
        if leaves is not None:
            leaves()

    config = aiohttp.TraceConfig()
    # Named for what follows: aiohttp calls it before it writes anything.
    config.on_request_headers_sent.append(tell)
    return config


def _with_key(secret: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret.reveal()}"}


def _connector(
    tls: ssl.SSLContext, resolver: AbstractResolver | None, *, tunnels: bool = False
) -> aiohttp.TCPConnector:
    kind = TunnelConnector if tunnels else CleanConnector
    return kind(
        limit=0,  # how many calls are on the wire is the gate's matter
        keepalive_timeout=KEEPALIVE_SECONDS,
        ttl_dns_cache=DNS_SECONDS,
        ssl=tls,
        resolver=resolver,
    )
