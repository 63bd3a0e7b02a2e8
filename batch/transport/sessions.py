"""Sessions of aiohttp: one for each key, whose every request carries it, and one for the web."""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from batch.errors import BadConfig
from batch.secret import Secret
from batch.transport import TransportSettings

KEEPALIVE_SECONDS: Final = 30  # shorter than what common proxies allow, to lose few races
DNS_SECONDS: Final = 60
HEADER_BYTES: Final = 64 << 10  # aiohttp's 8 KiB are too few for some proxies


class Sessions:
    """All sessions of a transport. They keep no cookie and read nothing from the environment."""

    def __init__(
        self, settings: TransportSettings, tls: ssl.SSLContext, outside: AbstractResolver
    ) -> None:
        """``outside`` resolves the names that answers and lines choose. Needs the running loop."""
        self._agent = settings.user_agent
        self._gateway = _connector(tls, None)
        self._outside = outside
        self._web_connector = _connector(tls, outside)
        self._by_key: dict[Secret | None, aiohttp.ClientSession] = {}
        self.web = self._session(self._web_connector, None)  # never carries a key

    def of(self, secret: Secret | None) -> aiohttp.ClientSession:
        """Return the session whose every request carries this key; all share the connections."""
        session = self._by_key.get(secret)
        if session is None:
            session = self._by_key[secret] = self._session(self._gateway, secret)
        return session

    async def close(self) -> None:
        """Close everything."""
        for session in (*self._by_key.values(), self.web):
            await session.close()
        await self._gateway.close()
        await self._web_connector.close()
        await self._outside.close()

    def _session(
        self, connector: aiohttp.TCPConnector, secret: Secret | None
    ) -> aiohttp.ClientSession:
        headers = {"User-Agent": self._agent}
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret.reveal()}"
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )


def _connector(tls: ssl.SSLContext, resolver: AbstractResolver | None) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(
        limit=0,  # how many calls are on the wire is the gate's matter
        keepalive_timeout=KEEPALIVE_SECONDS,
        ttl_dns_cache=DNS_SECONDS,
        ssl=tls,
        resolver=resolver,
    )


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return what TLS is spoken with: verified, 1.2 or later. Raises ``BadConfig``."""
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except OSError as broken:
        raise BadConfig(
            f"the CA bundle {ca_bundle} cannot be used: {broken.strerror}: name a PEM file"
        ) from broken
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
