"""How this gateway and the vendors behind it name their errors, and which failure each name means.

Errors of all of them arrive on every endpoint, so that their words stand together, as tables, and
not in the formats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

import msgspec

from batch.errors import (
    BadKey,
    Barred,
    CallFailed,
    ChannelTrouble,
    Crashed,
    CutAnswer,
    Interrupted,
    NoChannel,
    NoMoney,
    NotAnAnswer,
    Overloaded,
    Redirected,
    Refused,
    Saturated,
    ServerTrouble,
    Throttled,
    UnknownModel,
    UpstreamAccount,
    WrongUrl,
)

Failure: TypeAlias = type[CallFailed]
# Who wrote an error: the gateway itself, an upstream, or nobody who left a type or a code.
Speaker: TypeAlias = Literal["gateway", "upstream", "nobody"]

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
            *("base_resp:1004", "base_resp:1008", "base_resp:2049", "base_resp:2056"),
            "base_resp:2061",
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
            # Of a response that failed: what was asked, or a picture in it (OpenAI's types).
            *("invalid_prompt", "bio_policy", "misalignment_policy_violation"),
            "data_residency_mismatch",
            *("invalid_image*", "invalid_base64_image", "image_too_*", "image_parse_error"),
            *("image_content_policy_violation", "image_file_*", "unsupported_image_media_type"),
            *("empty_image_file", "failed_to_download_image"),
            *("base_resp:1026", "base_resp:1027", "base_resp:1042", "base_resp:2013"),
        ),
    ),
    (NoChannel, ("get_channel_failed",)),
    (ChannelTrouble, ("channel:*",)),
    (Overloaded, ("overloaded_error", "system_*_overloaded")),
    (Crashed, ("new_api_panic", "one_api_panic")),
    # Midjourney: the queue, or the group of accounts, is full. MiniMax: a rate, tokens, calls.
    (Saturated, ("23", "30", *(f"base_resp:{code}" for code in (1002, 1039, 1041, 2045)))),
    (ServerTrouble, tuple(f"base_resp:{code}" for code in (1000, 1001, 1024, 1033))),
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
_REFUSED_IN_PROSE: Final = re.compile(
    "^field .{1,80} is required|^max_tokens is invalid|^sensitive_words|price not set"
    "|cannot unmarshal"
)
# Prose decides only where nothing else tells the cases apart: of its own errors on /v1/messages the
# gateway prints the type and drops the code.
_BY_TEXT: Final[tuple[tuple[int, tuple[Speaker, ...], re.Pattern[str], Failure], ...]] = (
    (403, ("gateway",), re.compile("quota|额度|余额", re.IGNORECASE), NoMoney),
    (500, ("gateway",), _REFUSED_IN_PROSE, Refused),
    (403, ("gateway",), re.compile("model|模型", re.IGNORECASE), UnknownModel),
    (404, ("gateway", "upstream", "nobody"), re.compile("Invalid URL"), WrongUrl),
    # Anthropic's and Google's words for a model that they do not know.
    (404, ("upstream",), re.compile(r"\Amodel: \S+|models/\S+ is not found"), UnknownModel),
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
# The gateway never answers these without a word of JSON: it is another server, or another path.
_NO_API: Final[Mapping[int, Failure]] = {404: WrongUrl, 405: WrongUrl}
# What these say is meant for the key, the moment or the size of this request, whoever says it.
_TAKEN_AT_THEIR_WORD: Final = frozenset({401, 402, 408, 409, 413, 414, 425, 429, 431})
# Any other, 1xx or 999, comes of something in the way that is broken: no verdict on the request.
_BY_HUNDRED: Final[Mapping[int, Failure]] = {2: NotAnAnswer, 3: Redirected, 4: Refused}
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
PLAIN_WORDS: Final[Mapping[Failure, str]] = {
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
    Redirected: "this is not the gateway's API, check the base URL",
    NoMoney: "the account is empty",
    Barred: "this is no answer of the gateway, check --base-url and any proxy",
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


def classify(status: int, said: Said) -> Failure:
    """Return the class of an error: its words decide, then its status and who wrote it."""
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
        or _BY_HUNDRED.get(status // 100, ServerTrouble)
    )


def classify_wordless(status: int, said: Said, *, page: bool) -> Failure:
    """Return the class of a bad status without a word of JSON; ``page``: with a page for people."""
    if status in _NO_API:
        return _NO_API[status]
    refuses = 400 <= status < 500 or status == 501
    if page and refuses and status not in _TAKEN_AT_THEIR_WORD:
        return Barred
    return classify(status, said)


def names_itself(said: Said) -> bool:
    """Return whether a word says what an error is under any status, as gateways say it."""
    words = [word for word in (said.code, said.kind) if word]
    patterns = [pattern for _, several in _BY_WORD for pattern in several]
    return any(fnmatchcase(word, pattern) for word in words for pattern in patterns)


def _status_meant(said: Said) -> int | None:
    if said.code.isdecimal() and len(said.code) == 3 and said.code >= "400":
        return int(said.code)
    return _STATUS_OF.get(said.kind) or _STATUS_OF.get(said.code)
