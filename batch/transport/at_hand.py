"""Connections at hand: what one call has no use for any more, the next one takes.

To give a connection back to aiohttp's connector and to get it out again takes some 340 bytecodes,
of the 7,600 of a plain line. So they stay here for a moment. What is here counts as in use there:
it goes back once a second, and when somebody else needs one, and the connector says which are to be
kept, for how long, and which are to be closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp.connector import Connection

SECONDS: Final = 1.0


class AtHand:
    """Free connections to one gateway, the one that was used last first. Needs the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free: list[Connection] = []
        self._timer: asyncio.TimerHandle | None = None

    def put(self, connection: Connection) -> None:
        """Keep a connection whose answer has come whole, unless it is not to be used again."""
        protocol = connection.protocol
        if protocol is None or protocol.should_close:
            connection.release()
            return
        self._free.append(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(SECONDS, self.give_back)

    def take(self) -> Connection | None:
        """Return a connection that is open still, and on which nobody has said anything since."""
        while self._free:
            connection = self._free.pop()
            protocol = connection.protocol
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None or transport.is_closing() or len(protocol):
                connection.close()
            else:
                return connection
        return None

    def give_back(self) -> None:
        """Leave all of them to the connector."""
        free, self._free = self._free, []
        for connection in free:
            connection.release()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
