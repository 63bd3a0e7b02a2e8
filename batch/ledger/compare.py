"""Whether the lines that were asked still stand in the inputs as they were asked.

The sums of the hashes of 4,096 lines each are compared while the input is read; the logs are
consulted only for a block that differs, to name the line. Lines that were begun and have not ended
are few, and compared one by one: a task that is known by its id answers the line as it was.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias

import msgspec

from batch.files import Files
from batch.ledger.scan import LogEnd, records
from batch.ledger.state import BLOCK, WORD, History, weighed

Sums: TypeAlias = Mapping[int, "array[int]"]  # block → hash of each of its lines


class Line(Protocol):
    """A line of an input. Its hash is worked out where it is asked for."""

    @property
    def ordinal(self) -> int:
        """Return its place among all lines."""
        ...

    @property
    def sum(self) -> int:
        """Return the hash of its bytes."""
        ...


class Changed(msgspec.Struct, frozen=True):
    """A line that was asked and whose bytes are others now."""

    ordinal: int
    sum: int  # as it was when it was asked
    answered: bool


class Comparison:
    """Collects the hashes of the input's lines that were asked, and tells which blocks differ."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._sums = [0] * len(history.sums)
        self._seen = 0
        self.begun: list[Changed] = []  # lines that were begun, have not ended, and changed

    def visit(self, line: Line) -> None:
        """Take in the hash of a line, if it was asked."""
        ordinal, history = line.ordinal, self._history
        if history.ended(ordinal):
            block = ordinal // BLOCK
            self._sums[block] = (self._sums[block] + weighed(ordinal, line.sum)) & WORD
            self._seen += 1
        elif (begun := history.open.get(ordinal)) is not None:
            asked = int(begun.sum, 16)
            if asked != line.sum:
                self.begun.append(Changed(ordinal, asked, answered=False))

    @property
    def missing(self) -> int:
        """Return how many ended lines the inputs no longer have."""
        return self._history.answered.count + self._history.failed.count - self._seen

    def blocks(self) -> set[int]:
        """Return the blocks with changed lines that had ended."""
        pairs = zip(self._sums, self._history.sums, strict=True)
        return {block for block, (now, then) in enumerate(pairs) if now != then}


def sums_of(lines: Iterable[tuple[int, int]]) -> Sums:
    """Return the hashes of lines, given as ordinal and hash, in eight bytes each."""
    found: dict[int, array[int]] = {}
    for ordinal, value in lines:
        block, place = divmod(ordinal, BLOCK)
        if block not in found:
            found[block] = array("Q", bytes(8 * BLOCK))
        found[block][place] = value
    return found


def changed_since(
    files: Files, errors: LogEnd, results: LogEnd, history: History, now: Sums
) -> Iterator[Changed]:
    """Yield the lines whose record has another hash than they have now; some more than once."""
    for log, lines in ((errors, history.failed), (results, history.answered)):
        answered = lines is history.answered
        for _, _, mark in records(files, log.path, 0, log.keep):
            block, place = divmod(mark.line, BLOCK)
            if block in now and mark.line in lines and now[block][place] != int(mark.sum, 16):
                yield Changed(mark.line, int(mark.sum, 16), answered)
