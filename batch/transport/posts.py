"""Posts JSON over aiohttp's connections, at half of what its session takes for it.

A session makes everything of a request anew: its address, its headers, a task that writes its body,
a timer. Of two calls with one key to one path only the body differs, so that aiohttp makes one
request here for all of them, which is written out once; each call adds its body. Connections, TLS
and the parsing of answers stay aiohttp's.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from batch.records import Call
from batch.secret import Secret
from batch.transport.address import at_gateway
from batch.transport.at_hand import AtHand
from batch.transport.deadlines import Deadlines
from batch.transport.payload import JSON
from batch.transport.sessions import HEADER_BYTES, Headers, Leaves, Sessions

POST: Final = "POST"
INTERIM: Final = range(100, 200)  # statuses that announce an answer, and are none
SWITCHING: Final = 101
UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # what aiohttp refuses in headers
MOST_PREPARED: Final = 1000  # some formats have the model in the path


class Prepared(NamedTuple):
    """What calls with one key to one path share."""

    request: aiohttp.ClientRequest
    head: bytes  # the request line and all headers but the body's length

    def __repr__(self) -> str:
        """Show nothing of it: the key is in it."""
        return "Prepared()"


class Arrived:
    """An answer whose body may still be coming, as ``aiohttp.ClientResponse`` has it."""

    __slots__ = ("_at_hand", "_deadlines", "_failed", "connection", "content", "headers", "status")

    content: aiohttp.StreamReader
    headers: CIMultiDictProxy[str]
    status: int

    def __init__(self, connection: Connection, deadlines: Deadlines, at_hand: AtHand) -> None:
        self.connection: Connection | None = connection
        self._deadlines = deadlines
        self._at_hand = at_hand
        self._failed: Exception | None = None

    @property
    def closed(self) -> bool:
        """Return whether its connection is given back, or gone."""
        return self.connection is None

    async def head(self, protocol: ResponseHandler) -> None:
        """Wait for the status and the headers. Raises what aiohttp does."""
        while True:
            message, payload = await protocol.read()
            if message.code not in INTERIM or message.code == SWITCHING:
                break
        if self._failed is not None:  # in the moment between its coming and our waking up
            raise self._failed
        if message.code == SWITCHING:
            protocol.force_close()  # what follows is no HTTP
        self.status, self.headers, self.content = message.code, message.headers, payload
        payload.on_eof(self._whole)

    def fail(self, error: Exception) -> None:
        """Raise this in whoever waits for the answer or for its body."""
        connection = self.connection
        if connection is None or connection.protocol is None:
            return
        content = getattr(self, "content", None)
        if content is None:
            self._failed = error
            connection.protocol.set_exception(error)
        else:
            content.set_exception(error)

    def close(self) -> None:
        """Give it up, and the connection with it."""
        self._deadlines.leave(self)
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if connection.transport is not None:
            # A close in order would wait until the rest of the request is sent, perhaps for ever.
            connection.transport.abort()
        connection.close()

    def _whole(self) -> None:
        """Hand the connection on: others may use it before the body is read."""
        connection = self.connection
        if connection is None:
            return
        # Who answers before the request was written out has a rest of it still to come.
        transport = connection.transport
        if transport is None or transport.get_write_buffer_size():
            self.close()
        else:
            self._deadlines.leave(self)
            self.connection = None
            self._at_hand.put(connection)


class Posts:
    """Sends bodies of JSON to the gateway, straight and not through a proxy."""

    def __init__(self, base: str, sessions: Sessions, connect_seconds: float) -> None:
        """Needs the running loop."""
        self._base = base
        self._sessions = sessions
        self._at_hand = AtHand()
        self._timeout = aiohttp.ClientTimeout(connect=connect_seconds)
        self._prepared: dict[tuple[Secret | None, str, Headers], Prepared] = {}

    async def send(
        self,
        call: Call,
        body: bytes,
        secret: Secret | None,
        deadlines: Deadlines,
        leaves: Leaves = None,
    ) -> Arrived:
        """Post a body; return the answer with its own body unread. ``leaves``: see ``Transport``.

        Raises what aiohttp raises, and ``TimeoutError``.
        """
        wanted = (secret, call.path, call.headers)
        prepared = self._prepared.get(wanted) or self._prepare(wanted)
        connection = self._at_hand.take() or await self._connect(prepared.request)
        arrived = Arrived(connection, deadlines, self._at_hand)
        try:
            if leaves is not None:
                leaves()
            protocol = _write(connection, prepared.head, body)
            deadlines.start(arrived)
            await arrived.head(protocol)
        except HttpProcessingError as broken:
            arrived.close()
            raise aiohttp.ClientResponseError(
                prepared.request.request_info, (), status=broken.code, message=broken.message
            ) from None
        except BaseException:
            arrived.close()
            raise
        return arrived

    def give_back(self) -> None:
        """Let others have the connections that are free."""
        self._at_hand.give_back()

    async def _connect(self, request: aiohttp.ClientRequest) -> Connection:
        connector = request.session.connector
        assert connector is not None
        try:
            return await connector.connect(request, [], self._timeout)
        except TimeoutError:
            raise aiohttp.ConnectionTimeoutError from None

    def _prepare(self, wanted: tuple[Secret | None, str, Headers]) -> Prepared:
        secret, path, headers = wanted
        session = self._sessions.of(secret)
        every = CIMultiDict(session.headers)
        every.update(headers)
        every.setdefault("Content-Type", JSON)
        url = URL(at_gateway(self._base, path))
        request = aiohttp.ClientRequest(POST, url, headers=every, session=session)
        del request.headers["Content-Length"]  # that of no body
        lines = [f"{POST} {url.raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if any(map(UNWRITABLE.search, lines)):
            raise ValueError("a header holds a sign that none may hold")
        if len(self._prepared) >= MOST_PREPARED:
            self._prepared.clear()
        prepared = Prepared(request, "\r\n".join((*lines, "Content-Length: ")).encode())
        self._prepared[wanted] = prepared
        return prepared


def _write(connection: Connection, head: bytes, body: bytes) -> ResponseHandler:
    """Write a request out, and return who reads its answer."""
    protocol = connection.protocol
    assert protocol is not None  # nobody else ran since it was found open
    transport = protocol.transport
    assert transport is not None
    protocol.set_response_params(
        read_until_eof=True, max_line_size=HEADER_BYTES, max_field_size=HEADER_BYTES
    )
    transport.writelines((b"%b%d\r\n\r\n" % (head, len(body)), body))
    return protocol
