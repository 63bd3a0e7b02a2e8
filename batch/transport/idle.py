"""Ends answers that have begun and then go no further: one timer for all of them.

aiohttp's own ``sock_read`` also runs while the gateway still thinks, which may take minutes, and it
makes a new timer for every chunk, a tenth of what a streamed chunk costs. Nor does it end an answer
whose framing breaks midway: aiohttp then closes the connection and tells nobody who reads.
"""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

import aiohttp

from batch.transport.posts import Arrived

# An answer that is coming, by either of the two ways that calls are sent.
Open: TypeAlias = aiohttp.ClientResponse | Arrived

LOOKS: Final = 8  # within the idle time
BROKEN: Final = "its framing broke"


class IdleWatch:
    """Looks at all open answers in turn; a silent one ends after ``seconds`` to a quarter more."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        # How many bytes had come, and when that was seen first.
        self._open: dict[Open, tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, response: Open) -> None:
        """Fail the reading of this answer when it falls silent."""
        self._open[response] = (response.content.total_raw_bytes, self._loop.time())
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds / LOOKS, self._look)

    def leave(self, response: Open) -> None:
        """Watch it no longer."""
        self._open.pop(response, None)

    def _look(self) -> None:
        now = self._loop.time()
        for response, (seen, since) in self._open.items():
            content, connection = response.content, response.connection
            received = content.total_raw_bytes
            if received != seen:
                self._open[response] = (received, now)
            elif connection is None:
                continue  # it has come whole, and waits to be read
            elif connection.closed:
                content.set_exception(aiohttp.ClientPayloadError(BROKEN))
            elif now - since >= self._seconds:
                content.set_exception(aiohttp.SocketTimeoutError())
        again = self._loop.call_later(self._seconds / LOOKS, self._look) if self._open else None
        self._timer = again
