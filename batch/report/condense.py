"""Many buckets as a few that come to the same: what no column and no price tells apart is summed.

A year of nights, of several jobs with several keys, is millions of buckets, and a report of them a
few hundred lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, tzinfo
from functools import partial
from operator import attrgetter, is_
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import astuple

from batch.pricing import Price, PriceBook
from batch.report.buckets import Amounts, Bucket
from batch.report.periods import day_of

Key: TypeAlias = tuple[object, ...]
_AMOUNTS: Final = Amounts.__struct_fields__  # the first fields of a bucket
_COUNTS: Final = (
    "num_model_requests",
    "num_succeeded",
    "num_wasted",
    "num_usage_unknown",
    "num_maybe_billed",
)
_SUMMED: Final = (
    *range(len(_AMOUNTS)),
    *(Bucket.__struct_fields__.index(name) for name in _COUNTS),
)
_unknown: Final = partial(is_, None)


class Condensed:
    """Buckets summed up by day, model and endpoint, and by what else a report tells apart.

    A model whose price changes within a day has sums before and after that.
    """

    def __init__(self, by: Iterable[str], book: PriceBook, tz: tzinfo | None) -> None:
        names = {name.partition(":")[0] for name in by}
        self._parts: Final = [part for name, part in _PARTS.items() if name in names]
        self._book = book
        self._tz = tz
        self._times: dict[tuple[str, int], _Time] = {}
        self._days: dict[int, date] = {}  # of an hour, whichever model
        self._prices: dict[int, Price | None] = {}  # held, so that no other one gets its id
        self._sums: dict[Key, _Sum] = {}
        self._single: list[Bucket] = []

    def add(self, bucket: Bucket) -> None:
        """Count a bucket in."""
        longest = bucket.max_input_tokens
        time = self._times.get((bucket.model, bucket.start_time)) or self._time(bucket)
        threshold = time.threshold
        if threshold is not None:
            # All its requests cost what short ones do if one of these bounds is low enough.
            read = bucket.used().read
            longest = read if longest is None else min(read, longest)
            if longest > threshold:
                self._single.append(bucket)
                return
        values = astuple(bucket)
        wasted = astuple(bucket.wasted) if bucket.num_wasted else ()
        key = (
            time.day,
            time.price,
            bucket.model,
            bucket.endpoint,
            tuple(map(_unknown, values[: len(_AMOUNTS)])),
            tuple(map(_unknown, wasted)),
            *[part(bucket) for part in self._parts],
        )
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum(bucket, values, wasted)
        found.add(values, wasted, longest)

    def buckets(self) -> Iterator[Bucket]:
        """Yield what they come to."""
        yield from self._single
        for one in self._sums.values():
            yield one.bucket()

    def _time(self, bucket: Bucket) -> _Time:
        model, at = bucket.model, bucket.start_time
        price = self._book.price(model, at)
        self._prices[id(price)] = price
        threshold = price.threshold if price else None
        day = self._days.get(at)
        if day is None:
            day = self._days[at] = day_of(at, self._tz)
        time = self._times[model, at] = _Time(day, id(price), threshold)
        return time


class _Time(msgspec.Struct, frozen=True, gc=False):
    """An hour of a model: on which day it is, and what it costs then."""

    day: date
    price: int  # tells one from another
    threshold: int | None


class _Sum:
    """Buckets of which the same things are known."""

    __slots__ = ("_first", "_known", "_longest", "_sums", "_wasted", "_wasted_known")

    def __init__(self, first: Bucket, values: tuple[Any, ...], wasted: tuple[Any, ...]) -> None:
        self._first = first
        self._known = tuple(place for place in _SUMMED if values[place] is not None)
        self._wasted_known = tuple(at for at, value in enumerate(wasted) if value is not None)
        self._sums = dict.fromkeys(self._known, 0)
        self._wasted = dict.fromkeys(self._wasted_known, 0)
        self._longest: int | None = None

    def add(self, values: tuple[Any, ...], wasted: tuple[Any, ...], longest: int | None) -> None:
        sums = self._sums
        for place in self._known:
            sums[place] += values[place]
        for place in self._wasted_known:
            self._wasted[place] += wasted[place]
        if longest is not None and (self._longest is None or longest > self._longest):
            self._longest = longest

    def bucket(self) -> Bucket:
        names = Bucket.__struct_fields__
        sums = {names[place]: total for place, total in self._sums.items()}
        wasted = Amounts(**{_AMOUNTS[place]: total for place, total in self._wasted.items()})
        return msgspec.structs.replace(
            self._first, **sums, wasted=wasted, max_input_tokens=self._longest
        )


_PARTS: Final[Mapping[str, Callable[[Bucket], object]]] = {
    "run": attrgetter("run_id"),
    "job": attrgetter("job"),
    "key": attrgetter("key"),
    "tag": lambda bucket: tuple(sorted(bucket.tags.items())),
}
