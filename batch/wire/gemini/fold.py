"""Folds a stream of answers in pieces into the one that the same call, unstreamed, had given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from batch.errors import CutAnswer
from batch.wire._halves import dumps
from batch.wire._http import reported
from batch.wire._lenient import as_dict, as_list
from batch.wire._sse import Text, event_object
from batch.wire.gemini.answer import NO_REASON
from batch.wire.gemini.usage import read_usage

_NOT_HEAD: Final = frozenset({"candidates", "usageMetadata", "error"})
_NOT_BESIDE: Final = frozenset({"index", "content", "finishReason"})
_PLAIN: Final = frozenset({"text", "thought"})


class _Candidate:
    __slots__ = ("beside", "finish", "parts", "role")

    def __init__(self) -> None:
        self.role: Any = None
        self.parts: list[dict[str, Any]] = []
        self.beside: dict[str, Any] = {}  # ratings, sources, and what else is told of it
        self.finish: Any = None

    def add(self, part: dict[str, Any]) -> None:
        """Add a part; a text goes on with the one before it, if both or neither are thoughts.

        A signed part stays by itself: its signature holds for its place.
        """
        text = part.get("text")
        if not isinstance(text, str) or part.keys() - _PLAIN:
            self.parts.append(part)
            return
        thought = bool(part.get("thought"))
        last = self.parts[-1] if self.parts else {}
        if type(last.get("text")) is Text and bool(last.get("thought")) == thought:
            last["text"].append(text)
        elif text or not self.parts:
            self.parts.append({**part, "text": Text((text,))})

    def whole(self, index: int, torn: bool) -> dict[str, Any]:
        """Return the candidate; without a reason if its end is not known."""
        content = {"role": self.role or "model", "parts": [_joined(part) for part in self.parts]}
        ended = {} if torn or self.finish is None else {"finishReason": self.finish}
        return {"content": content, **ended, "index": index, **self.beside}


class Fold:
    """Folds chunks: texts are joined, other parts kept, the last reason and usage counted.

    A chunk that is no JSON was cut, or cut into: then no candidate gets a reason.
    """

    __slots__ = ("_candidates", "_head", "_id", "_steady", "_torn", "_usage")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._head: dict[str, Any] = {}
        self._candidates: dict[int, _Candidate] = {}
        self._usage: dict[str, Any] | None = None
        self._id: Any = None  # of the last chunk that has one
        self._steady = False  # two chunks in a row had the same id
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one chunk. Raises ``CallFailed`` for an error in its place."""
        chunk = event_object(event)
        if chunk is None:
            self._torn = True
        else:
            self._take(chunk)

    def body(self) -> bytes:
        """Return the body that the same call would have given unstreamed."""
        try:
            return dumps(self._folded())
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return b'{"candidates":[{"finishReason":null}]}'

    def _folded(self) -> dict[str, Any]:
        whole = [self._candidates[i].whole(i, self._torn) for i in sorted(self._candidates)]
        candidates = {"candidates": whole} if whole else {}
        usage = {"usageMetadata": self._usage} if self._usage else {}
        return {**candidates, **usage, **self._head}

    def _take(self, chunk: dict[str, Any]) -> None:
        if failure := reported(chunk, unknown=CutAnswer):
            failure.usage = read_usage(self._usage)
            raise failure
        self._know(chunk.get("responseId"))
        self._head |= {k: v for k, v in chunk.items() if k not in _NOT_HEAD and v}
        if usage := as_dict(chunk.get("usageMetadata")):
            self._usage = usage  # it counts from the start: each is the sum so far
        for told in as_list(chunk.get("candidates")):
            if isinstance(told, dict):
                self._take_candidate(told)

    def _know(self, name: Any) -> None:
        """Begin anew if the gateway's own retry put another answer into the same stream.

        A new id alone says nothing where every chunk has its own.
        """
        if not name:
            return
        if name == self._id:
            self._steady = True
        elif self._steady:
            self._begin()
        self._id = name

    def _take_candidate(self, told: dict[str, Any]) -> None:
        candidate = self._candidate(told)
        content = as_dict(told.get("content"))
        candidate.role = candidate.role or content.get("role")
        for part in as_list(content.get("parts")):
            if isinstance(part, dict):
                candidate.add(part)
        if told.get("finishReason") not in NO_REASON:
            candidate.finish = told["finishReason"]
        candidate.beside |= {k: v for k, v in told.items() if k not in _NOT_BESIDE and v}

    def _candidate(self, told: Mapping[str, Any]) -> _Candidate:
        index = told.get("index")
        place = index if type(index) is int else 0
        return self._candidates.setdefault(place, _Candidate())


def _joined(part: dict[str, Any]) -> dict[str, Any]:
    text = part.get("text")
    return {**part, "text": "".join(text)} if type(text) is Text else part
