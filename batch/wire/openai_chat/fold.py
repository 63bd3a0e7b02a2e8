"""Folds a stream of chunks into the chat completion that the same call, unstreamed, had given."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from batch.errors import CutAnswer
from batch.wire._halves import dumps, loads
from batch.wire._http import reported
from batch.wire._lenient import BAD_JSON, as_dict, as_list
from batch.wire._sse import Text, add_text, joined, merge
from batch.wire.openai_chat.content import add_content, whole_content
from batch.wire.openai_chat.media import join_base64
from batch.wire.openai_chat.usage import read_usage

# Keys of a chunk that are folded by themselves, or mean nothing once it is folded.
_NOT_HEAD: Final = frozenset({"choices", "usage", "error", "obfuscation"})
_NOT_BESIDE: Final = frozenset({"index", "delta", "message", "finish_reason", "logprobs", "usage"})


class _Delta(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None


class _PlainChoice(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: _Delta
    index: int = 0
    finish_reason: str | None = None
    logprobs: None = None


class _PlainChunk(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What nearly every chunk is: some text of a choice, or the usage. Decoding refuses all others.

    Twice as fast as a chunk of any kind. What stands in every chunk the first one has said already.
    """

    choices: list[_PlainChoice]
    id: str | None = None
    usage: dict[str, Any] | None = None
    error: None = None
    object: Any = None
    created: Any = None
    model: Any = None
    system_fingerprint: Any = None
    service_tier: Any = None
    obfuscation: Any = None


_decode_plain: Final = msgspec.json.Decoder(_PlainChunk).decode


class _Choice:
    __slots__ = ("beside", "calls", "finish", "message", "settled")

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": None, "content": None}
        self.calls: list[dict[str, Any]] = []
        self.beside: dict[str, Any] = {}  # logprobs, and what else stands beside the message
        self.finish: Any = None
        self.settled = False  # a message came in the place of a piece

    def settle(self, whole: dict[str, Any]) -> None:
        """Make room for a message: some send nothing else, MiniMax one more after its pieces."""
        if self.settled:
            return
        self.settled = True
        for key in (key for key, value in whole.items() if value):
            self.message.pop(key, None)
        if whole.get("tool_calls"):
            self.calls.clear()


class Fold:
    """Folds chunks: texts are joined, calls put together, the last reason and usage kept.

    A chunk that is no JSON was cut, or cut into: then no choice gets a ``finish_reason``.
    """

    __slots__ = ("_choices", "_head", "_id", "_steady", "_torn", "_usage")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] | None = None
        self._id: object = self  # of the last chunk; at first like none
        self._steady = False  # two chunks in a row had the same id
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one chunk. Raises ``CallFailed`` for an error in its place."""
        try:
            chunk = _decode_plain(event)
        except BAD_JSON:
            chunk = None
        if chunk is None or chunk.id != self._id:
            self._feed_any(event)
            return
        self._steady = True
        for told in chunk.choices:
            # Without a call of its own, as text is what a machine gets most often.
            choice, delta = self._choices.get(told.index), told.delta
            if choice is None:
                choice = self._choice(told.index)
            if delta.content is not None:
                held = choice.message["content"]
                if type(held) is Text:
                    held.append(delta.content)
                else:
                    add_content(choice.message, delta.content)
            if delta.reasoning_content is not None:
                add_text(choice.message, "reasoning_content", delta.reasoning_content)
            if delta.reasoning is not None:
                add_text(choice.message, "reasoning", delta.reasoning)
            if told.finish_reason:
                choice.finish = told.finish_reason
        if chunk.usage:
            self._count(chunk.usage, chunk.service_tier)

    def body(self) -> bytes:
        """Return the body that the same call would have given unstreamed."""
        try:
            return dumps(self._folded())
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return b'{"choices":[{"finish_reason":null}]}'

    def _folded(self) -> dict[str, Any]:
        if self._torn:
            self._choice(0)
        choices = [self._whole(index) for index in sorted(self._choices)]
        usage = {"usage": self._usage} if self._usage else {}
        return {**self._head, "object": "chat.completion", "choices": choices, **usage}

    def _feed_any(self, event: bytes) -> None:
        try:
            chunk = loads(event)
            if isinstance(chunk, dict):
                self._take(chunk)
        except (orjson.JSONDecodeError, RecursionError):
            self._torn = True

    def _take(self, chunk: dict[str, Any]) -> None:
        if failure := reported(chunk, unknown=CutAnswer):
            failure.usage = read_usage(self._usage)
            raise failure
        choices = [c for c in as_list(chunk.get("choices")) if isinstance(c, dict)]
        if self._starts_over(chunk, choices):
            self._begin()
        self._steady = self._steady or chunk.get("id") == self._id
        self._id = chunk.get("id")
        for key, value in chunk.items():
            if key not in _NOT_HEAD and self._head.get(key) in (None, ""):
                self._head[key] = value
        if isinstance(chunk.get("usage"), dict) and chunk["usage"]:
            self._count(chunk["usage"], chunk.get("service_tier"))
        for choice in choices:
            self._take_choice(choice)

    def _count(self, usage: dict[str, Any], tier: object) -> None:
        """Take a usage, and the tier beside it: what the first chunk said was not settled yet."""
        self._usage = usage
        if tier:
            self._head["service_tier"] = tier

    def _starts_over(self, chunk: dict[str, Any], choices: list[dict[str, Any]]) -> bool:
        """Return whether the gateway's own retry began the answer anew in the same stream.

        A new id alone says nothing where every chunk has its own.
        """
        if not self._steady or chunk.get("id") in (None, "", self._id):
            return False
        return any(
            _index(c) in self._choices and as_dict(c.get("delta")).get("role") for c in choices
        )

    def _take_choice(self, told: dict[str, Any]) -> None:
        choice = self._choice(_index(told))
        choice.finish = told.get("finish_reason") or choice.finish
        if isinstance(told.get("usage"), dict) and told["usage"]:  # as Moonshot tells it
            self._usage = told["usage"]
        delta = as_dict(told.get("delta"))
        if not delta and (delta := as_dict(told.get("message"))):
            choice.settle(delta)
        if (content := delta.pop("content", None)) is not None:
            add_content(choice.message, content)
        if pieces := delta.pop("tool_calls", None):
            _add_calls(choice.calls, as_list(pieces))
        merge(choice.message, delta)
        if "logprobs" in told:
            merge(choice.beside, {"logprobs": told["logprobs"]})
        choice.beside |= {k: v for k, v in told.items() if k not in _NOT_BESIDE and v is not None}

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _whole(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        audio = as_dict(choice.message.get("audio"))
        if isinstance(audio.get("data"), Text):
            audio["data"] = join_base64(audio["data"])
        message = joined(choice.message)
        # A message that is nested as no real one is may have been taken in by half.
        message["role"] = message.get("role") or "assistant"
        message["content"] = whole_content(message.get("content"))
        if choice.calls:
            message["tool_calls"] = [joined(call) for call in choice.calls]
            for call in message["tool_calls"]:
                call.pop("index", None)  # stands in streams only
        finish = None if self._torn else choice.finish
        beside = joined(choice.beside)
        return {"index": index, "message": message, **beside, "finish_reason": finish}


def _add_calls(calls: list[dict[str, Any]], pieces: list[Any]) -> None:
    """Add pieces of tool calls, each to its call: by index, but a new id is a new call.

    Converted channels count every call as index 0, or leave the index out.
    """
    for piece in pieces:
        if isinstance(piece, dict):
            call = next((c for c in reversed(calls) if _belongs(piece, c)), None)
            if call is None:
                calls.append(call := {})
            merge(call, piece)


def _belongs(piece: dict[str, Any], call: dict[str, Any]) -> bool:
    index, name = piece.get("index"), piece.get("id")
    same_index = index is None or call.get("index") in (None, index)
    return same_index and (not name or call.get("id") in (None, "", name))


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if type(index) is int else 0
