"""The ``usage`` object of a response, taken apart into meters."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import MOST, as_dict, count

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=MOST)] | None
_DETAILS: Final = (
    *("input_tokens_details", "output_tokens_details"),
    *("prompt_tokens_details", "completion_tokens_details"),
)


class _Details(msgspec.Struct, frozen=True, gc=False):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None
    reasoning_tokens: _Count = None


_NONE: Final = _Details()


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What vendors tell."""

    input_tokens: _Count = None
    output_tokens: _Count = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    # The names that chats have for them: the gateway's struct prints both where it converts.
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


def read_usage(told: object) -> Usage | None:
    """Return the meters of a ``usage`` object; None if it is missing or says nothing."""
    if not isinstance(told, dict):
        return None
    try:
        known = msgspec.convert(told, _Told)
    except msgspec.ValidationError:
        known = msgspec.convert(_washed(told), _Told)
    taken = known.input_tokens or _first(known.input_tokens, known.prompt_tokens)
    given = known.output_tokens or _first(known.output_tokens, known.completion_tokens)
    if not taken and not given:
        return None
    reading = known.input_tokens_details or known.prompt_tokens_details or _NONE
    writing = known.output_tokens_details or known.completion_tokens_details or _NONE
    cached, written = reading.cached_tokens, reading.cache_write_tokens
    parts = ((Meter.CACHED_INPUT, cached), (Meter.CACHE_WRITE, written))
    return Usage(
        disjoint(Meter.INPUT, taken, parts)
        | disjoint(Meter.OUTPUT, given, ((Meter.REASONING, writing.reasoning_tokens),))
    )


def _washed(told: dict[str, Any]) -> dict[str, Any]:
    """Return it with counts only: what is none counts as missing."""
    washed: dict[str, Any] = {key: count(value) for key, value in told.items()}
    for key in _DETAILS:
        washed[key] = {name: count(value) for name, value in as_dict(told.get(key)).items()}
    return washed


def _first(*counts: int | None) -> int | None:
    """Return the first count that is not 0; 0 if one is 0; None if there is none."""
    for found in counts:
        if found:
            return found
    return 0 if 0 in counts else None
