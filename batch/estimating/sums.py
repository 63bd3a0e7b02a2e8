"""Adds up what lines may take, line by line, and makes an estimate of the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Final, TypeAlias

from batch.errors import Refused
from batch.estimating.guess import guessed
from batch.estimating.told import Estimated, Money, Part, Span, Taken
from batch.pricing import ZERO, Price, PriceBook, Used
from batch.records import Request, Row
from batch.script import Script
from batch.usage import INPUT_METERS, OUTPUT_METERS, Meter, Usage
from batch.wire import OutputLimit, WireFormat

# Formats guess a token for three bytes. It may be one for so many times as much: the JSON around
# a prompt of two words is no token at all.
SPARSE: Final = 24
# Most answers end before their limit. Where a body sets none, formats expect so many tokens too.
LIKELY_OUTPUT: Final = 256
# What is said to an answer that must be given again: why, and what it may be. In tokens.
ASKED_AGAIN: Final = 1000
_TOKENS: Final = frozenset(INPUT_METERS + OUTPUT_METERS)

Place: TypeAlias = tuple[str, str]  # model, endpoint
Counts: TypeAlias = Mapping[Meter, int]


class _Sums:
    """Lines of one model and endpoint. What is counted is of one request for each of them."""

    def __init__(self, row: Row, price: Price | None, limit: OutputLimit | None, tier: str) -> None:
        self.row = row  # the first one
        self.price = price
        self.tier = tier  # that is asked for
        self.tiered = price is not None and price.threshold is not None
        self.limit = limit
        self.asked = self.packed = 0  # lines that are asked one by one, and others
        self.read = self.made = 0  # likely tokens
        self.least_read = self.least_made = 0
        self.longest = 0  # likely tokens that one request reads
        self.bounds: Counter[Meter] = Counter()  # of those lines that have some
        self.bounded = self.limitless = self.boundless = self.unpriced = 0  # lines
        self.uncounted = 0  # lines of which nothing bounds the tokens
        self.worst = ZERO  # of all requests, where long ones are dearer
        self.done = self.done_read = 0  # lines that have their answer, and what was guessed of them

        self._known: dict[tuple[Meter, ...], bool] = {}

    @property
    def lines(self) -> int:
        return self.asked + self.packed

    def has_price(self, price: Price, bound: Counts) -> bool:
        """Return whether all that is bounded has a price. Lines are alike: each is told once."""
        used = tuple(meter for meter, count in bound.items() if count)
        if used not in self._known:
            self._known[used] = price.worst(bound, self.tier) is not None
        return self._known[used]


class Estimator:
    """Adds lines up. ``at`` is the time, in seconds since the epoch, as of which prices count."""

    def __init__(
        self, book: PriceBook, at: float, script: Script, formats: Mapping[str, WireFormat]
    ) -> None:
        self._book, self._at = book, at
        self._script = script
        self._formats = formats
        self._sums: dict[tuple[Place, str], _Sums] = {}  # and by the tier that is asked for
        self._broken = self._looked = 0

    def add(self, row: Row) -> None:
        """Take in a line that is to be asked."""
        request = self._request(row)
        if request is None:
            self.add_broken()
            return
        self._looked += 1
        wire = self._formats[row.format]
        # A question costs nothing, whatever its model is called.
        bound = wire.bound(request) if request.method != "GET" else None
        sums = self._sums_of(row, bound.tier if bound is not None else "")
        if self._script.width > 1 and row.pack_key:
            sums.packed += 1
        else:
            sums.asked += 1
        told = guessed(wire, request)
        made = min(told.output_tokens, LIKELY_OUTPUT)
        sums.read += told.input_tokens
        sums.made += made
        sums.least_read += -(-told.input_tokens // SPARSE)
        sums.least_made += min(made, 1)
        sums.longest = max(sums.longest, told.input_tokens)
        if request.method != "GET":
            self._bound(sums, request, bound)
            # Pictures are bounded by their number, also where they are counted in tokens.
            sums.uncounted += bool(told.input_tokens and _TOKENS.isdisjoint(_of(bound)))

    def add_broken(self) -> None:
        """Take in a line that asks nothing that can be sent."""
        self._looked += 1
        self._broken += 1

    def add_answered(self, row: Row) -> None:
        """Take in a line that has its answer, to compare what was guessed with what it took."""
        request = self._request(row)
        if request is not None:
            bound = self._formats[row.format].bound(request)
            sums = self._sums_of(row, bound.tier if bound is not None else "")
            sums.done += 1
            sums.done_read += guessed(self._formats[row.format], request).input_tokens

    def estimated(self, lines: int, taken: Mapping[Place, Taken]) -> Estimated:
        """Return the estimate of so many lines, of which those that were added are a part."""
        scale = Fraction(lines, self._looked) if self._looked else Fraction(0)
        every = sorted(self._sums.items(), key=lambda one: -one[1].lines)
        parts = tuple(
            self._part(sums, scale, taken.get(place)) for (place, _), sums in every if sums.lines
        )
        broken = ceil(self._broken * scale)
        return Estimated(parts, lines, self._looked, broken, self._book.currency)

    def _request(self, row: Row) -> Request | None:
        """Return the first request of a line; None for one that the script cannot ask."""
        try:
            return self._script.begin((row,)).requests[0]
        except Refused:
            return None

    def _sums_of(self, row: Row, tier: str) -> _Sums:
        place = ((row.model, row.endpoint), tier)
        sums = self._sums.get(place)
        if sums is None:
            price = self._book.price(row.model, self._at)
            if price is not None and self._book.exchange(price.currency) is None:
                price = None  # in a currency that nobody can change
            sums = _Sums(row, price, self._formats[row.format].output_limit, tier)
            self._sums[place] = sums
        return sums

    def _bound(self, sums: _Sums, request: Request, bound: Usage | None) -> None:
        """Add the most that a line can take, or count it among those of which nobody can tell."""
        price = sums.price
        sums.unpriced += price is None
        if bound is None:
            lacks = _lacks_a_limit(sums.limit, request)
            sums.limitless += lacks
            sums.boundless += not lacks
            return
        sums.bounded += 1
        for meter, count in bound.counts.items():
            sums.bounds[meter] += count
        if price is None:
            return
        if not sums.has_price(price, bound.counts):
            # Either tokens are billed and the bounds are of pictures, or some meter has no price.
            uncounted = price.by_tokens and _TOKENS.isdisjoint(bound.counts)
            sums.boundless += uncounted
            sums.unpriced += not uncounted
        elif sums.tiered:
            sums.worst += self._script.least * (price.worst(bound.counts, sums.tier) or ZERO)
            if again := self._script.most - self._script.least:
                retold = _asked_again(bound.counts, 1)
                sums.worst += again * (price.worst(retold, sums.tier) or ZERO)

    def _part(self, sums: _Sums, scale: Fraction, taken: Taken | None) -> Part:
        least = self._script.least * sums.asked - (-sums.packed // self._script.width)
        most = self._script.most * sums.asked + sums.packed
        counts, requests = self._likely(sums, least, taken)
        bounded = not (sums.limitless or sums.boundless or sums.uncounted)
        highest = self._highest(sums)

        def all_of(low: int, likely: int, high: int | None) -> Span:
            """Return three numbers for all lines, in their order whatever was learned."""
            top = None if high is None else ceil(max(high, likely) * scale)
            return Span(ceil(min(low, likely) * scale), ceil(likely * scale), top)

        def tokens(low: int, family: tuple[Meter, ...]) -> Span:
            high = _sum(highest, family) if bounded else None
            return all_of(self._script.least * low, _sum(counts, family), high)

        return Part(
            model=sums.row.model,
            endpoint=sums.row.endpoint,
            makes=sums.row.makes,
            lines=ceil(sums.lines * scale),
            requests=all_of(least, requests, most),
            input=tokens(sums.least_read, INPUT_METERS),
            output=tokens(sums.least_made, OUTPUT_METERS),
            cost=self._cost(sums, (least, requests, most), counts, scale),
            price=sums.price,
            limitless=ceil(sums.limitless * scale),
            boundless=ceil(sums.boundless * scale),
            unpriced=ceil(sums.unpriced * scale),
            limit=sums.limit,
            learned=taken.lines if taken and taken.tells else 0,
            tier=sums.tier,
        )

    def _likely(self, sums: _Sums, least: int, taken: Taken | None) -> tuple[dict[Meter, int], int]:
        """Return the likely counts and requests of the lines that were added."""
        if taken is None or not taken.tells:
            told = {Meter.INPUT: sums.read, Meter.OUTPUT: sums.made, **_others(sums.bounds)}
            return {meter: self._script.least * n for meter, n in told.items() if n}, least
        lines = Fraction(sums.lines, taken.lines)
        paid = lines * Fraction(taken.requests, taken.requests - taken.unreported)
        longer = Fraction(1)  # than the lines that were answered, and so as much more to read
        if sums.done_read:
            longer = Fraction(sums.read, sums.lines) / Fraction(sums.done_read, sums.done)
        counts = {
            meter: ceil(count * paid * (longer if meter in INPUT_METERS else 1))
            for meter, count in taken.counts.items()
        }
        return counts, max(least, ceil(taken.requests * lines))

    def _highest(self, sums: _Sums) -> dict[Meter, int]:
        """Return the most that all requests of the lines can take which have bounds."""
        once = {meter: self._script.least * count for meter, count in sums.bounds.items()}
        again = self._script.most - self._script.least
        retold = _asked_again(sums.bounds, sums.bounded) if again else {}
        return {
            meter: once.get(meter, 0) + again * retold.get(meter, 0)
            for meter in once.keys() | retold.keys()
        }

    def _cost(
        self, sums: _Sums, requests: tuple[int, int, int], likely: Counts, scale: Fraction
    ) -> Money | None:
        price = sums.price
        exchange = self._book.exchange(price.currency) if price else None
        if price is None or exchange is None or price.at_tier(sums.tier) is None:
            return None
        least, asked, most = requests
        model, at = sums.row.model, self._at
        tier = sums.tier
        cost = self._book.cost(Used(model, at, likely, asked, longest=sums.longest, tier=tier))
        short = {Meter.INPUT: sums.least_read, Meter.OUTPUT: sums.least_made}
        short |= _others(sums.bounds)
        short = {meter: self._script.least * count for meter, count in short.items()}
        low = self._book.cost(Used(model, at, short, least, longest=0, tier=tier)).amount
        high = sums.worst
        if not sums.tiered and sums.bounded:
            further = (most - 1) * price.per_request * price.multiplier
            highest = price.priced(self._highest(sums))
            high = (price.worst(highest, sums.tier) or ZERO) + further
        # Of sound and pictures nobody guesses the tokens; a run's own answers tell them.
        unguessed = sums.boundless > 0 and (sums.row.makes != "text" or not sums.read)
        return Money(
            low=_scaled(min(low, cost.amount), scale),
            likely=_scaled(cost.amount, scale),
            high=None if sums.limitless or sums.boundless else _scaled(high * exchange, scale),
            floor=bool(cost.gaps) or (unguessed and not sums.done),
        )


def _lacks_a_limit(limit: OutputLimit | None, request: Request) -> bool:
    """Return whether a limit of its output is what a body is missing; media have none."""
    if limit is None or request.makes != "text":
        return False
    return not any(name.encode() in request.body for name in limit.names)


def _asked_again(bound: Counts, requests: int) -> dict[Meter, int]:
    """Return the bound of as many requests that show the model its answer, and ask for another."""
    more = _sum(bound, OUTPUT_METERS) + requests * ASKED_AGAIN
    return {**bound, Meter.INPUT: bound.get(Meter.INPUT, 0) + more}


def _others(counts: Counts) -> dict[Meter, int]:
    """Return what is no tokens: pictures, characters, seconds are known beforehand."""
    return {meter: count for meter, count in counts.items() if meter not in _TOKENS}


def _of(bound: Usage | None) -> Counts:
    return {} if bound is None else bound.counts


def _sum(counts: Counts, family: tuple[Meter, ...]) -> int:
    return sum(count for meter, count in counts.items() if meter in family)


def _scaled(amount: Decimal, scale: Fraction) -> Decimal:
    return amount * scale.numerator / scale.denominator
