"""How many bytes of memory calls and answers take while they are in flight.

The weights are of what is held for long, while others work too. What is below ``LIGHT`` weighs
nothing: a request's own share covers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from batch.records import Answer, Call, FileRef, Form, Spliced
from batch.wire._files import LOCAL, WEB

LIGHT: Final = 64 << 10
READ: Final = 192 << 10  # of a local file, read at once; a multiple of three, as base64 wants it
SAVED: Final = 256 << 10  # of a file of an answer, handed to the disk at once
_READING: Final = 1 << 20  # a slice, the same as base64, and the last one if the socket has it yet
_SAVING: Final = 2 * SAVED
_WEB_FILE: Final = 8 << 20  # before the first one has come
_MEDIA: Final = 32 << 20  # of an answer, before the first one has come
# Of a file that stands in its line: its text, taken out of the line, and what that says.
_INSIDE: Final = 1.75


def of_lines(size: int) -> int:
    """Return how many bytes lines weigh that are worked on together and have so many."""
    return size if size >= LIGHT else 0


def of_call(call: Call, line: bytes) -> int:
    """Return how many bytes it takes to send a call beside its line, as far as is known before."""
    payload = call.payload
    weight = _SAVING if call.expect == "file" else 0
    if payload is None or payload is line:
        return weight
    if isinstance(payload, bytes):
        return _heavy(weight + len(payload))
    weight += sum(map(len, _texts(payload)))
    sources = {ref.source for ref in _files(payload)}
    inside = sum(len(source) for source in sources if not source.startswith((LOCAL, *WEB)))
    weight += round(_INSIDE * inside)
    if any(source.startswith(LOCAL) for source in sources):
        weight += _READING  # one slice after the other, however many files there are
    return _heavy(weight)


def of_unknown(call: Call) -> int:
    """Return how many bytes more a call may take: for files on the web, and for its answer."""
    weight = _MEDIA if call.media and call.expect != "file" else 0
    payload = call.payload
    if payload is None or isinstance(payload, bytes):
        return weight
    web = {ref.source for ref in _files(payload) if ref.source.startswith(WEB)}
    return weight + _WEB_FILE * len(web)


def of_answer(answer: Answer) -> int:
    """Return how many bytes an answer takes until its media are files and it is handed over."""
    size = len(answer.body)
    if size < LIGHT:
        return 0
    blobs = sum(len(blob.text) for blob in answer.blobs)
    shares = sum(len(share.body) for share in answer.shares)
    return size + len(answer.content or "") + blobs + shares


def _texts(payload: Form | Spliced) -> Iterator[str | bytes]:
    """Yield what of a payload is no file."""
    if isinstance(payload, Form):
        return (field.value for field in payload.fields if isinstance(field.value, str))
    return (piece for piece in payload.pieces if isinstance(piece, bytes))


def _files(payload: Form | Spliced) -> Iterator[FileRef]:
    if isinstance(payload, Form):
        return (field.value for field in payload.fields if isinstance(field.value, FileRef))
    return (piece for piece in payload.pieces if isinstance(piece, FileRef))


def _heavy(size: int) -> int:
    return size if size >= LIGHT else 0
