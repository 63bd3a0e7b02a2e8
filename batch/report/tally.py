"""Sums over buckets, in usage and in money, by one or several things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, tzinfo
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from batch.errors import BadUsage
from batch.pricing import Cost, Gap, PriceBook
from batch.report.buckets import Bucket
from batch.report.periods import day_of, week_of
from batch.usage import INPUT_METERS, OUTPUT_METERS, Meter
from batch.wording import is_text, shown

Keys: TypeAlias = tuple[str, ...]
Dimension: TypeAlias = Callable[[Bucket], str]
NONE: Final = "—"  # of what has no such thing
BY: Final = ("day", "week", "month", "model", "job", "run", "tag", "endpoint", "key", "tier")
TAG: Final = "tag:"  # before the name of one
PERIODS: Final = ("day", "week", "month")
_BARS: Final = 62  # at most so many stand side by side


class Line(msgspec.Struct):
    """What belongs together: its names, its usage, its money."""

    keys: Keys
    requests: int = 0
    answered: int = 0
    wasted: int = 0
    maybe_billed: int = 0
    unreported: int = 0
    counts: dict[Meter, int] = msgspec.field(default_factory=dict)
    cost: Cost = Cost()
    waste: Cost = Cost()

    def add(self, bucket: Bucket, cost: Cost, waste: Cost) -> None:
        """Count a bucket in."""
        self.requests += bucket.num_model_requests
        self.answered += bucket.num_succeeded
        self.wasted += bucket.num_wasted
        self.maybe_billed += bucket.num_maybe_billed
        self.unreported += bucket.num_usage_unknown
        for meter, count in bucket.counts().items():
            self.counts[meter] = self.counts.get(meter, 0) + count
        self.cost += cost
        self.waste += waste

    @property
    def read(self) -> int | None:
        """Return the input tokens, the cached ones among them."""
        return self.sum(INPUT_METERS)

    @property
    def written(self) -> int | None:
        """Return the output tokens, reasoning among them."""
        return self.sum(OUTPUT_METERS)

    def sum(self, family: Iterable[Meter]) -> int | None:
        """Return what several meters count together; None if nothing of it is known."""
        known = [self.counts[one] for one in family if one in self.counts]
        return sum(known) if known else None


class Tally(msgspec.Struct, frozen=True):
    """A report: its lines, and their total."""

    by: tuple[str, ...]
    lines: Sequence[Line]
    total: Line
    currency: str
    sources: Mapping[str, str]  # model → where its price is from, and of when
    first: date | None  # of the days there are
    last: date | None

    @property
    def gaps(self) -> list[Gap]:
        """Return why the total is a floor."""
        return sorted(self.total.cost.gaps)

    def share(self, line: Line) -> Decimal | None:
        """Return a line's share of the money, of 1."""
        whole = self.total.cost.amount
        return line.cost.amount / whole if whole and line.cost.priced else None


def dimensions(said: str) -> tuple[str, ...]:
    """Return what to group by. Raises ``BadUsage``."""
    names = tuple(dict.fromkeys(name.strip() for name in said.split(",") if name.strip()))
    for name in names:
        if not is_text(name):
            raise BadUsage(f"--by: {shown(name)} is not valid UTF-8, and so no run has such a tag")
        if name not in BY and not (name.startswith(TAG) and name != TAG):
            raise BadUsage(f"--by takes {', '.join(BY)} or tag:NAME, several with commas between")
    if not names:
        raise BadUsage(f"--by names nothing. It takes {', '.join(BY)} or tag:NAME")
    return names


def grain(first: date | None, last: date | None) -> str:
    """Return what a bar stands for, so that they fit side by side."""
    days = (last - first).days + 1 if first and last else 0
    return "day" if days <= _BARS else "week" if days <= 7 * _BARS else "month"


def tally(
    buckets: Iterable[Bucket], by: tuple[str, ...], book: PriceBook, tz: tzinfo | None
) -> Tally:
    """Sum up buckets by what is asked for."""
    looks = [_look(name, tz) for name in by]
    lines: dict[Keys, Line] = {}
    total = Line(())
    sources: dict[str, str] = {}
    days = []
    for bucket in buckets:
        cost = book.cost(bucket.used()) if not bucket.is_free else Cost()
        waste = book.cost(bucket.used_in_vain()) if bucket.num_wasted else Cost()
        keys = tuple(look(bucket) for look in looks)
        if keys not in lines:
            lines[keys] = Line(keys)
        for line in (lines[keys], total):
            line.add(bucket, cost, waste)
        days.append(day_of(bucket.start_time, tz))
        if bucket.model not in sources and (price := book.price(bucket.model, bucket.start_time)):
            said = f"{price.source}, {price.as_of}" if price.as_of else price.source
            sources[bucket.model] = said
    return Tally(
        by=by,
        lines=sorted(lines.values(), key=lambda line: _order(line, by)),
        total=total,
        currency=book.currency,
        sources=sources,
        first=min(days, default=None),
        last=max(days, default=None),
    )


def _order(line: Line, by: tuple[str, ...]) -> tuple[object, ...]:
    """Put times in their order, and what costs most before the rest."""
    times = tuple(key for name, key in zip(by, line.keys, strict=True) if name in PERIODS)
    return times, -line.cost.amount, -(line.read or 0), line.keys


def _look(name: str, tz: tzinfo | None) -> Dimension:
    looks: dict[str, Dimension] = {
        "day": lambda one: day_of(one.start_time, tz).isoformat(),
        "week": lambda one: week_of(day_of(one.start_time, tz)),
        "month": lambda one: f"{day_of(one.start_time, tz):%Y-%m}",
        "model": lambda one: one.model or NONE,
        "job": lambda one: one.job or NONE,
        "run": lambda one: one.run_id,
        "tag": lambda one: ", ".join(f"{k}={v}" for k, v in sorted(one.tags.items())) or NONE,
        "endpoint": lambda one: one.endpoint or NONE,
        "key": lambda one: one.key or NONE,
        "tier": lambda one: one.tier or NONE,
    }
    if name in looks:
        return looks[name]
    tag = name.removeprefix(TAG)
    return lambda one: one.tags.get(tag, NONE)
