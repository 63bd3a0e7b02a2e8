"""What single answers cost, by prices that somebody else has gathered."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from batch.ledger.entries import seconds_of
from batch.pricing import PriceBook, Used
from batch.report.buckets import Amounts
from batch.results.record import Record

_HOUR: Final = 3600  # seconds
_KEPT: Final = 1024  # prices


class Costs:
    """The costs of answers, in one currency."""

    def __init__(self, book: PriceBook) -> None:
        # A list is searched once a model and hour: usage totals are priced by the hour too.
        listed = lru_cache(_KEPT)(book.listed) if book.listed else None
        self._book = msgspec.structs.replace(book, listed=listed)
        self.currency = book.currency

    def of(self, record: Record) -> float | None:
        """Return what the call of an answer cost; None where anything of it is unknown.

        Earlier requests for the line are not in it, nor what a failed line cost: the totals know.
        """
        told = record.x_run
        if record.failed or told.usage is None:
            return None
        used = Used(
            told.model,
            seconds_of(told.started_at or "") // _HOUR * _HOUR,
            msgspec.convert(told.usage, Amounts).counts(),
            requests=1 if told.pack is None or told.pack[0] == 0 else 0,
            longest=told.usage.get("input_tokens"),  # type: ignore[arg-type]
        )
        cost = self._book.cost(used)
        return float(cost.amount) if cost.priced and not cost.gaps else None
