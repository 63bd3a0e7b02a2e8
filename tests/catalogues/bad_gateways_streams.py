"""Streams that end early, say odd things, or come in odd pieces."""

from __future__ import annotations

from typing import Any, Final

import orjson

from tests.catalogues.kit import EVENTS, JSON, USAGE, Odd, chat, chunk_of
from tests.raw_server import Act, Script, chunk, head, http

CLOSE, RESET = Act.CLOSE, Act.RESET
CHUNKED: Final = "Transfer-Encoding: chunked"
WE: Final = chunk_of("we")
LL: Final = chunk_of("ll", "stop")
DONE: Final = b"data: [DONE]\n\n"
USED: Final = b"data: " + orjson.dumps({"id": "c-1", "choices": [], "usage": USAGE}) + b"\n\n"


def _stream(*events: bytes) -> Script:
    return (http(b"".join(events), EVENTS),)


def _event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _says(**error: Any) -> bytes:
    return _event({"error": error})


def _delta(**delta: Any) -> bytes:
    return _event({"id": "c-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def _of(index: Any, text: str, finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return _event({"id": "c-1", "choices": [choice]})


STREAMS: Final = (
    Odd("no [DONE]", _stream(WE, LL), "answered", "", (59,)),
    Odd("neither reason nor [DONE]", _stream(WE), "cut", "finish_reason", (59,)),
    Odd("[DONE] without a reason", _stream(WE, DONE), "cut", "finish_reason", (59,)),
    Odd("only [DONE]", _stream(DONE), "no answer"),
    Odd("no event", _stream(b""), "no answer"),
    Odd("only comments", _stream(b": ping\n\n" * 9), "no answer"),
    Odd("cut inside an event", _stream(WE, LL[:-30]), "cut", "", (59,)),
    Odd("an event that is cut into", _stream(WE, b'data: {"id"\n\n', LL), "cut"),
    Odd("cut inside the last [DONE]", _stream(WE, LL, b"data: [DO"), "answered"),
    Odd("no end of the last event", _stream(WE, LL.rstrip()), "answered"),
    Odd(
        "reset after the reason",
        (head(EVENTS, CHUNKED) + chunk(WE) + chunk(LL), RESET),
        "interrupted",
    ),
    Odd("closed in the middle", (head(EVENTS, CHUNKED) + chunk(WE), CLOSE), "interrupted"),
    Odd("an error in the middle", _stream(WE, _says(message="odd")), "cut", "odd", (60,)),
    Odd(
        "overload in the middle",
        _stream(WE, _says(message="odd", type="overloaded_error")),
        "overloaded twice",
        "odd",
        (60,),
    ),
    Odd(
        "a refusal in the middle",
        _stream(WE, _says(message="odd", type="invalid_request_error")),
        "refused",
        "odd",
        (60,),
    ),
    Odd("an error as plain JSON", _stream(WE, b'{"error": {"message": "odd"}}\n\n'), "cut", "odd"),
    Odd("an error named by its event", _stream(WE, b"event: error\n", _says(code=7)), "cut"),
    Odd("an error after all", _stream(WE, LL, _says(message="odd"), DONE), "cut", "odd"),
    Odd("an error that says nothing", _stream(WE, _event({"error": None}), LL), "answered"),
    Odd("CRLF", _stream((WE + LL + DONE).replace(b"\n", b"\r\n")), "answered", "", (62,)),
    Odd("CR alone", _stream((WE + LL + DONE).replace(b"\n", b"\r")), "answered", "", (62,)),
    Odd(
        "data over several lines",
        _stream(WE.replace(b',"', b',\ndata: "'), LL, DONE),
        "answered",
        "",
        (62,),
    ),
    Odd(
        "a character in two pieces",
        (head(EVENTS, CHUNKED), *(chunk(b"%c" % one) for one in chunk_of("é", "stop")), chunk(b"")),
        "answered",
        "",
        (62,),
    ),
    Odd("no space after data:", _stream((WE + LL).replace(b"data: ", b"data:")), "answered"),
    Odd("other fields", _stream(b"retry: 1\nid: 7\nevent: x\n", WE, b"odd\n\n", LL), "answered"),
    Odd("a byte order mark", _stream(b"\xef\xbb\xbf", WE, LL, DONE), "answered"),
    Odd("no UTF-8", _stream(WE, WE.replace(b"we", b"\xff"), LL), "cut"),
    Odd(
        "half of a surrogate",
        _stream(WE.replace(b"we", rb"\ud83d"), LL.replace(b"ll", rb"\ude00")),
        "answered",
    ),
    Odd("events after [DONE]", _stream(WE, LL, DONE, chunk_of("more")), "answered"),
    Odd("no usage", _stream(WE, LL, DONE), "answered", "", (63,)),
    Odd("usage twice", _stream(WE, USED, LL, USED, DONE), "answered", "", (63,)),
    Odd("usage is a text", _stream(WE, _event({"usage": "7", "choices": []}), LL), "answered"),
    Odd("JSON instead", lambda good: (http(orjson.dumps(chat()), JSON),), "answered", "", (64,)),
    Odd(
        "JSON called events",
        lambda good: (http(orjson.dumps(chat()), EVENTS),),
        "answered",
        "",
        (64,),
    ),
    Odd(
        "an error instead, as events",
        (http(_says(message="odd"), EVENTS, status="500 Odd"),),
        "trouble",
    ),
    Odd(
        "several choices in turns",
        _stream(_of(1, "a"), _of(0, "b"), _of(1, "c", "stop"), _of(0, "d", "stop")),
        "answered",
    ),
    Odd("one of two choices has no end", _stream(_of(1, "a"), _of(0, "b", "stop")), "cut"),
    Odd("an index below zero", _stream(_of(-1, "a", "stop")), "answered"),
    Odd(
        "an index of 30 digits",
        _stream(WE.replace(b'"index":0', b'"index":' + b"9" * 30), LL),
        "answered",
    ),
    Odd("an index that is a text", _stream(_of("x", "a", "stop")), "answered"),
    Odd(
        "the text changes its type", _stream(_delta(content="a"), _delta(content=7), LL), "answered"
    ),
    Odd(
        "the text becomes an object",
        _stream(_delta(content="a"), _delta(content={"a": "b"}), LL),
        "answered",
    ),
    Odd("calls are null", _stream(_delta(tool_calls=None), WE, LL), "answered"),
    Odd("calls are numbers", _stream(_delta(tool_calls=[1, None, "x"]), WE, LL), "answered"),
    Odd(
        "a call with an index of its own",
        _stream(_delta(tool_calls=[{"index": 10**9}]), WE, LL),
        "answered",
    ),
    Odd(
        "events that are no objects",
        _stream(b"data: 7\n\ndata: []\n\ndata: null\n\n", WE, LL),
        "answered",
    ),
    Odd(
        "10,000 levels",
        _stream(_event({}).replace(b"{}", b'{"a":' * 10_000 + b"1" + b"}" * 10_000), LL),
        "cut",
    ),
    Odd(
        "500 levels in the text",
        _stream(
            b'data: {"choices":[{"index":0,"delta":{"x":'
            + b'{"a":' * 500
            + b"1"
            + b"}" * 500
            + b"}}]}\n\n",
            LL,
        ),
        "cut",
    ),
    Odd("20,000 events", _stream(WE * 20_000, LL), "answered"),
)

# Streamed although nobody asked for it.
UNASKED: Final = (
    Odd("a stream for who asked for none", _stream(WE, LL, DONE), "answered", "", (64,)),
    Odd(
        "events that nobody announced",
        (http(b"\n: hi\n\n" + WE + LL, "Content-Type: text/plain"),),
        "answered",
        "",
        (64,),
    ),
    Odd("half a stream for who asked for none", _stream(WE), "cut", "finish_reason", (59, 64)),
)
