"""Answers that are whole as HTTP, and say something odd: by their status, or in their JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from tests.catalogues.bad_gateways_bytes import HTML
from tests.catalogues.kit import CANARY, JSON, USAGE, Good, Odd, chat, reported
from tests.raw_server import Script, http

AWAY: Final = "Location: http://127.0.0.1:1/login"


def _says(status: str, body: bytes = b"", *headers: str) -> Script:
    return (http(body, *headers, status=status),)


def _error(status: str, code: str, kind: str = "new_api_error", text: str = "said so") -> Script:
    return _says(status, reported(code, kind, text), JSON)


def _json(value: Any) -> Script:
    return (http(orjson.dumps(value), JSON),)


# By the status, for a chat and for what must not be paid twice.
STATUSES: Final = (
    *(
        Odd(f"{status} with nothing", _says(f"{status} Odd"), "trouble", str(status), (52,))
        for status in (408, 409, 425, 500, 502, 503, 520, 521, 522, 523, 525, 599)
    ),
    *(
        Odd(f"{status} with nothing", _says(f"{status} Odd"), "interrupted", "gave up", (52,))
        for status in (504, 524)
    ),
    *(
        Odd(f"{status} that nobody knows", _says(f"{status} Odd"), "trouble", "", (29,))
        for status in (600, 999)
    ),
    Odd(
        "101",
        _says("101 Switching Protocols", b"", "Upgrade: websocket", "Connection: upgrade"),
        "trouble",
        "HTTP 101",
    ),
    *(
        Odd(f"{status} with a page", _says(f"{status} Odd", HTML), "barred", "cafe")
        for status in (400, 403, 407, 418, 451, 501)
    ),
    *(
        Odd(f"{status} with a page", _says(f"{status} Odd", HTML), "trouble", "cafe")
        for status in (500, 502, 503)
    ),
    *(
        Odd(f"{status} with the gateway's words", _error(f"{status} No", ""), "refused", "said so")
        for status in (400, 413, 415, 422, 451, 501)
    ),
    Odd("413 with a page", _says("413 Large", HTML), "refused", "", (53,)),
    Odd(
        "too long a context",
        _error("400 Bad", "context_length_exceeded", "invalid_request_error"),
        "refused",
        "",
        (50,),
    ),
    Odd("a filter", _error("400 Bad", "content_policy_violation", "x"), "refused", "", (51,)),
    Odd("a channel's fault", _error("500 No", "do_request_failed"), "channel"),
    Odd("a panic", _error("500 No", "new_api_panic", "new_api_panic"), "panic"),
    Odd("an error under 200", _json({"error": {"message": "odd"}}), "no answer", "odd", (54,)),
    Odd("an error as a text under 200", _json({"error": "odd"}), "no answer", "odd", (54,)),
    Odd(
        "a refusal under 200",
        (http(reported("400", "invalid_request_error"), JSON),),
        "refused",
        "",
        (54,),
    ),
    Odd(
        "trouble under 200",
        (http(reported("", "server_error"), JSON),),
        "trouble",
        "",
        (54,),
    ),
    Odd("no success under 200", _json({"success": False, "message": "odd"}), "no answer", "odd"),
    Odd("an error that is a list", _json({"error": [1, 2]}), "no answer"),
    Odd("an error that is a number", _json({"error": 7}), "no answer"),
    Odd("a code that is an object", _json({"error": {"code": {"a": 1}, "type": 7}}), "no answer"),
    Odd(
        "a message of 1 MB",
        _error("400 No", "", text="long " * 200_000),
        "refused",
        "long long",
    ),
    Odd(
        "a message that steers a terminal",
        _error("400 No", "", text="\x1b[31mred\x07\u202e\r\nback"),
        "refused",
        "red",
    ),
    Odd(
        "the key in an error",
        lambda good: _error("400 No", CANARY, text=f"no {CANARY}-KEY_0 Bearer {CANARY}"),
        "refused",
        "",
        (73,),
    ),
)

# One of several servers sends elsewhere: the others of the key are answered.
ELSEWHERE: Final = (
    *(
        Odd(f"{status} away", _says(f"{status} Odd", b"", AWAY), "redirected", "login", (39, 40))
        for status in (301, 302, 303, 307, 308)
    ),
    Odd("to itself", _says("302 Odd", b"", "Location: /v1/x"), "redirected", "/v1/x", (41,)),
    Odd("304", _says("304 Not Modified"), "redirected", "304", (21,)),
)

# What closes a key or a model: the line waits.
CLOSERS: Final = (
    Odd("404 with a page", _says("404 Odd", HTML), "wrong url"),
    Odd("401 with nothing", _says("401 Odd"), "bad key", "", (47,)),
    Odd("401 with the gateway's words", _error("401 No", ""), "bad key", "", (47,)),
    Odd(
        "404 for the model",
        _error("404 No", "model_not_found", "invalid_request_error"),
        "unknown model",
        "",
        (49,),
    ),
    Odd("403 for the model", _error("403 No", "", text="no access to model x"), "unknown model"),
    Odd("200 for the model", (http(reported("model_not_found"), JSON),), "unknown model"),
)

# With one attempt at most, as the waits for a second one are long.
LAST: Final = (
    Odd("529", _says("529 Odd"), "overloaded", "", (52,)),
    Odd("overloaded under 500", _error("500 No", "", "overloaded_error"), "overloaded"),
    Odd("overloaded under 200", (http(reported("", "overloaded_error"), JSON),), "overloaded"),
)


def _limited(*headers: str, status: str = "429 Slow") -> Script:
    return _says(status, reported("", "rate_limit_error"), JSON, *headers)


# A vendor's limit, once: how long the line then waits is told in every way there is.
LIMITS: Final = (
    Odd("429 without a wait", _limited(), "healed", "", (42,), 1),
    *(
        Odd(f"429, Retry-After: {wait}", _limited(f"Retry-After: {wait}"), "healed", "", (43,), 1)
        for wait in (
            *("0", "0.25", "-5", "abc", "NaN", "1e-3", ""),
            *("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Foo 2015", "\xb2"),
        )
    ),
    Odd("429, retry-after-ms", _limited("retry-after-ms: 200"), "healed", "", (44,), 1),
    Odd(
        "429, resets",
        _limited("x-ratelimit-reset-requests: 1m30s", "x-ratelimit-reset-tokens: 6ms"),
        "healed",
        "",
        (44,),
        1,
    ),
    Odd(
        "429, two waits",
        _limited("Retry-After: 0.1", "Retry-After: 0.6"),
        "healed",
        "",
        (25,),
        1,
    ),
)


def _choice(**changed: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "well"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **changed}
    return chat(choices=[{key: value for key, value in choice.items() if value is not ...}])


def _message(**message: Any) -> dict[str, Any]:
    return _choice(message={"role": "assistant", **message})


def _used(usage: Any) -> Script:
    return _json(chat(usage=usage))


def _raw(**values: str) -> Callable[[Good], Script]:
    """Return a chat's answer in which a key has a value as it is written here."""

    def script(good: Good) -> Script:
        told = b"".join(b',"%s":%s' % (k.encode(), v.encode()) for k, v in values.items())
        return (http(good.body.rstrip()[:-1] + told + b"}", JSON),)

    return script


# The JSON of a chat's answer.
CHATS: Final = (
    Odd("no choices", _json(chat(choices=[])), "no answer", "no choices", (55,)),
    Odd("choices are null", _json(chat(choices=None)), "no answer", "", (55,)),
    Odd("choices are an object", _json(chat(choices={})), "no answer", "", (55,)),
    Odd("a choice is null", _json(chat(choices=[None])), "no answer", "", (55,)),
    Odd("no message", _json(_choice(message=...)), "no answer", "without a message", (55,)),
    Odd("the message is a text", _json(_choice(message="well")), "no answer", "", (55,)),
    Odd("null content", _json(_message(content=None)), "answered", "", (55,)),
    Odd("content is a number", _json(_message(content=7)), "answered"),
    Odd("content is a list", _json(_message(content=[{"text": "a"}, 7, None])), "answered"),
    Odd("calls are null", _json(_message(content="well", tool_calls=None)), "answered"),
    Odd("calls are a text", _json(_message(content="well", tool_calls="x")), "answered"),
    Odd("no reason to stop", _json(_choice(finish_reason=None)), "cut", "finish_reason"),
    Odd("stopped by an error", _json(_choice(finish_reason="error")), "cut", "error"),
    Odd("a reason that is a number", _json(_choice(finish_reason=7)), "answered"),
    Odd("filtered", _json(_choice(finish_reason="content_filter")), "answered", "", (51,)),
    Odd(
        "all output was thought",
        _json(_choice(finish_reason="length", message={"content": ""})),
        "refused",
        "max_tokens",
    ),
    Odd("another model", _json(chat(model="other")), "answered", "", (57,)),
    Odd("a model that is a number", _json(chat(model=7)), "answered", "", (57,)),
    Odd("another line's id", _json(chat(id="odd-001-chat", custom_id="x")), "answered", "", (58,)),
    Odd("no error", _json(chat(error=None)), "answered", "", (54,)),
    Odd("an empty error", _json(chat(error="")), "answered", "", (54,)),
    Odd("an error without a word", _json(chat(error={})), "answered", "", (54,)),
    Odd("an error beside an answer", _json(chat(error={"message": "odd"})), "no answer"),
    Odd(
        "keys that stand twice", _raw(id='"a"', usage="null", choices="[]"), "no answer", "", (65,)
    ),
    Odd("a key of 1 MB", _raw(**{"x" * (1 << 20): "1"}), "answered"),
    Odd("an integer of 5,000 digits", _raw(x="9" * 5000), "no answer"),
    Odd("a number beyond all", _raw(x="1e999"), "no answer"),
    Odd("200 levels", _raw(x="[" * 200 + "]" * 200), "answered"),
    Odd("900 levels", _raw(x="[" * 900 + "]" * 900), "answered"),
    Odd("2,000 levels", _raw(x="[" * 2000 + "]" * 2000), "no answer"),
    Odd("no usage", _json({**chat(), "usage": ...} | {"usage": {}}), "answered", "", (56,)),
    Odd("usage is null", _used(None), "answered", "", (56,)),
    Odd("usage is a list", _used([1, 2]), "answered", "", (56,)),
    Odd("usage of zeros", _used(dict.fromkeys(USAGE, 0)), "answered", "", (56,)),
    Odd("usage of texts", _used(dict.fromkeys(USAGE, "5")), "answered", "", (56,)),
    Odd("usage of NaN as a text", _used(dict.fromkeys(USAGE, "NaN")), "answered", "", (56,)),
    Odd("usage of truths", _used(dict.fromkeys(USAGE, True)), "answered", "", (56,)),
    Odd("usage below zero", _used(dict.fromkeys(USAGE, -5)), "answered", "", (56,)),
    Odd("usage of parts", _used(dict.fromkeys(USAGE, 5.5)), "answered", "", (56,)),
    Odd("usage beyond all", _used(dict.fromkeys(USAGE, 10**18)), "answered", "", (56,)),
    Odd("usage that does not add up", _used({**USAGE, "total_tokens": 1}), "answered", "", (56,)),
    Odd(
        "more cached than asked",
        _used({**USAGE, "prompt_tokens_details": {"cached_tokens": 99}}),
        "answered",
        "",
        (56,),
    ),
    Odd("details that are a list", _used({**USAGE, "prompt_tokens_details": [1]}), "answered"),
    Odd(
        "100,000 kinds of usage",
        _used({**USAGE, **{f"tokens_{n}": n for n in range(100_000)}}),
        "answered",
    ),
    Odd(
        "choices out of order",
        _json(chat(choices=[{**_choice()["choices"][0], "index": n} for n in (7, -1, 0, 0)])),
        "answered",
    ),
    Odd(
        "the key in an answer",
        lambda good: _json(_message(content=CANARY + "-KEY_0")),
        "answered",
        "",
        (73,),
    ),
    Odd(
        "the key in an answer, spelled with escapes",
        lambda good: (http(good.body.replace(b"well", b"\\u0073" + CANARY[1:].encode()), JSON),),
        "answered",
        "",
        (73,),
    ),
    Odd(
        "the key as a name of the exchange",
        lambda good: (http(good.body, JSON, f"X-Request-Id: {CANARY}-KEY_0"),),
        "answered",
        "",
        (73,),
    ),
)
