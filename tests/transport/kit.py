"""What the tests of the transport share: a key, calls, a folder for events, and an event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from batch.files import Files, OsFiles
from batch.media import MediaFolder
from batch.records import Call
from batch.secret import Redactor, Secret
from batch.transport import TransportSettings
from batch.transport.client import AioTransport

KEY = Secret("main", "sk-do-not-show-0123456789")
ASK = Call("POST", "/v1/chat/completions", b'{"model":"m"}')
TLS_FILE = Path(__file__).with_name("self_signed.pem")
# The bundle is a small file, so that no test reads all authorities of the system.
LIMITS = {"connect_seconds": 2.0, "total_seconds": 5.0, "ca_bundle": str(TLS_FILE)}
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@asynccontextmanager
async def transport(
    base_url: str, folder: str = "never-used", files: Files | None = None, **settings: Any
) -> AsyncIterator[AioTransport]:
    """Open a transport to a server, with limits that tests can wait for."""
    media = MediaFolder(files or OsFiles(), folder)
    given = TransportSettings(base_url=base_url, **{**LIMITS, **settings})
    network = AioTransport(given, Redactor([KEY]), media, now=lambda: 1_700_000_000.5)
    try:
        async with network:
            yield network
    finally:
        await media.close()


def run(main: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run to the end; whatever the event loop would only have logged is a failure."""
    complaints: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(main)
        gc.collect(1)
    assert complaints == []


class Joined:
    """A folder that joins the data of events."""

    def __init__(self) -> None:
        self.events: list[bytes] = []

    def feed(self, event: bytes) -> None:
        self.events.append(event)

    def body(self) -> bytes:
        return b"|".join(self.events)
