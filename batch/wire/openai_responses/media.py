"""Pictures in a response: results of the tool that draws, or written into the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from batch.records import Blob, Request
from batch.wire._files import WEB
from batch.wire._links import links
from batch.wire._media import may_hold_media


class Found:
    """What of a response is media: texts in its body, and addresses on the web."""

    def __init__(
        self, request: Request, items: Sequence[dict[str, Any]], texts: Sequence[str], body: bytes
    ) -> None:
        makes = request.makes
        asked_for = makes != "text"
        drawn = dict.fromkeys(_drawn(items))
        seen = dict(drawn)
        if asked_for or may_hold_media(body):
            for text in texts:
                seen |= dict.fromkeys(links(text, makes if makes != "text" else "image"))
        inside = [one for one in seen if not one.startswith(WEB)]
        self.blobs = tuple(
            Blob(text, request.file_name(place)) for place, text in enumerate(inside)
        )
        # A link beside a whole picture leads to the same one, and a text may link to anything.
        follow = asked_for and not inside
        self.addresses = tuple(one for one in seen if one.startswith(WEB)) if follow else ()
        self.images = len(self.blobs or self.addresses) if makes == "image" else len(drawn)


def _drawn(items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what the tool drew; what it failed to draw has no result."""
    for item in items:
        result = item.get("result")
        if item.get("type") == "image_generation_call" and isinstance(result, str) and result:
            yield result
