"""A line of ``usage.jsonl``, checked, and the meters that its nested names stand for."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Annotated, Final, Literal

import msgspec

from batch.pricing import Used
from batch.usage import FIELDS, INPUT_METERS, OUTPUT_METERS, Meter, disjoint

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
_FREE: Final = ("/v1/models", "/mj/task/list-by-condition")  # and what is asked of an id


class Amounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Counts under the names that they have in files; None is unknown."""

    input_tokens: Count | None = None
    input_cached_tokens: Count | None = None
    input_cache_write_tokens: Count | None = None
    input_cache_write_1h_tokens: Count | None = None
    input_audio_tokens: Count | None = None
    input_image_tokens: Count | None = None
    output_tokens: Count | None = None
    output_reasoning_tokens: Count | None = None
    output_audio_tokens: Count | None = None
    output_image_tokens: Count | None = None
    images: Count | None = None
    seconds: Seconds | None = None
    characters: Count | None = None
    searches: Count | None = None

    def counts(self) -> dict[Meter, int]:
        """Return the meters, which hold nothing of one another."""
        counts = _tokens(self, Meter.INPUT, "input_tokens", INPUT_METERS)
        counts |= _tokens(self, Meter.OUTPUT, "output_tokens", OUTPUT_METERS)
        if self.seconds is not None:
            counts[Meter.MILLISECONDS] = round(self.seconds * 1000)
        for meter, name in _UNITS:
            count = getattr(self, name)
            if count is not None:
                counts[meter] = count
        return counts


class Bucket(Amounts, frozen=True, kw_only=True, gc=False):
    """What one run used in one hour, of one model, at one endpoint, with one key, at one tier.

    The fields stand as in the files: each is then looked for where the one before it ends.
    """

    kind: Literal["usage.bucket"] = msgspec.field(name="object")
    schema: Literal[1]
    start_time: Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]  # Unix seconds
    run_id: str
    job: str | None = None
    tags: dict[str, str] = {}
    mock: bool = False
    model: str
    endpoint: str
    key: str | None
    tier: str = ""
    num_model_requests: Count
    num_succeeded: Count = 0
    num_wasted: Count = 0
    num_usage_unknown: Count = 0
    max_input_tokens: Count | None = None
    wasted: Amounts = Amounts()
    num_maybe_billed: Count = 0

    @property
    def is_free(self) -> bool:
        """Return whether it was asked what there is to be had, or what became of some work."""
        return self.endpoint in _FREE or "{id}" in self.endpoint

    def used(self) -> Used:
        """Return what is to be priced."""
        return Used(
            self.model,
            self.start_time,
            self.counts(),
            self.num_model_requests,
            self.num_usage_unknown,
            self.max_input_tokens,
            self.tier,
        )

    def used_in_vain(self) -> Used:
        """Return the part of it that was paid and answered nothing."""
        return Used(
            self.model,
            self.start_time,
            self.wasted.counts(),
            self.num_wasted,
            longest=self.max_input_tokens,
            tier=self.tier,
        )


decode: Final = msgspec.json.Decoder(Bucket).decode
# What tells a bucket from the others of its run.
place_of: Final = attrgetter("start_time", "model", "endpoint", "key", "tier")
# A part of a total has a name of its own, in which the parts of that part are included.
_NAMES: Final[Mapping[Meter, str]] = {
    meters[0]: name
    for name, meters in FIELDS.items()
    if meters not in (INPUT_METERS, OUTPUT_METERS)
}
# What is counted in units of its own, and as a whole number in files too.
_UNITS: Final = tuple(
    (meter, _NAMES[meter]) for meter in (Meter.IMAGES, Meter.CHARACTERS, Meter.SEARCHES)
)


def _tokens(
    amounts: Amounts, plain: Meter, total: str, family: tuple[Meter, ...]
) -> dict[Meter, int]:
    parts = [(one, getattr(amounts, _NAMES[one])) for one in family if one is not plain]
    kept = amounts.input_cache_write_1h_tokens
    if kept:
        parts = [
            (one, count - kept if one is Meter.CACHE_WRITE and count is not None else count)
            for one, count in parts
        ]
    return disjoint(plain, getattr(amounts, total), parts)
