"""Those who read streams rest between two looks: a chunk that comes alone need wake nobody.

To be woken and to read costs as much as all else that a chunk of text takes. Nobody waits for
single chunks here, so that what has come in a tenth of a second is read at once; the end is noticed
as it comes. One timer wakes all.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

SECONDS: Final = 0.1
MUCH: Final = 32 << 10  # bytes: who finds as much reads on, or media would come slower than they do


class Pauses:
    """Wakes all who rest, ten times a second while there are any."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._resting: dict[asyncio.Future[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self) -> asyncio.Future[None]:
        """Return what comes true at the next look."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._resting[future] = None
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)
        return future

    def remove(self, future: asyncio.Future[None]) -> None:
        """Let go somebody who is awake."""
        self._resting.pop(future, None)

    def _look(self) -> None:
        resting, self._resting, self._timer = self._resting, {}, None
        for future in resting:
            _wake(future)


class Pause:
    """The rests of who reads one stream."""

    __slots__ = ("_content", "_pauses", "_resting")

    def __init__(self, pauses: Pauses, content: aiohttp.StreamReader) -> None:
        self._pauses = pauses
        self._content = content
        self._resting: asyncio.Future[None] | None = None
        content.on_eof(self._end)

    async def rest(self) -> None:
        """Wait until the next look, or the end of the stream. That it broke is seen at the look."""
        if self._content.is_eof():
            return
        future = self._resting = self._pauses.add()
        try:
            await future
        finally:
            self._resting = None
            self._pauses.remove(future)

    def _end(self) -> None:
        if self._resting is not None:
            _wake(self._resting)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
