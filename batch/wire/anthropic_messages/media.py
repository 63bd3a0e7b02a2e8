"""Pictures and films in a message: blocks of its content, or written into its text.

The vendor makes none. The gateway puts other models behind this path too, and converts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from batch.records import Blob, Makes, Request
from batch.wire._files import WEB
from batch.wire._lenient import as_dict
from batch.wire._links import Medium, links
from batch.wire._media import may_hold_media

_SOURCE: Final = b'"source"'  # in every block of media


class Found:
    """What of an answer is media: texts in its body, and addresses on the web."""

    def __init__(self, request: Request, content: list[Any], body: bytes) -> None:
        self.blobs: tuple[Blob, ...] = ()
        self.addresses: tuple[str, ...] = ()
        asked_for = request.makes != "text"
        if not (asked_for or may_hold_media(body) or _SOURCE in body):
            return
        seen = dict.fromkeys(one for block in content for one in _seen(block, request.makes))
        inside = [one for one in seen if not one.startswith(WEB)]
        self.blobs = tuple(
            Blob(text, request.file_name(place)) for place, text in enumerate(inside)
        )
        # A link beside a whole picture leads to the same one, and a text may link to anything.
        if asked_for and not inside:
            self.addresses = tuple(seen)


def _seen(block: object, makes: Makes) -> Iterator[str]:
    told = as_dict(block)
    source = as_dict(told.get("source"))
    for value in (source.get("data"), source.get("url")):
        if told.get("type") == "image" and isinstance(value, str) and value:
            yield value
    text = told.get("text")
    if isinstance(text, str):
        medium: Medium = "image" if makes == "text" else makes
        yield from links(text, medium)
