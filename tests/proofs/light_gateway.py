"""A gateway that costs next to nothing: one path, one answer, a token bucket, and its counts.

    python -m tests.proofs.light_gateway --rate 2000 --depth 200 --latency 20

The mock gateway does far more for each request, and serves some two or three thousand a second.
This one is for rates at which it would be the slower side. It says its address on stdout; GET
/counts returns what it counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import Final, cast

import orjson
import uvloop

_ANSWER: Final = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "gpt-4o-mini",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "positive"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22},
    }
)
_REFUSAL: Final = orjson.dumps(
    {"error": {"message": "too many requests", "type": "new_api_error", "code": ""}}
)
_LENGTH: Final = b"content-length:"
_END: Final = b"\r\n\r\n"


def _http(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


_OK: Final = _http(b"200 OK", _ANSWER)
_TOO_MANY: Final = _http(b"429 Too Many Requests", _REFUSAL)


class Bucket:
    """Admits requests, and remembers how many came in each second since the first."""

    def __init__(self, rate: float, depth: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._depth = self._level = depth
        self._clock = clock
        self._first: float | None = None
        self._last = 0.0
        self._rejected = 0
        self._seconds: list[int] = []  # admitted in each

    def admits(self) -> bool:
        """Take one if it is there."""
        now = self._clock()
        if self._first is None:
            self._first = self._last = now
        self._level = min(self._depth, self._level + (now - self._last) * self._rate)
        self._last = now
        if self._level < 1:
            self._rejected += 1
            return False
        self._level -= 1
        second = int(now - self._first)
        self._seconds += [0] * (second + 1 - len(self._seconds))
        self._seconds[second] += 1
        return True

    def counts(self) -> bytes:
        """Return what was counted as JSON."""
        return orjson.dumps(
            {
                "accepted": sum(self._seconds),
                "rejected": self._rejected,
                "span": self._last - (self._first or 0.0),
                "by_second": self._seconds,
                "cpu": sum(os.times()[:2]),
            }
        )


class Connection(asyncio.Protocol):
    """One connection of a client, which sends one request after the other."""

    def __init__(self, bucket: Bucket, latency: float) -> None:
        self._bucket = bucket
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer by."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come whole."""
        self._data += data
        while (head := self._data.find(_END)) >= 0:
            end = head + len(_END) + _length(self._data[:head].lower())
            if len(self._data) < end:
                return
            counts = self._data.startswith(b"GET /counts")
            self._data = self._data[end:]
            if counts:
                self._transport.write(_http(b"200 OK", self._bucket.counts()))
            elif self._bucket.admits():
                self._loop.call_later(self._latency, self._transport.write, _OK)
            else:
                self._transport.write(_TOO_MANY)


def _length(head: bytes) -> int:
    """Return the length of the body that a head in small letters announces."""
    place = head.find(_LENGTH)
    return 0 if place < 0 else int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])


async def serve(rate: float, depth: float, latency: float) -> None:
    """Serve until the process ends."""
    loop = asyncio.get_running_loop()
    bucket = Bucket(rate, depth, loop.time)
    server = await loop.create_server(
        lambda: Connection(bucket, latency), "127.0.0.1", 0, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve as asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--depth", type=float, required=True, help="requests at once")
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds")
    args = parser.parse_args()
    uvloop.run(serve(args.rate, args.depth, args.latency / 1000))


if __name__ == "__main__":
    main()
