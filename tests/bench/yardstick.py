"""What this HTTP client's session and event loop take with nothing around them: ask, read, forget.

    python -m tests.bench.yardstick URL LINES --concurrency 128 [--stream]

Workers that post the same body again and again with aiohttp on uvloop, under the collector's
settings of a run. Nothing is read from a file, written, counted, limited or retried.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools

import aiohttp
import orjson
import uvloop

from batch.collector import lean_collector
from tests.bench.lines import body

HEADERS = {"Authorization": "Bearer sk-of-a-bench", "Content-Type": "application/json"}
END = b"[DONE]"


async def whole(reply: aiohttp.ClientResponse) -> str:
    """Read an answer that comes in one body."""
    said = orjson.loads(await reply.read())
    return str(said["choices"][0]["message"]["content"])


async def streamed(reply: aiohttp.ClientResponse) -> str:
    """Read an answer that comes in events, each parsed and its text kept."""
    texts, rest = [], b""
    async for piece in reply.content.iter_any():
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            data = event[6:]
            if data == END:
                continue
            choices = orjson.loads(data)["choices"]
            texts += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(texts)


async def ask(url: str, lines: int, concurrency: int, stream: bool) -> None:
    """Ask so often, so many at once."""
    numbers = itertools.islice(itertools.count(1), lines)
    read = streamed if stream else whole
    data = orjson.dumps(body(0, stream))
    timeout = aiohttp.ClientTimeout(total=600)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        headers=HEADERS, timeout=timeout, connector=connector
    ) as session:

        async def work() -> None:
            for _ in numbers:
                async with session.post(url, data=data) as reply:
                    if reply.status != 200 or not await read(reply):
                        raise SystemExit("the gateway gave no answer")

        await asyncio.gather(*(work() for _ in range(min(concurrency, lines))))


def main() -> None:
    """Ask as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("lines", type=int)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--stream", action="store_true")
    args = parser.parse_args()
    url = f"{args.url}/v1/chat/completions"
    with lean_collector(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask(url, args.lines, args.concurrency, args.stream))


if __name__ == "__main__":
    main()
