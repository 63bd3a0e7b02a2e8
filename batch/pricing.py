"""What a usage costs: prices of models, and money that says what it does not know.

A price names what one unit of each meter costs. What it leaves out is not free: of cached input,
cache writes and reasoning it is what plain tokens cost, of anything else it is *unpriced*. What is
unpriced, or was never reported, is a gap: an amount with gaps is a floor. To keep something in a
cache for an hour costs more than for minutes, so that it is unpriced too unless the price says it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

import msgspec

from batch.usage import INPUT_METERS, OUTPUT_METERS, Meter

# Why an amount is a floor: the model has no price; it has none at a tier; some of its meters have
# none; the gateway did not report what was used; requests may be so long that they cost more; there
# is no rate between currencies.
Why: TypeAlias = Literal[
    "no_price", "no_tier_price", "no_meter_price", "no_usage", "long_context", "no_rate"
]

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
BASE: Final = "USD"  # what rates of exchange are given against
# Meters that cost what another one costs, where a price says nothing of them.
_LIKE: Final[Mapping[Meter, Meter]] = {
    Meter.CACHED_INPUT: Meter.INPUT,
    Meter.CACHE_WRITE: Meter.INPUT,
    Meter.REASONING: Meter.OUTPUT,
}
# Meters that cost more than another one does: without a price of theirs that much is in the floor.
_MORE_THAN: Final[Mapping[Meter, Meter]] = {Meter.CACHE_WRITE_1H: Meter.CACHE_WRITE}
_TOKENS: Final = frozenset(INPUT_METERS + OUTPUT_METERS)
_READ: Final = tuple(one for one in INPUT_METERS if one is not Meter.CACHE_WRITE_1H)


class Rate(msgspec.Struct, frozen=True):
    """What one unit costs; ``tiers``: the input tokens of a request above which it costs more."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()  # the lowest first

    def times(self, factor: Decimal) -> Rate:
        """Return so many times as much."""
        return Rate(self.base * factor, tuple((above, one * factor) for above, one in self.tiers))

    def at(self, read: int) -> Decimal:
        """Return what a unit costs in a request that reads so many tokens."""
        return next((price for above, price in reversed(self.tiers) if read > above), self.base)


class Price(msgspec.Struct, frozen=True):
    """What calls of a model cost, who says so, and as of when."""

    rates: Mapping[Meter, Rate]
    source: str
    as_of: str | None = None
    per_request: Decimal = ZERO
    currency: str = BASE
    multiplier: Decimal = ONE  # what the gateway takes of a list price
    by_tier: Mapping[str, Decimal] = {}  # tier → so many times as much its tokens cost

    def at_tier(self, tier: str) -> Price | None:
        """Return the price of what is served at a tier; None: nobody says."""
        if not tier or not self.by_tokens:
            return self
        times = self.by_tier.get(tier)
        if times is None:
            return None
        rates = {
            meter: rate.times(times) if meter in _TOKENS else rate
            for meter, rate in self.rates.items()
        }
        return msgspec.structs.replace(self, rates=rates)

    def rate(self, meter: Meter) -> Rate | None:
        """Return what a unit of a meter costs; None: nobody says."""
        return self.rates.get(meter) or self.rates.get(_LIKE.get(meter, meter))

    @property
    def threshold(self) -> int | None:
        """Return up to how many input tokens a request costs what short ones do."""
        starts = [rate.tiers[0][0] for rate in self.rates.values() if rate.tiers]
        return min(starts, default=None)

    def worst(self, bounds: Mapping[Meter, int], tier: str = "") -> Decimal | None:
        """Return the most that one request can cost whose counts have these upper bounds.

        What is asked for at a tier may be served at the usual one, if there is no room.

        A bound of input tokens may turn out to be any kind of input that has a price, and so of
        output; but only what asks for it is kept in a cache for an hour. None if nobody can say, as
        something of it has no price, or as tokens are billed and the bounds are of something else.
        """
        if bounds and self.by_tokens and _TOKENS.isdisjoint(bounds):
            return None
        served = self.at_tier(tier)
        if served is None:
            return None
        if tier and self.by_tier.get(tier, ONE) > ONE:
            return served.worst(bounds)
        read = sum(count for meter, count in bounds.items() if meter in INPUT_METERS)
        known = bool(self.per_request) or not any(bounds.values())
        total = self.per_request
        for meter, count in bounds.items():
            if self.rate(meter) is None:
                if count and self.lacks(meter):
                    return None
                continue
            kinds = _kinds(meter)
            total += count * max(rate.at(read) for one in kinds if (rate := self.rate(one)))
            known = True
        return total * self.multiplier if known else None

    def lacks(self, meter: Meter) -> bool:
        """Return whether nobody says what a meter costs that is billed beside those with a price.

        A model is billed by its tokens, or by the picture, the second, the request. What is counted
        besides is billed by none of them, but for searches.
        """
        if self.rate(meter) is not None:
            return False
        if meter is Meter.SEARCHES:
            return not self.per_request
        return meter in _TOKENS and self.by_tokens

    def priced(self, bounds: Mapping[Meter, int]) -> dict[Meter, int]:
        """Return what of some bounds has a price; what costs more than another thing, as that."""
        known: dict[Meter, int] = {}
        for meter, count in bounds.items():
            one = _MORE_THAN.get(meter, meter) if self.lacks(meter) else meter
            if not self.lacks(one):
                known[one] = known.get(one, 0) + count
        return known

    @property
    def by_tokens(self) -> bool:
        """Return whether tokens are what is billed."""
        return not _TOKENS.isdisjoint(self.rates)


class Used(msgspec.Struct, frozen=True):
    """What some requests to one model used together."""

    model: str
    at: float  # when, seconds since the epoch: prices change
    counts: Mapping[Meter, int]
    requests: int
    unreported: int = 0  # of these, those whose usage nobody reported in full
    longest: int | None = None  # input tokens of the longest of them, if known
    tier: str = ""  # at which they were served, if that has another price

    @property
    def read(self) -> int:
        """Return the input tokens."""
        return sum(count for meter, count in self.counts.items() if meter in INPUT_METERS)


class Gap(msgspec.Struct, frozen=True, order=True):
    """Why an amount is a floor."""

    model: str
    why: Why
    detail: str = ""  # the tier or the meters without a price, the currency without a rate


class Cost(msgspec.Struct, frozen=True):
    """What something costs as far as that is known, in one currency."""

    amount: Decimal = ZERO
    listed: Decimal = ZERO  # at list prices, before what the gateway makes of them
    saved: Decimal = ZERO  # what the cached input would have cost beyond that
    gaps: frozenset[Gap] = frozenset()
    priced: bool = False  # whether anything of it has a price

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.amount + other.amount,
            self.listed + other.listed,
            self.saved + other.saved,
            self.gaps | other.gaps,
            self.priced or other.priced,
        )


class PriceBook(msgspec.Struct, frozen=True):
    """All prices that somebody knows: the user's own, and after them a list."""

    own: tuple[tuple[str, Price], ...] = ()  # name or pattern → price; the first match wins
    listed: Callable[[str, float], Price | None] | None = None  # model, at
    currency: str = BASE  # of what ``cost`` returns
    per_base: Mapping[str, Decimal] = {}  # currency → how much of it one US dollar is

    def price(self, model: str, at: float) -> Price | None:
        """Return a model's price at a time: its own, else that of the list."""
        for pattern, price in self.own:
            if pattern == model or fnmatchcase(model, pattern):
                return price
        return self.listed(model, at) if self.listed else None

    def cost(self, used: Used) -> Cost:
        """Return what was used in money, and why it may be more."""
        price = self.price(used.model, used.at)
        if price is None:
            return Cost(gaps=frozenset({Gap(used.model, "no_price")}))
        rate = self.exchange(price.currency)
        if rate is None:
            pair = f"{price.currency} to {self.currency}"
            return Cost(gaps=frozenset({Gap(used.model, "no_rate", pair)}))
        served = price.at_tier(used.tier)
        if served is None:
            return Cost(gaps=frozenset({Gap(used.model, "no_tier_price", used.tier)}))
        return _cost(served, used, rate)

    def exchange(self, currency: str) -> Decimal | None:
        """Return how much of the book's currency one of another is; None if nobody says."""
        if currency == self.currency:
            return ONE
        here, there = (
            ONE if one == BASE else self.per_base.get(one) for one in (self.currency, currency)
        )
        return here / there if here and there else None


def _cost(price: Price, used: Used, exchange: Decimal) -> Cost:
    gaps: set[Gap] = set()
    read = _read_by_one(price, used)
    if read is None:
        gaps.add(Gap(used.model, "long_context", f"{price.threshold:,}"))
    listed = price.per_request * used.requests
    saved, priced, without = ZERO, bool(price.per_request), []
    for meter, count in used.counts.items():
        rate = price.rate(meter)
        if rate is None and count:
            without.append(meter)
            rate = price.rate(_MORE_THAN.get(meter, meter))
        if rate is not None:
            priced = True
            listed += count * rate.at(read or 0)
            if meter is Meter.CACHED_INPUT and (plain := price.rate(Meter.INPUT)):
                saved += count * (plain.at(read or 0) - rate.at(read or 0))
    missing = [one for one in without if not priced or price.lacks(one)]
    if missing:
        gaps.add(Gap(used.model, "no_meter_price", ", ".join(one.value for one in missing)))
    if used.unreported and price.rates:
        gaps.add(Gap(used.model, "no_usage"))
    factor = price.multiplier * exchange
    return Cost(listed * factor, listed * exchange, saved * factor, frozenset(gaps), priced)


def _kinds(meter: Meter) -> tuple[Meter, ...]:
    """Return what the units may turn out to be that a bound is of."""
    if meter is Meter.CACHE_WRITE_1H:
        return INPUT_METERS
    return next((kinds for kinds in (_READ, OUTPUT_METERS) if meter in kinds), (meter,))


def _read_by_one(price: Price, used: Used) -> int | None:
    """Return for how many input tokens each request is to be priced; None: they may differ."""
    threshold = price.threshold
    if threshold is None or used.read <= threshold:
        return 0
    if used.longest is not None and used.longest <= threshold:
        return 0
    return used.read if used.requests == 1 else None
