"""A gateway that answers everything with one large picture, as fast as it is asked.

    python -m tests.proofs.painter --bytes 10000000

Pictures are base64; in a chat they stand in the text. The mock makes small ones, each anew.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from base64 import b64encode
from typing import Final

PNG: Final = b"\x89PNG\r\n\x1a\n"
LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
SLICE: Final = 1 << 18


def answer(body: bytes) -> bytes:
    """Return a whole answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


class Painter:
    """The same two answers for everybody."""

    def __init__(self, size: int) -> None:
        picture = b64encode(PNG + os.urandom(size - len(PNG)))
        self._painted = answer(b'{"created":1,"data":[{"b64_json":"%b"}]}' % picture)
        text = b"![picture](data:image/png;base64,%b)" % picture
        self._said = answer(
            b'{"choices":[{"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}]}'
            % text
        )

    async def paint(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if found := LENGTH.search(head):
                    await reader.readexactly(int(found[1]))
                whole = memoryview(self._said if b"/chat/" in head else self._painted)
                for start in range(0, len(whole), SLICE):
                    writer.write(whole[start : start + SLICE])
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()


async def serve(size: int) -> None:
    """Say where it listens, and answer until it is ended."""
    server = await asyncio.start_server(Painter(size).paint, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bytes", type=int, default=10_000_000)
    asyncio.run(serve(parser.parse_args().bytes))
