"""The gateway's own words: how it says no, in one table by fate.

Shapes, codes and statuses are those of new-api: an OpenAI-like ``error`` object whatever the
format, with ``param`` where the relay wrote it and without where the middleware did, and in the
vendor's own manner where a format's handler refuses; the request id stands in a header and at the
end of the message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.mock import Manner
from batch.mock.dials import Hint

REQUEST_ID: Final = "X-Oneapi-Request-Id"
JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html"
_GATEWAY: Final = "new_api_error"
_UPSTREAM: Final = "upstream_error"


class Refusal(msgspec.Struct, frozen=True):
    """How one fate is told."""

    status: int
    message: str  # of a page: its title
    type: str = _GATEWAY
    code: str | int | None = ""
    param: bool = False
    page: bool = False  # a proxy's HTML instead of the gateway's JSON


REFUSALS: Final[Mapping[str, Refusal]] = {
    "unknown_key": Refusal(401, "this token is not valid"),
    "unknown_model": Refusal(
        503, "no channel of this token's group serves the model", code="model_not_found"
    ),
    "unknown_path": Refusal(404, "no such URL here", type="invalid_request_error"),
    "bad_json": Refusal(400, "the body is no JSON object", code="bad_request_body", param=True),
    # A bad request is a 500 at new-api, told apart by its code alone.
    "bad_request": Refusal(500, "the request is not valid", code="invalid_request", param=True),
    "requests_per_minute": Refusal(429, "too many requests for this account in 1 minute"),
    "tokens_per_minute": Refusal(429, "too many tokens for this account in 1 minute"),
    "pause": Refusal(429, "this account has to wait"),
    "capacity": Refusal(
        429, "the upstream load of this group is saturated", type=_UPSTREAM, code=429, param=True
    ),
    "money": Refusal(
        403, "the quota left is not enough", code="insufficient_user_quota", param=True
    ),
    "fail_429": Refusal(429, "upstream rate limit", type=_UPSTREAM, code=429, param=True),
    "fail_429_hint": Refusal(429, "upstream rate limit", type=_UPSTREAM, code=429, param=True),
    "fail_500": Refusal(500, "upstream request failed", code="do_request_failed", param=True),
    "fail_502_html": Refusal(502, "502 Bad Gateway", page=True),
    "fail_503": Refusal(503, "the system is overloaded", code="system_cpu_overloaded"),
    "fail_504": Refusal(
        504, "upstream timeout", type=_UPSTREAM, code="bad_response_status_code", param=True
    ),
    "fail_529": Refusal(529, "overloaded", type="overloaded_error", code=None, param=True),
    "html_200": Refusal(200, "One moment, please", page=True),
    "error_200": Refusal(
        200, "empty upstream response", type=_UPSTREAM, code="empty_response", param=True
    ),
}


_BEFORE_UPSTREAM: Final = ("bad_request_body", "invalid_request", "insufficient_user_quota")
# Midjourney's own codes: a request that is not valid, an upstream that was not heard, a full group.
_NOT_VALID: Final = 4
_UNHEARD: Final = 5
_FULL: Final = 30
# What is said by the gateway's doorkeepers, who speak OpenAI's way on every path.
_AT_THE_DOOR: Final = frozenset(
    {
        *("unknown_key", "unknown_model", "unknown_path", "requests_per_minute"),
        *("tokens_per_minute", "pause", "fail_429", "fail_429_hint", "fail_503"),
    }
)


class TurnedAway(Exception):
    """A request gets no answer; ``fate`` says why and is the ledger's word for it."""

    manner: Manner = "openai"

    def __init__(
        self,
        fate: str,
        message: str = "",
        headers: Mapping[str, str] | None = None,
        reset: bool = False,
    ) -> None:
        super().__init__(fate)
        self.fate = fate
        self.message = message  # instead of the one in the table
        self.headers = headers or {}
        self.reset = reset  # the connection is reset instead of any words


def hint(seconds: float, style: Hint) -> dict[str, str]:
    """Return the header that tells a wait, or none. Retry-After knows whole seconds only."""
    if style == "none" or math.isinf(seconds):
        return {}
    if style == "ms":
        return {"retry-after-ms": f"{seconds * 1000:.3f}"}
    return {"Retry-After": str(math.ceil(seconds))}


def words(fate: str, request_id: str, message: str = "", manner: Manner = "openai") -> bytes:
    """Return the body that tells a fate, in the manner of the path that was asked."""
    refusal = REFUSALS[fate]
    if refusal.page:
        title = refusal.message
        return (
            f"<html><head><title>{title}</title></head>"
            f"<body><h1>{title}</h1><hr>nginx</body></html>\n"
        ).encode()
    text = f"{message or refusal.message} (request id: {request_id})"
    if fate not in _AT_THE_DOOR and manner != "openai":
        return orjson.dumps(_MANNERS[manner](refusal, text))
    error: dict[str, Any] = {"message": text, "type": refusal.type}
    if refusal.param:
        error["param"] = ""
    error["code"] = refusal.code
    return orjson.dumps({"error": error})


def status(fate: str, manner: Manner = "openai") -> int:
    """Return the HTTP status of a fate: what Midjourney's handler refuses itself is a 400.

    But for a group that is full.
    """
    refusal = REFUSALS[fate]
    handled = fate not in _AT_THE_DOOR and manner == "midjourney"
    as_is = not handled or refusal.page or _midjourney_code(refusal) == _FULL
    return refusal.status if as_is else 400


def _as_anthropic(refusal: Refusal, text: str) -> dict[str, Any]:
    # Of what it refuses itself the gateway prints the type, and drops the code. Of what came from
    # an upstream it prints OpenAI's code where Anthropic has its type, and Go's word for nothing.
    kind = _GATEWAY if refusal.code in _BEFORE_UPSTREAM else str(refusal.code or "<nil>")
    return {"type": "error", "error": {"type": kind, "message": text}}


def _as_task(refusal: Refusal, text: str) -> dict[str, Any]:
    return {"code": str(refusal.code or "fail_to_fetch_task"), "message": text, "data": None}


def _as_midjourney(refusal: Refusal, text: str) -> dict[str, Any]:
    said = "quota_not_enough" if refusal.code == "insufficient_user_quota" else text
    return {"code": _midjourney_code(refusal), "description": said, "type": refusal.type}


def _midjourney_code(refusal: Refusal) -> int:
    if refusal.code in _BEFORE_UPSTREAM:
        return _NOT_VALID
    return _FULL if refusal.code == 429 else _UNHEARD


_MANNERS: Final[Mapping[Manner, Callable[[Refusal, str], dict[str, Any]]]] = {
    "anthropic": _as_anthropic,
    "task": _as_task,
    "midjourney": _as_midjourney,
}
