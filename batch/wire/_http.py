"""What every format reads alike: how the gateway says no, JSON bodies, and when to come back.

How this gateway and the vendors behind it name their errors stands here, since errors of all of
them arrive on every endpoint; what an answer looks like is left to the formats. Longer than other
rooms because that knowledge is kept together, as tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any, Final, Literal, TypeAlias

import msgspec
import orjson

from batch.errors import (
    BadKey,
    CallFailed,
    ChannelTrouble,
    Crashed,
    CutAnswer,
    Interrupted,
    NoChannel,
    NoMoney,
    NotAnAnswer,
    Overloaded,
    Refused,
    Saturated,
    ServerTrouble,
    Throttled,
    UnknownModel,
    UpstreamAccount,
    WrongUrl,
)
from batch.records import Reply
from batch.usage import Usage
from batch.wire._sse import BOM

Failure: TypeAlias = type[CallFailed]
# Who wrote an error: the gateway itself, an upstream, or nobody who left a type or a code.
Speaker: TypeAlias = Literal["gateway", "upstream", "nobody"]

_KEPT_BODY: Final = 2048  # bytes of a failed reply that go on record
_KEPT_TEXT: Final = 300  # characters of a vendor's message
_LONGEST_PAUSE: Final = 900.0  # seconds; a server that asks for more is not believed

# Words found as ``code`` or ``type``, the first match wins. They outrank the status, which an
# administrator of the gateway can remap (a 429 may arrive as 503).
_BY_WORD: Final[tuple[tuple[Failure, tuple[str, ...]], ...]] = (
    (NoMoney, ("insufficient_user_quota", "pre_consume_token_quota_failed", "quota_not_enough")),
    (
        UpstreamAccount,
        (
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_error",
            "enforced_spend_limit_reached",
            "contract_spend_limit_reached",
        ),
    ),
    (UnknownModel, ("model_not_found", "invalid_model_name", "no_available_channel")),
    (
        Refused,
        (
            "invalid_request",
            "bad_request_body",
            "read_request_body_failed",
            "convert_request_failed",
            "sensitive_words_detected",
            "prompt_blocked",
            "model_price_error",
            "invalid_api_type",
            "api_not_implemented",
            "missing_*",
            "invalid_size",
            "invalid_json",
            "invalid_multipart_form",
            "content_policy_violation",
            "context_length_exceeded",
            "channel:param_override_invalid",
            "channel:model_mapped_error",
            "violation_fee*",
        ),
    ),
    (NoChannel, ("get_channel_failed",)),
    (ChannelTrouble, ("channel:*",)),
    (Overloaded, ("overloaded_error", "system_*_overloaded")),
    (Crashed, ("new_api_panic", "one_api_panic")),
    (Saturated, ("23", "30")),  # Midjourney: the queue, or the group of accounts, is full
)
# Words that mean this only where the status says nothing: ``bad_response_status_code`` comes with
# the upstream's own status.
_CHANNEL_WORDS: Final = (
    "do_request_failed",
    "bad_response*",
    "read_response_body_failed",
    "empty_response",
    "query_data_error",
    "update_data_error",
    "aws_invoke_error",
)
# Prose decides only where nothing else tells the cases apart.
_BY_TEXT: Final[tuple[tuple[int, tuple[Speaker, ...], re.Pattern[str], Failure], ...]] = (
    (403, ("gateway",), re.compile("model|模型", re.IGNORECASE), UnknownModel),
    (404, ("gateway", "upstream", "nobody"), re.compile("Invalid URL"), WrongUrl),
)
_BY_SPEAKER: Final[Mapping[tuple[int, Speaker], Failure]] = {
    (401, "gateway"): BadKey,
    (401, "nobody"): BadKey,
    (403, "gateway"): BadKey,
    (429, "gateway"): Throttled,
    (429, "nobody"): Throttled,  # the gateway's limiter in memory answers with an empty body
}
_BY_STATUS: Final[Mapping[int, Failure]] = {
    401: UpstreamAccount,
    402: NoMoney,
    408: ServerTrouble,
    409: ServerTrouble,
    425: ServerTrouble,
    429: Saturated,
    501: Refused,
    504: Interrupted,
    524: Interrupted,
    529: Overloaded,
}
_BY_HUNDRED: Final[Mapping[int, Failure]] = {2: NotAnAnswer, 3: WrongUrl, 5: ServerTrouble}
_GATEWAY_TYPES: Final = frozenset({"new_api_error", "one_api_error"})
# The status that a vendor sends with a word, for errors that come inside a 200.
_STATUS_OF: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_MIDJOURNEY_ACCEPTED: Final = frozenset({1, 21, 22})
_KLING_ACCEPTED: Final = frozenset({0, 200})

_PLAIN_WORDS: Final[Mapping[Failure, str]] = {
    Refused: "the request was refused",
    Throttled: "the gateway's rate limit is reached",
    Saturated: "an upstream behind the gateway is at its limit",
    Overloaded: "the vendor sheds load",
    ServerTrouble: "the server had trouble",
    ChannelTrouble: "the gateway's channel failed",
    NoChannel: "the gateway had no channel for the request",
    Crashed: "the gateway crashed on the request",
    Interrupted: "the gateway gave up before the answer was there",
    NotAnAnswer: "this is no answer",
    CutAnswer: "the answer broke off with an error",
    UpstreamAccount: "the gateway's own account upstream is refused or empty",
    UnknownModel: "this key may not call this model, or there is no such model",
    BadKey: "the gateway refuses this key",
    WrongUrl: "this is not the gateway's API, check the base URL",
    NoMoney: "the account is empty",
}


class Said(msgspec.Struct, frozen=True):
    """What an error body says, whatever its shape; empty where it says nothing."""

    code: str = ""
    kind: str = ""
    text: str = ""

    @property
    def speaker(self) -> Speaker:
        """Return who wrote it."""
        if self.kind in _GATEWAY_TYPES:
            return "gateway"
        return "upstream" if self.kind or self.code else "nobody"


def read_failure(reply: Reply) -> CallFailed:
    """Return what a reply with a bad status means; nothing is raised."""
    body = raw(reply)
    try:
        said = _said(orjson.loads(body.removeprefix(BOM)))
    except orjson.JSONDecodeError:
        said = Said(text=_page(body))
    if 300 <= reply.status < 400 and "location" in reply.headers:
        said = Said(text=f"redirected to {reply.headers['location']}")
    return _stamped(_failure(_classify(reply.status, said), said, reply.status), reply)


def read_json(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a good reply. Raises ``CallFailed`` for every other reply."""
    if not 200 <= reply.status < 300:
        raise read_failure(reply)
    body = raw(reply).removeprefix(BOM)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        # The length may be right and the gateway's own upstream have been cut.
        cut = body.lstrip().startswith(b"{") and not body.rstrip().endswith(b"}")
        kind, what = (CutAnswer, "cut JSON") if cut else (NotAnAnswer, _page(body) or "no bytes")
        raise no_answer(reply, kind, f"the reply is no JSON object: {what}") from None
    if not isinstance(document, dict):
        raise no_answer(reply, NotAnAnswer, f"the reply is no JSON object: {_page(body)}")
    if failure := reported(document):
        raise _stamped(failure, reply)
    return document


def reported(document: Mapping[str, Any], unknown: Failure = NotAnAnswer) -> CallFailed | None:
    """Return the failure that a JSON object under a good status reports, or None.

    ``unknown`` is the class of an error that no table knows: within a stream, a cut answer.
    """
    if not _is_error(document):
        return None
    said = _said(document)
    kind = _classify(200, said)
    return _failure(unknown if kind is NotAnAnswer else kind, said, 200)


def no_answer(reply: Reply, kind: Failure, message: str, usage: Usage | None = None) -> CallFailed:
    """Return the failure of a reply that came with a good status and still is no answer."""
    failure = kind(_clean(message), status=reply.status)
    failure.usage = usage
    return _stamped(failure, reply)


def raw(reply: Reply) -> bytes:
    """Return the bytes of a reply; of a saved one those that are at hand."""
    return reply.body if isinstance(reply.body, bytes) else reply.body.head


def one_line(body: bytes) -> bytes:
    """Return JSON that is known to parse as one line; the same object if it is one already.

    A string in valid JSON holds no raw line break, so each of them is space between tokens: to
    take them out changes no value, and no number passes through a float.
    """
    if b"\n" in body or b"\r" in body:
        body = body.translate(None, b"\r\n")
    return body.removeprefix(BOM)


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the gateway's name of this exchange, else the vendor's."""
    return headers.get("x-oneapi-request-id") or headers.get("x-request-id")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the server asks to wait, 0 to 900, or None if it does not say.

    ``now``, in seconds since the epoch, is what a date is compared with; a past one means 0.
    """
    waits = (
        _number(headers.get("retry-after-ms"), 1000),
        _number(headers.get("retry-after"), 1),
        _until(headers.get("retry-after"), now),
    )
    return next((min(wait, _LONGEST_PAUSE) for wait in waits if wait is not None), None)


def _number(value: str | None, per_second: int) -> float | None:
    try:
        seconds = float(value or "") / per_second
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _until(value: str | None, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(value or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # Only a date without a zone is naive, and HTTP has no other than UTC.
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)


def _is_error(document: Mapping[str, Any]) -> bool:
    if document.get("error") or document.get("type") == "error":
        return True
    code = document.get("code")
    if type(code) is int and "description" in document:
        return code not in _MIDJOURNEY_ACCEPTED
    if type(code) is int and "message" in document:
        return code not in _KLING_ACCEPTED
    return document.get("success") is False


def _said(document: object) -> Said:
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        return Said(text=error)
    told = error if isinstance(error, dict) else document
    if not isinstance(told, dict):
        return Said()
    return Said(
        code=_word(told.get("code")),
        kind=_word(told.get("type")) or _word(told.get("status")),
        text=_word(told.get("message")) or _word(told.get("description")),
    )


def _word(value: object) -> str:
    if type(value) is int:
        return str(value)
    # The gateway prints Go's word for nothing where a vendor left the type out.
    return value.strip() if isinstance(value, str) and value != "<nil>" else ""


def _classify(status: int, said: Said) -> Failure:
    good = 200 <= status < 300
    silent = good or status == 500
    for word in filter(None, (said.code, said.kind)):
        for kind, patterns in _BY_WORD:
            if any(fnmatchcase(word, pattern) for pattern in patterns):
                return kind
        if silent and any(fnmatchcase(word, pattern) for pattern in _CHANNEL_WORDS):
            return ChannelTrouble
    if said.text.startswith("quota_not_enough"):  # Midjourney says it in prose, under a 400
        return NoMoney
    if good:
        status = _status_meant(said) or status
    for at, speakers, pattern, kind in _BY_TEXT:
        if at == status and said.speaker in speakers and pattern.search(said.text):
            return kind
    return (
        _BY_SPEAKER.get((status, said.speaker))
        or _BY_STATUS.get(status)
        or _BY_HUNDRED.get(status // 100, Refused)
    )


def _status_meant(said: Said) -> int | None:
    if said.code.isdecimal() and len(said.code) == 3 and said.code >= "400":
        return int(said.code)
    return _STATUS_OF.get(said.kind) or _STATUS_OF.get(said.code)


def _failure(kind: Failure, said: Said, status: int) -> CallFailed:
    text = _clean(said.text)
    message = f"{_PLAIN_WORDS[kind]} (HTTP {status}){': ' if text else ''}{text}"
    return kind(message, status=status, vendor_code=said.code or said.kind or None)


def _stamped(failure: CallFailed, reply: Reply) -> CallFailed:
    failure.status = reply.status
    failure.request_id = request_id(reply.headers)
    failure.body = raw(reply)[:_KEPT_BODY] or None
    failure.retry_after = retry_after(reply.headers, reply.started_at + reply.ms / 1000)
    return failure


def _page(body: bytes) -> str:
    """Return what a body that is no JSON says, for people."""
    text = body[:_KEPT_BODY].decode("utf-8", "replace").strip()
    return "an HTML page" if text.startswith("<") else text


def _clean(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * _KEPT_TEXT])
    return " ".join(shown.split())[:_KEPT_TEXT]
