"""What a process knows to be on stable storage: it may have told it, and so it must be there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from batch.ledger.lines import LineSet
from batch.ledger.state import History


class Known(msgspec.Struct, frozen=True):
    """What was acknowledged up to a moment. Sets of lines are bits."""

    begun: bool = False
    answered: int = 0
    failed: int = 0
    open: frozenset[int] = frozenset()
    tokens: int = 0  # of all bills
    published: bool = False

    def with_history(self, history: History) -> Known:
        """Return what is known once a book that is open has this history."""
        return Known(
            begun=True,
            answered=bits(history.answered),
            failed=bits(history.failed),
            open=frozenset(history.open),
            tokens=history.totals.sum()["input_tokens"] or 0,
            published=self.published,
        )

    def without(self, changed: Iterable[int]) -> Known:
        """Return what is still known once lines that failed or were begun are others."""
        gone = set(changed)
        failed = self.failed
        for line in gone:
            failed &= ~(1 << line)
        return msgspec.structs.replace(self, failed=failed, open=self.open - gone)


def bits(lines: LineSet) -> int:
    """Return a set of lines as bits."""
    return int.from_bytes(lines.bits, "little")
