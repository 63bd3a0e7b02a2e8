"""Media of answers: what a file is by its first bytes, and how its text leaves a body.

Nothing that others wrote steers a name: extensions and types come out of the table here.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import Final

import msgspec
import orjson

HEAD: Final = 512  # bytes of a file that are enough to tell what it is
UNKNOWN_TYPE: Final = "application/octet-stream"
MARK: Final = "wbatch-file:"  # and a file's name: what stands in a body in the place of media


class Kind(msgspec.Struct, frozen=True):
    """What a file is."""

    extension: str  # with the dot
    content_type: str


KINDS: Final[Mapping[str, Kind]] = {
    extension: Kind(extension, content_type)
    for extension, content_type in (
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".gif", "image/gif"),
        (".webp", "image/webp"),
        (".avif", "image/avif"),
        (".heic", "image/heic"),
        (".bmp", "image/bmp"),
        (".mp4", "video/mp4"),
        (".mov", "video/quicktime"),
        (".webm", "video/webm"),
        (".mkv", "video/x-matroska"),
        (".mp3", "audio/mpeg"),
        (".wav", "audio/wav"),
        (".flac", "audio/flac"),
        (".ogg", "audio/ogg"),
        (".opus", "audio/ogg"),
        (".aac", "audio/aac"),
        (".m4a", "audio/mp4"),
        (".pcm", "audio/pcm"),
        (".pdf", "application/pdf"),
        (".bin", UNKNOWN_TYPE),
    )
}
_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"fLaC", ".flac"),
    (b"%PDF-", ".pdf"),
    *((b"ID3%c" % version, ".mp3") for version in (2, 3, 4)),
)
_RIFF: Final[Mapping[bytes, str]] = {b"WAVE": ".wav", b"WEBP": ".webp"}
# The brand of an ISO file; every other one is a film's.
_BRANDS: Final[Mapping[bytes, str]] = {
    b"qt  ": ".mov",
    b"avif": ".avif",
    b"avis": ".avif",
    b"heic": ".heic",
    b"heix": ".heic",
    b"mif1": ".heic",
    b"M4A ": ".m4a",
    b"M4B ": ".m4a",
}
_BMP_HEADERS: Final = (12, 40, 52, 56, 64, 108, 124)  # sizes in bytes; "BM" alone says too little
_NEAR: Final = 64  # bytes within which a container says what it holds
_PCM: Final = frozenset({"pcm", "pcm16", "audio/pcm", "audio/x-pcm", "audio/l16"})

_SEMICOLON: Final = ord(";")
_NO_SPACE: Final = b" \t\r\n\v\f"
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_LONGEST_HEAD: Final = 512  # characters of a data URI before its comma

# What shows that a text does not end here, but is the beginning of a longer one.
_GOES_ON: Final = re.compile(
    rb"[A-Za-z0-9/?&=%#_~+-]|[.,:;!*@$'][A-Za-z0-9]|\\/|\\u0026", re.IGNORECASE
)
_IS_KEY: Final = re.compile(rb"\s*:")
_HALF_ESCAPE: Final = re.compile(rb"\\u[0-9A-Fa-f]{3}")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


def sniff(head: bytes, hint: str = "") -> Kind:
    """Return what a file is by its first bytes, 64 or more if it has them.

    ``hint`` is a content type or a word for a format. It is asked only for what has no mark: pcm.
    """
    is_pcm = hint[:_NEAR].partition(";")[0].strip().lower() in _PCM
    extension = next((kind for start, kind in _STARTS if head.startswith(start)), None)
    extension = extension or _container(head)
    if extension is None and is_pcm:
        extension = ".pcm"  # before the eleven bits of a frame's sync, which samples may have too
    return KINDS[extension or _frame(head) or ".bin"]


def _container(head: bytes) -> str | None:
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand == b"mif1" and b"avif" in head[12:_NEAR]:
            brand = b"avif"
        return _BRANDS.get(brand, ".mp4")
    if head[:4] == b"\x1aE\xdf\xa3":
        return ".webm" if b"webm" in head[:_NEAR] else ".mkv"
    if head[:4] == b"OggS":
        return ".opus" if b"OpusHead" in head[:_NEAR] else ".ogg"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return ".bmp"
    return None


def _frame(head: bytes) -> str | None:
    """Return the kind of bare MPEG frames: layer III, or ADTS."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    sync, rates = head[1], head[2]
    if sync & 0xF6 == 0xF0:
        return ".aac" if rates >> 2 & 15 < 13 else None
    is_layer_3 = sync & 0xE6 == 0xE2 and sync & 0x18 != 0x08
    has_rates = 0 < rates >> 4 < 15 and rates >> 2 & 3 < 3
    return ".mp3" if is_layer_3 and has_rates else None


def may_hold_media(body: bytes) -> bool:
    """Return whether data URIs may stand in a body.

    Nearly no answer holds any, and to look for a single sign is many times as fast.
    """
    return _SEMICOLON in body and body.find(b";base64,") >= 0


def decode(text: str) -> bytes | None:
    """Return the bytes of a base64 text or data URI; None if it is none, or empty.

    Space within, missing padding and the alphabet for URLs are borne with.
    """
    if text[:5].lower() == "data:":
        comma = text.find(",", 0, _LONGEST_HEAD)
        if comma < 0 or not text[:comma].lower().endswith(";base64"):
            return None
        text = text[comma + 1 :]
    try:
        return binascii.a2b_base64(text, strict_mode=True) or None
    except ValueError:
        return _decode_sloppy(text)


def _decode_sloppy(text: str) -> bytes | None:
    try:
        data = text.encode("ascii").translate(_STANDARD, _NO_SPACE).rstrip(b"=")
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True) or None
    except ValueError:
        return None


def substitute(body: bytes, text: str, name: str) -> bytes:
    """Return a JSON body with ``wbatch-file:<name>`` wherever a media text stands in it.

    ``text`` is an address, a data URI or base64, which is always a whole value. Where it only
    begins a longer one it stays. Nothing else is spelled anew but, if the text is found no other
    way, the strings that hold it.
    """
    if not text:
        return body
    mark = orjson.dumps(MARK + name)[1:-1]
    try:
        plain = memoryview(orjson.dumps(text))[1:-1]  # it may be most of what memory there is
    except orjson.JSONEncodeError:  # half of a surrogate pair, which no body holds
        return body
    whole = ":" not in text
    done = _put(body, plain, mark, whole)
    # As most write it, as PHP does, and as Go does: the gateway is written in Go.
    for sign, escaped in ((b"/", b"\\/"), (b"&", b"\\u0026")):
        if escaped in done:
            done = _put(done, bytes(plain).replace(sign, escaped), mark, whole)
    if done is not body or b"\\" not in body:
        return done
    return _STRING.sub(lambda string: _put_in(string[0], plain, mark, whole), body)


def _put(body: bytes, spelled: bytes | memoryview, mark: bytes, whole: bool) -> bytes:
    """Put a mark in the place of a text, or of a ``whole`` string, as it is spelled."""
    goes_on = _IS_KEY if whole else _GOES_ON
    quote = 1 if whole else 0  # that stands on both sides
    pieces: list[bytes] = []
    done = at = 0
    while (found := body.find(spelled, at)) >= 0:
        at = found + len(spelled)
        if whole and not body[found - 1 : found] == body[at : at + 1] == b'"':
            continue
        if not goes_on.match(body, at + quote) and not _HALF_ESCAPE.fullmatch(
            body, found - quote - 5, found - quote
        ):
            pieces += (body[done:found], mark)
            done = at
    return b"".join((*pieces, body[done:])) if pieces else body


def _put_in(string: bytes, plain: memoryview, mark: bytes, whole: bool) -> bytes:
    """Put a mark into one string of JSON that spells the text in a way of its own."""
    if b"\\" not in string:
        return string
    try:
        spelled = orjson.dumps(orjson.loads(string))
    except orjson.JSONDecodeError:
        return string
    changed = _put(spelled, plain, mark, whole)
    return string if changed is spelled else changed
