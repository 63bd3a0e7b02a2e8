"""The words: what flows from an input line to an output record. Data only.

    Row ─→ Request ─→ Call ─→ Reply ─→ Answer ─→ Result
           script     wire    transport  wire      engine

A wire format answers each reply with a Step: send this, wait and then send that, or done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from batch.usage import Usage

Kind: TypeAlias = Literal["submit", "poll", "fetch"]
Repeat: TypeAlias = Literal["free", "once"]
Origin: TypeAlias = Literal["gateway", "foreign"]
Expect: TypeAlias = Literal["json", "events", "file"]
Finish: TypeAlias = Literal["stop", "length", "tool", "filter", "paused", "error", "unknown"]
# What a call makes. Anything but text is dear: it is not made twice, takes long and may be large.
Makes: TypeAlias = Literal["text", "image", "audio", "video"]
# How a file is written into a body: as it is (in forms), as base64, as a data URI; or only its
# content type.
Encoding: TypeAlias = Literal["raw", "base64", "data_uri", "type"]
# What a wire format must know again after a wait or a crash: small, and plain JSON.
State: TypeAlias = dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    """One line of the inputs, understood: who it is and what it asks."""

    ordinal: int  # over all inputs, in the given order, from 1
    sum: int  # 64-bit hash of the raw bytes without the line break
    custom_id: str
    format: str  # name of its wire format
    model: str
    body: bytes  # the JSON that will be sent; of a GET nothing
    source: str  # file it came from, for messages
    number: int  # line in that file, from 1
    place: int = -1  # which of the inputs that file is, from 0; -1: none that can be read again
    offset: int = 0  # of the line's first byte in it
    size: int = 0  # bytes of the line, without the line break
    method: str = "POST"
    path: str = ""  # at the gateway
    endpoint: str = ""  # the path as usage totals name it: without ids and models
    makes: Makes = "text"
    pack_key: str = ""  # lines with the same one may be asked together; "": only alone

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
    method: str = "POST"
    path: str = ""  # at the gateway
    makes: Makes = "text"
    sum: int = 0  # of its line, or of the first: the names of its files begin with the two
    stem: str = ""  # or with this
    bodies: tuple[bytes, ...] = ()  # of a pack: the body of each of its lines

    def file_name(self, place: int = 0) -> str:
        """Return the name, without extension, of one of the answer's files; no input steers it."""
        stem = self.stem or f"{self.ordinals[0]:08d}-{self.sum:016x}"
        return f"{stem}-{self.part}-{place}"


class FileRef(msgspec.Struct, frozen=True):
    """A file that is read when the call is sent, and again on every retry.

    ``source`` is ``file:`` and a path in the folder that files may come from, an address on the
    web, or a data URI.
    """

    source: str
    encoding: Encoding = "raw"
    name: str = ""  # in forms, without extension: gateways take the type from the extension
    most: int = 50 << 20  # bytes


class Field(msgspec.Struct, frozen=True):
    """One part of a multipart form."""

    name: str
    value: str | FileRef


class Form(msgspec.Struct, frozen=True):
    """A multipart body, built anew for every attempt."""

    fields: tuple[Field, ...]


class Spliced(msgspec.Struct, frozen=True):
    """A JSON body with files in it: its pieces in order, put together anew for every attempt."""

    pieces: tuple[bytes | FileRef, ...]


Payload: TypeAlias = bytes | Form | Spliced


class Call(msgspec.Struct, frozen=True):
    """An HTTP request as data. ``path`` is a path at the gateway, or a whole foreign URL."""

    method: str
    path: str
    payload: Payload | None = None
    headers: tuple[tuple[str, str], ...] = ()
    kind: Kind = "submit"
    repeat: Repeat = "free"  # "once": work that must not be done, and paid, a second time
    origin: Origin = "gateway"  # "foreign": another host; it gets no key and passes no lane
    expect: Expect = "json"
    save_as: str = ""  # of an expected file: its name, without extension
    media: bool = False  # the answer takes long and may be large: it gets media's time and cap


class Saved(msgspec.Struct, frozen=True):
    """A file of an answer on disk, whole, and as the record names it."""

    name: str  # under out.run/files/
    size: int  # bytes
    sha256: str
    content_type: str  # by its first bytes


class Reply(msgspec.Struct, frozen=True):
    """An HTTP reply as data."""

    status: int
    headers: Mapping[str, str]  # names in lower case; of repeated ones the first
    body: bytes | Saved  # events are folded: what the same call, not streamed, would have given
    started_at: float = 0.0  # seconds since the epoch, when sending began
    ms: int = 0  # from then until the last byte
    streamed: bool = False  # the body was folded from events


class Blob(msgspec.Struct, frozen=True):
    """Media inside an answer's body that is to become a file: the engine decides, and saves it."""

    text: str  # base64, or a data URI, exactly as it stands in the body
    name: str  # of the file, without extension
    hint: str = ""  # of the type, where no first bytes tell it: pcm


class Answer(msgspec.Struct, frozen=True):
    """What a request was answered: complete, and final."""

    body: bytes  # JSON, as it stands in the record
    content: str | None
    finish: Finish
    usage: Usage | None  # None: nobody reported any
    model: str | None = None  # as answered
    status: int = 200
    request_id: str | None = None
    files: tuple[Saved, ...] = ()
    blobs: tuple[Blob, ...] = ()
    shares: tuple[Answer, ...] = ()  # of a pack: an answer for each of its lines, in order


class Owed(msgspec.Struct, frozen=True):
    """What a task may cost at the most, which a session has on record to be at risk."""

    at: str  # of that session
    amount: str  # exactly
    currency: str


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


class Vote(msgspec.Struct, frozen=True):
    """What one answer was read as. None: as nothing that it may be."""

    value: Any
    repaired: tuple[str, ...] = ()  # what was mended for that, without asking again


class Label(msgspec.Struct, frozen=True):
    """What became of a line that is labeled."""

    value: Any  # None: nothing
    requests: int  # that were answered, and are paid
    votes: tuple[Vote, ...]
    confidence: float = 1.0  # share of the votes that were cast for it
    tie: bool = False  # another value has as many votes


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
    unfinished: str | None = None  # paid work that a retry goes on with instead of asking again
    parts: int = 0  # requests answered before the one that failed: a retry goes on after them


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
    label: Label | None = None  # of a line that is labeled
