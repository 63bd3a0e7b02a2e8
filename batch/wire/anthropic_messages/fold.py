"""Folds a stream of events into the message that the same call, unstreamed, had given."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from batch.errors import CutAnswer
from batch.wire._halves import dumps, loads
from batch.wire._http import reported
from batch.wire._lenient import BAD_JSON, as_dict, as_list
from batch.wire._sse import add_text, joined, merge
from batch.wire.anthropic_messages.usage import is_converted, read_usage

# The kind of block that a delta goes on with.
_KIND_OF: Final = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",  # or another that has an input
}
_SPOKEN: Final = frozenset({"text", "thinking"})
_CUT: Final = b'{"type":"message","content":[],"stop_reason":null}'


class _Text(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="text_delta"):
    text: str


class _Thinking(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="thinking_delta"):
    thinking: str


class _Json(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="input_json_delta"):
    partial_json: str


class _Piece(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="content_block_delta"):
    """What nearly every event is. Decoding refuses all others."""

    index: int
    delta: _Text | _Thinking | _Json


_decode_piece: Final = msgspec.json.Decoder(_Piece).decode


class _Block:
    __slots__ = ("index", "json", "value")

    def __init__(self, index: int, value: dict[str, Any]) -> None:
        self.index = index
        self.value = value
        self.json: list[str] = []  # pieces of a tool's input

    @property
    def kind(self) -> str:
        kind = self.value.get("type")
        return kind if isinstance(kind, str) else ""


class Fold:
    """Folds events: texts are joined, blocks put together, of each count the last one kept.

    Without ``message_stop``, and after an event that is no JSON, its ``stop_reason`` is null.
    """

    __slots__ = (
        *("_blocks", "_counted", "_ended", "_head", "_open"),
        *("_reason", "_torn", "_turned", "_usage"),
    )

    def __init__(self) -> None:
        self._begin({})

    def _begin(self, message: dict[str, Any]) -> None:
        """Begin, or begin anew: the gateway's own retry may follow in the same stream."""
        self._head = message
        self._blocks: list[_Block] = []
        self._open: dict[int, _Block] = {}
        self._usage: dict[str, Any] = {}
        self._counted = False  # the output was told, and not only its beginning
        self._reason: Any = None
        self._turned = False  # there was a word on how it ends
        self._ended = False
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one event. Raises ``CallFailed`` for one that reports an error."""
        try:
            piece = _decode_piece(event)
        except BAD_JSON:
            self._feed_any(event)
            return
        delta = piece.delta
        if isinstance(delta, _Text):
            add_text(self._block(piece.index, "text").value, "text", delta.text)
        elif isinstance(delta, _Thinking):
            add_text(self._block(piece.index, "thinking").value, "thinking", delta.thinking)
        else:
            self._block(piece.index, "tool_use").json.append(delta.partial_json)

    def body(self) -> bytes:
        """Return the body that the same call would have given unstreamed."""
        try:
            return dumps(self._folded())
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return _CUT

    def _folded(self) -> dict[str, Any]:
        blocks = sorted(self._blocks, key=lambda block: block.index)
        folded = {
            **self._head,
            "type": "message",
            "role": "assistant",
            "content": [_whole(block) for block in blocks],
            "stop_reason": self._stop_reason(),
            "usage": self._known_usage(),
        }
        if not folded["usage"]:
            del folded["usage"]
        return folded

    def _stop_reason(self) -> Any:
        if not self._ended or self._torn:
            return None
        # Some versions of the gateway end what they convert without a word on why.
        return self._reason if self._reason or self._turned else ""

    def _known_usage(self) -> dict[str, Any]:
        """Return the counts that are no estimates: an end that never came leaves some."""
        if self._counted:
            return self._usage
        if is_converted(self._head):
            return {}
        return {key: value for key, value in self._usage.items() if key != "output_tokens"}

    def _feed_any(self, event: bytes) -> None:
        try:
            told = loads(event)
            if isinstance(told, dict):
                self._take(told)
        except (orjson.JSONDecodeError, RecursionError):
            self._torn = True

    def _take(self, told: dict[str, Any]) -> None:
        if failure := reported(told, unknown=CutAnswer):
            # What was told at the beginning is not billed: the gateway gives it back.
            if self._counted:
                failure.usage = read_usage({**self._head, "usage": self._usage})
            raise failure
        match told.get("type"):
            case "message_start":
                self._start(as_dict(told.get("message")))
            case "message":  # some send one whole message
                self._start(told)
                self._end(told)
                self._ended = True
            case "content_block_start":
                index = _index(told, len(self._blocks))
                self._add(index, as_dict(told.get("content_block")))
            case "content_block_delta":
                self._add_delta(_index(told, 0), as_dict(told.get("delta")))
            case "message_delta":
                delta = as_dict(told.get("delta"))
                self._end({k: v for k, v in told.items() if k != "delta"} | delta)
            case "message_stop":
                self._ended = True

    def _start(self, message: dict[str, Any]) -> None:
        self._begin(dict(message))
        for index, block in enumerate(as_list(message.get("content"))):
            self._add(index, as_dict(block))
        self._count(as_dict(message.get("usage")))

    def _end(self, told: dict[str, Any]) -> None:
        self._turned = True
        self._reason = told.get("stop_reason") or self._reason
        usage = as_dict(told.get("usage"))
        self._count(usage)
        self._counted = self._counted or usage.get("output_tokens") is not None
        for key, value in told.items():
            if value is not None or key not in self._head:
                self._head[key] = value

    def _count(self, usage: dict[str, Any]) -> None:
        """Take totals over the ones before. A zero is none: the gateway fills its struct so."""
        for key, value in usage.items():
            if value is None:
                self._usage.setdefault(key, None)
            elif isinstance(value, dict):
                before = as_dict(self._usage.get(key))
                self._usage[key] = value | before | {name: n for name, n in value.items() if n}
            elif value or not self._usage.get(key):
                self._usage[key] = value

    def _add(self, index: int, block: dict[str, Any]) -> None:
        """Begin a block; converted channels may give several the same index."""
        value: dict[str, Any] = {}
        merge(value, block)
        self._open[index] = _Block(index, value)
        self._blocks.append(self._open[index])

    def _add_delta(self, index: int, delta: dict[str, Any]) -> None:
        kind = delta.pop("type", None)
        block = self._block(index, _KIND_OF.get(kind) if isinstance(kind, str) else None)
        if isinstance(delta.get("partial_json"), str):
            block.json.append(delta.pop("partial_json"))
        if "citation" in delta:
            cited = as_list(block.value.get("citations"))
            cited.append(delta.pop("citation"))
            block.value["citations"] = cited
        merge(block.value, delta)

    def _block(self, index: int, kind: str | None) -> _Block:
        """Return the block of a delta; one of another kind begins a new block unannounced."""
        block = self._open.get(index)
        if block is None or (kind in _SPOKEN and block.kind in _SPOKEN and block.kind != kind):
            self._add(index, {"type": kind or "unknown"})
            return self._open[index]
        return block


def _whole(block: _Block) -> dict[str, Any]:
    value = joined(block.value)
    text = "".join(block.json)
    if not text.strip():
        return value
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:  # cut by the output limit, or by the model's own fault
        return {**value, "input": text}
    # As it was spelled: no number passes through a float.
    return {**value, "input": orjson.Fragment(text.encode())}


def _index(told: dict[str, Any], otherwise: int) -> int:
    index = told.get("index")
    return index if type(index) is int else otherwise
