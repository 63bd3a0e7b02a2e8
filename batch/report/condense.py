"""Many buckets as a few that come to the same: what no column and no price tells apart is summed.

A year of nights, of several jobs with several keys, is millions of buckets, and a report of them a
few hundred lines. So they are added column by column, and what is asked of each is asked in C.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, tzinfo
from functools import partial, reduce
from itertools import repeat
from operator import add, attrgetter, is_, is_not, itemgetter
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import astuple

from batch.pricing import Price, PriceBook
from batch.report.buckets import Amounts, Bucket
from batch.report.periods import day_of

Key: TypeAlias = tuple[object, ...]
Values: TypeAlias = tuple[Any, ...]
_FIELDS: Final = Bucket.__struct_fields__
_AMOUNTS: Final = Amounts.__struct_fields__
_SUMMED: Final = (
    *_AMOUNTS,
    "num_model_requests",
    "num_succeeded",
    "num_wasted",
    "num_usage_unknown",
    "num_maybe_billed",
)
_is_unknown: Final = partial(is_, None)
_is_known: Final = partial(is_not, None)


class Condensed:
    """Buckets summed up by day, model, endpoint, tier, and by what else a report tells apart.

    A model whose price changes within a day has sums before and after that.
    """

    def __init__(self, by: Iterable[str], book: PriceBook, tz: tzinfo | None) -> None:
        names = {name.partition(":")[0] for name in by}
        self._parts: Final = [part for name, part in _PARTS.items() if name in names]
        self._times: Final = _Times(book, tz)
        self._kinds: dict[Values, int] = {}  # which values are unknown → a number of its own
        self._sums: dict[Key, _Sum] = {}
        self._single: list[Bucket] = []

    def add(self, buckets: Sequence[Bucket]) -> None:
        """Count buckets in."""
        if not buckets:
            return
        columns = _columns(_FIELDS, map(astuple, buckets))
        hours = zip(columns["model"], columns["start_time"], strict=True)
        times = [*map(self._times.__getitem__, hours)]
        places: Sequence[int] = range(len(buckets))
        if any(time.threshold is not None for time in set(times)):
            columns["max_input_tokens"], places = self._alike(buckets, times)
        wasted = _wasted(buckets) if any(columns["num_wasted"]) else [()] * len(buckets)
        parts = [map(part, buckets) for part in self._parts]
        known = self._known([columns[name] for name in _AMOUNTS])
        vain = map(_unknown_of, wasted) if any(wasted) else repeat(())
        asked = (times, columns["endpoint"], columns["tier"])
        keys = [*zip(*asked, known, vain, *parts, strict=False)]
        alike: defaultdict[Key, list[int]] = defaultdict(list)
        for place in places:
            alike[keys[place]].append(place)
        for key, those in alike.items():
            first = those[0]
            if key not in self._sums:
                self._sums[key] = _Sum(buckets[first], wasted[first])
            self._sums[key].add(columns, wasted, those)

    def buckets(self) -> Iterator[Bucket]:
        """Yield what they come to."""
        yield from self._single
        for one in self._sums.values():
            yield one.bucket()

    def _known(self, columns: Sequence[Values]) -> Iterable[int]:
        """Return for each row a number of what is known of it; without an end if all are alike.

        It is a part of the key: to hash 14 truths for each row would take as long as to add it up.
        """
        kinds = [_all_unknown(column) for column in columns]
        rows = [tuple(kinds)]
        if None in kinds:
            rows = [*map(_unknown_of, zip(*columns, strict=True))]
        numbers = [self._kinds.setdefault(kind, len(self._kinds)) for kind in rows]
        return numbers if None in kinds else repeat(numbers[0])

    def _alike(
        self, buckets: Sequence[Bucket], times: Sequence[_Time]
    ) -> tuple[tuple[int | None, ...], list[int]]:
        """Keep those for themselves whose requests may cost more than short ones do.

        Return what the longest requests may have read, and where the others are.
        """
        bounds, places = [], []
        for place, (bucket, time) in enumerate(zip(buckets, times, strict=True)):
            bound = bucket.max_input_tokens
            if time.threshold is not None:
                # All its requests cost what short ones do if one of these is low enough.
                read = bucket.input_tokens or 0
                bound = read if bound is None else min(read, bound)
            bounds.append(bound)
            if time.threshold is not None and bound is not None and bound > time.threshold:
                self._single.append(bucket)
            else:
                places.append(place)
        return tuple(bounds), places


class _Time(msgspec.Struct, eq=False):
    """Hours of a model on one day, at one price."""

    price: Price | None  # held, so that no other one gets its id
    threshold: int | None


class _Times(dict[tuple[str, int], _Time]):
    """What is known of a model at an hour; found out once."""

    def __init__(self, book: PriceBook, tz: tzinfo | None) -> None:
        super().__init__()
        self._book = book
        self._tz = tz
        self._days: dict[int, date] = {}  # of an hour, whichever model
        self._same: dict[tuple[str, date, int], _Time] = {}

    def __missing__(self, hour: tuple[str, int]) -> _Time:
        model, at = hour
        price = self._book.price(model, at)
        day = self._days.get(at)
        if day is None:
            day = self._days[at] = day_of(at, self._tz)
        same = (model, day, id(price))
        time = self._same.get(same)
        if time is None:
            time = self._same[same] = _Time(price, price.threshold if price else None)
        self[hour] = time
        return time


class _Sum:
    """Buckets of which the same things are known."""

    __slots__ = ("_first", "_longest", "_sums", "_wasted")

    def __init__(self, first: Bucket, wasted: Values) -> None:
        self._first = first
        self._sums = {name: 0 for name in _SUMMED if getattr(first, name) is not None}
        known = zip(_AMOUNTS, wasted, strict=False)  # which may be nothing
        self._wasted = {name: 0 for name, value in known if value is not None}
        self._longest: int | None = None

    def add(
        self, columns: Mapping[str, Values], wasted: Sequence[Values], places: Sequence[int]
    ) -> None:
        """Count in those that stand at these places."""
        first = places[0]
        # What picks one value only would return it, and not a tuple.
        pick = itemgetter(*places) if len(places) > 1 else itemgetter(slice(first, first + 1))
        _add(self._sums, columns, pick)
        if self._wasted:
            _add(self._wasted, _columns(_AMOUNTS, pick(wasted)), tuple)
        longest = (self._longest, *pick(columns["max_input_tokens"]))
        self._longest = max(filter(_is_known, longest), default=None)

    def bucket(self) -> Bucket:
        """Return them as one."""
        wasted = Amounts(**self._wasted)
        return msgspec.structs.replace(
            self._first, **self._sums, wasted=wasted, max_input_tokens=self._longest
        )


def _columns(names: Iterable[str], rows: Iterable[Values]) -> dict[str, Values]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _add(
    sums: dict[str, Any], columns: Mapping[str, Values], pick: Callable[[Any], Values]
) -> None:
    for name, total in sums.items():
        column = pick(columns[name])
        # Fractions one after the other: what ``sum`` makes of them is up to the version of Python.
        sums[name] = reduce(add, column, total) if name == "seconds" else sum(column, total)


def _wasted(buckets: Iterable[Bucket]) -> list[Values]:
    return [astuple(one.wasted) if one.num_wasted else () for one in buckets]


def _all_unknown(column: Values) -> bool | None:
    """Return whether a column is unknown; None: some of it is."""
    if column[0] is None:
        return column.count(None) == len(column) or None
    return None if None in set(column) else False


def _unknown_of(values: Values) -> Values:
    return tuple(map(_is_unknown, values))


_PARTS: Final[Mapping[str, Callable[[Bucket], object]]] = {
    "run": attrgetter("run_id"),
    "job": attrgetter("job"),
    "key": attrgetter("key"),
    "tag": lambda bucket: tuple(sorted(bucket.tags.items())),
}
