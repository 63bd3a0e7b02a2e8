"""One record of a run, understood: who the line is, and what became of it.

What JSON holds is no circle, so that the collector of garbage has nothing to look for in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from batch.errors import BadData
from batch.ledger.entries import Counts
from batch.usage import ALWAYS
from batch.wire import WireFormat, formats

_NOTHING: Final = msgspec.Raw(b"null")
_TO_RESPONSE: Final = b',"response":'  # in no text: there its quotes would be escaped


class File(msgspec.Struct, frozen=True, gc=False):
    """A file of an answer."""

    path: str
    bytes: int = 0
    type: str = ""


class Told(msgspec.Struct, frozen=True, gc=False):
    """What ``x_run`` says."""

    line: int
    sum: str
    model: str
    endpoint: str
    key: str | None = None
    attempts: int = 0
    started_at: str | None = None
    ms: int = 0
    model_answered: str | None = None
    counts: Counts | None = msgspec.field(name="usage", default=None)
    finish: str = ""
    files: tuple[File, ...] = ()
    maybe_billed: int = 0
    pack: tuple[int, int] | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    message: str | None = None
    retryable: bool = False
    label: dict[str, Any] | None = None  # of a labeling run: value, confidence

    @property
    def usage(self) -> dict[str, int | float | str | None] | None:
        """Return the counts by name, as they stand in files; None if nobody reported any."""
        if self.counts is None:
            return None
        told = msgspec.structs.asdict(self.counts)
        known = {name: value for name, value in told.items() if value is not None}
        return {**dict.fromkeys(ALWAYS), **known}


class Response(msgspec.Struct, frozen=True, gc=False):
    """What the gateway answered."""

    status_code: int
    request_id: str | None = None
    body: msgspec.Raw = _NOTHING


class Error(msgspec.Struct, frozen=True, gc=False):
    """Why there is no answer."""

    code: str
    message: str = ""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record."""

    x_run: Told
    id: str
    custom_id: str
    response: Response | None = None
    error: Error | None = None

    @property
    def body(self) -> bytes:
        """Return the body of the answer; ``null`` if there is none."""
        return bytes(self.response.body) if self.response else b"null"

    @property
    def failed(self) -> bool:
        """Return whether it is an error."""
        return self.x_run.class_ is not None

    @property
    def message(self) -> str:
        """Return why there is no answer, in words."""
        return (self.error.message if self.error else self.x_run.message) or ""

    @property
    def wire(self) -> WireFormat | None:
        """Return the format that can read the body."""
        return format_of(self.x_run.endpoint)

    @property
    def text(self) -> str | None:
        """Return the text of the answer, None of an error."""
        wire = format_of(self.x_run.endpoint)
        return None if self.x_run.class_ is not None or wire is None else wire.text(self.body)


_decode: Final = msgspec.json.Decoder(Record).decode


def decode_record(line: bytes) -> Record:
    """Read a record. Raises BadData for what is none.

    A body may be nested deeper than a parser goes: then everything else is read, and no body.
    """
    try:
        return _decode(line)
    except (msgspec.DecodeError, RecursionError):
        end = line.find(_TO_RESPONSE)
    try:
        return _decode(line[:end] + b"}")
    except msgspec.DecodeError as wrong:
        raise BadData(f"a record cannot be read: {wrong}") from None


def strict(record: Record) -> bytes:
    """Return a record as OpenAI's batch files have it: without ``x_run``, errors in two shapes."""
    told: dict[str, Any] = {"id": record.id, "custom_id": record.custom_id}
    response, error = record.response, record.error
    if error is not None or response is None:
        # A good status beside an error would read as a success.
        code = error.code if error else record.x_run.class_
        failure = {"code": code, "message": record.message}
        return msgspec.json.encode({**told, "response": None, "error": failure})
    answer = {
        "status_code": response.status_code,
        "request_id": response.request_id or "",
        "body": response.body if record.body.startswith(b"{") else _worded(record),
    }
    return msgspec.json.encode({**told, "response": answer, "error": None})


@cache
def format_of(endpoint: str) -> WireFormat | None:
    """Return the format that serves an endpoint, as records name it."""
    return _by_endpoint().get(endpoint)


@cache
def _by_endpoint() -> Mapping[str, WireFormat]:
    return {route.template: one for one in formats().values() for route in one.routes}


def _worded(record: Record) -> dict[str, Any]:
    """Return a body for a failure whose own is no object: a page, or a text."""
    failure = {"message": record.message, "type": record.x_run.class_, "param": None, "code": None}
    return {"error": failure}
