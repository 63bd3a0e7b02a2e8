"""Whether the lines that were answered still stand in the inputs as they were asked.

The sums of the hashes of 4,096 lines each are compared while the input is read; the logs are
consulted only for a block that differs, to name the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from batch.files import Files
from batch.ledger.entries import decode_mark
from batch.ledger.paths import Paths
from batch.ledger.scan import numbered
from batch.ledger.state import BLOCK, WORD, History, weighed

NAMED: Final = 10_000  # changed lines that are looked for one by one, at most


class Changed(msgspec.Struct, frozen=True):
    """A line that ended and whose bytes are others now."""

    ordinal: int
    sum: int  # as it was when it ended
    answered: bool


class Comparison:
    """Collects the hashes of the input's ended lines, and tells which blocks differ."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._sums = [0] * len(history.sums)
        self._seen = 0

    def wants(self, ordinal: int) -> bool:
        """Return whether this line has ended, so that its hash is needed."""
        return self._history.ended(ordinal)

    def visit(self, ordinal: int, value: int) -> None:
        """Take in an ended line's hash."""
        block = ordinal // BLOCK
        self._sums[block] = (self._sums[block] + weighed(ordinal, value)) & WORD
        self._seen += 1

    @property
    def missing(self) -> int:
        """Return how many ended lines the inputs no longer have."""
        return self._history.answered.count + self._history.failed.count - self._seen

    def blocks(self) -> set[int]:
        """Return the blocks with changed lines."""
        pairs = zip(self._sums, self._history.sums, strict=True)
        return {block for block, (now, then) in enumerate(pairs) if now != then}


def recorded_sums(files: Files, paths: Paths, blocks: set[int]) -> Iterator[Changed]:
    """Yield line and hash of each record in these blocks; of several for a line the last counts."""
    for path, answered in ((paths.errors, False), (paths.results, True)):
        if not files.length(path):
            continue
        for _, line, whole in numbered(files, path, 0):
            if not whole:
                return
            mark = decode_mark(line)
            if mark.line // BLOCK in blocks:
                yield Changed(mark.line, int(mark.sum, 16), answered)
