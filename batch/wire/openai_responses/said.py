"""What a request for a response asks and what a response says, for people to read."""

from __future__ import annotations

from typing import Any, Final

from batch.wire import Piece
from batch.wire._lenient import as_dict, as_list
from batch.wire._pieces import calls, loaded, parts, told, turns
from batch.wire.openai_responses.answer import CALLS, texts_of
from batch.wording import spelled

_GIVEN: Final = ("arguments", "input", "action", "operation")  # what calls are given


def prompt(body: bytes) -> list[Piece]:
    """Return the instructions and the input of a request."""
    request = loaded(body)
    asked = request.get("input")
    said = [Piece("user", asked)] if isinstance(asked, str) else list(turns(asked))
    return [*told(request, "instructions"), *said]


def text(body: bytes) -> str | None:
    """Return the text of a response."""
    texts = list(texts_of(_items(body)))
    return "".join(texts) if texts else None


def beside(body: bytes) -> list[Piece]:
    """Return summaries of thoughts, refusals and calls."""
    pieces: list[Piece] = []
    for item in _items(body):
        kind = item.get("type")
        if kind == "reasoning":
            # Open models tell their thoughts themselves; others only a summary.
            thought = parts(item.get("content")) or parts(item.get("summary"))
            pieces += _said("reasoning", thought)
        elif kind in CALLS:
            given = (item[key] for key in _GIVEN if key in item)
            pieces += calls([(item.get("name", kind), next(given, None))])
        for part in map(as_dict, as_list(item.get("content"))):
            pieces += _said("refusal", part.get("refusal"))
    return pieces


def _said(who: str, text: object) -> list[Piece]:
    return [Piece(who, spelled(text))] if text else []


def _items(body: bytes) -> list[dict[str, Any]]:
    return [one for one in as_list(loaded(body).get("output")) if isinstance(one, dict)]
