"""Connections are kept for other calls, but not those on which somebody said more than was asked.

aiohttp looks whether a connection is clean when it is given back, and then never again: a second
answer to one request, if it comes later, would be taken for the answer of the next.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.connector import Connection


class CleanConnector(aiohttp.TCPConnector):
    """Hands out connections on which no answer waits."""

    async def connect(self, *given: Any, **named: Any) -> Connection:
        """Return a connection. Raises what aiohttp does."""
        while True:
            connection = await super().connect(*given, **named)
            protocol = connection.protocol
            if protocol is None or len(protocol) == 0:
                return connection
            connection.close()
