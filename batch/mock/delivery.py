"""How replies leave: whole, event by event, in drips, cut in the middle, or as a reset.

``answer`` and ``say`` fill in the row of the ledger. ``delivered`` is noted once the kernel has the
last byte and the connection still stands; a client that has gone is no error here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp.web import BaseRequest, Response, StreamResponse

from batch.mock import Prepared, _errors
from batch.mock._errors import REFUSALS, REQUEST_ID, TurnedAway
from batch.mock.dials import Dials
from batch.mock.ledger import Row

_EVENTS: Final[Mapping[str, str]] = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
_NOTHING: Final[Mapping[str, str]] = {}
_DRIPS: Final = 16
_NO_LINGERING: Final = struct.pack("ii", 1, 0)


async def answer(
    request: BaseRequest,
    row: Row,
    prepared: Prepared,
    dials: Dials,
    told: Mapping[str, str] = _NOTHING,
) -> StreamResponse:
    """Send an answer in the way that its fate asks for; ``told`` is said in headers as well."""
    streamed = prepared.streamed
    usual = _EVENTS if streamed else {}
    headers = {**usual, **prepared.headers, **told, REQUEST_ID: _request_id(row)}
    parts = prepared.render()
    body = b"".join(parts)
    paced = streamed and dials.latency_chunk_ms > 0
    if not paced and row.fate not in ("cut", "slow_bytes"):
        # Headers and body in one write.
        response: StreamResponse = Response(body=body, status=prepared.status, headers=headers)
        if streamed:
            response.enable_chunked_encoding()
        row.delivered = await _send(request, response)
        return response
    response = StreamResponse(status=prepared.status, headers=headers)
    if not streamed:
        response.content_length = len(body)
    if row.fate == "cut":
        await _cut(request, response, body)
    elif row.fate == "slow_bytes":
        row.delivered = await _send(request, response, _drips(body), dials.drip_ms)
    else:
        row.delivered = await _send(request, response, parts, dials.latency_chunk_ms)
    return response


async def say(request: BaseRequest, row: Row, away: TurnedAway) -> StreamResponse:
    """Send a refusal, or reset the connection."""
    row.fate = away.fate
    if away.reset:
        _reset(request)
        return StreamResponse()
    refusal = REFUSALS[away.fate]
    row.status = _errors.status(away.fate, away.manner)
    response = Response(
        status=row.status,
        body=_errors.words(away.fate, _request_id(row), away.message, away.manner),
        headers={
            "Content-Type": _errors.HTML if refusal.page else _errors.JSON,
            REQUEST_ID: _request_id(row),
            **away.headers,
        },
    )
    row.delivered = await _send(request, response)
    return response


async def _send(
    request: BaseRequest,
    response: StreamResponse,
    parts: Sequence[bytes] = (),
    pause_ms: float = 0.0,
) -> bool:
    """Send a response, its parts with pauses; return whether the kernel has taken all of it."""
    try:
        await _begin(request, response)
        for part in parts:
            await response.write(part)
            await asyncio.sleep(pause_ms / 1000)
        await response.write_eof()
    except ConnectionError:
        return False
    # A write that fails closes the transport, and says nothing.
    return request.transport is not None and not request.transport.is_closing()


def _request_id(row: Row) -> str:
    return f"{row.sum}-{row.attempt}"


async def _cut(request: BaseRequest, response: StreamResponse, body: bytes) -> None:
    """Send half of a body, and close the connection in good order."""
    try:
        await _begin(request, response)
        await response.write(body[: len(body) // 2])
    except ConnectionError:
        return
    if request.transport is not None:
        request.transport.close()


def _reset(request: BaseRequest) -> None:
    """Reset the connection: the client reads an error, and no byte."""
    if request.transport is not None:
        # With nothing to linger for, a close is a reset; else it is an end in good order.
        request.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING
        )
        request.transport.abort()


async def _begin(request: BaseRequest, response: StreamResponse) -> None:
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    # Without a buffer, waiting for a write means that the kernel has all of it.
    request.transport.set_write_buffer_limits(0)
    await response.prepare(request)


def _drips(body: bytes) -> list[bytes]:
    """Cut a body into a few parts, wherever that may be."""
    size = -(-len(body) // _DRIPS)
    return [body[start : start + size] for start in range(0, len(body), size)]
