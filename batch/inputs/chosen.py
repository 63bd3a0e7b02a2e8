"""A part of the lines, to be looked at before all of them are asked: the first, or some."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import msgspec

from batch.inputs.lines import RawLine, line_sum


class Choice(msgspec.Struct, frozen=True):
    """Which lines to ask; neither: all."""

    head: int | None = None  # so many, from the first
    sample: int | None = None  # so many, from all over the inputs
    seed: int = 0

    @property
    def some(self) -> bool:
        """Return whether it is a part of the lines only."""
        return bool(self.head or self.sample)

    @property
    def words(self) -> str:
        """Return the choice as people made it."""
        if self.head:
            return f"--head {self.head}"
        return f"--sample {self.sample}" + (f" --seed {self.seed}" if self.seed else "")


class Chosen(msgspec.Struct, frozen=True):
    """The lines that were chosen."""

    words: str
    lines: int  # how many they are
    last: int  # ordinal
    only: frozenset[int] | None = None  # ordinals; None: every line up to the last one

    def __contains__(self, ordinal: int) -> bool:
        return ordinal in self.only if self.only is not None else ordinal <= self.last

    def count(self, is_so: Callable[[int], bool]) -> int:
        """Return for how many of their ordinals something is so; blank lines have some too."""
        ordinals = self.only if self.only is not None else range(1, self.last + 1)
        return sum(map(is_so, ordinals))


class Chooser:
    """Chooses while all lines pass by, in the memory of the chosen ones.

    The same seed chooses the same lines of the same inputs, in whatever order they are asked.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._lines = self._last = 0
        self._kept: list[tuple[int, int]] = []  # of a sample: lots and ordinals

    def visit(self, line: RawLine) -> None:
        """Take a line into account."""
        choice = self._choice
        if choice.sample:
            # A lot for each line, and the lowest ones win.
            lot = line_sum(b"%d %d" % (choice.seed, line.ordinal))
            if len(self._kept) < choice.sample:
                heapq.heappush(self._kept, (-lot, line.ordinal))
            elif -lot > self._kept[0][0]:
                heapq.heapreplace(self._kept, (-lot, line.ordinal))
        elif choice.head and self._lines < choice.head:
            self._lines += 1
            self._last = line.ordinal

    def chosen(self) -> Chosen | None:
        """Return what was chosen; None if all lines are to be asked."""
        choice = self._choice
        if choice.sample:
            only = frozenset(ordinal for _, ordinal in self._kept)
            return Chosen(choice.words, len(only), max(only, default=0), only)
        return Chosen(choice.words, self._lines, self._last) if choice.head else None
