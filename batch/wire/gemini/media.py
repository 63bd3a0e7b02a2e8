"""Pictures and sounds of an answer: held in its parts, or beside them in what a relay wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from batch.records import Blob, Makes, Request
from batch.wire._lenient import as_dict, as_list
from batch.wire._links import links
from batch.wire.gemini.spelling import told


class _Held(msgspec.Struct, frozen=True):
    """Media that stand in a part."""

    data: str
    type: str  # as it is told; empty if it is not
    kind: str  # the first word of it; what names none is what was asked for
    thought: bool  # a draft of the model's, which is not the answer


class Found:
    """What of an answer is media: texts in its body, and addresses on the web."""

    def __init__(self, request: Request, document: Mapping[str, Any]) -> None:
        usual = "image" if request.makes == "text" else request.makes
        held = [one for part in parts_of(document) if (one := _held(part, usual))]
        shown = [one for one in held if not one.thought]
        texts = {one.data: one.type for one in (*shown, *held)}  # what is shown stands first
        self.addresses: tuple[str, ...] = ()
        self.images = sum(one.kind == "image" for one in shown)
        self.made = any(one.kind == request.makes for one in shown)  # what was asked for is there
        if not self.made:
            linked = _linked(document, request.makes)
            inside = [one for one in linked if one.startswith("data:")]
            texts |= dict.fromkeys(inside, "")
            # A link beside a whole picture leads to the same one.
            self.addresses = () if inside else tuple(linked)
            self.images += len(inside or linked) if request.makes == "image" else 0
            self.made = bool(linked)
        self.blobs = tuple(
            Blob(text, request.file_name(place), hint)
            for place, (text, hint) in enumerate(texts.items())
        )


def parts_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of all candidates."""
    for candidate in as_list(document.get("candidates")):
        yield from parts(as_dict(candidate))


def parts(candidate: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parts of a candidate; it may lack them, and all its content."""
    for part in as_list(as_dict(candidate.get("content")).get("parts")):
        if isinstance(part, dict):
            yield part


def _held(part: Mapping[str, Any], usual: str) -> _Held | None:
    inline = as_dict(told(part, "inlineData"))
    data, named = inline.get("data"), told(inline, "mimeType")
    if not isinstance(data, str) or not data:
        return None
    named = named if isinstance(named, str) else ""
    kind = named.partition("/")[0].lower() or usual
    return _Held(data, named, kind, thought=bool(part.get("thought")))


def _linked(document: Mapping[str, Any], makes: Makes) -> list[str]:
    """Return addresses and data URIs in the texts, where channels of other dialects write them."""
    if makes == "text":
        return []
    texts = (part.get("text") for part in parts_of(document) if not part.get("thought"))
    found = (one for text in texts if isinstance(text, str) for one in links(text, makes))
    return list(dict.fromkeys(found))
