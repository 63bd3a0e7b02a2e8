"""What the journal says that sessions may have spent on what nobody knows the cost of, or not yet.

Each session has its own word in it, and its last one counts. What it has left behind, a later one
may find out: then it takes that off the word of the session which had it at risk.
"""

from __future__ import annotations

from decimal import Decimal

from batch.ledger.book import Book
from batch.ledger.entries import Entry
from batch.records import Owed


class Reserves:
    """A session's word in the journal, and what it takes off those of earlier ones."""

    def __init__(self, book: Book, session: str, currency: str) -> None:
        self._book = book
        self._session = session  # when it began, as the journal writes times
        self._currency = currency
        self._earlier = dict(book.history.reserved)

    def owed(self, amount: Decimal) -> Owed:
        """Return how a task's entry says what of this session's word is for that task."""
        return Owed(self._session, str(amount), self._currency)

    async def keep(self, amount: Decimal) -> None:
        """Say how much may be at risk; return when that is on stable storage."""
        await self._book.keep(_entry(self.owed(amount)))

    def settle(self, owed: Owed) -> None:
        """Take off what a task was owed by an earlier session, whose cost is on record now."""
        # Who cuts lines out of a journal may have cut out that word.
        amount, currency = self._earlier.get(owed.at, (owed.amount, owed.currency))
        left = str(Decimal(amount) - Decimal(owed.amount))
        self._earlier[owed.at] = left, currency
        self._book.note(_entry(Owed(owed.at, left, currency)))


def _entry(word: Owed) -> Entry:
    return Entry(kind="reserved", at=word.at, amount=word.amount, currency=word.currency)
