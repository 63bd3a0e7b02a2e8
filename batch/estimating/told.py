"""An estimate: requests, tokens and money by model, and what of it nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from batch.pricing import ZERO, Price
from batch.records import Makes
from batch.usage import Meter
from batch.wire import OutputLimit

ENOUGH: Final = 3  # answers; fewer say little


class Span(msgspec.Struct, frozen=True):
    """A number that nobody knows yet. ``high`` is None where nothing bounds it."""

    low: int = 0
    likely: int = 0
    high: int | None = 0

    def __add__(self, other: Span) -> Span:
        high = None if self.high is None or other.high is None else self.high + other.high
        return Span(self.low + other.low, self.likely + other.likely, high)


class Money(msgspec.Struct, frozen=True):
    """An amount that nobody knows yet; a floor where some of what is used has no price."""

    low: Decimal = ZERO
    likely: Decimal = ZERO
    high: Decimal | None = ZERO
    floor: bool = False

    def __add__(self, other: Money) -> Money:
        high = None if self.high is None or other.high is None else self.high + other.high
        floor = self.floor or other.floor
        return Money(self.low + other.low, self.likely + other.likely, high, floor)


class Taken(msgspec.Struct, frozen=True):
    """What lines of one model took that have their answer, and with it all that was in vain."""

    lines: int
    requests: int
    unreported: int  # requests whose usage nobody told
    counts: Mapping[Meter, int]

    @property
    def tells(self) -> bool:
        """Return whether it is enough to go by."""
        return self.lines >= ENOUGH and self.requests > self.unreported


class Part(msgspec.Struct, frozen=True):
    """The lines of one model and endpoint, and of one tier that they ask for."""

    model: str
    endpoint: str
    makes: Makes
    lines: int
    requests: Span
    input: Span  # tokens
    output: Span
    cost: Money | None  # None: the model has no price
    price: Price | None
    limitless: int  # lines whose bodies could set a limit to their output, and do not
    boundless: int  # lines of which nothing bounds what they take: media, what is read elsewhere
    unpriced: int  # lines that may use what has no price
    limit: OutputLimit | None  # how a body sets a limit
    learned: int  # answers that the likely numbers go by; 0: none
    tier: str = ""  # at which they ask to be served, if that has another price

    @property
    def unbounded(self) -> int:
        """Return of how many lines nothing bounds the cost."""
        return self.limitless + self.boundless

    @property
    def unpriced_tier(self) -> bool:
        """Return whether the model has a price, and none at this tier."""
        return self.price is not None and self.price.at_tier(self.tier) is None


class Estimated(msgspec.Struct, frozen=True):
    """What lines are likely to take, and the most that they can."""

    parts: tuple[Part, ...]  # those with the most lines first
    lines: int  # to be asked, those among them that ask nothing
    looked: int  # lines that this was estimated from
    broken: int  # lines that ask nothing that can be sent: they cost nothing
    currency: str

    @property
    def requests(self) -> Span:
        """Return how many requests that makes."""
        return sum((one.requests for one in self.parts), Span())

    @property
    def input(self) -> Span:
        """Return the tokens that are read."""
        return sum((one.input for one in self.parts), Span())

    @property
    def output(self) -> Span:
        """Return the tokens that are made."""
        return sum((one.output for one in self.parts), Span())

    @property
    def cost(self) -> Money | None:
        """Return what it costs as far as that is known; None if nothing of it has a price."""
        known = [one.cost for one in self.parts if one.cost is not None]
        if not known:
            return None
        total = sum(known, Money())
        return Money(
            total.low,
            total.likely,
            None if self.unbounded else total.high,
            total.floor or self.unpriced > 0,
        )

    @property
    def unbounded(self) -> int:
        """Return of how many lines nothing bounds the cost."""
        return sum(one.unbounded for one in self.parts)

    @property
    def limitless(self) -> int:
        """Return how many lines could set a limit to their output, and do not."""
        return sum(one.limitless for one in self.parts)

    @property
    def unpriced(self) -> int:
        """Return how many lines may use what has no price."""
        return sum(one.unpriced for one in self.parts)


def worth_asking(estimated: Estimated, above: Decimal, most: Decimal | None, many: int) -> bool:
    """Return whether a person is to say yes first: to much money, or to many lines in the dark.

    ``most`` is what the run may spend at all; None: as much as it takes.
    """
    cost = estimated.cost
    worst = ZERO if cost is None else cost.likely if cost.high is None else cost.high
    dark = bool(estimated.unbounded or estimated.unpriced or not estimated.looked)
    if most is not None:
        return (most if dark else min(worst, most)) > above
    return worst > above or (dark and estimated.lines > many)
