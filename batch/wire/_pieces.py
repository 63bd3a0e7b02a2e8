"""What is asked and said, piece by piece, for people to read: nothing here is raised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from batch.wire import Piece
from batch.wire._lenient import as_dict, as_list
from batch.wording import spelled


def loaded(body: bytes) -> dict[str, Any]:
    """Return the object that a body is, or an empty one."""
    try:
        return as_dict(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}


def told(document: Mapping[str, Any], *keys: str) -> list[Piece]:
    """Return a piece for each of the keys that has a value, its name as who says it."""
    return [Piece(key, spelled(document[key])) for key in keys if document.get(key)]


def parts(content: object) -> str:
    """Return the text of a content: a text, or a list of parts with or without a type."""
    if isinstance(content, str):
        return content
    return "\n".join(_part(one) for one in as_list(content))


def turns(messages: object, default: str = "user") -> Iterator[Piece]:
    """Yield what messages say that have a role and a content."""
    for one in as_list(messages):
        message = as_dict(one)
        who = message.get("role")
        if said := parts(message.get("content")):
            yield Piece(who if isinstance(who, str) else default, said)


def calls(several: Sequence[tuple[object, object]]) -> list[Piece]:
    """Return a piece for each call of a tool: its name, and what it is given."""
    return [Piece(f"calls {spelled(name)}", spelled(given)) for name, given in several]


def _part(one: object) -> str:
    part = as_dict(one)
    text = part.get("text", part.get("content"))
    if isinstance(text, str):
        return text
    if isinstance(text, list):
        return parts(text)
    kind = part.get("type")
    # Not what it holds: that may be a picture's megabytes.
    return f"[{kind if isinstance(kind, str) else ', '.join(part)}]"
