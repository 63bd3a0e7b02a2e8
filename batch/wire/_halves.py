r"""Halves of characters in JSON: an emoji is two escapes there, and some cut between them.

A model that stops in the middle, and a server that counts in UTF-16, leave ``\ud83d`` alone. The
standard forbids it, and orjson refuses the whole answer for it, which is paid and can be read. So
U+FFFD takes its place. Nothing here is done before a document has been refused.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
import orjson

from batch.errors import CallFailed
from batch.records import Reply, Request, State, Step
from batch.wire import WireFormat

_LONE: Final = rb"\ufffd"
_ANY: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# Every escape is read as one, so that an escaped backslash before a "u" begins none.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def without_halves(body: bytes) -> bytes:
    """Return JSON with U+FFFD in the place of each escape that is half a character."""
    if not _ANY.search(body):
        return body
    return _ESCAPE.sub(lambda found: _LONE if found["lone"] else found[0], body)


def understood(wire: WireFormat, request: Request, state: State | None, reply: Reply) -> Step:
    """Return the step that follows from a reply, also if half a character is all that is wrong.

    Raises ``CallFailed``.
    """
    try:
        return wire.next(request, state, reply)
    except CallFailed:
        body = reply.body if isinstance(reply.body, bytes) else b""
        mended = without_halves(body)
        if mended == body:
            raise
    return wire.next(request, state, msgspec.structs.replace(reply, body=mended))


def loads(event: bytes) -> Any:
    """Return what a piece of a stream says; half a character stays one: the next may have the rest.

    Raises ``orjson.JSONDecodeError``.
    """
    try:
        return orjson.loads(event)
    except orjson.JSONDecodeError:
        mended = without_halves(event)
        if mended == event:
            raise
        told = orjson.loads(mended)
    try:
        return json.loads(event)  # takes halves for what they are
    except (ValueError, RecursionError):  # odd in yet another way: what orjson makes of it
        return told


def dumps(document: object) -> bytes:
    """Return the JSON of a document in which halves of characters may have met.

    Raises ``orjson.JSONEncodeError``, ``RecursionError``.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return orjson.dumps(_whole(document))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value
