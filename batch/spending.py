"""What a session may spend, send and last: from the settings, and from what its run has spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from batch.budget import Budget
from batch.deadline import Deadline, seconds_of
from batch.errors import BadConfig
from batch.gate.purse import Purse, Stop
from batch.ledger.book import Book
from batch.ledger.entries import timestamp
from batch.ledger.reserves import Reserves
from batch.ledger.state import History
from batch.pricing import ZERO, PriceBook, Why
from batch.report.buckets import Bucket
from batch.settings.moment import end_by
from batch.settings.pricelist import exact, price_book_of
from batch.settings.tree import Settings
from batch.tariff import Tariff
from batch.wire import formats

_SAY_IT: Final = 'Say it, in a file for --prices or in [prices.models."{model}"]'
# Why nobody can say what was spent: what is missing, and where to say it.
_MISSING: Final[Mapping[Why, str]] = {
    "no_price": f"what that costs. {_SAY_IT}",
    "no_tier_price": (
        "what it costs at the tier {detail}. Say it, in a file for --prices or in [prices]: "
        "tiers = {{ {detail} = ... }}"
    ),
    "no_meter_price": f"what its {{detail}} cost. {_SAY_IT}",
    "no_rate": "the rate from {detail}. Say it in [prices.rates]",
}


class Caps(msgspec.Struct, frozen=True):
    """The limits of one session's own."""

    budget: Budget
    deadline: Deadline
    tariff: Tariff | None = None  # None: nothing counts money

    def purse(self, book: Book, started_at: float, stop: Stop) -> Purse:
        """Return what gives out what a session may spend, and has the journal say so."""
        if self.tariff is None:
            return Purse(self.budget, stop=stop)
        word = Reserves(book, timestamp(started_at), self.tariff.currency)
        purse = Purse(self.budget, self.tariff, word, stop)
        book.on_safe = purse.saved
        return purse

    def document(self) -> dict[str, Any] | None:
        """Return for run.json what was spent of a budget; None where none was set."""
        budget = self.budget
        if self.tariff is None or budget.most is None:
            return None
        return {
            "max_cost": float(budget.most),
            "currency": self.tariff.currency,
            "spent": float(budget.spent),
            "maybe_spent": float(budget.gone - budget.spent + budget.reserved),
        }


def caps_of(
    settings: Settings,
    history: History | None,
    rows: Iterable[Mapping[str, Any]],
    now: float,
    owed: int = 0,
    *,
    sends: bool = True,
) -> Caps:
    """Return what a session may spend; ``rows`` are the run's usage totals so far.

    ``owed``: with how many tasks it goes on for which earlier ones have money kept back.

    Raises BadConfig where nobody can say what was spent, and a limit of it is set. One that sends
    nothing needs no limit, and then has none.
    """
    said = settings.budget
    deadline = Deadline(
        send_for=seconds_of(said.max_duration) if said.max_duration is not None else None,
        end_by=end_by(settings, now),
    )
    if said.max_cost is None:
        return Caps(Budget(None, said.max_requests), deadline)
    book = price_book_of(settings, apart=True)
    try:
        spent, earlier = spent_so_far(book, rows), _maybe_lost(book, history)
    except BadConfig:
        if sends:
            raise
        return Caps(Budget(None, said.max_requests), deadline)
    budget = Budget(exact(said.max_cost), said.max_requests, spent, earlier, owed)
    return Caps(budget, deadline, Tariff(book, formats(), now))


def spent_so_far(book: PriceBook, rows: Iterable[Mapping[str, Any]]) -> Decimal:
    """Return what a run has spent by its logs; at the dearest price where lengths matter.

    ``rows`` are its usage totals. Raises BadConfig, which says what is missing, if nobody knows.
    """
    total = ZERO
    for row in rows:
        bucket = msgspec.convert(row, Bucket)
        if bucket.is_free:
            continue
        used = bucket.used()
        cost = book.cost(used)
        price = book.price(used.model, used.at)
        served = price.at_tier(used.tier) if price is not None else None
        # What was never reported is in what earlier sessions had reserved.
        for gap in cost.gaps:
            if gap.why in _MISSING:
                raise BadConfig(
                    f"--max-cost: what this run has spent on {used.model} is not known, as nothing "
                    f"says {_MISSING[gap.why].format(model=used.model, detail=gap.detail)}"
                )
        if served is not None and any(gap.why == "long_context" for gap in cost.gaps):
            exchange = book.exchange(served.currency) or ZERO
            total += max(cost.amount, (served.worst(used.counts) or ZERO) * exchange)
        else:
            total += cost.amount
    return total


def _maybe_lost(book: PriceBook, history: History | None) -> Decimal:
    """Return the most that earlier sessions may have spent on what never came back."""
    total = ZERO
    for amount, currency in history.reserved.values() if history else ():
        if not Decimal(amount):
            continue
        exchange = book.exchange(currency)
        if exchange is None:
            raise BadConfig(
                f"--max-cost is in {book.currency}, and an earlier session of this run counted in "
                f"{currency}. Say the rate in [prices.rates], or go on in {currency}"
            )
        total += Decimal(amount) * exchange
    return total
