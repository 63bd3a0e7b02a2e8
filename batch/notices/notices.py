"""All that is told of one command: that it begins, and what it came to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import orjson

from batch import __version__
from batch.files import Files, read_whole, write_whole
from batch.notices.ended import Ended
from batch.notices.post import Patience, Post, session
from batch.notices.prometheus import Foreign, page
from batch.notices.texts import document, text
from batch.transport.proxy import Proxies

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
_LOOK: Final = 0.02  # seconds between two tries to have a file alone


class Ways(msgspec.Struct, frozen=True):
    """Who is told, and how. None: nobody."""

    health_url: str | None = None
    webhook_url: str | None = None
    always: bool = False  # the webhook is told of success too
    prometheus_file: str | None = None
    ca_bundle: str | None = None
    proxies: Proxies = Proxies()
    patience: Patience = Patience()


class _Notice(msgspec.Struct, frozen=True):
    """One thing to send: what it is for people, where, what."""

    name: str
    url: str
    body: bytes
    type: str


class Notices:
    """The notices of one command. Methods return a line for each that failed, and raise nothing.

    Both pings of a command have one number, by which overlapping commands are told apart.
    """

    def __init__(self, ways: Ways, files: Files) -> None:
        self._ways = ways
        self._files = files
        self._number = str(uuid.uuid4())

    async def begun(self) -> list[str]:
        """Tell the health check that the command has begun."""
        return await self._send(self._pings("start", ""))

    async def ended(self, ended: Ended) -> list[str]:
        """Tell everybody what it came to."""
        notices = self._pings(str(ended.exit_code), text(ended))
        url = self._ways.webhook_url
        if url and (self._ways.always or ended.failed):
            notices.append(_Notice("webhook", url, orjson.dumps(document(ended)), _JSON))
        return [*await self._write(ended), *await self._send(notices)]

    def _pings(self, what: str, body: str) -> list[_Notice]:
        url = self._ways.health_url
        if not url:
            return []
        address = ping_address(url, what, self._number)
        return [_Notice("health check", address, body.encode(), _TEXT)]

    async def _send(self, notices: list[_Notice]) -> list[str]:
        """Send all at the same time."""
        if not notices:
            return []
        try:
            open_session = session(f"wenwen-batch/{__version__}", self._ways.ca_bundle)
        except OSError as error:
            return [f"{one.name}: {self._ways.ca_bundle}: {error.strerror}" for one in notices]
        async with open_session as opened:
            post = Post(opened, self._ways.proxies, self._ways.patience)
            answers = await asyncio.gather(*(post(one.url, one.body, one.type) for one in notices))
        return [f"{one.name}: {why}" for one, why in zip(notices, answers, strict=True) if why]

    async def _write(self, ended: Ended) -> list[str]:
        """Put the metrics in place."""
        path = self._ways.prometheus_file
        if path is None:
            return []
        try:
            place = _place(path)
            async with self._alone(place):
                before = (read_whole(self._files, place) or b"").decode("utf-8", "replace")
                write_whole(self._files, place, page(before, ended).encode(), everybody=True)
        except Foreign as other:
            return [f"metrics: {path}: {other}"]
        except OSError as error:
            return [f"metrics: {path}: {error.strerror or error}"]
        return []

    @contextlib.asynccontextmanager
    async def _alone(self, path: str) -> AsyncIterator[None]:
        """Keep other jobs off the file: what they write meanwhile would be lost.

        Raises ``OSError`` if one of them holds it for longer than an address is waited for.
        """
        name, left = f"{path}.lock", int(self._ways.patience.seconds / _LOOK) + 1
        while True:
            try:
                lock = self._files.lock(name)
                break
            except BlockingIOError:
                left -= 1
                if left < 0:
                    raise
            await asyncio.sleep(_LOOK)
        try:
            yield
        finally:
            self._files.remove(name)
            self._files.close(lock)


def _place(path: str) -> str:
    """Return where a file is, that links to it stay links. Raises ``Foreign`` for what is none."""
    place = os.path.realpath(path)
    if os.path.exists(place) and not os.path.isfile(place):
        raise Foreign("it is no file")  # and a pipe would be read for ever
    return place


def ping_address(url: str, what: str, number: str) -> str:
    """Return where a health check is told ``start`` or an exit code, with a command's number."""
    parts = urlsplit(url)
    query = f"{parts.query}&rid={number}" if parts.query else f"rid={number}"
    path = f"{parts.path.rstrip('/')}/{what}"
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))
