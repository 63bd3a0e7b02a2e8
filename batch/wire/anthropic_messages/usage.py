"""The ``usage`` object of a message, taken apart into meters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import as_dict, as_list, count, first_count
from batch.wire._searches import told_searches, with_searches
from batch.wire._tiers import at_tier

# An answer that the gateway converted from OpenAI's dialect keeps the id that it had there.
_CONVERTED: Final = "chatcmpl-"
_KEPT: Final = "cache_creation"  # what was written to a cache, by how long it is kept
_HOUR: Final = "ephemeral_1h_input_tokens"
# How it was served, what changes its price the most before the others.
TIERS: Final = ("speed", "service_tier", "inference_geo")
# What a message, and each step on the way to it, tells.
_TOTALS: Final = (
    *("input_tokens", "output_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
)


def is_converted(message: dict[str, Any]) -> bool:
    """Return whether a message was made by the gateway out of a chat completion."""
    name = message.get("id")
    return isinstance(name, str) and name.startswith(_CONVERTED)


def read_usage(message: dict[str, Any]) -> Usage | None:
    """Return the meters of a message; None if it has no usage, or one that says nothing."""
    told = as_dict(message.get("usage"))
    if told.get("iterations"):
        told = _with_compactions(told)
    fresh, output = count(told.get("input_tokens")), count(told.get("output_tokens"))
    cached, written = count(told.get("cache_read_input_tokens")), _written(told)
    if not (fresh or cached or written or output):
        return None
    total = fresh
    # What was read from a cache or written to one is not in the count of the input. Only where the
    # gateway converts, it prints OpenAI's count, which holds what was read (new-api's converter).
    inside = is_converted(message) and not written and (cached or 0) <= (fresh or 0)
    if fresh is not None and not inside:
        total = fresh + (cached or 0) + (written or 0)
    thought = count(as_dict(told.get("output_tokens_details")).get("thinking_tokens"))
    parts = [(Meter.CACHED_INPUT, cached), (Meter.CACHE_WRITE, written)]
    if written and (hour := count(as_dict(told.get(_KEPT)).get(_HOUR))):
        parts[1:] = (Meter.CACHE_WRITE_1H, hour), (Meter.CACHE_WRITE, max(0, written - hour))
    usage: Usage | None = Usage(
        disjoint(Meter.INPUT, total, parts)
        | disjoint(Meter.OUTPUT, output, ((Meter.REASONING, thought),))
    )
    usage = at_tier(usage, *map(told.get, TIERS))
    return with_searches(usage, told_searches(told))


def _with_compactions(told: dict[str, Any]) -> dict[str, Any]:
    """Return a usage with what it took to sum the talk up, which the totals leave out."""
    steps = map(as_dict, as_list(told["iterations"]))
    parts = [told, *(one for one in steps if one.get("type") == "compaction")]
    kept = [as_dict(part.get(_KEPT)) for part in parts]
    return {
        **told,
        **{key: _total(count(part.get(key)) for part in parts) for key in _TOTALS},
        _KEPT: {
            key: _total(count(one.get(key)) for one in kept)
            for key in dict.fromkeys(key for one in kept for key in one)
        },
    }


def _total(counts: Iterable[int | None]) -> int | None:
    known = [one for one in counts if one is not None]
    return sum(known) if known else None


def _written(told: dict[str, Any]) -> int | None:
    """Return what was written to a cache; some tell it only by how long it is kept."""
    written = count(told.get("cache_creation_input_tokens"))
    return written or first_count(written, _total(map(count, as_dict(told.get(_KEPT)).values())))
