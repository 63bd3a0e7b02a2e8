"""What a chat asks and says, for people to read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from batch.wire import Piece
from batch.wire._lenient import as_dict, as_list, decoded
from batch.wire._pieces import calls, loaded, parts, turns
from batch.wire.openai_chat.answer import content_of
from batch.wire.openai_chat.media import message_of, messages


class _Message(msgspec.Struct, gc=False):
    content: str


class _Choice(msgspec.Struct, gc=False):
    message: _Message


class _Plain(msgspec.Struct, gc=False):
    """An answer whose choices are all texts. Of most answers no more has to be read."""

    choices: list[_Choice] = []


_plain: Final = msgspec.json.Decoder(_Plain).decode
_NO_TEXT: Final = _Plain()


def prompt(body: bytes) -> list[Piece]:
    """Return the messages of a request."""
    return list(turns(loaded(body).get("messages")))


def text(body: bytes) -> str | None:
    """Return the text of an answer, of its first choice."""
    plain = decoded(_plain, body, _NO_TEXT).choices
    if plain and plain[0].message.content:
        return plain[0].message.content
    choices = as_list(loaded(body).get("choices"))
    return content_of(message_of(as_dict(choices[0]))) if choices else None


def beside(body: bytes) -> list[Piece]:
    """Return thoughts, refusals and calls, and the texts of further choices."""
    pieces: list[Piece] = []
    for number, message in enumerate(messages(loaded(body))):
        said = content_of(message)
        if number and said:
            pieces.append(Piece(f"choice {number + 1}", said))
        for who, told in (("reasoning", _thought(message)), ("refusal", message.get("refusal"))):
            if isinstance(told, str) and told:
                pieces.append(Piece(who, told))
        pieces += calls([(one.get("name"), one.get("arguments")) for one in _functions(message)])
    return pieces


def _thought(message: dict[str, Any]) -> Any:
    """Return the thoughts beside the text, or in it: Mistral's are parts of the content."""
    within = [parts(as_dict(one).get("thinking")) for one in as_list(message.get("content"))]
    return message.get("reasoning_content") or message.get("reasoning") or "".join(within)


def _functions(message: dict[str, Any]) -> list[dict[str, Any]]:
    told = [as_dict(as_dict(one).get("function")) for one in as_list(message.get("tool_calls"))]
    return [one for one in (*told, as_dict(message.get("function_call"))) if one]
