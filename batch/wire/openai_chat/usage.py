"""The ``usage`` object of a chat completion, taken apart into meters."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import MOST, as_dict, count

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=MOST)] | None
# Named once, because to look a member up on its class is slow.
_INPUT, _CACHED, _WRITTEN = Meter.INPUT, Meter.CACHED_INPUT, Meter.CACHE_WRITE
_HEARD, _SEEN = Meter.INPUT_AUDIO, Meter.INPUT_IMAGE
_OUTPUT, _REASONING, _SPOKEN = Meter.OUTPUT, Meter.REASONING, Meter.OUTPUT_AUDIO


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None
    cached_creation_tokens: _Count = None
    audio_tokens: _Count = None
    image_tokens: _Count = None
    reasoning_tokens: _Count = None


_NONE: Final = _Details()


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What vendors tell."""

    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    # Other names for them, padding of the gateway's struct and mostly 0. Some channels fill both
    # of a pair, so they are never added.
    input_tokens: _Count = None
    output_tokens: _Count = None
    total_tokens: _Count = None
    prompt_cache_hit_tokens: _Count = None
    cached_tokens: _Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    usage_semantic: Any = None


def read_usage(told: object) -> Usage | None:
    """Return the meters of a ``usage`` object; None if it is missing or says nothing."""
    if not isinstance(told, dict):
        return None
    try:
        known = msgspec.convert(told, _Told)
    except msgspec.ValidationError:
        known = msgspec.convert(_washed(told), _Told)
    prompt = known.prompt_tokens or _first(known.prompt_tokens, known.input_tokens)
    output = known.completion_tokens or _first(known.completion_tokens, known.output_tokens)
    if not prompt and not output:
        return None
    return Usage(_read(known, prompt) | _made(known, prompt, output))


def _washed(told: dict[str, Any]) -> dict[str, Any]:
    """Return it with counts only: what is none counts as missing."""
    washed: dict[str, Any] = {key: count(value) for key, value in told.items()}
    for key in ("prompt_tokens_details", "completion_tokens_details"):
        washed[key] = {name: count(value) for name, value in as_dict(told.get(key)).items()}
    return washed | {"usage_semantic": told.get("usage_semantic")}


def _first(*counts: int | None) -> int | None:
    """Return the first count that is not 0; 0 if one is 0; None if there is none."""
    for found in counts:
        if found:
            return found
    return 0 if 0 in counts else None


def _read(told: _Told, prompt: int | None) -> dict[Meter, int]:
    details = told.prompt_tokens_details or _NONE
    cached = _first(details.cached_tokens, told.prompt_cache_hit_tokens, told.cached_tokens)
    written = _first(details.cache_write_tokens, details.cached_creation_tokens)
    beside = (cached or 0) + (written or 0)
    # Claude's own count leaves the cached tokens out, and leaks through in some versions.
    if prompt is not None and (told.usage_semantic == "anthropic" or beside > prompt):
        prompt += beside
    audio, image = details.audio_tokens, details.image_tokens
    parts = ((_CACHED, cached), (_WRITTEN, written), (_HEARD, audio), (_SEEN, image))
    return disjoint(_INPUT, prompt, parts)


def _made(told: _Told, prompt: int | None, output: int | None) -> dict[Meter, int]:
    details = told.completion_tokens_details or _NONE
    reasoning = details.reasoning_tokens
    # Some channels count reasoning beside the output; then only with it does the total add up.
    if reasoning and output is not None:
        beside = (prompt or 0) + output + reasoning
        output += reasoning if told.total_tokens == beside else 0
    parts = ((_REASONING, reasoning), (_SPOKEN, details.audio_tokens))
    return disjoint(_OUTPUT, output, parts)
