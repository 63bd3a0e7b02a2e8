"""Odd answers about pictures and films: what names them, how far they are, and the files."""

from __future__ import annotations

from typing import Any, Final

import orjson

from tests.catalogues.bad_gateways_bytes import HTML
from tests.catalogues.kit import FILM, JSON, PICTURE, PNG, End, Odd, reported
from tests.raw_server import Script, http

HINT: Final = "retry-after-ms: 250"


def _json(value: Any, status: str = "200 OK") -> Script:
    return (http(orjson.dumps(value), JSON, HINT, status=status),)


def _pictures(*data: Any) -> Script:
    return _json({"created": 1, "data": list(data)})


NO_MEDIA, REFUSED = End("no_media", 1), End("refused", 1)
UNKNOWN, GONE = End("outcome_unknown", 1), End("file_gone", 1)

PICTURES: Final = (
    Odd("data is null", _json({"data": None}), NO_MEDIA),
    Odd("no data", _json({"created": 1}), NO_MEDIA),
    Odd("data is a text", _json({"data": "x"}), UNKNOWN, "no list of pictures"),
    Odd("no picture", _pictures(), NO_MEDIA),
    Odd("a picture is null", _pictures(None, 7, "x", []), NO_MEDIA),
    Odd("a reason instead", _pictures({"error": {"message": "odd"}}), NO_MEDIA, "odd"),
    Odd("a picture of nothing", _pictures({"b64_json": "", "url": None}), NO_MEDIA),
    *(
        Odd(f"a picture at {address}", _pictures({"url": address}), NO_MEDIA)
        for address in ("file:///etc/passwd", "ftp://127.0.0.1/a", "//127.0.0.1/a", "/a", "x")
    ),
    *(
        Odd(f"a picture at {address!r}", _pictures({"url": address}), GONE, "web address|address")
        for address in ("http://", "http://[odd", "http://h:99999/", "http://a b/", "https://\n/")
    ),
    Odd("what is no base64", _pictures({"b64_json": "!!!"}), "answered"),
    Odd("100 pictures", _pictures(*[{"b64_json": "iVBORw0KGgo="}] * 100), "answered"),
    Odd("trouble under 500", (http(reported("", ""), JSON, status="500 Odd"),), "trouble"),
    Odd(
        "a channel's fault", (http(reported("do_request_failed"), JSON, status="500 X"),), "channel"
    ),
    Odd(
        "no channel",
        (http(reported("get_channel_failed"), JSON, status="500 X"),),
        End("channel_error", 3),
    ),
    Odd("a filter", (http(reported("content_policy_violation"), JSON, status="400 X"),), "refused"),
    Odd("a limit, once", (http(reported("", "x"), JSON, HINT, status="429 X"),), "healed", heals=1),
)

SUBMITS: Final = (
    Odd("no id", _json({"status": "queued"}), UNKNOWN, "names no task"),
    Odd("an empty id", _json({"id": "", "status": "queued"}), UNKNOWN, "names no task"),
    Odd("an id that is a list", _json({"id": ["x"]}), UNKNOWN, "names no task"),
    Odd("failed at once", _json({"id": "x", "status": "failed"}), End("task_failed", 1)),
    Odd("an id under 500", _json({"id": "x", "status": "queued"}, "500 Odd"), UNKNOWN),
    Odd("a page", (http(HTML, "Content-Type: text/html"),), "page", "cafe"),
    Odd("a limit, once", (http(reported("", "x"), JSON, HINT, status="429 X"),), "healed", heals=1),
    Odd("no model", (http(reported("model_not_found"), JSON, status="404 X"),), "unknown model"),
)


def _how(sent: int, how: str = "answered") -> End:
    return End(how, sent)


POLLS: Final = (
    Odd("a state that nobody knows", _json({"id": "x", "status": "odd"}), _how(2)),
    Odd("a state that is a number", _json({"id": "x", "status": 7}), _how(2)),
    Odd("no state", _json({"id": "x"}), _how(2)),
    Odd("progress of NaN", _json({"status": "running", "progress": "NaN"}), _how(2)),
    Odd("another task's id", _json({"id": "y", "status": "running"}), _how(2)),
    Odd(
        "it failed",
        _json({"status": "failed", "error": {"message": "odd"}}),
        _how(1, "task_failed"),
        "odd",
    ),
    Odd(
        "it failed, and says an object",
        _json({"status": "failed", "error": {"a": 1}}),
        _how(1, "task_failed"),
    ),
    *(
        Odd(f"{status}, once", (http(b"", HINT, status=f"{status} Odd"),), _how(2))
        for status in (408, 429, 500, 502, 503, 504, 524, 529, 999)
    ),
    Odd("a page, once", (http(HTML, status="403 Odd"),), _how(2)),
    Odd(
        "no task, for ever",
        (http(reported("task_not_exist"), JSON, HINT, status="400 X"),),
        _how(6, "task_lost"),
        "says that there is none",
        heals=99,
    ),
    Odd("the key is refused", (http(b"", status="401 Odd"),), _how(1, "pending")),
    Odd("a refusal", (http(reported("", "x"), JSON, status="400 X"),), REFUSED),
)


def _moved(to: str) -> Script:
    return (http(b"", f"Location: {to}", status="302 Odd"),)


def _file(body: bytes, *headers: str, status: str = "200 OK") -> Script:
    return (http(body, *headers, status=status),)


FETCHES: Final = (
    Odd("404", _file(b"", status="404 Odd"), GONE, "HTTP 404"),
    Odd("410", _file(b"", status="410 Odd"), GONE),
    Odd("401", _file(b"", status="401 Odd"), GONE),
    Odd("a page", _file(HTML, "Content-Type: text/html"), _how(3, "file_page"), heals=99),
    Odd("a page, once", _file(HTML, "Content-Type: text/html; charset=utf-8"), _how(2)),
    Odd("JSON", _file(b'{"a": 1}', PICTURE), GONE),
    Odd("a film", _file(FILM, "Content-Type: video/mp4"), GONE, "video/mp4"),
    Odd("a text", _file(b"hello", "Content-Type: text/plain"), GONE),
    Odd("a part", _file(PNG, PICTURE, status="206 Partial"), GONE),
    Odd("half a picture", _file(PNG[:-9], PICTURE), _how(2)),
    Odd("a picture called a text", _file(PNG, "Content-Type: text/plain"), "answered"),
    Odd("no content type", _file(PNG), "answered"),
    *(Odd(f"{s}, once", _file(b"", status=f"{s} Odd"), _how(2)) for s in (408, 429, 500, 503, 999)),
    Odd("moved to a file", _moved("file:///etc/passwd"), GONE),
    Odd("moved to nowhere", _moved("http://[odd"), GONE),
    Odd("moved without a place", _file(b"", status="302 Odd"), GONE),
    Odd("moved away and back", _moved("?again"), _how(6, "file_gone"), heals=99),
    Odd("moved once", _moved("?again"), _how(2)),
)
