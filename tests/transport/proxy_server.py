"""A proxy on 127.0.0.1, as companies have them: it knows names that nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from types import TracebackType
from typing import Self

from batch.transport.proxy import Proxies, read_proxy

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
WANTS_LOGIN = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
    b"Content-Length: 0\r\n\r\n"
)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    """Hand on what comes, until it ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            seen += data
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


class Listener:
    """A server on 127.0.0.1 that leaves in order."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._close_after(reader, writer)))

    async def _close_after(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self.serve(reader, writer)
        finally:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class ProxyServer(Listener):
    """Leads every name to one port of this machine, or answers with something else instead.

    ``tunnels`` are the targets that were asked for, ``seen`` all bytes that it could read on their
    way out. With ``login`` (the header's value) it lets nobody else through.
    """

    def __init__(
        self, to: int, login: str | None = None, instead: bytes | None = None, **given: object
    ) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self.tunnels: list[str] = []
        self.seen = bytearray()
        self._to = to
        self._login = login
        self._instead = instead

    @property
    def url(self) -> str:
        """The address, as a variable would have it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def proxies(self, user: str = "", direct: tuple[str, ...] = ()) -> Proxies:
        """Return the setting that leads everything here."""
        proxy = read_proxy(self.url.replace("//", f"//{user}"), "HTTPS_PROXY")
        return Proxies(https=proxy, http=proxy, direct=direct)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Open one way, or refuse it."""
        top = await reader.readuntil(b"\r\n\r\n")
        self.seen += top
        method, target, _ = top.decode().split("\r\n")[0].split(" ")
        self.tunnels.append(target)
        said = re.search(rb"(?i)\r\nproxy-authorization: ([^\r]*)", top)
        if self._login is not None and (said is None or said[1].decode() != self._login):
            writer.write(WANTS_LOGIN)
        elif self._instead is not None:
            writer.write(self._instead)
        else:
            there, out = await asyncio.open_connection("127.0.0.1", self._to)
            if method == "CONNECT":
                writer.write(OPENED)
            else:  # a request in the clear goes on with its path alone
                out.write(top.replace(target.encode(), b"/" + target.encode().split(b"/", 3)[3], 1))
            await asyncio.gather(pump(reader, out, self.seen), pump(there, writer, bytearray()))
            return
        await writer.drain()
        if self._instead == OPENED:  # and behind it is nothing that speaks TLS
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read()


class TlsServer(Listener):
    """Speaks TLS in the place of a server that does not."""

    def __init__(self, to: int, tls: ssl.SSLContext) -> None:
        super().__init__(tls)
        self._to = to

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what one connection says."""
        there, out = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(pump(reader, out, bytearray()), pump(there, writer, bytearray()))
