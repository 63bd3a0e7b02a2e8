"""The content of a message as it comes: a text in pieces, or parts, or the one after the other.

Mistral's models that think tell their thoughts in parts and the rest in texts, with empty ones
between: nothing of it may take the place of what came before.
"""

from __future__ import annotations

from typing import Any, Final

from batch.wire._sse import Text, add_text, joined

_IN_PIECES: Final = ("text", "thinking")  # types of parts that go on
_BARE: Final = 2  # keys of a part: its type, and what is called so


def add_content(message: dict[str, Any], piece: Any) -> None:
    """Go on with the content of a message."""
    held: Any = message.get("content")
    if isinstance(piece, str) and type(held) is not list:
        add_text(message, "content", piece)
    elif isinstance(piece, str):
        _add_parts(held, [{"type": "text", "text": piece}] if piece else [])
    elif isinstance(piece, list):
        if type(held) is not list:
            before = "".join(held) if type(held) is Text else ""
            held = message["content"] = (
                [{"type": "text", "text": Text((before,))}] if before else []
            )
        _add_parts(held, piece)
    else:
        message["content"] = piece


def whole_content(held: Any) -> Any:
    """Return a content with its texts as strings."""
    return [_whole(part) for part in held] if isinstance(held, list) else held


def _add_parts(parts: list[Any], more: list[Any]) -> None:
    """Add parts; one that only goes on with the last one is made one with it."""
    for part in more:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _IN_PIECES:
            parts.append(part)
            continue
        told = part.get(kind)
        held = _held(parts, kind) if len(part) == _BARE else None
        if type(held) is Text and isinstance(told, str):
            held.append(told)
        elif type(held) is list and isinstance(told, list):
            _add_parts(held, told)
        elif isinstance(told, str | list):
            parts.append({**part, kind: _begun(told)})
        else:
            parts.append(part)


def _held(parts: list[Any], kind: str) -> Any:
    """Return what the last part has, if it is of this kind."""
    last = parts[-1] if parts else None
    return last.get(kind) if isinstance(last, dict) and last.get("type") == kind else None


def _begun(told: str | list[Any]) -> Any:
    if isinstance(told, str):
        return Text((told,))
    begun: list[Any] = []
    _add_parts(begun, told)
    return begun


def _whole(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    return {
        key: whole_content(value) if type(value) is list else value
        for key, value in joined(part).items()
    }
