"""The ``usage`` object of a response, taken apart into meters."""

from __future__ import annotations

from typing import Final

import msgspec

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import Count, counts, first_count
from batch.wire._searches import told_searches, with_searches

_DETAILS: Final = (
    *("input_tokens_details", "output_tokens_details"),
    *("prompt_tokens_details", "completion_tokens_details"),
)


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    reasoning_tokens: Count = None
    # Where the gateway converts, it tells what of the rest was heard, seen and made.
    cached_creation_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


_NONE: Final = _Details()


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What vendors tell."""

    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    # The names that chats have for them: the gateway's struct prints both where it converts.
    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


def read_usage(told: object, searches: int = 0) -> Usage | None:
    """Return the meters of a ``usage`` object; None if it is missing or says nothing.

    ``searches`` are those that the answer shows, for a usage that tells of none.
    """
    if not isinstance(told, dict):
        return None
    try:
        known = msgspec.convert(told, _Told)
    except msgspec.ValidationError:
        known = msgspec.convert(counts(told, _DETAILS), _Told)
    taken = known.input_tokens or first_count(known.input_tokens, known.prompt_tokens)
    given = known.output_tokens or first_count(known.output_tokens, known.completion_tokens)
    if not taken and not given:
        return None
    reading = known.input_tokens_details or known.prompt_tokens_details or _NONE
    writing = known.output_tokens_details or known.completion_tokens_details or _NONE
    rest = (known.total_tokens or 0) - (taken or 0) - (given or 0)
    if given is not None and 0 < rest == writing.reasoning_tokens:
        given += rest  # a converted channel that counts reasoning beside the output
    written = first_count(reading.cache_write_tokens, reading.cached_creation_tokens)
    read = (
        (Meter.CACHED_INPUT, reading.cached_tokens),
        (Meter.CACHE_WRITE, written),
        (Meter.INPUT_AUDIO, reading.audio_tokens),
        (Meter.INPUT_IMAGE, reading.image_tokens),
    )
    made = (
        (Meter.REASONING, writing.reasoning_tokens),
        (Meter.OUTPUT_AUDIO, writing.audio_tokens),
        (Meter.OUTPUT_IMAGE, writing.image_tokens),
    )
    usage = Usage(disjoint(Meter.INPUT, taken, read) | disjoint(Meter.OUTPUT, given, made))
    return with_searches(usage, told_searches(told) or searches)
