"""What a complete message is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from batch.errors import CallFailed, CutAnswer, NoMedia, NotAnAnswer, Refused
from batch.records import Answer, Finish, Reply, Request
from batch.wire._base import with_images
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import BAD_JSON, as_dict, first_text
from batch.wire.anthropic_messages.media import Found
from batch.wire.anthropic_messages.request import answer_tool
from batch.wire.anthropic_messages.usage import read_usage

_FINISH: Final[Mapping[str, Finish]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool",
    "refusal": "filter",
    "content_filter": "filter",  # where the gateway converts, and knows no word for it
    "pause_turn": "paused",
    "compaction": "paused",  # the vendor summed the talk up, and waits for its caller
}
_NOTHING: Final = "the reply has no content: a prompt may have been blocked upstream"
_THOUGHTS: Final = ("thinking", "redacted_thinking")


class _Block(msgspec.Struct, frozen=True):
    type: Any = None
    name: Any = None
    input: msgspec.Raw = msgspec.Raw(b"")


class _Blocks(msgspec.Struct, frozen=True):
    """The content of a message as it was spelled."""

    content: list[_Block]


_decode_blocks: Final = msgspec.json.Decoder(_Blocks).decode


def read_answer(request: Request, reply: Reply) -> tuple[Answer, Sequence[Sequence[str]]]:
    """Return the answer, and for each file that is still to be fetched for it the addresses.

    Raises ``CallFailed`` for a reply that is no complete answer.
    """
    message = read_json(reply)
    usage = read_usage(message)
    if flaw := _flaw(message):
        raise no_answer(reply, *flaw, usage)
    body = one_line(raw(reply))
    media = Found(request, message["content"], body)
    images = len(media.blobs or media.addresses) if request.makes == "image" else 0
    answer = _answer(request, message, body)
    made = request.makes == "text" or media.blobs or media.addresses
    if not made and answer.finish != "tool":
        what = f"the answer holds no {request.makes}, only the text: {answer.content or ''}"
        raise no_answer(reply, NoMedia, what, usage)
    return msgspec.structs.replace(
        answer,
        usage=with_images(usage, images),
        status=reply.status,
        request_id=request_id(reply.headers),
        blobs=media.blobs,
    ), [[one] for one in media.addresses]


def _answer(request: Request, message: dict[str, Any], body: bytes) -> Answer:
    content, finish = text_of(message["content"]), _finish(message)
    tool = answer_tool(request)
    if tool and (told := input_of(body, tool)) is not None:
        # Nobody is to call that tool: what it was given is what was asked for.
        content, finish = told, "stop" if finish == "tool" else finish
    return Answer(
        body=body,
        content=content,
        finish=finish,
        usage=None,
        model=first_text(message, "model") or None,
    )


def _flaw(message: dict[str, Any]) -> tuple[type[CallFailed], str] | None:
    """Return why the message is no complete answer, if so."""
    content, reason = message.get("content"), message.get("stop_reason")
    if not isinstance(content, list):
        return NotAnAnswer, _NOTHING
    # Null says that it goes on; an error in the place of a reason is an upstream's.
    if reason is None or reason == "error":
        return CutAnswer, "the answer stops before its end: it has no stop_reason"
    if not content and not reason:
        return NotAnAnswer, _NOTHING
    if _finish(message) == "length" and not any(map(_is_visible, content)):
        # Asking again gives, and costs, the same.
        if reason == "max_tokens":
            return Refused, "the output limit was used up before any output: raise max_tokens"
        return Refused, "the model's context was full before any output: ask with less text"
    return None


def _is_visible(one: object) -> bool:
    """Return whether a block is output: neither reasoning nor an empty text."""
    block = as_dict(one)
    kind = block.get("type")
    return bool(block.get("text")) if kind == "text" else bool(block) and kind not in _THOUGHTS


def _finish(message: dict[str, Any]) -> Finish:
    reason = message.get("stop_reason")
    finish = _FINISH.get(reason, "unknown") if isinstance(reason, str) else "unknown"
    # Some channels say that the turn ends although they call a tool.
    calls = any(as_dict(one).get("type") == "tool_use" for one in message["content"])
    return "tool" if calls and finish in ("stop", "unknown") else finish


def text_of(content: list[Any]) -> str | None:
    """Return what is said: all texts together, as one that cites comes in several blocks."""
    told = [as_dict(one) for one in content]
    texts = [one.get("text") for one in told if one.get("type") == "text"]
    known = [text for text in texts if isinstance(text, str)]
    return "".join(known) if known else None


def input_of(body: bytes, tool: str) -> str | None:
    """Return what a tool was given, as it was spelled: no number passes through a float."""
    try:
        blocks = _decode_blocks(body).content
    except BAD_JSON:
        return None
    told = next((b.input for b in blocks if (b.type, b.name) == ("tool_use", tool)), None)
    if not told:
        return None
    given = bytes(told)
    # A stream that the output limit cut leaves half of the JSON, as a text.
    return orjson.loads(given) if given.startswith(b'"') else given.decode()
