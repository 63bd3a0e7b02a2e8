"""What a messages request asks and what a message says, for people to read."""

from __future__ import annotations

from batch.wire import Piece
from batch.wire._lenient import as_dict, as_list
from batch.wire._pieces import calls, loaded, parts, turns
from batch.wire.anthropic_messages.answer import input_of, text_of
from batch.wire.anthropic_messages.request import ANSWER
from batch.wording import spelled


def prompt(body: bytes) -> list[Piece]:
    """Return the system text and the messages of a request."""
    request = loaded(body)
    system = parts(request.get("system"))
    first = [Piece("system", system)] if system else []
    return [*first, *turns(request.get("messages"))]


def text(body: bytes) -> str | None:
    """Return the text of an answer; where a schema became a tool, what that tool was given."""
    given = input_of(body, ANSWER) if b'"tool_use"' in body else None
    return text_of(as_list(loaded(body).get("content"))) if given is None else given


def beside(body: bytes) -> list[Piece]:
    """Return thoughts, and calls of tools."""
    pieces: list[Piece] = []
    for block in map(as_dict, as_list(loaded(body).get("content"))):
        kind = block.get("type")
        if kind == "thinking" and block.get("thinking"):
            pieces.append(Piece("thinking", spelled(block["thinking"])))
        elif (
            kind in ("tool_use", "server_tool_use", "mcp_tool_use") and block.get("name") != ANSWER
        ):
            pieces += calls([(block.get("name"), block.get("input"))])
    return pieces
