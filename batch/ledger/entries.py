"""How results, errors and journal entries are written as lines, and read back.

``x_run`` stands first in a record and begins with ``line``, so that a resume reads the few bytes
that it needs and not the answer. ``synced`` is the log's length that was on stable storage when
the line was written: a hole after it is the torn tail of a power loss, one before it is damage.
Every field is described in docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import msgspec
import orjson

from batch.records import Answer, Fault, Label, Owed, Result, State
from batch.usage import fields

HEAD: Final = b'{"x_run":'
AFTER_HEAD: Final = b',"id":"batch_req_'
_AT: Final = len(HEAD)
_BRACE: Final = ord("}")
Count: TypeAlias = int | float | None
Named: TypeAlias = dict[str, Count | str]
EntryKind: TypeAlias = Literal[
    "header", "settings", "intent", "void", "task", "part", "billed", "reserved"
]


class Counts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A usage as it is read back: the fields of ``FIELDS``, None of what is unknown; the tier."""

    input_tokens: Count = None
    input_cached_tokens: Count = None
    input_cache_write_tokens: Count = None
    input_cache_write_1h_tokens: Count = None
    input_audio_tokens: Count = None
    input_image_tokens: Count = None
    output_tokens: Count = None
    output_reasoning_tokens: Count = None
    output_audio_tokens: Count = None
    output_image_tokens: Count = None
    images: Count = None
    seconds: Count = None
    characters: Count = None
    searches: Count = None
    tier: str | None = None


class Mark(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a resume needs of a result or an error: its ``x_run``, unknown keys passed over."""

    line: int
    sum: str
    synced: int
    run_id: str = ""
    model: str
    endpoint: str
    key: str | None
    attempts: int
    started_at: str | None  # null: nothing was sent
    usage: Counts | None = None
    maybe_billed: int = 0
    pack: tuple[int, int] | None = None
    class_: str | None = msgspec.field(default=None, name="class")
    retryable: bool = False
    unfinished: str | None = None
    parts: int = 0


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the journal. What a kind does not use is absent."""

    kind: EntryKind
    line: int = 0
    sum: str = ""
    synced: int = 0
    part: int = 0
    attempt: int = 0
    at: str = ""
    model: str = ""
    endpoint: str = ""
    key: str | None = None
    ms: int = 0
    usage: Named | None = None
    why: str = ""
    state: State | None = None
    answer: Answer | None = None
    owed: Owed | None = None
    amount: str = ""  # of money, exactly
    currency: str = ""
    run: dict[str, Any] | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What ``run`` of a header must hold; unknown keys are passed over."""

    version: int
    run_id: str
    created_at: int = 0  # Unix seconds
    lines: int = 0
    inputs: list[HeaderInput] = []
    identity: dict[str, str | int | bool | None] = {}
    output: str = ""  # name of the results' file
    tool: str = ""


class HeaderInput(msgspec.Struct, frozen=True):
    """An input as the header names it."""

    path: str
    bytes: int = 0
    format: str = ""


_decode_mark = msgspec.json.Decoder(Mark).decode
_decode_marks = msgspec.json.Decoder(list[Mark]).decode
_decode_entry = msgspec.json.Decoder(Entry).decode


def timestamp(seconds: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


def seconds_of(at: str) -> float:
    """Return the seconds since the epoch of such a time; 0 if there is none."""
    return datetime.fromisoformat(at).timestamp() if at else 0.0


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    """Formatting takes microseconds, and a record a second would be a slow run."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def encode_result(result: Result, run_id: str, synced: int) -> bytes:
    """Write an answered line in the shape of an OpenAI Batch output line, ``x_run`` first."""
    answer = result.outcome
    if not isinstance(answer, Answer):
        raise TypeError("an error is written by encode_error")
    head = _head(result, run_id, synced)
    head["model_answered"] = answer.model
    head["usage"] = fields(answer.usage)
    head["finish"] = answer.finish
    if answer.files:
        head["files"] = [
            {"path": f.name, "bytes": f.size, "sha256": f.sha256, "type": f.content_type}
            for f in answer.files
        ]
    if result.pack:
        head["pack"] = result.pack
    return orjson.dumps(
        {
            "x_run": head,
            "id": record_id(run_id, result.ordinal),
            "custom_id": result.custom_id,
            "response": {
                "status_code": answer.status,
                "request_id": answer.request_id,
                "body": orjson.Fragment(answer.body),
            },
            "error": None,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def encode_error(result: Result, run_id: str, synced: int) -> bytes:
    """Write a line without an answer in the shape of an OpenAI Batch error line."""
    fault = result.outcome
    if not isinstance(fault, Fault):
        raise TypeError("an answer is written by encode_result")
    head = _head(result, run_id, synced)
    head["class"] = fault.code
    head["retryable"] = fault.retryable
    if fault.unfinished:
        head["unfinished"] = fault.unfinished
    if fault.parts:
        head["parts"] = fault.parts
    kept = result.flawed
    response: dict[str, Any] | None = None
    if kept is not None:
        response = {"status_code": kept.status, "request_id": kept.request_id}
        response["body"] = orjson.Fragment(kept.body)
    elif fault.status is not None:
        response = {"status_code": fault.status, "request_id": fault.request_id}
        response["body"] = _as_json(fault.body)
    # As at OpenAI, an HTTP failure speaks through ``response`` alone. A 2xx that is no answer, or
    # none that the script accepts, has both: without ``error`` it would read as a success.
    http_failure = response is not None and not 200 <= response["status_code"] < 300
    return orjson.dumps(
        {
            "x_run": head | ({"message": fault.message} if http_failure else {}),
            "id": record_id(run_id, result.ordinal),
            "custom_id": result.custom_id,
            "response": response,
            "error": None if http_failure else {"code": fault.code, "message": fault.message},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def encode_entry(entry: Entry) -> bytes:
    """Write a journal entry."""
    return msgspec.json.encode(entry) + b"\n"


def decode_mark(line: bytes) -> Mark:
    """Read the ``x_run`` of a record. Raises ValueError if this is no record of ours."""
    if not line.startswith(HEAD):
        raise ValueError("not a record")
    end = line.find(AFTER_HEAD, len(HEAD))
    while end >= 0:
        try:
            return _decode_mark(line[len(HEAD) : end])
        except ValueError:
            # A label may be an object, whose words are a model's: they may look like the end.
            end = line.find(AFTER_HEAD, end + 1)
    raise ValueError("not a record")


def decode_marks(lines: Sequence[bytes]) -> list[Mark]:
    """Return the ``x_run`` of each record, decoded in one go. Lines have their line breaks.

    Raises ValueError if one of them is not exactly as it is written here: ``decode_mark`` looks
    more closely.
    """
    heads: list[bytes] = []
    for line in lines:
        cut = line.find(AFTER_HEAD)
        if cut < 0 or line[:_AT] != HEAD or line[-2] != _BRACE:
            raise ValueError("not a record")
        heads.append(line[_AT:cut])
    # A head that was cut too short lacks its brace, and the comma and the next head do not fit; one
    # that was cut too long brings more than a mark.
    marks = _decode_marks(b"[%b]" % b",".join(heads))
    if len(marks) != len(heads):
        raise ValueError("not a record a line")
    return marks


def decode_entry(line: bytes) -> Entry:
    """Read a journal entry. Raises ValueError."""
    return _decode_entry(line)


def record_id(run_id: str, ordinal: int) -> str:
    """Return a record's own id: the same for a line in every session of a run."""
    return f"batch_req_{run_id[-6:]}{ordinal:010x}"


def _head(result: Result, run_id: str, synced: int) -> dict[str, Any]:
    timing = result.timing
    head: dict[str, Any] = {
        "line": result.ordinal,
        "sum": f"{result.sum:016x}",
        "synced": synced,
        "run_id": run_id,
        "model": result.model,
        "endpoint": result.endpoint,
        "key": result.key,
        "attempts": timing.attempts,
        "started_at": timestamp(timing.started_at) if timing.started_at else None,
        "ms": timing.ms,
    }
    if result.maybe_billed:
        head["maybe_billed"] = result.maybe_billed
    if result.label is not None:
        head["label"] = _label(result.label)
    return head


def _label(label: Label) -> dict[str, Any]:
    """Return a label as its record has it: what is not worth a word is absent."""
    told: dict[str, Any] = {"value": label.value}
    if len(label.votes) > 1:
        told["confidence"] = round(label.confidence, 4)
        told["votes"] = [_vote(vote.value, vote.repaired) for vote in label.votes]
        if label.tie:
            told["tie"] = True
        if label.tie and label.value is None:
            told["abstained"] = True
    else:
        told |= _vote(label.value, label.votes[0].repaired)
    if label.requests > 1:
        told["requests"] = label.requests
    return told


def _vote(value: Any, repaired: tuple[str, ...]) -> dict[str, Any]:
    return {"value": value, "repaired": repaired} if repaired else {"value": value}


def _as_json(body: bytes | None) -> object:
    """Return a failure's body as JSON if it is that, else as text; never fails.

    JSON is spliced in as one line: what was read can be nested too deep to be written again.
    """
    if body is None:
        return None
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
    return orjson.Fragment(body.translate(None, b"\r\n"))
