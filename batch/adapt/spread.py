"""Whether calls that are paced go evenly, or now and then a few of them together.

Of two who share a gateway and both send evenly, each is rejected as often, whoever sends more, and
what they have stays as unequal as it is. Where calls go a few together, who sends more is rejected
more often, and they come to equal parts. But a gateway that saves up next to nothing rejects calls
that go together, at far less than what it takes of even ones. So it is tried, and given up if calls
are rejected at clearly lower a rate than before.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

# Evenly at first; a few together, to see; for good; evenly, as the gateway saves up too little.
Phase: TypeAlias = Literal["even", "trial", "spread", "shallow"]

LOST: Final = 0.9  # of the rate at which even calls were rejected: less, and it saves up too little
SEEN: Final = 2  # of the last even rejections, about so many are in the mean of their rates
# How many rejections end a phase, and which one follows. The last is tried again, as it may have
# been another client that took what was missing.
NEXT: Final[dict[Phase, tuple[int, Phase]]] = {
    "even": (3, "trial"),
    "trial": (3, "spread"),
    "shallow": (100, "even"),
}


class Spread:
    """A trial of calls that do not go evenly, judged by the rates at which calls are rejected."""

    __slots__ = ("_count", "_even", "_phase")

    def __init__(self) -> None:
        self._phase: Phase = "even"
        self._count = 0  # rejections in this phase
        self._even = 0.0  # calls a second at which even ones were rejected

    @property
    def on(self) -> bool:
        """Return whether calls are not to go evenly."""
        return self._phase in ("trial", "spread")

    def dropped(self, rate: float, in_a_row: int) -> float | None:
        """Take note of a rejection at a rate; returns the rate to go back to if a trial failed."""
        if self._phase == "even" and in_a_row > 1:
            return None  # it was far too much, and says little of what goes
        self._count += 1
        if self._phase == "even":
            self._even += (rate - self._even) / min(self._count, SEEN)
        if self._phase == "trial" and in_a_row > 1 and rate < LOST * self._even:
            self._enter("shallow")
            return self._even
        if self._phase in NEXT:
            rejections, following = NEXT[self._phase]
            if self._count >= rejections:
                self._enter(following)
        return None

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._count = 0
