"""The words: what flows from an input line to an output record. Data only.

    Row ─→ Request ─→ Call ─→ Reply ─→ Answer ─→ Result
           script     wire    transport  wire      engine

A wire format answers each reply with a Step: send this, wait and then send that, or done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from batch.usage import Usage

Kind: TypeAlias = Literal["submit", "poll", "fetch"]
Repeat: TypeAlias = Literal["free", "once"]
Origin: TypeAlias = Literal["gateway", "foreign"]
Expect: TypeAlias = Literal["json", "events", "file"]
Finish: TypeAlias = Literal["stop", "length", "tool", "filter", "paused", "error", "unknown"]
# What a wire format must know again after a wait or a crash: small, and plain JSON.
State: TypeAlias = dict[str, str | int | None]


class Row(msgspec.Struct, frozen=True):
    """One line of the inputs, understood: who it is and what it asks."""

    ordinal: int  # over all inputs, in the given order, from 1
    sum: int  # 64-bit hash of the raw bytes without the line break
    custom_id: str
    format: str  # name of its wire format
    model: str
    body: bytes  # the JSON that will be sent
    source: str  # file it came from, for messages
    number: int  # line in that file, from 1

    @property
    def where(self) -> str:
        """Return ``file:line``, for messages."""
        return f"{self.source}:{self.number}"


class BadLine(msgspec.Struct, frozen=True):
    """One line that asks nothing we can send. It costs no request and becomes one error record."""

    ordinal: int
    sum: int
    custom_id: str
    source: str
    number: int
    code: str
    message: str

    @property
    def where(self) -> str:
        """Return ``file:line``, for messages."""
        return f"{self.source}:{self.number}"


class Request(msgspec.Struct, frozen=True):
    """What one exchange asks for: one line, or a pack of lines that one call answers."""

    ordinals: tuple[int, ...]
    custom_ids: tuple[str, ...]
    format: str
    model: str
    body: bytes
    part: int = 0  # which request of its line this is, from 0, for scripts that ask several times


class FileRef(msgspec.Struct, frozen=True):
    """A file that is read when the call is sent, and again on every retry."""

    path: str
    filename: str  # as the gateway sees it: some gateways take the type from its extension
    content_type: str


class Field(msgspec.Struct, frozen=True):
    """One part of a multipart form."""

    name: str
    value: str | FileRef


class Form(msgspec.Struct, frozen=True):
    """A multipart body, built anew for every attempt."""

    fields: tuple[Field, ...]


class Call(msgspec.Struct, frozen=True):
    """An HTTP request as data. ``path`` is a path at the gateway, or a whole foreign URL."""

    method: str
    path: str
    payload: bytes | Form | None = None
    headers: tuple[tuple[str, str], ...] = ()
    kind: Kind = "submit"
    repeat: Repeat = "free"  # "once": work that must not be done, and paid, a second time
    origin: Origin = "gateway"  # "foreign": another host; it gets no key and passes no lane
    expect: Expect = "json"


class Saved(msgspec.Struct, frozen=True):
    """A body that was streamed to disk, whole."""

    path: str
    size: int  # bytes
    sha256: str
    head: bytes  # its first bytes, to tell the type from


class Reply(msgspec.Struct, frozen=True):
    """An HTTP reply as data."""

    status: int
    headers: Mapping[str, str]  # names in lower case; of repeated ones the first
    body: bytes | Saved  # events are folded: what the same call, not streamed, would have given
    started_at: float = 0.0  # seconds since the epoch, when sending began
    ms: int = 0  # from then until the last byte
    streamed: bool = False  # the body was folded from events


class FileOut(msgspec.Struct, frozen=True):
    """A file of an answer, as the record names it."""

    name: str  # under out.run/files/
    size: int  # bytes
    sha256: str
    content_type: str


class Answer(msgspec.Struct, frozen=True):
    """What a request was answered: complete, and final."""

    body: bytes  # JSON, as it stands in the record
    content: str | None
    finish: Finish
    usage: Usage | None  # None: nobody reported any
    model: str | None = None  # as answered
    status: int = 200
    request_id: str | None = None
    files: tuple[FileOut, ...] = ()
    shares: tuple[Answer, ...] = ()  # of a pack: an answer for each of its lines, in order


class Send(msgspec.Struct, frozen=True):
    """Step: put this call on the wire, and hand its reply to ``next`` with this state."""

    call: Call
    state: State | None = None


class Wait(msgspec.Struct, frozen=True):
    """Step: keep the state, hold nothing for so many seconds, then send."""

    seconds: float
    call: Call
    state: State


class Done(msgspec.Struct, frozen=True):
    """Step: the request is answered."""

    answer: Answer


Step: TypeAlias = Send | Wait | Done


class Flaw(msgspec.Struct, frozen=True):
    """A script's verdict that the answers of a line are not good enough; the last one is kept."""

    code: str
    message: str
    answer: Answer


class Timing(msgspec.Struct, frozen=True):
    """When and how often a line was asked."""

    started_at: float  # seconds since the epoch, of the attempt that ended it
    ms: int
    attempts: int  # requests sent for the line, polls not counted


class Fault(msgspec.Struct, frozen=True):
    """Why a line has no answer, as its error record says it."""

    code: str
    message: str
    status: int | None = None  # of an HTTP failure
    request_id: str | None = None
    body: bytes | None = None  # of an HTTP failure, JSON or text
    retryable: bool = False


class Result(msgspec.Struct, frozen=True):
    """One output record: a line's answer, or its error."""

    ordinal: int
    sum: int
    custom_id: str
    model: str
    endpoint: str
    key: str | None  # name of the key, never its value
    timing: Timing
    outcome: Answer | Fault
    maybe_billed: int = 0  # attempts that may have been billed though no answer came of them
    pack: tuple[int, int] | None = None  # this line's place in its pack, and the pack's size
    flawed: Answer | None = None  # the answer that a script rejected, kept beside the error
