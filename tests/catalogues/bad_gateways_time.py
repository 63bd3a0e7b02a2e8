"""Answers that never come, or never end: each must be ended by a limit of time."""

from __future__ import annotations

from typing import Final

from tests.catalogues.bad_gateways_bytes import CHUNKED
from tests.catalogues.kit import EVENTS, JSON, Odd, chunk_of
from tests.raw_server import Act, Forever, chunk, head, http

HOLD = Act.HOLD
PAUSE: Final = 0.05  # seconds; less than what any limit allows
SLOW: Final = (
    Odd("never answers", (HOLD,), "timeout", "in time", (36,)),
    Odd("drips its body", (http(length=999), Forever(b"x", PAUSE)), "timeout", "in time", (34,)),
    Odd(
        "drips its head",
        (b"HTTP/1.1 200 OK\r\nX: ", Forever(b"x", PAUSE)),
        "timeout",
        "in time",
        (35,),
    ),
    Odd(
        "drips headers", (b"HTTP/1.1 200 OK\r\n", Forever(b"X: a\r\n", PAUSE)), "timeout", "", (35,)
    ),
    Odd("102 for ever", (Forever(head(status="102 Wait"), PAUSE),), "timeout"),
    Odd("stops inside its head", (b"HTTP/1.1 200 OK\r\nX-", HOLD), "timeout"),
    Odd("stops inside its body", (http(b"{", JSON, length=99), HOLD), "timeout", "silent"),
    Odd("a chunk that never comes", (head(JSON, CHUNKED) + b"ff\r\n", HOLD), "timeout"),
    Odd("blanks for ever", (head(JSON, CHUNKED), Forever(chunk(b"\n"), PAUSE)), "timeout"),
    Odd("no size of a chunk, and stays", (head(JSON, CHUNKED) + b"zz\r\n", HOLD), "interrupted"),
)
SLOW_STREAMS: Final = (
    Odd(
        "comments for ever",
        (head(EVENTS), Forever(b": keep-alive\n\n", PAUSE)),
        "timeout",
        "in time",
        (61,),
    ),
    Odd(
        "comments for ever after the reason",
        (head(EVENTS) + chunk_of("well", "stop"), Forever(b": keep-alive\n\n", PAUSE)),
        "timeout",
        "",
        (61,),
    ),
    Odd("events for ever", (head(EVENTS), Forever(chunk_of("a"), PAUSE)), "timeout"),
    Odd("silent after an event", (head(EVENTS) + chunk_of("a"), HOLD), "timeout", "silent"),
    Odd("silent after the reason", (head(EVENTS) + chunk_of("a", "stop"), HOLD), "timeout"),
)
