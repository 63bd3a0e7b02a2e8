"""Folds a stream of events into the response that the same call, unstreamed, had given.

The event that ends a stream holds the whole response. Some relays leave its output empty: then it
is put together from the pieces that came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.errors import CutAnswer
from batch.wire._halves import dumps
from batch.wire._http import reported
from batch.wire._lenient import BAD_JSON, as_dict
from batch.wire._sse import Text, event_object
from batch.wire.openai_responses.items import UNFINISHED, Items, Place, index_in, settle, word

_BEGINNINGS: Final = ("response.created", "response.queued", "response.in_progress")
# Events that end a stream → the status of the response in them, if it says none that is final. The
# gateway's own converters know ``response.error`` too.
_ENDS: Final[Mapping[str, str]] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.error": "failed",
}
_FINAL: Final = (*_ENDS.values(), "cancelled")
# Texts that come in pieces (``.delta``), and then once more as a whole (``.done``).
_TEXTS: Final[Mapping[str, Place]] = {
    "response.output_text": Place("message", "text", "content", "output_text"),
    "response.refusal": Place("message", "refusal", "content", "refusal"),
    "response.reasoning_text": Place("reasoning", "text", "content", "reasoning_text"),
    "response.reasoning_summary_text": Place("reasoning", "text", "summary", "summary_text"),
    "response.function_call_arguments": Place("function_call", "arguments"),
    "response.custom_tool_call_input": Place("custom_tool_call", "input"),
    "response.mcp_call_arguments": Place("mcp_call", "arguments"),
    "response.code_interpreter_call_code": Place("code_interpreter_call", "code"),
}
_DELTAS: Final = {f"{stem}.delta": place for stem, place in _TEXTS.items()}
# Frames of parts → the kind of items that have them, and their list.
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "response.content_part": ("", "content"),
    "response.reasoning_summary_part": ("reasoning", "summary"),
}


class _Piece(msgspec.Struct, frozen=True, gc=False):
    """What nearly every event is: a piece of a text. msgspec passes over the rest of it."""

    type: str
    delta: str
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None


_decode_piece: Final = msgspec.json.Decoder(_Piece).decode


class Fold:
    """Folds events by their ``type``: the last whole response counts, else the pieces before it.

    An event that is no JSON was cut, or cut into: then the pieces are no answer.
    """

    __slots__ = ("_end", "_head", "_items", "_text", "_torn", "_where")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._end: str | None = None  # the status that the end of the stream gives
        self._head: dict[str, Any] = {}  # the response, as it was told last
        self._items = Items()
        self._text = Text()  # that the last piece belongs to
        self._where: object = None  # what that piece said of its place
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one event. Raises ``CallFailed`` for an error in its place."""
        if self._end is not None:  # what follows the end counts for nothing
            return
        try:
            piece = _decode_piece(event)
            place = _DELTAS.get(piece.type)
        except BAD_JSON:
            place = None
        if place is None:
            self._where = None
            self._feed_any(event)
            return
        parts = (piece.content_index, piece.summary_index)
        where = (piece.type, piece.item_id, piece.output_index, *parts)
        if where != self._where:
            about = msgspec.structs.asdict(piece)
            self._text = self._items.find(about, place.item).text(place, about)
            self._where = where
        self._text.append(piece.delta)

    def body(self) -> bytes:
        """Return the body that the same call would have given unstreamed."""
        try:
            return dumps(self._folded())
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return orjson.dumps({"status": UNFINISHED})

    def _folded(self) -> dict[str, Any]:
        output, status = self._head.get("output"), self._head.get("status")
        is_told = isinstance(output, list) and output
        # No whole answer has this status, so that it marks one that was cut.
        if self._end is None or (self._torn and not is_told):
            status = UNFINISHED
        elif status not in _FINAL:
            status = self._end
        if not is_told:
            output = self._items.whole(status)
        return {"object": "response", **self._head, "status": status, "output": output}

    def _feed_any(self, event: bytes) -> None:
        told = event_object(event)
        if told is None:
            self._torn = True
        else:
            self._take(told)

    def _take(self, told: dict[str, Any]) -> None:
        kind = word(told.get("type"))
        stem, _, step = kind.rpartition(".")
        if not kind.startswith("response."):
            if failure := reported(told, unknown=CutAnswer):
                raise failure
        elif kind in _BEGINNINGS or kind in _ENDS:
            self._take_response(kind, told)
        elif stem == "response.output_item":
            self._take_item(told, as_dict(told.get("item")), opens=step == "added")
        elif stem in _PARTS:
            self._take_part(*_PARTS[stem], told)
        elif stem in _TEXTS:
            self._take_text(_TEXTS[stem], step, told)
        elif kind == "response.output_text.annotation.added":
            self._take_annotation(told)

    def _take_response(self, kind: str, told: dict[str, Any]) -> None:
        if kind == "response.created":
            # A second one in the same stream is the gateway's own retry: the answer begins anew.
            self._begin()
        self._head |= as_dict(told.get("response"))
        self._end = _ENDS.get(kind)
        if self._end == "failed" and not self._head.get("error"):
            self._head["error"] = told.get("error") or told.get("message")

    def _take_item(self, told: dict[str, Any], item: dict[str, Any], *, opens: bool) -> None:
        about = {"item_id": item.get("id"), "output_index": told.get("output_index")}
        self._items.find(about, word(item.get("type")), opens=opens).settle(item)

    def _take_part(self, item: str, home: str, told: dict[str, Any]) -> None:
        part = as_dict(told.get("part"))
        kind = word(part.get("type"))
        settle(self._items.find(told, item).part(home, index_in(home, told), kind), part)

    def _take_text(self, place: Place, step: str, told: dict[str, Any]) -> None:
        """Take a text as it comes whole at its end, or a piece of an odd spelling."""
        text = told.get("delta" if step == "delta" else place.key)
        if isinstance(text, str) and text:
            pieces = self._items.find(told, place.item).text(place, told)
            if step != "delta":
                pieces.clear()
            pieces.append(text)

    def _take_annotation(self, told: dict[str, Any]) -> None:
        item = self._items.find(told, "message")
        part = item.part("content", told.get("content_index"), "output_text")
        if not isinstance(part.get("annotations"), list):
            part["annotations"] = []
        part["annotations"].append(told.get("annotation"))
