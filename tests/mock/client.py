"""A plain client for the mock gateway, over loopback."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import orjson

from batch.mock.dials import Dials
from batch.mock.gateway import Gateway

CHAT = "/v1/chat/completions"


class Got(msgspec.Struct):
    """What the client saw of one request."""

    status: int | None = None
    headers: Mapping[str, str] = {}
    body: bytes = b""
    failure: str | None = None  # name of the client's exception

    def json(self) -> Any:
        return orjson.loads(self.body)

    def code(self) -> Any:
        return self.json()["error"]["code"]


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def ask(self, prompt: str = "hello there", key: str = "", **fields: Any) -> Got:
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], **fields}
        return await self.post(orjson.dumps(body), key)

    async def post(self, raw: bytes, key: str = "", path: str = CHAT) -> Got:
        return await self._call("POST", path, key, raw)

    async def get(self, path: str, key: str = "") -> Got:
        return await self._call("GET", path, key, None)

    async def _call(self, method: str, path: str, key: str, raw: bytes | None) -> Got:
        got = Got()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            async with self.session.request(
                method, self.url + path, data=io.BytesIO(raw) if raw else None, headers=headers
            ) as response:
                got.status, got.headers = response.status, response.headers
                async for part in response.content.iter_any():
                    got.body += part
        except aiohttp.ClientError as failure:
            got.failure = type(failure).__name__
        return got


@asynccontextmanager
async def standing(dials: Dials, **how: Any) -> AsyncIterator[tuple[Gateway, Client]]:
    async with (
        Gateway(dials, **how) as gateway,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=20)
        ) as session,
    ):
        yield gateway, Client(session, gateway.url)


def against(dials: Dials, scene: Callable[[Gateway, Client], Awaitable[Any]], **how: Any) -> Any:
    """Run a scene against a gateway, and return what it returns."""

    async def main() -> Any:
        async with standing(dials, **how) as (gateway, client):
            return await scene(gateway, client)

    return asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Give way to others until a condition holds."""
    while not condition():
        await asyncio.sleep(0)


def events(body: bytes) -> list[bytes]:
    """The data of the events of a stream, comments left out."""
    found = [part for part in body.split(b"\n\n") if part.startswith(b"data: ")]
    return [part.removeprefix(b"data: ") for part in found]


def chunks(body: bytes) -> list[Any]:
    """The events of a stream that are JSON."""
    return [orjson.loads(event) for event in events(body) if event != b"[DONE]"]
