"""What lines are, told by their keys: requests, prompts, or lines of files that must not be asked.

Some of those would run and cost money for nothing; the others would give an error for every line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from batch.wire import formats

Use: TypeAlias = Literal["requests", "prompts", "refused"]
Line: TypeAlias = Mapping[str, Any]


class LineKind(NamedTuple):
    """A kind of line."""

    what: str
    use: Use
    matches: Callable[[Line], bool]
    todo: str = ""  # for those that are refused


_ANSWERS: Final = "It holds answers, not prompts; name the file that was asked"
_TRAINING: Final = (
    "Its lines already end with an answer; take that away, or say with a template what to ask of "
    "each: -p prompt.txt"
)
_MARKED: Final = "Say with a template what to ask of each line: -p prompt.txt"
_CONVERT: Final = 'Make lines of them such as {"prompt": "..."}'


def _is_batch_result(line: Line) -> bool:
    asked = "body" in line or "params" in line
    return "custom_id" in line and ("response" in line or "error" in line) and not asked


def _is_message_result(line: Line) -> bool:
    result = line.get("result")
    return "custom_id" in line and isinstance(result, dict) and "type" in result


def _is_content_result(line: Line) -> bool:
    """Whether a response stands beside what was asked, or beside its key."""
    return isinstance(line.get("response"), dict) and ("request" in line or "key" in line)


def _is_training_chat(line: Line) -> bool:
    """Whether a chat ends with its answer; with a model it is a request that goes on from it."""
    if "model" in line or "body" in line:
        return False
    turns = line.get("messages")
    if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        return False
    return turns[-1].get("role") == "assistant"


def _is_share_chat(line: Line) -> bool:
    return isinstance(line.get("conversations"), list)


def _is_annotated(line: Line) -> bool:
    marks = line.get("annotations"), line.get("predictions")
    return isinstance(line.get("data"), dict) and any(isinstance(one, list) for one in marks)


def _is_annotated_text(line: Line) -> bool:
    return "_task_hash" in line or ("_input_hash" in line and "answer" in line)


def _is_foreign_batch(line: Line) -> bool:
    return isinstance(line.get("modelInput"), dict)


def is_envelope(line: Line) -> bool:
    """Return whether a line is a body in OpenAI's envelope, with or without a url."""
    return "body" in line or "url" in line or "method" in line


def _is_prompt(line: Line) -> bool:
    """Whether a line is a prompt, with what belongs to it beside."""
    return isinstance(line.get("prompt"), str)


def _is_body(line: Line) -> bool:
    """Whether a line is a request's body: by its shape, or as it names a model too."""
    told = "model" in line and ("input" in line or "messages" in line)
    return told or any(one.mine(line) for one in formats().values())


_KINDS: Final = (
    LineKind("the results of an Anthropic message batch", "refused", _is_message_result, _ANSWERS),
    LineKind("the output of a batch", "refused", _is_batch_result, _ANSWERS),
    LineKind("the output of a Gemini batch", "refused", _is_content_result, _ANSWERS),
    LineKind("a fine-tuning file", "refused", _is_training_chat, _TRAINING),
    LineKind("a ShareGPT file", "refused", _is_share_chat, _TRAINING),
    LineKind("a Label Studio export", "refused", _is_annotated, _MARKED),
    LineKind("a Prodigy export", "refused", _is_annotated_text, _MARKED),
    LineKind("the input of a Bedrock batch", "refused", _is_foreign_batch, _CONVERT),
    LineKind("OpenAI batch lines", "requests", is_envelope),
)
_SCRIPT_RESULT: Final = LineKind(
    "the output of a parallel request script", "refused", bool, _ANSWERS
)
_PROMPTS: Final = LineKind("prompts", "prompts", _is_prompt)
_BODIES: Final = LineKind("bare request bodies", "requests", _is_body)


@cache
def _kinds() -> tuple[LineKind, ...]:
    """Return every kind of object; the first that matches is a line's."""
    wrappers = [one.wrapper for one in formats().values() if one.wrapper is not None]
    wrapped = [
        LineKind(f"{one.whose} batch lines", "requests", _holds(one.body_key)) for one in wrappers
    ]
    return (*_KINDS, *wrapped, _PROMPTS, _BODIES)


def _holds(key: str) -> Callable[[Line], bool]:
    return lambda line: isinstance(line.get(key), dict)


def kind_of(line: object) -> LineKind | None:
    """Return what a line is; None for one that tells nothing: data, or a flaw."""
    if isinstance(line, list) and len(line) in (2, 3) and isinstance(line[0], dict):
        return _SCRIPT_RESULT
    if not isinstance(line, dict):
        return None
    return next((kind for kind in _kinds() if kind.matches(line)), None)
