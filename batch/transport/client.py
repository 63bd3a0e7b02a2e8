"""The aiohttp client: the only place that speaks HTTP outwards."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from batch.errors import BadConfig, BadFile, CallFailed, FileUnread, NotAnAnswer, Refused
from batch.media import MediaFolder
from batch.records import Call, Form, Reply, Saved, Spliced
from batch.secret import Redactor, Secret
from batch.transport import TransportSettings
from batch.transport.address import host_of, is_host, normalise_base_url
from batch.transport.attach import Attachments
from batch.transport.body import BLANK, EVENT_STARTS, fold, peek, read
from batch.transport.failures import FOREIGN, ours, redact
from batch.transport.headers import plain_headers
from batch.transport.idle import IdleWatch
from batch.transport.payload import json_payload
from batch.transport.saving import save
from batch.wire import Folder

KEEPALIVE_SECONDS: Final = 30  # shorter than what common proxies allow, to lose few races
DNS_SECONDS: Final = 60
HEADER_BYTES: Final = 64 << 10  # aiohttp's 8 KiB are too few for some proxies
# A file is saved as it is; a compressed one that is cut would pass unnoticed.
AS_IT_IS: Final = (("Accept-Encoding", "identity"),)
# What can be no file of an answer, whatever was expected: an error, or a page for people.
NO_FILES: Final = ("json", "text/html")
NO_FILE_STARTS: Final = (b"{", b"<")
REDIRECTS: Final = (301, 302, 303, 307, 308)
HOPS: Final = 5
PLAIN_ADDRESS: Final = re.compile(r"[!-~]+")


class AioTransport:
    """Sends calls over kept connections. Made for one event loop: ``async with AioTransport(...)``.

    It follows no redirect, keeps no cookie and reads no proxy or netrc from the environment. It
    does not retry; only aiohttp itself sends a GET, never a POST, a second time when a kept
    connection turns out to be dead.
    """

    def __init__(
        self,
        settings: TransportSettings,
        redactor: Redactor,
        media: MediaFolder,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._redactor = redactor
        self._media = media
        self._now = now
        self._attachments = Attachments(settings.allow_files, self._download)
        self._base = normalise_base_url(settings.base_url, settings.allow_http)
        self._text_time = _timeout(settings, settings.total_seconds)
        self._media_time = _timeout(settings, settings.media_seconds)
        self._tls = tls_context(settings.ca_bundle)
        self._sessions: dict[Secret | None, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._idle = IdleWatch(self._settings.idle_seconds)
        self._connector = aiohttp.TCPConnector(
            limit=0,  # how many calls are on the wire is the gate's matter
            keepalive_timeout=KEEPALIVE_SECONDS,
            ttl_dns_cache=DNS_SECONDS,
            ssl=self._tls,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for session in self._sessions.values():
            await session.close()
        await self._connector.close()

    async def send(self, call: Call, secret: Secret | None, folder: Folder | None = None) -> Reply:
        """Send one call once; see ``Transport``."""
        payload = call.payload
        if isinstance(payload, Form):
            return await self._exchange(call, await self._attachments.form(payload), secret, folder)
        if isinstance(payload, Spliced):
            payload = await self._attachments.body(payload)
        data = None if payload is None else json_payload(payload)
        return await self._exchange(call, data, secret, folder)

    async def _exchange(
        self,
        call: Call,
        data: aiohttp.Payload | aiohttp.FormData | None,
        secret: Secret | None,
        folder: Folder | None,
    ) -> Reply:
        started_at, begun = self._now(), self._loop.time()
        foreign = call.origin == "foreign"
        as_file = call.expect == "file"
        headers = () if foreign else call.headers
        try:
            response = await self._session(None if foreign else secret).request(
                call.method,
                _foreign(call.path) if foreign else self._own(call.path),
                data=data,
                headers=(*headers, *AS_IT_IS) if as_file else headers,
                allow_redirects=False,
                timeout=self._media_time if as_file or call.media else self._text_time,
            )
            body, streamed = await self._take(response, call, folder)
        except FOREIGN as broken:
            host = host_of(call.path if foreign else self._base)
            # Without its cause: aiohttp's exceptions carry the request and with it the key.
            raise redact(ours(broken, host), self._redactor) from None
        except CallFailed as failure:
            redact(failure, self._redactor)
            raise
        return Reply(
            response.status,
            plain_headers(response, self._redactor),
            self._redactor.clean(body) if isinstance(body, bytes) else body,
            started_at,
            int((self._loop.time() - begun) * 1000),
            streamed,
        )

    async def _take(
        self, response: aiohttp.ClientResponse, call: Call, folder: Folder | None
    ) -> tuple[bytes | Saved, bool]:
        """Read the body; also say whether it was folded from events."""
        if not response.content.is_eof():
            self._idle.watch(response)
        try:
            return await self._body(response, call, folder)
        finally:
            self._idle.leave(response)
            if not response.closed:  # it failed, was cut short or cancelled: nobody can use it
                response.close()

    async def _body(
        self, response: aiohttp.ClientResponse, call: Call, folder: Folder | None
    ) -> tuple[bytes | Saved, bool]:
        content, settings = response.content, self._settings
        as_file = call.expect == "file"
        cap = settings.max_file if call.media else settings.max_body
        kind = response.headers.get("Content-Type", "").lower()
        plain = any(word in kind for word in NO_FILES) or not 200 <= response.status < 300
        if plain or (folder is None and not as_file):
            return await read(content, cap), False
        if as_file:
            first = await content.readany()
            if not first or first.lstrip(BLANK).startswith(NO_FILE_STARTS):
                return await read(content, cap, first), False
            part = self._media.part(call.save_as)
            return await save(content, part, settings.max_file, first, kind), False
        assert folder is not None
        head = b""
        if "text/event-stream" not in kind:
            head = await peek(content, cap)
            if not head.startswith(EVENT_STARTS):
                return await read(content, cap, head), False
        return await fold(content, cap, folder, head), True

    async def _download(self, address: str, cap: int) -> tuple[bytes, str]:
        """Fetch a file that a line names. Raises ``BadFile``, and ``FileUnread`` for trouble."""
        for _ in range(HOPS):
            try:
                response = await self._session(None).request(
                    "GET", _foreign(address), allow_redirects=False, timeout=self._text_time
                )
                try:
                    body = await read(response.content, cap)
                finally:
                    response.close()
            except FOREIGN as broken:
                failure = ours(broken, host_of(address))
                raise FileUnread(f"a file of the line: {failure.message}") from None
            except NotAnAnswer:
                raise BadFile(f"the file at {host_of(address)} has over {cap:,} bytes") from None
            if response.status in REDIRECTS and "Location" in response.headers:
                address = str(URL(address).join(URL(response.headers["Location"])))
                continue
            said = f"a file of the line: {host_of(address)} answered HTTP {response.status}"
            if response.status >= 500 or response.status == 429:
                raise FileUnread(said)
            if response.status != 200 or not body:
                raise BadFile(said if response.status != 200 else f"{said}, and nothing else")
            return body, response.headers.get("Content-Type", "")
        raise BadFile(f"a file of the line: too many redirects at {host_of(address)}")

    def _own(self, path: str) -> str:
        # Anything but a path would let what follows the base URL become another host.
        if not path.startswith("/"):
            raise ValueError(f"{path!r} is no path at the gateway")
        return self._base + path

    def _session(self, secret: Secret | None) -> aiohttp.ClientSession:
        """Return the session whose every request carries this key; all share the connections."""
        session = self._sessions.get(secret)
        if session is None:
            headers = {"User-Agent": self._settings.user_agent}
            if secret is not None:
                headers["Authorization"] = f"Bearer {secret.reveal()}"
            session = self._sessions[secret] = aiohttp.ClientSession(
                connector=self._connector,
                connector_owner=False,
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=HEADER_BYTES,
                max_field_size=HEADER_BYTES,
            )
        return session


def _timeout(settings: TransportSettings, total: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, connect=settings.connect_seconds)


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


def _foreign(address: str) -> URL:
    """Take another host's address as it is: quoting it anew would break signed ones."""
    try:
        url = URL(address, encoded=PLAIN_ADDRESS.fullmatch(address) is not None)
        if url.scheme in {"http", "https"} and is_host(url.raw_host or ""):
            return url
    except ValueError:
        pass
    raise Refused(f"the answer names a file at {address[:200]!r}, which is no web address")
