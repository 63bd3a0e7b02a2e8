"""What requests cost in one session: the most that one can, and what one did."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from batch.pricing import ZERO, Price, PriceBook, Used
from batch.records import Request
from batch.usage import INPUT_METERS, OUTPUT_METERS, Usage
from batch.wire import WireFormat


class Tariff:
    """The prices of a session, as of its beginning: what is reserved and settled must agree."""

    def __init__(self, book: PriceBook, formats: Mapping[str, WireFormat], at: float) -> None:
        self._book = book
        self._formats = formats
        self._at = at  # seconds since the epoch
        self._prices: dict[str, tuple[Price, Decimal] | None] = {}

    @property
    def currency(self) -> str:
        """Return what amounts are given in."""
        return self._book.currency

    def worst(self, request: Request) -> Decimal | None:
        """Return the most that a request can cost; None if nothing bounds it, or has a price."""
        if request.method == "GET":
            return ZERO  # a question about what was done
        found = self.price(request.model)
        if found is None:
            return None
        price, exchange = found
        bound = self._formats[request.format].bound(request)
        if bound is None and price.rates:
            return None
        counts, tier = (bound.counts, bound.tier) if bound is not None else ({}, "")
        most = price.worst(counts, tier)
        return None if most is None else most * exchange

    def cost(self, model: str, usage: Usage) -> Decimal | None:
        """Return what a call cost that used so much; None if that is not known to the last part."""
        counts = usage.counts
        read = sum(counts.get(meter, 0) for meter in INPUT_METERS)
        used = Used(model, self._at, counts, requests=1, longest=read, tier=usage.tier)
        cost = self._book.cost(used)
        price = self._book.price(model, self._at)
        # Of tokens both sides are reported, or else what one of them cost is not known.
        half = counts.keys().isdisjoint(INPUT_METERS) != counts.keys().isdisjoint(OUTPUT_METERS)
        if not counts or cost.gaps or (half and price is not None and price.by_tokens):
            return None
        return cost.amount

    def exchanged(self, amount: str, currency: str) -> Decimal | None:
        """Return an amount of another currency in this one; None if nobody says its rate."""
        exchange = self._book.exchange(currency)
        return None if exchange is None else Decimal(amount) * exchange

    def price(self, model: str) -> tuple[Price, Decimal] | None:
        """Return a model's price, and how much of the tariff's currency one of its own is."""
        if model not in self._prices:
            price = self._book.price(model, self._at)
            exchange = self._book.exchange(price.currency) if price else None
            self._prices[model] = (price, exchange) if price and exchange else None
        return self._prices[model]

    def why_unknown(self, request: Request) -> str:
        """Return what is missing for the most that a request can cost, and how to say it."""
        model = request.model
        if self._book.price(model, self._at) is None:
            return (
                f"{model} has no price. Say it in a job or in your own settings: "
                f'[prices.models."{model}"] with input_per_mtok and output_per_mtok'
            )
        if self.price(model) is None:
            return f"{model} has its price in another currency. Say rates in [prices]"
        bound = self._formats[request.format].bound(request)
        if bound is None:
            return (
                "nothing bounds what it may use. Give it a limit of its output, such as "
                '"max_tokens" in its body, or --param max_tokens=500 for rows'
            )
        price = self._book.price(model, self._at)
        if price and price.at_tier(bound.tier) is None:
            return (
                f"{model} has no price for what is served at {bound.tier}. Say how many times as "
                f"much its tokens cost then: tiers = {{ {bound.tier} = ... }} in [prices]"
            )
        lacking = [one.value for one in bound.counts if price and price.lacks(one)]
        named = f": none for {', '.join(lacking)}" if lacking else ""
        return (
            f"{model} has no price for all that it may use{named}. Say it in a job or in your own "
            f'settings, in [prices.models."{model}"]'
        )
