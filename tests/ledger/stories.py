"""What can happen to a few lines over several sessions, in any order that an engine can cause."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from batch.ledger.book import Book
from batch.ledger.entries import Entry
from batch.records import Result
from tests.ledger.kit import answered, billed, entry, failed, part

LINES = (1, 2, 3, 4097)  # the last one is of another block
# A failure keeps what was answered to requests before it, an error keeps nothing.
DEEDS = ("intent", "void", "task", "part", "billed", "failure", "error", "answer")
PAUSES = ("commit", "restart", "restart without its cache")

stories = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(DEEDS), st.sampled_from(LINES)),
        st.tuples(st.sampled_from((*PAUSES, "settings")), st.just(0)),
    ),
    max_size=30,
)


class Line(msgspec.Struct):
    """One line as the engine knows it."""

    ordinal: int
    attempts: int = 0
    parts: int = 0
    asked: bool = False  # an attempt is under way
    intent: bool = False  # and nothing but its intent is on record
    done: bool = False

    def does(self, deed: str) -> Entry | Result | None:
        """What is written when this happens; None if it cannot happen now."""
        if self.done or (deed == "void" and not self.intent):
            return None
        if deed == "intent" or (deed in ("task", "part", "billed") and not self.asked):
            self.attempts += 1  # of a request that may be sent again there is no intent
        self.asked = deed in ("intent", "task")
        self.intent = deed == "intent"
        if deed in ("error", "answer"):
            self.parts, self.done = 0, deed == "answer"
        return self._written(deed)

    def _written(self, deed: str) -> Entry | Result:
        match deed:
            case "answer":
                return answered(self.ordinal, attempts=self.attempts)
            case "error" | "failure":
                return failed(self.ordinal, attempts=self.attempts, parts=self.parts)
            case "part":
                self.parts += 1
                return part(self.ordinal, self.parts - 1, self.attempts)
            case "billed":
                return billed(self.ordinal, self.attempts)
            case "task":
                state = {"id": f"task-{self.attempts}"}
                return entry("task", self.ordinal, self.attempts, part=self.parts, state=state)
            case "intent":
                return entry("intent", self.ordinal, self.attempts, part=self.parts)
        return entry("void", self.ordinal, self.attempts, part=self.parts)


def changed_settings(number: int) -> Entry:
    """Return the entry of a run that goes on under other settings, those of this number."""
    return Entry(kind="settings", run={"identity": {"number": number}})


def tell(book: Book, line: Line, deed: str) -> None:
    """Write what happened to a line."""
    unit = line.does(deed)
    if isinstance(unit, Entry):
        book.note(unit)
    elif unit is not None:
        book.record([unit])
