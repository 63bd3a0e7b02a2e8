"""What a request for content asks and what a candidate says, for people to read."""

from __future__ import annotations

from typing import Any

from batch.wire import Piece
from batch.wire._lenient import as_dict, as_list
from batch.wire._pieces import calls, loaded, parts
from batch.wire.gemini.answer import content_of
from batch.wire.gemini.media import parts_of
from batch.wire.gemini.spelling import told
from batch.wording import spelled


def prompt(body: bytes) -> list[Piece]:
    """Return the system text and the contents of a request."""
    request = loaded(body)
    system = as_dict(told(request, "systemInstruction"))
    first = [Piece("system", parts(system.get("parts")))] if system else []
    turns = map(as_dict, as_list(request.get("contents")))
    several = (Piece(spelled(one.get("role") or "user"), parts(one.get("parts"))) for one in turns)
    return [*first, *(piece for piece in several if piece.text)]


def text(body: bytes) -> str | None:
    """Return the text of the first candidate, without thoughts."""
    candidates = as_list(loaded(body).get("candidates"))
    return content_of(as_dict(candidates[0])) if candidates else None


def beside(body: bytes) -> list[Piece]:
    """Return thoughts, and calls of functions."""
    pieces: list[Piece] = []
    for part in parts_of(loaded(body)):
        pieces += _piece(part)
    return pieces


def _piece(part: dict[str, Any]) -> list[Piece]:
    call = as_dict(told(part, "functionCall"))
    if call:
        return calls([(call.get("name"), call.get("args"))])
    thought = part.get("text") if part.get("thought") else None
    return [Piece("thought", thought)] if isinstance(thought, str) else []
