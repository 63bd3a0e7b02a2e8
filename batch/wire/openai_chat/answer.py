"""What a complete chat answer is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from batch.errors import CallFailed, CutAnswer, NotAnAnswer, Refused
from batch.records import Answer, Finish, Reply
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire.openai_chat.usage import read_usage

_FINISH: Final[Mapping[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
    "refusal": "filter",
    "pause_turn": "paused",
}
_VISIBLE: Final = ("content", "tool_calls", "function_call", "refusal", "audio", "images")


def read_answer(reply: Reply) -> Answer:
    """Return the answer. Raises ``CallFailed`` for a reply that is no complete one."""
    document = read_json(reply)
    usage = read_usage(document.get("usage"))
    choices: Any = document.get("choices")
    if flaw := _flaw(choices):
        raise no_answer(reply, *flaw, usage)
    first = choices[0]
    model = document.get("model")
    return Answer(
        body=one_line(raw(reply)),
        content=_content(first["message"]),
        finish=_finish(first),
        usage=usage,
        model=model if isinstance(model, str) and model else None,
        status=reply.status,
        request_id=request_id(reply.headers),
    )


def _flaw(choices: Any) -> tuple[type[CallFailed], str] | None:
    """Return why the choices are no complete answer, if so."""
    if not isinstance(choices, list) or not choices:
        return NotAnAnswer, "the reply has no choices: a prompt may have been blocked upstream"
    visible = False
    for choice in choices:
        if flaw := _flaw_of_one(choice):
            return flaw
        visible = visible or _is_visible(choice)
    if not visible:
        # Asking again gives, and costs, the same.
        return Refused, "the output limit was used up before any output: raise max_tokens"
    return None


def _flaw_of_one(choice: Any) -> tuple[type[CallFailed], str] | None:
    if not isinstance(choice, dict):
        return NotAnAnswer, "the reply has a choice that is no object"
    # Neither [DONE] nor a usage proves an end: the gateway writes both after an upstream reset.
    reason = choice.get("finish_reason")
    if reason is None:
        return CutAnswer, "the answer stops before its end: it has no finish_reason"
    if reason == "error":
        return CutAnswer, "the answer stops before its end: its finish_reason is error"
    if not isinstance(choice.get("message"), dict):
        return NotAnAnswer, "the reply has a choice without a message"
    return None


def _is_visible(choice: dict[str, Any]) -> bool:
    """Return whether there is output besides reasoning, or a reason why there is none."""
    message = choice["message"]
    return any(map(message.get, _VISIBLE)) or _finish(choice) != "length"


def _finish(choice: dict[str, Any]) -> Finish:
    reason = choice["finish_reason"]
    finish = _FINISH.get(reason, "unknown") if isinstance(reason, str) else "unknown"
    message = choice["message"]
    # Some channels say "stop" although they call a tool.
    calls = finish in ("stop", "unknown") and (
        message.get("tool_calls") or message.get("function_call")
    )
    return "tool" if calls else finish


def _content(message: dict[str, Any]) -> str | None:
    """Return the text of an answer; of a spoken one the transcript."""
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    audio = message.get("audio")
    if not content and isinstance(audio, dict):
        content = audio.get("transcript")
    return content if isinstance(content, str) else None
