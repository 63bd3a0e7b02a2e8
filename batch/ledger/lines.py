"""Sets of lines, by ordinal, in a bit each."""

from __future__ import annotations


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
        if index >= len(self.bits):
            # Grown by an eighth at a time, so that a run of n lines copies the set O(log n) times.
            self.bits.extend(bytes(index + 1 + index // 8 - len(self.bits)))
        bit = 1 << (ordinal & 7)
        if self.bits[index] & bit:
            return False
        self.bits[index] |= bit
        self.count += 1
        return True

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
