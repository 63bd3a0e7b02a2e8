"""The aiohttp client: the only place that speaks HTTP to the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self, TypeAlias
from urllib.parse import urlsplit

import aiohttp

from batch.errors import CallFailed
from batch.media import MediaFolder
from batch.records import Call, Form, Reply, Saved, Spliced
from batch.secret import Redactor, Secret
from batch.transport import Folding, TransportSettings, nobody
from batch.transport.address import at_gateway, host_of, normalise_base_url
from batch.transport.attach import Attachments
from batch.transport.body import BLANK, EVENT_STARTS, Grew, fold, peek, read
from batch.transport.deadlines import Deadlines
from batch.transport.failures import FOREIGN, of_another_host, ours, redact
from batch.transport.headers import PlainHeaders
from batch.transport.idle import BROKEN, IdleWatch, Open
from batch.transport.outside import Outside
from batch.transport.pauses import Pauses
from batch.transport.payload import LARGE, json_payload
from batch.transport.posts import POST, Posts
from batch.transport.saving import save
from batch.transport.sessions import Leaves, Sessions
from batch.transport.trust import Distrust, tls_context
from batch.transport.tunnel import refused
from batch.transport.web import Web

# A file is saved as it is; a compressed one that is cut would pass unnoticed.
AS_IT_IS: Final = (("Accept-Encoding", "identity"),)
# What can be no file of an answer, whatever was expected: an error, or a page for people.
NO_FILE_STARTS: Final = (b"{", b"<")
PARTIAL: Final = 206  # a piece of a file, which nobody asked for

Body: TypeAlias = bytes | aiohttp.Payload | aiohttp.FormData | None


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
        self._base = normalise_base_url(settings.base_url, settings.allow_http)
        self._proxy = settings.proxies.to(self._base)
        self._straight = self._proxy is None  # what a proxy is sent is another request
        self._text_time = _timeout(settings, settings.total_seconds)
        self._media_time = _timeout(settings, settings.media_seconds)
        self._tls = tls_context(settings.ca_bundle)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        settings = self._settings
        self._idle = IdleWatch(settings.idle_seconds)
        self._pauses = Pauses()
        self._text_ends = Deadlines(settings.total_seconds)
        self._media_ends = Deadlines(settings.media_seconds)
        outside = Outside(urlsplit(self._base).hostname or "")
        self._sessions = Sessions(settings, self._tls, outside)
        self._posts = Posts(self._base, self._sessions, settings.connect_seconds)
        self._distrust = Distrust(settings.ca_bundle)
        proxies = settings.proxies
        self._web = Web(self._sessions, outside, proxies, self._distrust, self._text_time)
        self._attachments = Attachments(settings.allow_files, self._web.download)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._posts.give_back()
        await self._sessions.close()

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Grew = nobody,
        leaves: Leaves = None,
    ) -> Reply:
        """Send one call once; see ``Transport``."""
        payload = call.payload
        data: Body
        if payload is None or isinstance(payload, bytes):
            data = payload
        else:
            data = await self._attached(payload, grew)
        started_at, begun = self._now(), self._loop.time()
        try:
            response = await self._asked(call, data, secret, leaves)
            body: bytes | Saved | None = self._at_once(response, call)
            streamed = False
            if body is None:
                body, streamed = await self._take(response, call, folding, grew)
        except FOREIGN as broken:
            # Without its cause: aiohttp's exceptions carry the request and with it the key.
            raise redact(await self._failure(broken, call), self._redactor) from None
        except CallFailed as failure:
            if call.origin == "foreign":
                failure = of_another_host(failure)
            raise redact(failure, self._redactor) from None
        return Reply(
            response.status,
            PlainHeaders(response.headers, self._redactor),
            self._redactor.clean(body) if isinstance(body, bytes) else body,
            started_at,
            int((self._loop.time() - begun) * 1000),
            streamed,
        )

    async def _attached(
        self, payload: Form | Spliced, grew: Grew
    ) -> aiohttp.Payload | aiohttp.FormData:
        try:
            if isinstance(payload, Form):
                return await self._attachments.form(payload, grew)
            return await self._attachments.body(payload, grew)
        except CallFailed as failure:
            redact(failure, self._redactor)
            raise

    def _asked(
        self, call: Call, data: Body, secret: Secret | None, leaves: Leaves
    ) -> Awaitable[Open]:
        """Return what sends, and comes to the answer with its body unread."""
        if isinstance(data, bytes):
            as_json = call.method == POST and call.expect != "file" and len(data) < LARGE
            if as_json and self._straight:
                ends = self._media_ends if call.media else self._text_ends
                return self._posts.send(call, data, secret, ends, leaves)
            data = json_payload(data)
        return self._by_session(call, data, secret, leaves)

    async def _by_session(
        self, call: Call, data: Body, secret: Secret | None, leaves: Leaves
    ) -> Open:
        """Send through aiohttp's session, and return the answer with its body unread."""
        as_file = call.expect == "file"
        slow = as_file or call.media
        timeout = self._media_time if slow else self._text_time
        asking = AS_IT_IS if as_file else ()
        if call.origin == "foreign":
            return await self._web.get(call.path, asking, timeout)
        self._posts.give_back()
        carried, to_proxy = self._sessions.beside(secret)
        response = await self._sessions.of(secret).request(
            call.method,
            at_gateway(self._base, call.path),
            data=data,
            headers=(*call.headers, *asking, *carried),
            allow_redirects=False,
            timeout=timeout,
            proxy_headers=to_proxy,
            trace_request_ctx=leaves,
        )
        if proxy := self._sessions.refuses(response):
            response.close()
            raise refused(response, host_of(self._base), proxy)
        return response

    async def _failure(self, broken: Exception, call: Call) -> CallFailed:
        """Return our failure for one of aiohttp's."""
        if call.origin == "foreign":
            return await self._web.failure(broken, call.path)
        return await ours(broken, self._base, self._proxy, self._distrust)

    def _at_once(self, response: Open, call: Call) -> bytes | None:
        """Return a body of JSON that is here whole, as nearly all are: nobody waits for it."""
        content, settings = response.content, self._settings
        if not content.is_eof() or call.expect == "file":
            return None
        kind = response.headers.get("Content-Type", "").lower()
        cap = settings.max_file if call.media else settings.max_body
        if "json" not in kind or content.total_bytes > cap:
            return None
        return content.read_nowait()

    async def _take(
        self, response: Open, call: Call, folding: Folding | None, grew: Grew
    ) -> tuple[bytes | Saved, bool]:
        """Read the body; also say whether it was folded from events."""
        incomplete = not response.content.is_eof()
        if incomplete:
            self._idle.watch(response)
        try:
            return await self._body(response, call, folding, grew)
        except RuntimeError:
            # That is what aiohttp raises if its parser gave up while nobody waited for more.
            if response.connection is None or not response.connection.closed:
                raise
            raise aiohttp.ClientPayloadError(BROKEN) from None
        finally:
            if incomplete:
                self._idle.leave(response)
            if not response.closed:  # it failed, was cut short or cancelled: nobody can use it
                response.close()

    async def _body(
        self, response: Open, call: Call, folding: Folding | None, grew: Grew
    ) -> tuple[bytes | Saved, bool]:
        content, settings = response.content, self._settings
        as_file = call.expect == "file"
        cap = settings.max_file if call.media else settings.max_body
        kind = response.headers.get("Content-Type", "").lower()
        good = 200 <= response.status < 300 and not (as_file and response.status == PARTIAL)
        plain = "json" in kind or "text/html" in kind or not good
        if as_file:
            if plain:
                return await read(content, settings.max_body, grew), False
            first = await content.readany()
            if not first or first.lstrip(BLANK).startswith(NO_FILE_STARTS):
                return await read(content, settings.max_body, grew, first), False
            part = self._media.part(call.save_as)
            return await save(content, part, settings.max_file, first, kind), False
        folder = None if plain or folding is None else folding()
        if folder is None:
            return await read(content, cap, grew), False
        head = b""
        if "text/event-stream" not in kind:
            head = await peek(content, cap)
            if not head.startswith(EVENT_STARTS):
                return await read(content, cap, grew, head), False
        return await fold(content, cap, grew, folder, self._pauses, head), True


def _timeout(settings: TransportSettings, total: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, connect=settings.connect_seconds)
