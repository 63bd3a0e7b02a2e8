"""What is metered: the meters, a usage over them, and the names they have in files.

Meters are disjoint: cached input is not inside input, reasoning is not inside output. So adding,
dividing and pricing are loops that name no meter. The nested names that OpenAI made common
(``input_tokens`` with the cached ones inside) exist only where files are written: ``fields``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import msgspec


class Meter(Enum):
    """A thing that is billed. Every count is a whole number, so that shares add up exactly."""

    INPUT = "input"  # tokens read, neither cached, nor cache-written, nor audio, nor image
    CACHED_INPUT = "cached_input"  # tokens read from a prompt cache
    CACHE_WRITE = "cache_write"  # tokens written to a prompt cache, kept for minutes
    CACHE_WRITE_1H = "cache_write_1h"  # kept for an hour, which Anthropic bills at twice the input
    INPUT_AUDIO = "input_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT = "output"  # tokens generated, neither reasoning, nor audio, nor image
    REASONING = "reasoning"
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"
    IMAGES = "images"
    MILLISECONDS = "milliseconds"  # of audio or video
    CHARACTERS = "characters"  # of text to speak
    SEARCHES = "searches"  # of the web, by the vendor, in the unit by which it bills them

    # Members are equal by identity anyway. Enum's own hash is a Python function, called at each
    # look into a dict of counts: a third of what reading, adding and writing a usage costs.
    __hash__ = object.__hash__


INPUT_METERS: Final = (
    Meter.INPUT,
    Meter.CACHED_INPUT,
    Meter.CACHE_WRITE,
    Meter.CACHE_WRITE_1H,
    Meter.INPUT_AUDIO,
    Meter.INPUT_IMAGE,
)
OUTPUT_METERS: Final = (Meter.OUTPUT, Meter.REASONING, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE)

# Name in files → the meters whose sum it is. Order is the order in the files.
FIELDS: Final[Mapping[str, tuple[Meter, ...]]] = {
    "input_tokens": INPUT_METERS,
    "input_cached_tokens": (Meter.CACHED_INPUT,),
    "input_cache_write_tokens": (Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H),
    "input_cache_write_1h_tokens": (Meter.CACHE_WRITE_1H,),
    "input_audio_tokens": (Meter.INPUT_AUDIO,),
    "input_image_tokens": (Meter.INPUT_IMAGE,),
    "output_tokens": OUTPUT_METERS,
    "output_reasoning_tokens": (Meter.REASONING,),
    "output_audio_tokens": (Meter.OUTPUT_AUDIO,),
    "output_image_tokens": (Meter.OUTPUT_IMAGE,),
    "images": (Meter.IMAGES,),
    "seconds": (Meter.MILLISECONDS,),
    "characters": (Meter.CHARACTERS,),
    "searches": (Meter.SEARCHES,),
}
# These four stand in every usage object, null when unknown; the others only when known.
ALWAYS: Final = ("input_tokens", "input_cached_tokens", "output_tokens", "output_reasoning_tokens")

# At which a request may be served, which multiplies what its tokens cost; the usual one is "".
TIERS: Final = (
    *("flex", "priority", "batch", "scale", "fast", "performance", "provisioned"),
    *("us", "other"),  # served within that country; at one that is not known here
)


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one call used. A meter that is absent is unknown, which is not zero."""

    counts: dict[Meter, int] = msgspec.field(default_factory=dict)
    tier: str = ""  # at which it was served, if that has another price: flex, priority, batch

    def __add__(self, other: Usage) -> Usage:
        counts = dict(self.counts)
        for meter, count in other.counts.items():
            counts[meter] = counts.get(meter, 0) + count
        return Usage(counts, self.tier or other.tier)

    def tokens(self) -> int | None:
        """Return input and output tokens together, or None if neither is known."""
        known = [self.counts[m] for m in INPUT_METERS + OUTPUT_METERS if m in self.counts]
        return sum(known) if known else None

    def divide(self, shares: int) -> tuple[Usage, ...]:
        """Return ``shares`` usages in whole units whose sum is this usage exactly."""
        parts: list[dict[Meter, int]] = [{} for _ in range(shares)]
        for meter, count in self.counts.items():
            each, rest = divmod(count, shares)
            for index, part in enumerate(parts):
                part[meter] = each + (1 if index < rest else 0)
        return tuple(Usage(part, self.tier) for part in parts)


def disjoint(
    plain: Meter, total: int | None, parts: Iterable[tuple[Meter, int | None]]
) -> dict[Meter, int]:
    """Take a total and the known subsets inside it apart into meters that add up to the total.

    Vendors report subsets that overlap (cached audio) or exceed the total; each subset then gets
    what is left, so that the sum stays what the vendor said. An unknown total gives no meters.
    """
    if total is None:
        return {}
    left = max(0, total)
    counts: dict[Meter, int] = {}
    for meter, count in parts:
        if count:
            counts[meter] = taken = max(0, min(count, left))
            left -= taken
        elif count is not None:  # most often there is none of it
            counts[meter] = 0
    counts[plain] = left
    return counts


def fields(usage: Usage | None) -> dict[str, int | float | str | None] | None:
    """Write a usage with the names that stand in files; None for a usage nobody reported."""
    if usage is None:
        return None
    count = usage.counts.get
    known = _known(tuple(usage.counts))
    named: dict[str, Any] = {name: count(meter) for name, meter in known.firsts}
    for name, meters in known.of_several:
        named[name] = sum(map(usage.counts.__getitem__, meters))
    if "seconds" in named:
        named["seconds"] /= 1000
    if usage.tier:
        named["tier"] = usage.tier
    return named


class _Known(msgspec.Struct, frozen=True):
    """The names that are written where these meters are known."""

    # In the order in which they are written, each with its first known meter, or one that is not.
    firsts: tuple[tuple[str, Meter], ...]
    of_several: tuple[tuple[str, tuple[Meter, ...]], ...]  # those with a sum


@lru_cache(maxsize=64)  # nearly all answers of a run know the same ones
def _known(known: tuple[Meter, ...]) -> _Known:
    present = {name: tuple(m for m in meters if m in known) for name, meters in FIELDS.items()}
    names = dict.fromkeys((*ALWAYS, *(name for name, meters in present.items() if meters)))
    firsts = tuple((name, (present[name] or FIELDS[name])[0]) for name in names)
    several = tuple((name, meters) for name, meters in present.items() if len(meters) > 1)
    return _Known(firsts, several)
