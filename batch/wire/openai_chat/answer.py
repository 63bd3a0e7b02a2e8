"""What a complete chat answer is, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from batch.errors import CallFailed, CutAnswer, NoMedia, NotAnAnswer, Refused
from batch.records import Answer, Finish, Makes, Reply, Request
from batch.wire._base import with_images
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import as_dict, as_list
from batch.wire._searches import searches_itself
from batch.wire._tiers import at_tier
from batch.wire.openai_chat.media import Found, message_of
from batch.wire.openai_chat.usage import read_usage

_FINISH: Final[Mapping[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
    "refusal": "filter",
    "sensitive": "filter",  # Zhipu
    "pause_turn": "paused",
}
# What stands for a reason where an upstream broke off, the last three at Zhipu, DeepSeek and vLLM.
_BROKEN: Final = frozenset({"error", "network_error", "insufficient_system_resource", "abort"})
_FULL: Final = "model_context_window_exceeded"
_VISIBLE: Final = ("tool_calls", "function_call", "refusal", "audio", "images")


def read_answer(request: Request, reply: Reply) -> tuple[Answer, Sequence[Sequence[str]]]:
    """Return the answer, and for each file that is still to be fetched for it the addresses.

    Raises ``CallFailed`` for a reply that is no complete answer.
    """
    document = read_json(reply)
    body = one_line(raw(reply))
    media = Found(request, document, body)
    # Pictures are counted too: some gateways bill by them, also those of an answer that is cut.
    usage = read_usage(document.get("usage"), _searches(request, document))
    usage = at_tier(with_images(usage, media.images), document.get("service_tier"))
    if flaw := _flaw(document.get("choices")):
        raise no_answer(reply, *flaw, usage)
    first = document["choices"][0]
    message = message_of(first)
    model = document.get("model")
    finish = _finish(first, message)
    if not media.made and finish != "tool":
        raise no_answer(reply, NoMedia, _without(request.makes, message), usage)
    answer = Answer(
        body=body,
        content=content_of(message),
        finish=finish,
        usage=usage,
        model=model if isinstance(model, str) and model else None,
        status=reply.status,
        request_id=request_id(reply.headers),
        blobs=media.blobs,
    )
    return answer, media.files


def _without(makes: Makes, message: dict[str, Any]) -> str:
    """Say that the media are missing, and what was said instead."""
    said = content_of(message) or message.get("refusal")
    return f"the answer holds no {makes}" + (f", only the text: {said}" if said else "")


def _searches(request: Request, document: Mapping[str, Any]) -> int:
    """Return 1 for an answer that the web was searched for, as far as that shows; else 0."""
    # The last one is Zhipu's list of what it found.
    if searches_itself(request.model) or document.get("web_search"):
        return 1
    for choice in as_list(document.get("choices")):
        noted = as_dict(as_dict(choice).get("message")).get("annotations")
        if noted and any(as_dict(one).get("type") == "url_citation" for one in as_list(noted)):
            return 1
    return 0


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
        if choices[0]["finish_reason"] == _FULL:
            return Refused, "the model's context was full before any output: ask with less text"
        return Refused, "the output limit was used up before any output: raise max_tokens"
    return None


def _flaw_of_one(choice: Any) -> tuple[type[CallFailed], str] | None:
    if not isinstance(choice, dict):
        return NotAnAnswer, "the reply has a choice that is no object"
    # Neither [DONE] nor a usage proves an end: the gateway writes both after an upstream reset.
    reason = choice.get("finish_reason")
    if reason is None:
        return CutAnswer, "the answer stops before its end: it has no finish_reason"
    if isinstance(reason, str) and reason in _BROKEN:
        return CutAnswer, f"the answer stops before its end: its finish_reason is {reason}"
    if not isinstance(choice.get("message"), dict) and not isinstance(choice.get("delta"), dict):
        return NotAnAnswer, "the reply has a choice without a message"
    return None


def _is_visible(choice: dict[str, Any]) -> bool:
    """Return whether there is output besides reasoning, or a reason why there is none."""
    message = message_of(choice)
    return (
        bool(message.get("content"))
        or any(map(message.get, _VISIBLE))
        or (_finish(choice, message) != "length")
    )


def _finish(choice: dict[str, Any], message: dict[str, Any]) -> Finish:
    reason = choice["finish_reason"]
    finish = _FINISH.get(reason, "unknown") if isinstance(reason, str) else "unknown"
    if finish not in ("stop", "unknown"):
        return finish
    # Some channels say "stop" although they call a tool, and the vendor where it refuses.
    if message.get("tool_calls") or message.get("function_call"):
        return "tool"
    return "filter" if message.get("refusal") and not message.get("content") else finish


def content_of(message: dict[str, Any]) -> str | None:
    """Return the text of an answer; of a spoken one the transcript."""
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    audio = message.get("audio")
    if not content and isinstance(audio, dict):
        content = audio.get("transcript")
    return content if isinstance(content, str) else None
