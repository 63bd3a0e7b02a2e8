"""Pictures, films and speech in a chat completion: beside the text, or written into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from batch.records import Blob, Makes, Request
from batch.wire._lenient import as_dict, as_list
from batch.wire._media import links

# What shows, at the cost of one look, that no media can be in a body.
_TRACES: Final = (b";base64,", b'"audio"')


class Found:
    """What of an answer is media: texts in its body, and addresses on the web."""

    def __init__(self, request: Request, document: Mapping[str, Any], body: bytes) -> None:
        self.blobs: tuple[Blob, ...] = ()
        self.addresses: tuple[str, ...] = ()
        asked_for = request.makes != "text"
        if not asked_for and not any(trace in body for trace in _TRACES):
            return
        spoken: dict[str, None] = {}
        seen: dict[str, None] = {}
        for message in messages(document):
            data = as_dict(message.get("audio")).get("data")
            if isinstance(data, str) and data:
                spoken[data] = None
            seen |= dict.fromkeys(_seen(message, request.makes))
        inside = [*spoken, *(one for one in seen if one.startswith("data:"))]
        self.blobs = tuple(
            Blob(text, request.file_name(place), _hint(request, text in spoken))
            for place, text in enumerate(inside)
        )
        # A link beside a whole picture leads to the same one, and a text may link to anything.
        if asked_for and not inside:
            self.addresses = tuple(one for one in seen if not one.startswith("data:"))


def messages(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the message of each choice; some relays call it a delta though nothing is streamed."""
    for choice in as_list(document.get("choices")):
        told = as_dict(choice)
        yield as_dict(told.get("message")) or as_dict(told.get("delta"))


def _seen(message: Mapping[str, Any], makes: Makes) -> Iterator[str]:
    """Yield addresses and data URIs by how sure it is that they are what was asked for."""
    for image in as_list(message.get("images")):
        yield from _address(as_dict(image).get("image_url") or as_dict(image).get("url"))
    content = message.get("content")
    for part in as_list(content):
        yield from _address(as_dict(part).get("image_url"))
        text = as_dict(part).get("text")
        if isinstance(text, str):
            yield from links(text, makes if makes != "text" else "image")
    if isinstance(content, str):
        yield from links(content, makes if makes != "text" else "image")


def _address(value: object) -> Iterator[str]:
    url = value.get("url") if isinstance(value, dict) else value
    if isinstance(url, str) and url.startswith(("https://", "http://", "data:")):
        yield url


def _hint(request: Request, spoken: bool) -> str:
    """Return what the speech was asked to be, if only the request can tell: pcm has no mark."""
    return "pcm" if spoken and b'"pcm16"' in request.body else ""
