"""Answers without end, or larger than memory should be: each given up at its cap.

``LARGE`` serves the tests and, with more at once, ``make proof-gateways``.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from typing import Final

import orjson

from tests.catalogues.bad_gateways_bytes import CHUNKED, ZIPPED
from tests.catalogues.kit import EVENTS, JSON, PNG, End, Odd, chat, chunk_of
from tests.raw_server import Forever, Script, chunk, head, http

MIB: Final = 1 << 20
BLOCK: Final = b" " * MIB
TOO_LARGE: Final = "larger than"
CAP: Final = 32 * MIB  # of an answer in text, decompressed
MEDIA_CAP: Final = 256 * MIB
PEAK_OF_ONE: Final = 150 * MIB  # of a run in front of these, one at a time


def _bomb(mebibytes: int, start: bytes = b"") -> bytes:
    """Return so many blanks behind a start, compressed; packed once and repeated."""
    packer = zlib.compressobj(9, wbits=31)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block + again * (mebibytes - 1)


BOMB: Final = _bomb(300, b'{"a":"')


def _all_at_once() -> bytes:
    kinds = b",".join(b'"tokens_%d":%d' % (n, n) for n in range(500_000))
    return orjson.dumps(chat())[:-2] + b"," + kinds + b"}}"


def _picture(size: int) -> Script:
    text = b64encode(PNG + bytes(size))
    return (http(b'{"created":1,"data":[{"b64_json":"' + text + b'"}]}', JSON),)


# With one attempt: each is read up to its cap, which is dear.
ENDLESS: Final = End("invalid_response", 1)
CHATS: Final = (
    Odd("a bomb of 300 MiB", (http(BOMB, JSON, ZIPPED),), ENDLESS, TOO_LARGE, (14,)),
    Odd("chunks for ever", (head(JSON, CHUNKED), Forever(chunk(BLOCK))), ENDLESS, TOO_LARGE, (15,)),
    Odd("blanks for ever", (head(JSON), Forever(BLOCK)), ENDLESS, TOO_LARGE, (15,)),
    Odd("100 MB of brackets", (http(b"[" * 10**8, JSON),), ENDLESS, TOO_LARGE, (66,)),
    Odd("30 MB of brackets", (http(b"[" * 30 * MIB, JSON),), ENDLESS, "something else", (66,)),
    Odd(
        "30 MB of openings",
        (http(b'{"a":' * 6 * MIB, JSON),),
        End("incomplete_response", 1),
        "",
        (66,),
    ),
    Odd("500,000 kinds of usage", (http(_all_at_once(), JSON),), "answered"),
    Odd("30 MB of text", (http(orjson.dumps(chat(x="y" * 30 * MIB)), JSON),), "answered"),
    Odd(
        "headers for ever",
        (b"HTTP/1.1 200 OK\r\n", Forever(b"X: a\r\n" * 9999)),
        End("interrupted", 1),
    ),
    Odd(
        "a header for ever",
        (b"HTTP/1.1 200 OK\r\nX: ", Forever(b"a" * 60_000)),
        End("interrupted", 1),
    ),
)
STREAMS: Final = (
    Odd(
        "an event for ever",
        (head(EVENTS) + b"data: ", Forever(BLOCK)),
        ENDLESS,
        TOO_LARGE,
    ),
    Odd("a bomb of events", (http(BOMB, EVENTS, ZIPPED),), ENDLESS, TOO_LARGE, (14,)),
    Odd(
        "events for ever",
        (head(EVENTS), Forever(chunk_of("x" * MIB))),
        ENDLESS,
        TOO_LARGE,
    ),
    Odd("comments for ever", (head(EVENTS), Forever(b": " + BLOCK + b"\n\n")), ENDLESS, TOO_LARGE),
)
PICTURES: Final = (
    Odd("a picture of 50 MB", _picture(50 * 10**6), "answered", "", (75,)),
    Odd("a bomb", (http(BOMB, JSON, ZIPPED),), End("outcome_unknown", 1), TOO_LARGE),
)
# Those that are cheap enough for each run of the tests.
SOME: Final = frozenset(
    {
        "a bomb of 300 MiB",
        "chunks for ever",
        "30 MB of brackets",
        "headers for ever",
        "a header for ever",
        "an event for ever",
    }
)
