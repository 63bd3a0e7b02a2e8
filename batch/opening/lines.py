"""Whether the lines that were asked still stand there, as they were asked."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final

from batch.errors import BadData
from batch.files import Files
from batch.inputs.sources import Inputs
from batch.ledger.compare import Changed, Comparison, changed_since, sums_of
from batch.ledger.lines import LineSet
from batch.ledger.paths import Paths
from batch.ledger.recover import Found
from batch.ledger.state import BLOCK, History
from batch.wording import agreeing, counted

SHOWN: Final = 3  # changed lines that a message names


class Before:
    """The lines that were asked before: ``visit`` is shown all that stand there now."""

    def __init__(self, files: Files, paths: Paths, found: Found) -> None:
        self._files = files
        self._paths = paths
        self._found = found
        self._comparison = Comparison(found.history)
        self.visit = self._comparison.visit

    def require_unchanged(self, inputs: Inputs, *, keep_answers: bool) -> AbstractSet[int]:
        """Return the lines that changed and are asked again; raise BadData if none may be."""
        history = self._found.history
        if self._comparison.missing:
            raise _shorter(self._paths, history, self._comparison.missing)
        refused, answered = LineSet(), 0  # it may be each of ten million
        dropped: dict[int, int] = {}
        for one in self._changed(inputs):
            if not one.answered and keep_answers:
                dropped[one.ordinal] = one.sum
            elif refused.add(one.ordinal):
                answered += one.answered
        if refused.count:
            raise _other_lines(self._paths, history, refused, answered)
        for ordinal, value in dropped.items():
            history.forget(ordinal, value)
        return frozenset(dropped)

    def _changed(self, inputs: Inputs) -> Iterator[Changed]:
        """Yield the lines that are not what they were when they were asked; some more than once."""
        yield from self._comparison.begun
        blocks = self._comparison.blocks()
        if blocks:
            lines = inputs.lines()
            now = sums_of((one.ordinal, one.sum) for one in lines if one.ordinal // BLOCK in blocks)
            _, results, errors = self._found.ends
            yield from changed_since(self._files, errors, results, self._found.history, now)


def _shorter(paths: Paths, history: History, missing: int) -> BadData:
    were, are = ("was", "is") if missing == 1 else ("were", "are")
    return BadData(
        f"the inputs have become shorter: {counted(missing, 'line')} that {were} done {are} no "
        f"longer there; {paths.results} has {counted(history.answered.count, 'answer')}. "
        "Nothing was changed. Bring the lines back, or start over with --new-run."
    )


def _other_lines(paths: Paths, history: History, refused: LineSet, answered: int) -> BadData:
    first = islice((line for line in range(1, refused.last() + 1) if line in refused), SHOWN)
    named = ", ".join(map(str, first))
    more = f" and {refused.count - SHOWN:,} more" if refused.count > SHOWN else ""
    ways = (
        "Bring the lines back, or start over with --new-run."
        if answered
        else "Bring them back, or ask them again with --keep-answers, or start over with --new-run."
    )
    return BadData(
        f"lines of the inputs have changed since they were asked: "
        f"{agreeing(refused.count, 'line')} {named}{more}; {paths.results} has "
        f"{counted(history.answered.count, 'answer')}, {answered:,} of them to lines that changed. "
        f"Nothing was changed. {ways}"
    )
