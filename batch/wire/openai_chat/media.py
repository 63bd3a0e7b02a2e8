"""Pictures, films and speech in a chat completion: beside the text, or written into it."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from batch.records import Blob, Makes, Request
from batch.wire._lenient import BAD_JSON, as_dict, as_list
from batch.wire._links import by_file, tiers
from batch.wire._media import decode, may_hold_media

# Formats of speech that may have no header, and so nothing to know them by. Qwen streams bare
# samples as "wav" too.
_BARE: Final = frozenset({"pcm16", "pcm", "wav"})


class _Voice(msgspec.Struct, frozen=True):
    format: Any = None


class _Asked(msgspec.Struct, frozen=True):
    audio: _Voice | None = None


_decode_asked: Final = msgspec.json.Decoder(_Asked).decode


class Found:
    """What of an answer is media: texts in its body, and addresses on the web."""

    # Nearly every answer has none: what is said here costs it nothing.
    blobs: tuple[Blob, ...] = ()
    files: tuple[Sequence[str], ...] = ()  # for each file the addresses to try
    images = 0

    def __init__(self, request: Request, document: Mapping[str, Any], body: bytes) -> None:
        self.made = request.makes == "text"  # what was asked for is there
        holds = not self.made or may_hold_media(body)
        if holds or _speaks(document):
            self._look(request, document, only_listen=not holds)

    def _look(self, request: Request, document: Mapping[str, Any], only_listen: bool) -> None:
        spoken: dict[str, None] = {}
        held: dict[str, None] = {}
        linked: dict[tuple[str, ...], None] = {}
        for message in messages(document):
            data = as_dict(message.get("audio")).get("data")
            if isinstance(data, str) and data:
                spoken[data] = None
            if not only_listen:
                seen = [list(tier) for tier in _seen(message, request.makes)]
                held |= dict.fromkeys(filter(_is_held, chain(*seen)))
                web = ([one for one in tier if not _is_held(one)] for tier in seen)
                linked |= dict.fromkeys(map(tuple, by_file(web)))
        inside = {**spoken, **held} if request.makes == "audio" else held
        # A link beside a whole picture leads to the same one, and a text may link to anything.
        if request.makes != "text" and not inside:
            self.files = tuple(linked)
        if request.makes in ("image", "text"):
            self.images = len(held) or len(self.files)
        self.made = self.made or bool(inside or self.files)
        hint = _hint(request) if spoken else ""
        self.blobs = tuple(
            Blob(text, request.file_name(place), hint if text in spoken else "")
            for place, text in enumerate([*spoken, *held], len(self.files))
        )


def _speaks(document: Mapping[str, Any]) -> bool:
    for choice in as_list(document.get("choices")):
        if isinstance(choice, dict) and message_of(choice).get("audio"):
            return True
    return False


def messages(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the message of each choice."""
    return map(message_of, map(as_dict, as_list(document.get("choices"))))


def message_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said; some relays call it a delta though nothing is streamed."""
    said = choice.get("message")
    return said if said and isinstance(said, dict) else as_dict(choice.get("delta"))


def join_base64(pieces: Sequence[str]) -> str:
    """Join pieces of base64; some vendors encode, and pad, each of a stream's by itself."""
    whole = "".join(pieces)
    if "=" not in whole.rstrip("="):
        return whole
    decoded = [decode(piece) for piece in pieces if piece]
    known = [data for data in decoded if data is not None]
    return b2a_base64(b"".join(known), newline=False).decode() if known == decoded else whole


def _seen(message: Mapping[str, Any], makes: Makes) -> Iterator[Iterable[str]]:
    """Yield addresses and data URIs in tiers, by how sure it is that they are what was made."""
    content = message.get("content")
    parts = [as_dict(part) for part in as_list(content)]
    if makes in ("image", "text"):
        images = map(as_dict, as_list(message.get("images")))
        yield _addresses(image.get("image_url") or image.get("url") for image in images)
        yield _addresses(part.get("image_url") for part in parts)
    elif makes == "video":
        yield _addresses(part.get("video_url") for part in parts)
    texts = [one for one in (content, *(p.get("text") for p in parts)) if isinstance(one, str)]
    if makes == "text":
        yield chain(*map(_drawn, texts))
    else:
        of_each = (tiers(text, makes) for text in texts)
        yield from map(chain.from_iterable, zip(*of_each, strict=True))


def _addresses(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        url = value.get("url") if isinstance(value, dict) else value
        if isinstance(url, str) and url.startswith(("https://", "http://", "data:")):
            yield url


def _drawn(text: str) -> Iterable[str]:
    """Return the pictures in the text of a model that is not known to make any.

    Those that are shown, as the gateway writes Gemini's, or that are the whole answer. A page of
    HTML that was asked for may hold others, and loses none of them.
    """
    shown, _, _, held, _ = tiers(text, "image")
    return [*shown, *(one for one in held if one == text.strip())]


def _is_held(address: str) -> bool:
    return address[:5].lower() == "data:"


def _hint(request: Request) -> str:
    """Return what speech without a header is, if the request tells that it may have none."""
    try:
        voice = _decode_asked(request.body).audio
    except BAD_JSON:
        return ""
    named = voice.format if voice else None
    return "pcm" if isinstance(named, str) and named in _BARE else ""
