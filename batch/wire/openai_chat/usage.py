"""The ``usage`` object of a chat completion, taken apart into meters."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import Count, counts, first_count, milliseconds
from batch.wire._searches import told_searches, with_searches

_DETAILS: Final = ("prompt_tokens_details", "completion_tokens_details", "cache_creation")
# Named once, because to look a member up on its class is slow.
_INPUT, _CACHED = Meter.INPUT, Meter.CACHED_INPUT
_WRITTEN, _KEPT = Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H
_HEARD, _SEEN = Meter.INPUT_AUDIO, Meter.INPUT_IMAGE
_OUTPUT, _REASONING = Meter.OUTPUT, Meter.REASONING
_SPOKEN, _DRAWN = Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE
_LENGTH: Final = Meter.MILLISECONDS


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cached_creation_tokens: Count = None
    cache_creation_tokens: Count = None
    cache_creation_input_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    reasoning_tokens: Count = None


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """What was written to a cache, by how long it is kept."""

    ephemeral_1h_input_tokens: Count = None


_NONE: Final = _Details()
_NOTHING: Final = _Kept()


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What vendors tell."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    # Other names for them, padding of the gateway's struct and mostly 0. Some channels fill both
    # of a pair, so they are never added.
    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None
    # Claude's own counts, which come through beside OpenAI's, and the gateway's name for one.
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_creation: _Kept | None = None
    claude_cache_creation_1_h_tokens: Count = None
    # Perplexity's: pages that were read for a research, and thoughts, neither within the other two.
    citation_tokens: Count = None
    reasoning_tokens: Count = None
    prompt_audio_seconds: Any = None  # Mistral's: sound is billed by its length
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    usage_semantic: Any = None


def read_usage(told: object, searches: int = 0) -> Usage | None:
    """Return the meters of a ``usage`` object; None if it is missing or says nothing.

    ``searches`` are those that are known of otherwise, for a usage that tells of none.
    """
    if not isinstance(told, dict):
        return None
    try:
        known = msgspec.convert(told, _Told)
    except msgspec.ValidationError:
        as_told = {name: told.get(name) for name in ("usage_semantic", "prompt_audio_seconds")}
        known = msgspec.convert({**counts(told, _DETAILS), **as_told}, _Told)
    prompt = known.prompt_tokens or first_count(known.prompt_tokens, known.input_tokens)
    output = known.completion_tokens or first_count(known.completion_tokens, known.output_tokens)
    if not prompt and not output:
        return None
    if known.prompt_audio_seconds and (heard := milliseconds(known.prompt_audio_seconds)):
        # Its tokens stand beside those of the text, in the details and in the total only.
        return Usage(
            disjoint(_INPUT, prompt, ()) | disjoint(_OUTPUT, output, ()) | {_LENGTH: heard}
        )
    usage = Usage(_read(known, prompt) | _made(known, prompt, output))
    searches = told_searches(told) or searches
    return with_searches(usage, searches) if searches else usage


def _read(told: _Told, prompt: int | None) -> dict[Meter, int]:
    details = told.prompt_tokens_details or _NONE
    cached = first_count(
        details.cached_tokens,
        told.prompt_cache_hit_tokens,
        told.cached_tokens,
        told.cache_read_input_tokens,
    )
    written = first_count(
        details.cache_write_tokens,
        details.cached_creation_tokens,
        details.cache_creation_tokens,
        details.cache_creation_input_tokens,
        told.cache_creation_input_tokens,
    )
    if written and written == cached:
        written = None  # Gemini's at OpenRouter: the same tokens as read and as written
    beside = (cached or 0) + (written or 0)
    # Claude's own count leaves the cached tokens out, and leaks through in some versions.
    if prompt is not None and (told.usage_semantic == "anthropic" or beside > prompt):
        prompt += beside
    if prompt is not None and told.citation_tokens:
        prompt += told.citation_tokens
    audio, image = details.audio_tokens, details.image_tokens
    kept = (told.cache_creation or _NOTHING).ephemeral_1h_input_tokens
    kept = kept or told.claude_cache_creation_1_h_tokens
    if written and kept:
        several = ((_CACHED, cached), (_KEPT, kept), (_WRITTEN, max(0, written - kept)))
        return disjoint(_INPUT, prompt, (*several, (_HEARD, audio), (_SEEN, image)))
    parts = ((_CACHED, cached), (_WRITTEN, written), (_HEARD, audio), (_SEEN, image))
    return disjoint(_INPUT, prompt, parts)


def _made(told: _Told, prompt: int | None, output: int | None) -> dict[Meter, int]:
    details = told.completion_tokens_details or _NONE
    reasoning = details.reasoning_tokens
    if told.reasoning_tokens is not None:
        reasoning = first_count(reasoning, told.reasoning_tokens)
    # Some channels count reasoning beside the output; then only with it does the total add up.
    # Google's own path for OpenAI's clients tells it nowhere but in the total.
    rest = (told.total_tokens or 0) - (prompt or 0) - (output or 0)
    if output is not None and rest > 0 and (rest == reasoning or _tells_little(told, prompt)):
        output += rest
    elif output is not None and reasoning and told.citation_tokens:
        output += reasoning  # Perplexity's total holds neither
    audio, image = details.audio_tokens, details.image_tokens
    parts = ((_REASONING, reasoning), (_SPOKEN, audio), (_DRAWN, image))
    return disjoint(_OUTPUT, output, parts)


def _tells_little(told: _Told, prompt: int | None) -> bool:
    """Return whether nothing told besides the totals could be what is missing in their sum."""
    cached = told.cached_tokens or told.cache_read_input_tokens
    details = told.prompt_tokens_details or told.completion_tokens_details
    beside = cached or told.cache_creation_input_tokens or told.citation_tokens
    return bool(prompt) and not (details or beside)
