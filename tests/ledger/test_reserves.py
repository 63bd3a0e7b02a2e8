"""What sessions have on record to be at risk, and what is taken off that."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from batch import checkpoint
from batch.ledger.book import Book
from batch.ledger.entries import Entry
from batch.ledger.reserves import Reserves
from batch.ledger.state import History
from batch.records import Owed
from tests.ledger.kit import AT, book_on, disk, entry, part

FILM = Owed(AT, "0.81", "USD")


def task(line: int, attempt: int = 1, owed: Owed | None = FILM) -> Entry:
    return entry("task", line, attempt, state={"id": f"video_{attempt}"}, owed=owed)


def noted(*entries: Entry) -> History:
    history = History()
    for one in entries:
        history.note_entry(one)
    return history


def test_two_tasks_that_end_together_are_both_taken_off_their_session() -> None:
    async def session(book: Book) -> None:
        await Reserves(book, AT, "USD").keep(Decimal("2.5"))
        later = Reserves(book, "later", "EUR")

        later.settle(FILM)
        later.settle(FILM)
        await later.keep(Decimal(1))

        assert book.history.reserved == {AT: ("0.88", "USD"), "later": ("1", "EUR")}

    async def main() -> None:
        async with book_on(disk()) as book:
            await session(book)

    asyncio.run(main())


def test_a_word_that_is_gone_from_the_journal_is_taken_for_what_its_task_was_owed() -> None:
    async def main() -> None:
        async with book_on(disk()) as book:
            Reserves(book, "later", "USD").settle(FILM)
            await book.keep(entry("void", 1))

            assert book.history.reserved == {AT: ("0.00", "USD")}

    asyncio.run(main())


def test_what_a_task_may_cost_is_told_with_it_and_by_a_checkpoint_too() -> None:
    history = noted(task(1), task(2, owed=None))

    saved = stored(history)

    assert {line: one.owed for line, one in saved.open.items()} == {1: FILM, 2: None}


def test_what_comes_after_a_task_owes_nothing_of_it() -> None:
    history = noted(
        *(task(1), entry("intent", 1, 2)),
        *(task(2), part(2, 0, 1)),
        *(task(3), task(3, 2, owed=None)),
    )

    assert [one.owed for one in history.open.values()] == [None, None, None]


def stored(history: History) -> History:
    """Return a history as a checkpoint gives it back."""
    files = disk()
    checkpoint.save(files, "/out/checkpoint", checkpoint.encode("run", history, {}))
    there = checkpoint.load(files, "/out/checkpoint")
    assert there is not None
    return there.history
