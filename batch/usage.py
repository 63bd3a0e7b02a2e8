"""What is metered: the meters, a usage over them, and the names they have in files.

Meters are disjoint: cached input is not inside input, reasoning is not inside output. So adding,
dividing and pricing are loops that name no meter. The nested names that OpenAI made common
(``input_tokens`` with the cached ones inside) exist only where files are written: ``fields``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import msgspec


class Meter(Enum):
    """A thing that is billed. Every count is a whole number, so that shares add up exactly."""

    INPUT = "input"  # tokens read, neither cached, nor cache-written, nor audio, nor image
    CACHED_INPUT = "cached_input"  # tokens read from a prompt cache
    CACHE_WRITE = "cache_write"  # tokens written to a prompt cache
    INPUT_AUDIO = "input_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT = "output"  # tokens generated, neither reasoning, nor audio, nor image
    REASONING = "reasoning"
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"
    IMAGES = "images"
    MILLISECONDS = "milliseconds"  # of audio or video
    CHARACTERS = "characters"  # of text to speak

    # Members are equal by identity anyway. Enum's own hash is a Python function, called at each
    # look into a dict of counts: a third of what reading, adding and writing a usage costs.
    __hash__ = object.__hash__


INPUT_METERS: Final = (
    Meter.INPUT,
    Meter.CACHED_INPUT,
    Meter.CACHE_WRITE,
    Meter.INPUT_AUDIO,
    Meter.INPUT_IMAGE,
)
OUTPUT_METERS: Final = (Meter.OUTPUT, Meter.REASONING, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE)

# Name in files → the meters whose sum it is. Order is the order in the files.
FIELDS: Final[Mapping[str, tuple[Meter, ...]]] = {
    "input_tokens": INPUT_METERS,
    "input_cached_tokens": (Meter.CACHED_INPUT,),
    "input_cache_write_tokens": (Meter.CACHE_WRITE,),
    "input_audio_tokens": (Meter.INPUT_AUDIO,),
    "input_image_tokens": (Meter.INPUT_IMAGE,),
    "output_tokens": OUTPUT_METERS,
    "output_reasoning_tokens": (Meter.REASONING,),
    "output_audio_tokens": (Meter.OUTPUT_AUDIO,),
    "output_image_tokens": (Meter.OUTPUT_IMAGE,),
    "images": (Meter.IMAGES,),
    "seconds": (Meter.MILLISECONDS,),
    "characters": (Meter.CHARACTERS,),
}
# These three stand in every usage object, null when unknown; the others only when known.
ALWAYS: Final = ("input_tokens", "input_cached_tokens", "output_tokens", "output_reasoning_tokens")


class Usage(msgspec.Struct, frozen=True):
    """What one call used. A meter that is absent is unknown, which is not zero."""

    counts: dict[Meter, int] = msgspec.field(default_factory=dict)

    def __add__(self, other: Usage) -> Usage:
        counts = dict(self.counts)
        for meter, count in other.counts.items():
            counts[meter] = counts.get(meter, 0) + count
        return Usage(counts)

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
        return tuple(Usage(part) for part in parts)


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
        if count is not None:
            taken = count if 0 <= count <= left else max(0, min(count, left))
            counts[meter] = taken
            left -= taken
    counts[plain] = left
    return counts


def fields(usage: Usage | None) -> dict[str, int | float | None] | None:
    """Write a usage with the names that stand in files; None for a usage nobody reported."""
    if usage is None:
        return None
    count = usage.counts.__getitem__
    named: dict[str, Any] = dict.fromkeys(ALWAYS)
    for name, meters in _known(tuple(usage.counts)):
        named[name] = sum(map(count, meters))
    if "seconds" in named:
        named["seconds"] /= 1000
    return named


@lru_cache(maxsize=64)  # nearly all answers of a run know the same ones
def _known(known: tuple[Meter, ...]) -> Sequence[tuple[str, tuple[Meter, ...]]]:
    """Return the names that known meters give a value to, and which of them are summed there."""
    present = [(name, tuple(m for m in meters if m in known)) for name, meters in FIELDS.items()]
    return [(name, meters) for name, meters in present if meters]
