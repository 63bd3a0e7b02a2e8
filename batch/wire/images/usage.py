"""The ``usage`` object of the images API, taken apart into meters."""

from __future__ import annotations

from typing import Any

from batch.usage import Meter, Usage, disjoint
from batch.wire._lenient import as_dict, count


def read_usage(told: object, images: int | None = None) -> Usage | None:
    """Return the tokens, if any are told, and the pictures, if their number is known."""
    known = as_dict(told)
    # Other names and zeros are padding of the gateway's structs, which it prints whole.
    read = count(known.get("input_tokens")) or count(known.get("prompt_tokens"))
    made = count(known.get("output_tokens")) or count(known.get("completion_tokens"))
    counts: dict[Meter, int] = {}
    if read or made:
        seen = count(as_dict(known.get("input_tokens_details")).get("image_tokens"))
        drawn = _drawn(as_dict(known.get("output_tokens_details")), made)
        counts |= disjoint(Meter.INPUT, read, ((Meter.INPUT_IMAGE, seen),))
        counts |= disjoint(Meter.OUTPUT, made, ((Meter.OUTPUT_IMAGE, drawn),))
    if images is not None:
        counts[Meter.IMAGES] = images
    return Usage(counts) if counts else None


def _drawn(details: dict[str, Any], made: int | None) -> int | None:
    """Return the tokens of pictures; streams and older gateways do not say that all are."""
    drawn, said = count(details.get("image_tokens")), count(details.get("text_tokens"))
    return drawn if drawn or said else made
