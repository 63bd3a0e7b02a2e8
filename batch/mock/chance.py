"""All chance of the mock gateway: hashes of the seed, a body, and how often the body came.

Nothing here knows the order of arrival or the time, so the same request has the same fate in every
run with the same seed, however many others are under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

# Bodies of which the number of arrivals is surely remembered; twice as many at most are kept.
REMEMBERED: Final = 1 << 18
_MASK: Final = (1 << 64) - 1
_T = TypeVar("_T")


def sum_of(raw: bytes) -> str:
    """Return the hash of a body: 64 bits, in hex."""
    return blake2b(raw, digest_size=8).hexdigest()


def rolls(seed: int, body_sum: str, attempt: int) -> tuple[float, float]:
    """Return two independent numbers from 0 to 1, 1 excluded."""
    digest = blake2b(f"{seed}:{body_sum}:{attempt}".encode(), digest_size=16).digest()
    return _share(digest[:8]), _share(digest[8:])


class Dice:
    """The throws that an answer is made with: the same however often the body comes.

    A linear congruential generator; the standard library's takes longer to set up than a whole
    answer takes to make.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int, body_sum: str) -> None:
        digest = blake2b(f"{seed}:{body_sum}".encode(), digest_size=8).digest()
        self._state = int.from_bytes(digest)

    def below(self, sides: int) -> int:
        """Return a whole number from 0 to ``sides``, which is excluded and at most 2**32."""
        # Knuth's factor and increment; only the high bits are random enough.
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 32) * sides >> 32

    def share(self) -> float:
        """Return a number from 0 to 1, 1 excluded."""
        return self.below(1 << 32) / (1 << 32)

    def choice(self, several: Sequence[_T]) -> _T:
        """Return one of several."""
        return several[self.below(len(several))]


def _share(eight: bytes) -> float:
    # A float holds 53 bits; with more of them the greatest numbers would round up to 1.
    return (int.from_bytes(eight) >> 11) / (1 << 53)


class Attempts:
    """How often each body came. Memory is bounded: bodies not seen for long are forgotten."""

    __slots__ = ("_old", "_remembered", "_young")

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}

    def count(self, body_sum: str) -> int:
        """Note one more arrival of a body, and return which one it is, from 1."""
        seen = self._young.get(body_sum) or self._old.get(body_sum, 0)
        if len(self._young) >= self._remembered:
            self._old, self._young = self._young, {}
        self._young[body_sum] = seen + 1
        return seen + 1
