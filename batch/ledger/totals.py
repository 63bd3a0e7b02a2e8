"""Usage totals: a function of the records, summed by hour, model, endpoint, key and tier.

Every billed attempt stands in exactly one record: a result, a ``billed`` or a ``part`` of the
journal. What nobody reported stays unknown: it is counted as such and never added as zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec
from msgspec.structs import astuple

from batch.ledger.entries import Count, Counts, Named
from batch.usage import ALWAYS, FIELDS

# Hour, model asked, endpoint, name of the key; the tier, where its price is another one.
Key: TypeAlias = tuple[str, ...]
Source: TypeAlias = Literal["result", "part", "billed"]
Sums: TypeAlias = dict[str, int | float]  # a whole number stays one, also through a file
Values: TypeAlias = Sequence[Count]  # of a usage, in the order of FIELDS

SCHEMA: Final = 1
EPOCH: Final = "1970-01-01T00"  # no billed record lacks a time; this one would show
LONGEST: Final = "max_input_tokens"  # of one call: above some length, each token costs more
MAYBE: Final = "num_maybe_billed"
WASTED: Final = "wasted."  # before a name: of attempts that were no line's answer
_READ, _WRITTEN = map(list(FIELDS).index, ("input_tokens", "output_tokens"))
NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
COUNTS: Final[Mapping[Source, str]] = {
    "result": "num_succeeded",
    "part": "num_parts",
    "billed": "num_wasted",
}


class Totals:
    """Sums that grow with each billed record, and nothing else."""

    __slots__ = ("buckets",)

    def __init__(self, buckets: dict[Key, Sums] | None = None) -> None:
        self.buckets: dict[Key, Sums] = buckets or {}

    def add(self, key: Key, source: Source, usage: Named | None, calls: int = 1) -> None:
        """Count one record; ``calls`` is 0 for the second and later lines of a pack."""
        counts = None if usage is None else msgspec.convert(usage, Counts)
        self.add_all(key, source, [counts], calls)

    def add_all(
        self, key: Key, source: Source, usages: Sequence[Counts | None], calls: int = 1
    ) -> None:
        """Count records that go into one bucket, each with so many ``calls``."""
        bucket = self.buckets.setdefault(key, {})
        _count(bucket, "num_model_requests", calls * len(usages))
        _count(bucket, COUNTS[source], len(usages))
        reported = [astuple(usage) for usage in usages if usage is not None]
        columns = dict(zip(FIELDS, zip(*reported, strict=True), strict=False))
        known = {name: _count_all(bucket, name, values) for name, values in columns.items()}
        read, written = known.get("input_tokens", ()), known.get("output_tokens", ())
        if not len(read) == len(written) == len(usages):
            unknown = len(usages) - sum(map(_known, reported))
            _count(bucket, "num_usage_unknown", calls * unknown)
        if read:
            bucket[LONGEST] = max(bucket.get(LONGEST, 0), *read)
        if source == "billed" and reported:
            _count_all(bucket, "wasted_tokens", [0, *read, *written])
            for name, values in known.items():
                _count_all(bucket, WASTED + name, values)

    def doubt(self, key: Key, calls: int) -> None:
        """Count calls whose answer was cut: they may be billed, and nobody knows how much."""
        _count(self.buckets.setdefault(key, {}), MAYBE, calls)

    def rows(
        self,
        run_id: str,
        labels: Mapping[str, Any] = NOTHING,
        doubts: Mapping[Key, int] = NOTHING,
    ) -> Iterator[dict[str, Any]]:
        """Yield the lines of usage.jsonl, oldest hour first.

        ``labels`` say whose run it is; ``doubts`` are the calls of failed lines that may be billed.
        """
        for key in sorted(self.buckets.keys() | doubts.keys()):
            hour, model, endpoint, name, *tier = key
            bucket = self.buckets.get(key, {})
            start = int(datetime.fromisoformat(f"{hour}:00:00+00:00").astimezone(UTC).timestamp())
            yield {
                "object": "usage.bucket",
                "schema": SCHEMA,
                "start_time": start,
                "end_time": start + 3600,
                "run_id": run_id,
                **labels,
                "model": model,
                "endpoint": endpoint,
                "key": name or None,
                **({"tier": tier[0]} if tier else {}),
                **named(bucket),
                MAYBE: int(bucket.get(MAYBE, 0)) + doubts.get(key, 0),
            }

    def sum(self) -> dict[str, Any]:
        """Return the totals over all buckets, with the same names."""
        whole: Sums = {}
        for bucket in self.buckets.values():
            for name, value in bucket.items():
                if name == LONGEST:
                    whole[name] = max(value, whole.get(name, 0))
                else:
                    _count(whole, name, value)
        return named(whole)


def _known(usage: Values) -> bool:
    """Return whether a usage was reported: of one side alone, what is summed is a floor."""
    read, written = usage[_READ], usage[_WRITTEN]
    if read is None and written is None:
        return any(value is not None for value in usage)
    return read is not None and written is not None


def hour_of(started_at: str | None) -> str:
    """Return the hour of an RFC 3339 time in UTC, as ``2026-11-22T02``."""
    return (started_at or EPOCH)[:13]


def named(bucket: Mapping[str, int | float]) -> dict[str, Any]:
    """Write a bucket: counts always, tokens null when none is known, other meters when known."""
    row: dict[str, Any] = {
        "num_model_requests": bucket.get("num_model_requests", 0),
        **{name: bucket.get(name, 0) for name in COUNTS.values()},
        "num_usage_unknown": bucket.get("num_usage_unknown", 0),
    }
    for name in FIELDS:
        if name in bucket or name in ALWAYS:
            row[name] = bucket.get(name)
    if LONGEST in bucket:
        row[LONGEST] = bucket[LONGEST]
    if wasted := {name: bucket[WASTED + name] for name in FIELDS if WASTED + name in bucket}:
        row["wasted"] = wasted
    row["wasted_tokens"] = bucket.get("wasted_tokens", 0)
    return row


def _count(bucket: Sums, name: str, value: float) -> None:
    total = bucket.get(name, 0) + value
    # Thousandths keep seconds exact: 0.1 + 0.2 would not be 0.3.
    bucket[name] = total if type(total) is int else round(total, 3)


def _count_all(bucket: Sums, name: str, values: Values) -> Sequence[int | float]:
    """Count those values that are known, most often all or none, and return them.

    One comes after the other; whole numbers may be added up before that.
    """
    if not values or (values[0] is None and values.count(None) == len(values)):
        return ()
    known = cast("Sequence[int | float]", values)
    try:
        total = sum(known)
    except TypeError:  # to look for what is unknown takes longer than to add all up
        known = [value for value in values if value is not None]
        total = sum(known)
    if type(total) is int:
        _count(bucket, name, total)
        return known
    for value in known:
        _count(bucket, name, value)
    return known
