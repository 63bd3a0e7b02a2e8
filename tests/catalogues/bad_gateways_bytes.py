"""Answers that are wrong as HTTP, or as the bytes that they promise to be: whatever was asked."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Final

from tests.catalogues.kit import JSON, Good, Odd
from tests.raw_server import Act, Script, chunk, head, http

CLOSE, RESET = Act.CLOSE, Act.RESET
CHUNKED: Final = "Transfer-Encoding: chunked"
ZIPPED: Final = "Content-Encoding: gzip"
LAST: Final = chunk(b"")
HTML: Final = b"<html><head><title>Welcome to the cafe</title></head><body>Log in</body></html>"
SMUGGLED: Final = b'{"smuggled": true}'


def _with(*headers: str) -> Callable[[Good], Script]:
    return lambda good: (http(good.body, good.header, *headers),)


def _chunked(*headers: str, then: bytes = b"") -> Callable[[Good], Script]:
    return lambda good: (head(good.header, CHUNKED, *headers) + then, CLOSE)


def _status(line: str) -> Callable[[Good], Script]:
    return lambda good: (http(good.body, good.header).replace(b"HTTP/1.1 200 OK", line.encode()),)


def _sized(size: str) -> Callable[[Good], Script]:
    return lambda good: (head(good.header, f"Content-Length: {size}") + good.body, CLOSE)


# What HTTP itself does not allow, or what stops before its end: for every kind of line.
FRAMING: Final = (
    Odd(
        "a page under 200",
        (http(HTML, "Content-Type: text/html"),),
        "page",
        "Welcome|gave no file",
        (1,),
    ),
    Odd("nothing under 200", lambda good: (http(b"", good.header),), "no answer", "", (2,)),
    Odd(
        "a length too long",
        lambda good: (http(good.body, good.header, length=len(good.body) + 9), CLOSE),
        "interrupted",
        "was cut",
        (4,),
    ),
    Odd(
        "a length too short",
        lambda good: (http(good.body, good.header, length=len(good.body) - 9), CLOSE),
        "interrupted",
        "was cut|is no HTTP",
        (5,),
    ),
    Odd("cut inside a chunk", _chunked(then=b"ff\r\nabc"), "interrupted", "was cut", (8,)),
    Odd(
        "cut before the last chunk",
        lambda good: (head(good.header, CHUNKED) + chunk(good.body), CLOSE),
        "interrupted",
        "was cut",
        (9,),
    ),
    Odd("no size of a chunk", _chunked(then=b"zz\r\nabc\r\n"), "interrupted", "", (10,)),
    Odd("a negative size of a chunk", _chunked(then=b"-5\r\nabc\r\n"), "interrupted"),
    Odd("a chunk that is longer than it says", _chunked(then=b"1\r\nabcdef\r\n"), "interrupted"),
    Odd(
        "a chunk with an extension of 1 MB",
        _chunked(then=b"1;" + b"x" * (1 << 20) + b"\r\na\r\n"),
        "interrupted",
    ),
    Odd("plain, but called gzip", _with(ZIPPED), "interrupted", "cannot be unpacked", (12,)),
    Odd("plain, but called br", _with("Content-Encoding: br"), "interrupted"),
    Odd("plain, but called zstd", _with("Content-Encoding: zstd"), "interrupted"),
    Odd(
        "reset inside the body",
        lambda good: (http(good.body[:9], good.header, length=len(good.body)), RESET),
        "interrupted",
        "",
        (16,),
    ),
    Odd("reset instead of an answer", (RESET,), "interrupted", "", (17,)),
    Odd("closed instead of an answer", (CLOSE,), "interrupted", "hung up", (17, 38)),
    Odd("closed inside the head", (b"HTTP/1.1 200 OK\r\nX-", CLOSE), "interrupted"),
    Odd("garbage", (b"\x00\x01garbage\r\n\r\n", CLOSE), "interrupted", "is no HTTP", (18,)),
    Odd(
        "204 with a body",
        lambda good: (_at(good, "204 No Content"), CLOSE),
        "interrupted",
        "",
        (20,),
    ),
    Odd(
        "two lengths that agree",
        lambda good: _sized(f"{len(good.body)}\r\nContent-Length: {len(good.body)}")(good),
        "interrupted",
        "",
        (22,),
    ),
    Odd("two lengths that differ", _sized("3\r\nContent-Length: 4"), "interrupted", "", (22,)),
    Odd("a negative length", _sized("-1"), "interrupted", "", (23,)),
    Odd("a length with a sign", _sized("+9"), "interrupted"),
    Odd("a length of 5,000 digits", _sized("9" * 5000), "interrupted"),
    Odd("a length and chunks", _chunked("Content-Length: 3", then=LAST), "interrupted", "", (24,)),
    Odd("a header of 100 KB", _with("X-Odd: " + "a" * 100_000), "interrupted", "", (26,)),
    Odd("300 headers", _with(*(f"X-{n}: a" for n in range(300))), "interrupted", "", (27,)),
    Odd("a header with a NUL", _with("X-Odd: \0"), "interrupted"),
    Odd("a header without a name", _with(": odd"), "interrupted"),
    Odd("the status 99999", _status("HTTP/1.1 99999 Odd"), "interrupted", "", (29,)),
    Odd("the status 20", _status("HTTP/1.1 20 Odd"), "interrupted"),
    Odd("HTTP/2", _status("HTTP/2 200"), "interrupted"),
    Odd("the preface of HTTP/2", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", CLOSE), "interrupted"),
    Odd("no head at all", lambda good: (good.body, CLOSE), "interrupted"),
    Odd("a request as an answer", (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", CLOSE), "interrupted"),
)


def _at(good: Good, status: str) -> bytes:
    return http(good.body, good.header, status=status)


# Odd, and yet whole.
BORNE: Final = (
    Odd("an unknown encoding", _with("Content-Encoding: odd"), "answered", "", (13,)),
    Odd(
        "1xx before the answer",
        lambda good: (
            head(status="100 Continue")
            + head(status="102 Processing")
            + head("Link: </x>", status="103 Early Hints")
            + good.whole,
        ),
        "answered",
        "",
        (19,),
    ),
    Odd("300 times 102", lambda good: (head(status="102 Wait") * 300 + good.whole,), "answered"),
    Odd("a header of 20 KB", _with("X-Odd: " + "a" * 20_000), "answered", "", (26,)),
    Odd("a header that is not ASCII", _with("X-Odd: \xe9\xff"), "answered", "", (28,)),
    Odd("no reason", _status("HTTP/1.1 200"), "answered"),
    Odd("a reason that steers a terminal", _status("HTTP/1.1 200 \x1b[31mred"), "answered"),
    Odd("the status 299", lambda good: (_at(good, "299 Odd"),), "answered"),
    Odd("cookies", _with("Set-Cookie: a=b; Path=/", "Set-Cookie: c=d"), "answered", "", (67,)),
    Odd("a place to go under 200", _with("Location: http://127.0.0.1:1/"), "answered"),
    Odd("a wait under 200", _with("Retry-After: 999"), "answered"),
    Odd(
        "chunks with trailers",
        lambda good: (head(good.header, CHUNKED) + chunk(good.body) + b"0\r\nX-Odd: a\r\n\r\n",),
        "answered",
    ),
    Odd(
        "a byte a chunk, with extensions",
        lambda good: (
            head(good.header, CHUNKED)
            + b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in good.body)
            + LAST,
        ),
        "answered",
    ),
    Odd("says that it closes, and does not", _with("Connection: close"), "answered"),
    Odd("says that it stays, and closes", lambda good: (good.whole, CLOSE), "answered"),
    Odd("HTTP/1.0 without a length", lambda good: (_old(good) + good.body, CLOSE), "answered"),
    Odd("gzip", lambda good: (http(gzip.compress(good.body), good.header, ZIPPED),), "answered"),
    Odd(
        "gzip in two parts",
        lambda good: (
            http(gzip.compress(good.body[:9]) + gzip.compress(good.body[9:]), good.header, ZIPPED),
        ),
        "answered",
    ),
)


def _old(good: Good) -> bytes:
    return f"HTTP/1.0 200 OK\r\n{good.header}\r\n\r\n".encode()


def _cut(good: Good) -> bytes:
    return good.body[: -len(good.body) // 4]


# Whole as HTTP, and no whole JSON.
BODIES: Final = (
    Odd("cut JSON", lambda good: (http(_cut(good), good.header),), "cut", "cut JSON", (3,)),
    Odd(
        "cut JSON without a length",
        lambda good: (head(good.header) + _cut(good), CLOSE),
        "cut",
        "cut JSON",
        (6,),
    ),
    Odd("cut JSON by HTTP/1.0", lambda good: (_old(good) + _cut(good), CLOSE), "cut", "", (7,)),
    Odd(
        "gzip that is cut",
        lambda good: (http(_cut(Good(gzip.compress(good.body), "")), good.header, ZIPPED),),
        "cut",
        "",
        (11,),
    ),
    Odd(
        "gzip in gzip",
        lambda good: (
            http(gzip.compress(gzip.compress(good.body)), JSON, "Content-Encoding: gzip, gzip"),
        ),
        "no answer",
        "bytes of something else",
    ),
    Odd(
        "a byte order mark",
        lambda good: (http(b"\xef\xbb\xbf" + good.body, JSON),),
        "answered",
        "",
        (30,),
    ),
    Odd("no UTF-8", lambda good: (http(_spoilt(good, b"\xff\xfe"), JSON),), "no answer", "", (31,)),
    Odd(
        "UTF-16",
        lambda good: (
            http(
                good.body.decode().encode("utf-16"),
                "Content-Type: application/json; charset=utf-16",
            ),
        ),
        "no answer",
        "",
        (32,),
    ),
    Odd(
        "NaN",
        lambda good: (http(_spoilt(good, b'", "x": NaN, "y": "'), JSON),),
        "no answer",
        "",
        (33,),
    ),
    Odd("half of a surrogate", lambda good: (http(_spoilt(good, rb"\ud83d"), JSON),), "answered"),
    Odd("a NUL", lambda good: (http(_spoilt(good, b"\0"), JSON),), "no answer"),
    Odd("many brackets", (http(b"[" * 100_000, JSON),), "no answer", "something else", (66,)),
    Odd("an array", lambda good: (http(b"[%s]" % good.body, JSON),), "no answer"),
    Odd("null", (http(b"null", JSON),), "no answer", "another JSON value"),
    Odd("a number", (http(b"7", JSON),), "no answer"),
    Odd("a string", (http(b'"well"', JSON),), "no answer"),
    Odd("an empty object", (http(b"{}", JSON),), "empty"),
    Odd("two documents", lambda good: (http(good.body + good.body, JSON),), "no answer"),
    Odd(
        "something binary",
        (http(bytes(range(256)) * 40, "Content-Type: image/png"),),
        "no answer",
        "10,240 bytes of something else",
        (75,),
    ),
    Odd(
        "blank lines before it", lambda good: (http(b"\n" * 100_000 + good.body, JSON),), "answered"
    ),
    Odd(
        "the wrong content type",
        lambda good: (http(good.body, "Content-Type: text/html"),),
        "answered",
        "",
        (1,),
    ),
    Odd(
        "an odd content type", lambda good: (http(good.body, "Content-Type: ;;=\xff/"),), "answered"
    ),
    Odd("no content type", lambda good: (http(good.body),), "answered"),
    Odd(
        "a part under 206",
        lambda good: (
            http(good.body, JSON, "Content-Range: bytes 0-1/9", status="206 Partial Content"),
        ),
        "answered",
    ),
)


def _spoilt(good: Good, bytes_: bytes) -> bytes:
    """Return the body with these bytes inside its first text."""
    place = good.body.index(b'"', good.body.index(b':"')) + 1
    return good.body[:place] + bytes_ + good.body[place:]
