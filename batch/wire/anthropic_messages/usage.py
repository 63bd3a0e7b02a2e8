"""The ``usage`` object of a message, taken apart into meters."""

from __future__ import annotations

from typing import Any, Final

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import as_dict, count

# An answer that the gateway converted from OpenAI's dialect keeps the id that it had there.
_CONVERTED: Final = "chatcmpl-"


def is_converted(message: dict[str, Any]) -> bool:
    """Return whether a message was made by the gateway out of a chat completion."""
    name = message.get("id")
    return isinstance(name, str) and name.startswith(_CONVERTED)


def read_usage(message: dict[str, Any]) -> Usage | None:
    """Return the meters of a message; None if it has no usage, or one that says nothing."""
    told = as_dict(message.get("usage"))
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
    parts = ((Meter.CACHED_INPUT, cached), (Meter.CACHE_WRITE, written))
    return Usage(
        disjoint(Meter.INPUT, total, parts)
        | disjoint(Meter.OUTPUT, output, ((Meter.REASONING, thought),))
    )


def _written(told: dict[str, Any]) -> int | None:
    """Return what was written to a cache; some tell it only by how long it is kept."""
    written = count(told.get("cache_creation_input_tokens"))
    if written is not None:
        return written
    kept = [count(value) for value in as_dict(told.get("cache_creation")).values()]
    known = [value for value in kept if value is not None]
    return sum(known) if known else None
