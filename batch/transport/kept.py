"""Connections are kept for other calls, but not those on which somebody said more than was asked.

aiohttp looks whether a connection is clean when it is given back, and then never again: a second
answer to one request, if it comes later, would be taken for the answer of the next. And one that
was closed as soon as it stood it would write to, and nobody could tell whether anything was sent.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection


class Unused(aiohttp.ClientConnectionResetError):
    """A connection was closed before it was used: nothing was sent."""


class CleanConnector(aiohttp.TCPConnector):
    """Hands out connections on which no answer waits, and that are open still."""

    async def connect(self, *given: Any, **named: Any) -> Connection:
        """Return a connection. Raises what aiohttp does, and ``Unused``."""
        while True:
            connection = await super().connect(*given, **named)
            protocol = connection.protocol
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None or transport.is_closing():
                connection.close()
                raise Unused
            if len(protocol) == 0:
                return connection
            connection.close()

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """Take a connection back; one that is given up with a part of its request unsent, cut off.

        The rest would be sent still, or wait for ever at somebody who reads nothing.
        """
        transport = protocol.transport
        given_up = transport is not None and should_close and not transport.is_closing()
        if transport is not None and given_up and transport.get_write_buffer_size():
            transport.abort()
        super()._release(key, protocol, should_close=should_close)
