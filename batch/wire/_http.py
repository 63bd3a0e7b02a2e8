"""What every format reads alike: JSON bodies, and how a reply says no.

What the words of an error mean stands in ``_failures``; what an answer looks like is left to the
formats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any, Final

import orjson

from batch.errors import CallFailed, CutAnswer, NotAnAnswer, Throttled, WebPage
from batch.records import Reply
from batch.usage import Usage
from batch.wire._failures import (
    PLAIN_WORDS,
    Failure,
    Said,
    classify,
    classify_wordless,
    names_itself,
)
from batch.wire._lenient import as_dict
from batch.wire._retry_after import retry_after
from batch.wire._sse import BOM
from batch.wording import counted

REDIRECTS: Final = (301, 302, 303, 307, 308)  # those that may be followed
HOPS: Final = 5  # redirects followed on the web: harmless, as no key travels there
_KEPT_BODY: Final = 2048  # bytes of a failed reply that go on record
_KEPT_TEXT: Final = 300  # characters of a vendor's message
_KEPT_TITLE: Final = 100  # characters of a page's title
_TITLED: Final = 16 << 10  # bytes of a page in which its title is looked for
_FEED, _RETURN = b"\n\r"  # as numbers, which are looked for faster than bytes
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]+)", re.IGNORECASE)
_MIDJOURNEY_ACCEPTED: Final = frozenset({1, 21, 22})
_KLING_ACCEPTED: Final = frozenset({0, 200})
_TEXTS: Final = ("message", "description", "detail", "msg")  # the third one is FastAPI's
_TELLING: Final = frozenset({"error", "type", "base_resp", "code", "success"})  # keys of errors
_NAMELESS: Final = "upstream_error"  # the gateway's own word for an upstream's error without a type


def read_failure(reply: Reply) -> CallFailed:
    """Return what a reply with a bad status means; nothing is raised."""
    status, body = reply.status, raw(reply).removeprefix(BOM).strip()
    try:
        said = _said(orjson.loads(body))
        kind = classify(status, said)
    except orjson.JSONDecodeError:
        page = is_page(body)
        said = Said(text=_page(body) if page else body[:_KEPT_BODY].decode("utf-8", "replace"))
        kind = classify_wordless(status, said, page=page)
    if 300 <= status < 400 and "location" in reply.headers:
        said = Said(text=f"redirected to {reply.headers['location']}")
    return stamped(_failure(kind, said, status), reply)


def read_json(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a good reply. Raises ``CallFailed`` for every other reply."""
    document = read_object(reply)
    if failure := reported(document):
        raise stamped(failure, reply)
    return document


def read_object(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a reply with a good status, also of one that reports an error.

    Raises ``CallFailed`` for every other reply.
    """
    if not 200 <= reply.status < 300:
        raise read_failure(reply)
    body = raw(reply).removeprefix(BOM)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        kind, what = _no_json(body.strip())
        raise no_answer(reply, kind, f"the reply is no JSON object but {what}") from None
    if not isinstance(document, dict):
        raise no_answer(reply, NotAnAnswer, "the reply is no JSON object but another JSON value")
    return document


def reported(document: Mapping[str, Any], unknown: Failure = NotAnAnswer) -> CallFailed | None:
    """Return the failure that a JSON object under a good status reports, or None.

    ``unknown`` is the class of an error that no table knows: within a stream, a cut answer.
    """
    if _TELLING.isdisjoint(document) or not _is_error(document):  # the first one nearly always
        return None
    said = _said(document)
    kind = classify(200, said)
    failure = _failure(unknown if kind is NotAnAnswer else kind, said, 200)
    # A 429 turns away; that an upstream spoke of its limit in an answer says nothing of when.
    failure.under_200 = isinstance(failure, Throttled) and not names_itself(said)
    return failure


def no_answer(reply: Reply, kind: Failure, message: str, usage: Usage | None = None) -> CallFailed:
    """Return the failure of a reply that came with a good status and still is no answer."""
    failure = kind(_clean(message), status=reply.status)
    failure.usage = usage
    return stamped(failure, reply)


def raw(reply: Reply) -> bytes:
    """Return the bytes of a reply; none of one that went to disk."""
    return reply.body if isinstance(reply.body, bytes) else b""


def one_line(body: bytes) -> bytes:
    """Return JSON that is known to parse as one line; the same object if it is one already.

    A string in valid JSON holds no raw line break, so each of them is space between tokens: to
    take them out changes no value, and no number passes through a float.
    """
    if _FEED in body or _RETURN in body:
        body = body.translate(None, b"\r\n")
    return body.removeprefix(BOM)


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the gateway's name of this exchange, else the vendor's."""
    return headers.get("x-oneapi-request-id") or headers.get("x-request-id")


def _is_error(document: Mapping[str, Any]) -> bool:
    if document.get("error") or document.get("type") == "error":
        return True
    if "base_resp" in document and _base_resp(document):
        return True
    code = document.get("code")
    if type(code) is int and "description" in document:
        return code not in _MIDJOURNEY_ACCEPTED
    if type(code) is int and "message" in document:
        return code not in _KLING_ACCEPTED
    return document.get("success") is False


def _base_resp(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what MiniMax says of an error, under a good status; nothing if all went well."""
    told = as_dict(document.get("base_resp"))
    return told if type(told.get("status_code")) is int and told["status_code"] else {}


def _said(document: object) -> Said:
    if isinstance(document, list) and document:  # as Google wraps it for OpenAI's clients
        document = document[0]
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        return Said(text=error)
    told = error if isinstance(error, dict) else document
    if not isinstance(told, dict):
        return Said()
    if minimax := _base_resp(told):
        code = f"base_resp:{minimax['status_code']}"
        return Said(code=code, text=_word(minimax.get("status_msg")))
    return Said(
        code=_word(told.get("code")),
        kind=_word(told.get("type"), _NAMELESS) or _word(told.get("status")),
        text=next(filter(None, (_word(told.get(key)) for key in _TEXTS)), ""),
    )


def _word(value: object, nothing: str = "") -> str:
    if type(value) is int:
        return str(value)
    # The gateway prints Go's word for nothing where an upstream left something out.
    if value == "<nil>":
        return nothing
    return value.strip() if isinstance(value, str) else ""


def _failure(kind: Failure, said: Said, status: int) -> CallFailed:
    text = _clean(said.text)
    # A number may be all that is told of an error that no table knows.
    code = f", code {_clean(said.code)}" if kind is NotAnAnswer and said.code else ""
    message = f"{PLAIN_WORDS[kind]} (HTTP {status}{code}){': ' if text else ''}{text}"
    return kind(message, status=status, vendor_code=said.code or said.kind or None)


def stamped(failure: CallFailed, reply: Reply) -> CallFailed:
    """Return a failure with what its reply says of the exchange."""
    failure.status = reply.status
    failure.request_id = request_id(reply.headers)
    failure.body = raw(reply)[:_KEPT_BODY] or None
    failure.retry_after = retry_after(reply.headers, reply.started_at + reply.ms / 1000)
    return failure


def _no_json(body: bytes) -> tuple[Failure, str]:
    """Return what a good reply that is no JSON is. Never quoted: it may be half an answer."""
    if is_page(body):
        return WebPage, f"{_page(body)}: is this the address of the gateway's API?"
    # The length may be right and the gateway's own upstream have been cut.
    if body.startswith(b"{") and not body.endswith(b"}"):
        return CutAnswer, "cut JSON"
    return NotAnAnswer, f"{counted(len(body), 'byte')} of something else" if body else "nothing"


def is_page(body: bytes) -> bool:
    """Return whether a body is a web page: nothing else that is answered begins so."""
    return body.startswith(b"<")


def _page(body: bytes) -> str:
    """Return what a page is, for people: by its title, if it has one."""
    found = _TITLE.search(body[:_TITLED])
    title = _clean(unescape(found[1].decode("utf-8", "replace")))[:_KEPT_TITLE] if found else ""
    return f'a web page, "{title}"' if title else "a web page"


def _clean(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * _KEPT_TEXT])
    return " ".join(shown.split())[:_KEPT_TEXT]
