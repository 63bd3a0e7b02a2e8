"""The ``usageMetadata`` of an answer, taken apart into meters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import as_list, count
from batch.wire._searches import with_searches
from batch.wire._tiers import at_tier


def read_usage(told: object, searches: int = 0) -> Usage | None:
    """Return the meters of a ``usageMetadata`` object; None if it is missing or says nothing.

    ``searches`` are those that the candidates show.
    """
    if not isinstance(told, dict):
        return None
    read, made = _read(told), _made(told)
    if not read and not made:
        return None
    usage = with_searches(Usage(_input(told, read) | _output(told, made)), searches)
    return at_tier(usage, told.get("serviceTier"), told.get("trafficType"))


def _read(told: Mapping[str, Any]) -> int | None:
    """Return all tokens read: those that came back from tools count beside the prompt's."""
    return _sum(count(told.get("promptTokenCount")), count(told.get("toolUsePromptTokenCount")))


def _made(told: Mapping[str, Any]) -> int | None:
    """Return all tokens made: thoughts count beside the candidates'.

    Google leaves a count of zero out, so that a missing one is what the total leaves for it.
    """
    said, thought = count(told.get("candidatesTokenCount")), count(told.get("thoughtsTokenCount"))
    total, read = count(told.get("totalTokenCount")), _read(told)
    if said is None and total is not None and read is not None:
        return max(total - read, thought or 0)
    return _sum(said, thought)


def _input(told: Mapping[str, Any], total: int | None) -> dict[Meter, int]:
    prompt, tools, cache = (
        as_list(told.get(name))
        for name in ("promptTokensDetails", "toolUsePromptTokensDetails", "cacheTokensDetails")
    )
    # What is cached is counted once more inside its kind, and metered as cached only.
    audio = _less(_of("AUDIO", prompt + tools), _of("AUDIO", cache))
    image = _less(_of("IMAGE", prompt + tools), _of("IMAGE", cache))
    parts = (
        (Meter.CACHED_INPUT, count(told.get("cachedContentTokenCount"))),
        (Meter.INPUT_AUDIO, audio),
        (Meter.INPUT_IMAGE, image),
    )
    return disjoint(Meter.INPUT, total, parts)


def _output(told: Mapping[str, Any], total: int | None) -> dict[Meter, int]:
    details = as_list(told.get("candidatesTokensDetails"))
    parts = (
        (Meter.REASONING, count(told.get("thoughtsTokenCount"))),
        (Meter.OUTPUT_AUDIO, _of("AUDIO", details)),
        (Meter.OUTPUT_IMAGE, _of("IMAGE", details)),
    )
    return disjoint(Meter.OUTPUT, total, parts)


def _of(modality: str, details: list[Any]) -> int | None:
    """Return the tokens of one kind; None if the list does not name it."""
    return _sum(
        *(
            count(one.get("tokenCount"))
            for one in details
            if isinstance(one, dict) and one.get("modality") == modality
        )
    )


def _sum(*counts: int | None) -> int | None:
    known = [one for one in counts if one is not None]
    return sum(known) if known else None


def _less(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else max(0, whole - (part or 0))
