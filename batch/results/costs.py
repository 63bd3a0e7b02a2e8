"""What single answers cost, by prices that somebody else has gathered."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from batch.ledger.entries import Counts, seconds_of
from batch.ledger.totals import hour_of
from batch.pricing import PriceBook, Used
from batch.report.buckets import Amounts
from batch.results.record import Record

_KEPT: Final = 1024  # prices
_ALIKE: Final = 1 << 14  # usages: many short answers took the same


class Costs:
    """The costs of answers, in one currency."""

    def __init__(self, book: PriceBook) -> None:
        # A list is searched once a model and hour: usage totals are priced by the hour too.
        listed = lru_cache(_KEPT)(book.listed) if book.listed else None
        self._book = msgspec.structs.replace(book, listed=listed)
        self._cost = lru_cache(_ALIKE)(self._priced)
        self.currency = book.currency

    def of(self, record: Record) -> float | None:
        """Return what the call of an answer cost; None where anything of it is unknown.

        Earlier requests for the line are not in it, nor what a failed line cost: the totals know.
        """
        told = record.x_run
        if told.class_ is not None or told.counts is None:
            return None
        requests = 0 if told.pack and told.pack[0] else 1
        return self._cost(told.model, hour_of(told.started_at), requests, told.counts)

    def _priced(self, model: str, hour: str, requests: int, counts: Counts) -> float | None:
        amounts = msgspec.convert(counts, Amounts, from_attributes=True)
        at = seconds_of(f"{hour}:00:00Z")
        tier = counts.tier or ""
        used = Used(model, at, amounts.counts(), requests, longest=amounts.input_tokens, tier=tier)
        cost = self._book.cost(used)
        return float(cost.amount) if cost.priced and not cost.gaps else None
