"""Sets of lines, by ordinal, in a bit each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

CLOSE: Final = 512  # bytes of the set, within which lines are put in all at once


class Repeated(ValueError):
    """A line was to be put into a set that has it already."""

    def __init__(self, ordinal: int, place: int) -> None:
        super().__init__(f"line {ordinal} is there already")
        self.ordinal = ordinal
        self.place = place  # among those that were to be put in; those before it are in


class LineSet:
    """A set of line ordinals: 1.25 MB for ten million of them."""

    __slots__ = ("bits", "count")

    def __init__(self, bits: bytes = b"") -> None:
        self.bits = bytearray(bits)
        self.count = int.from_bytes(self.bits, "little").bit_count()

    def __contains__(self, ordinal: int) -> bool:
        index = ordinal >> 3
        return index < len(self.bits) and bool(self.bits[index] & (1 << (ordinal & 7)))

    def lacking(self, other: LineSet) -> int:
        """Return how many of another set's lines are not in this one."""
        mine, its = (int.from_bytes(one.bits, "little") for one in (self, other))
        return (its & ~mine).bit_count()

    def add(self, ordinal: int) -> bool:
        """Put a line in; return whether it is new here."""
        index = ordinal >> 3
        self._reach(index)
        bit = 1 << (ordinal & 7)
        if self.bits[index] & bit:
            return False
        self.bits[index] |= bit
        self.count += 1
        return True

    def add_all(self, ordinals: Sequence[int]) -> None:
        """Put lines in that are new here. Raises Repeated at the first that is not."""
        if not ordinals:
            return
        first, end = min(ordinals) >> 3, (max(ordinals) >> 3) + 1
        self._reach(end - 1)
        if end - first <= CLOSE:
            # All at once. A line that comes twice carries, which leaves fewer bits than lines.
            there = int.from_bytes(self.bits[first:end], "little")
            new = sum(map((1).__lshift__, [ordinal - 8 * first for ordinal in ordinals]))
            if not there & new and new.bit_count() == len(ordinals):
                self.bits[first:end] = (there | new).to_bytes(end - first, "little")
                self.count += len(ordinals)
                return
        self._add_each(ordinals)

    def _add_each(self, ordinals: Sequence[int]) -> None:
        bits = self.bits
        for place, ordinal in enumerate(ordinals):
            index, bit = ordinal >> 3, 1 << (ordinal & 7)
            if bits[index] & bit:
                self.count += place
                raise Repeated(ordinal, place)
            bits[index] |= bit
        self.count += len(ordinals)

    def _reach(self, index: int) -> None:
        """Grow by an eighth at a time, so that a run of n lines copies the set O(log n) times."""
        if index >= len(self.bits):
            self.bits.extend(bytes(index + 1 + index // 8 - len(self.bits)))

    def discard(self, ordinal: int) -> bool:
        """Take a line out; return whether it was in."""
        if ordinal not in self:
            return False
        self.bits[ordinal >> 3] &= ~(1 << (ordinal & 7))
        self.count -= 1
        return True

    def last(self) -> int:
        """Return the highest ordinal, or 0."""
        return max(0, int.from_bytes(self.bits, "little").bit_length() - 1)
