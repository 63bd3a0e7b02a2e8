"""A server that speaks bytes: each connection is answered with a script, however wrong it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import struct
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias


class Act(Enum):
    """What a script can do beside sending bytes."""

    READ = "read one whole request"
    CLOSE = "close in order"
    RESET = "close so that the other side sees a reset"
    HOLD = "say nothing until the other side goes"


class Forever(NamedTuple):
    """Send these bytes again and again until the other side goes."""

    data: bytes
    pause: float = 0.0  # seconds between; only tests of time limits need real ones


Step: TypeAlias = bytes | Act | Forever | asyncio.Event
Script: TypeAlias = tuple[Step, ...]


class Got(NamedTuple):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


def http(
    body: bytes = b"", *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """Return a whole answer, with a Content-Length that may be a lie."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {size}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def head(*headers: str, status: str = "200 OK") -> bytes:
    """Return the head of an answer, with just these headers."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; an empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class RawServer:
    """Serves on 127.0.0.1; the n-th connection follows the n-th script, later ones the last."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[Got] = []
        self.connections = 0
        self.left = asyncio.Event()  # the other side went while a script held
        self._scripts = scripts
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._tls, limit=1 << 24
        )
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

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        task = asyncio.create_task(self._follow(script, reader, writer))
        self._tasks.add(task)

    async def _follow(
        self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # The other side may go at any time: that is what many scripts wait for.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                for step in script:
                    await self._do(step, reader, writer)
            finally:
                writer.transport.abort() if Act.RESET in script else writer.close()

    async def _do(
        self, step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, Forever):
            while not writer.is_closing():
                writer.write(step.data)
                await writer.drain()
                await asyncio.sleep(step.pause)
        elif isinstance(step, asyncio.Event):
            await step.wait()
        elif step is Act.READ:
            self.got.append(await read_request(reader))
        elif step is Act.HOLD:
            await reader.read()
            self.left.set()
        elif step is Act.RESET:
            _reset_when_closed(writer)


async def read_request(reader: asyncio.StreamReader) -> Got:
    """Read one whole request."""
    top = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8")
    line, *fields = top.rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}
    body = b""
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif re.search("chunked", headers.get("transfer-encoding", "")):
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return Got(line, headers, body)


def _reset_when_closed(writer: asyncio.StreamWriter) -> None:
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as handle:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
