"""A number found out by trying: as large as goes without calls being dropped.

What was seen to go (``good``) and what was not (``bad``) are kept, and the number is looked for
between them, by halves. Found, it is held; once in a while a little more is tried, and then more
than that, so that a capacity that has grown is found as well. A try that fails leads back to what
was good at once.

All is counted in rounds: so many answers as there are calls on the wire. Only answers to calls that
the number itself held up count, as the others say nothing about it.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

# find: nothing is known, double each round. test: is this size good? hold: the size is found.
# probe: does more go by now?
Phase: TypeAlias = Literal["find", "test", "hold", "probe"]

SHORTEST_ROUND: Final = 16  # answers; fewer would say too little
TEST_ROUNDS: Final = 4  # without a drop: the size is good
# A probe that fails costs a few drops. One in so many rounds keeps them under 1 %; each that fails
# doubles the rest until the next, yet a capacity that grew tenfold must be found in time.
FIRST_REST: Final = 2
LONGEST_REST: Final = 32
NEAR: Final = 0.03  # of the size that is bad: nearer to it nothing is tried
PROBE: Final = 0.03  # of the size, by which a probe begins to grow each round
HASTE: Final = 0.005  # by which it grows more in each further round
TRAIL: Final = 8  # rounds that a probe must be past a size for it to be good
RETREAT: Final = 0.95  # of the size where a call was dropped: the first that is tried instead
# Drops that go on at sizes which were good: a smaller share each time.
CUTS: Final = (0.92, 0.85, 0.75, 0.6, 0.5)
# From so many drops in a row on, at sizes of which none was good, the size may have become too
# small meanwhile: what was bad before them is all that is known.
IN_A_ROW: Final = 3
# Of a size that was held, and is too much now: others may have come, and need room to grow. So much
# is gone on with, and so much is bad.
HELD: Final = 0.88
YIELD: Final = 0.92
YIELD_REST: Final = 16  # rounds at the most until more is tried: maybe nobody has come


class Search:
    """A size between ``floor`` and ``ceiling``, in steps of ``grain`` at the least."""

    __slots__ = (
        "_bad",
        "_cut_at",
        "_drops",
        "_earned",
        "_good",
        "_grain",
        "_heard",
        "_part",
        "_rest",
        "_round",
        "_rounds",
        "_trail",
        "ceiling",
        "floor",
        "frozen",
        "phase",
        "size",
    )

    def __init__(self, start: float, floor: float, ceiling: float, grain: float) -> None:
        self.floor, self.ceiling = floor, ceiling
        self._grain = grain
        self._cut_at = -math.inf
        self.begin(start)

    def begin(self, size: float) -> None:
        """Begin anew: nothing is known."""
        self._good: float | None = None
        self._bad: float | None = None
        self._drops = 0  # in a row, without a round between them
        # An answer has come since the last drop. Where none does, nothing goes for now, whatever is
        # sent: limits that are counted by the minute are like that at its end.
        self._heard = False
        self._rest = FIRST_REST
        self._trail: list[float] = []  # sizes of the last rounds, oldest first
        self._round = 1  # answers in a round
        self.frozen = False  # it stays what it is, for a test of something else
        self._earned = 0  # answers still to come of calls that the size held up
        self._enter("find")
        self._resize(size)

    @property
    def limiting(self) -> bool:
        """Return whether the size has held calls up lately."""
        return self._earned > 0

    @property
    def steady(self) -> bool:
        """Return whether a drop would be news: no greater size than a good one is being tried."""
        return self._drops <= 1 and (self._good is None or self._good > (1 - NEAR) * self.size)

    def filled(self, in_flight: int) -> None:
        """Take note that a call was held up by the size, with so many on the wire."""
        self._earned = self._round = in_flight

    def answered(self) -> None:
        """Take note of an answer."""
        self._heard = True
        if not self._earned or self.frozen:
            return
        self._earned -= 1
        if self.phase == "find":
            self._resize(self.size + max(self._grain, self.size) / max(self._round, 1))
            self._part += 1 / max(self._round, 1)
        else:
            self._part += 1 / max(self._round, SHORTEST_ROUND)
        if self._part >= 1:
            self._part -= 1
            self._next_round()

    def dropped(self, now: float, sent_at: float, at: float) -> int:
        """Take note that a call was dropped for load while the size was ``at``.

        Calls that are dropped together are one sign: what was sent before the last cut is none.
        Returns how often calls were dropped in a row, 0 if it is no sign.
        """
        if sent_at < self._cut_at:
            return 0
        self._cut_at = now
        self._drops += 1
        if self._heard or self._drops <= len(CUTS):
            self._retreat(min(self.size, max(at, self.floor)))
        self._heard = False
        return self._drops

    def settle(self, size: float, good: float | None = None, bad: float | None = None) -> None:
        """Go to a size that something else has found out, and hold it."""
        self._good, self._bad = good, bad
        self._earned = 0
        self._drops = 0
        self._resize(size)
        self._enter("hold")

    def go(self, size: float) -> None:
        """Go to a size for now; what is known of others stays."""
        self._resize(size)

    def find(self, size: float) -> None:
        """Look anew, from a size on."""
        self._good = self._bad = None
        self._drops = 0
        self._resize(size)
        self._enter("find")

    def _retreat(self, at: float) -> None:
        """Go to a smaller size: towards the one that was good, or below it if it is not now."""
        good, held = self._good, self.phase == "hold"
        if self.phase == "probe":
            self._rest = min(2 * self._rest, LONGEST_REST)
        if good is not None or self._drops < IN_A_ROW:
            self._bad = at
        if good is None or good > (1 - NEAR) * at:
            self._good = None
            if held and self._drops == 1:
                self._bad, size = YIELD * at, HELD * at
                self._rest = min(self._rest, YIELD_REST)
            else:
                size = at * CUTS[min(self._drops, len(CUTS)) - 1]
                if self._drops >= IN_A_ROW:
                    self._rest = FIRST_REST
        elif self._drops == 1:
            size = max(good, RETREAT * at)
        else:
            size = max(good, (good + at) / 2) if self._drops == 2 else good
        self._earned = 0
        self._resize(size)
        self._enter("test")

    def _next_round(self) -> None:
        """A round has passed without a drop."""
        self._drops = 0
        self._rounds += 1
        if self.phase == "find":
            self._good = self.size / 2
        elif self.phase == "test":
            if self._rounds >= TEST_ROUNDS:
                self._approach()
        elif self.phase == "hold":
            if self._rounds >= self._rest:
                self._good = self.size
                self._enter("probe")
        else:
            self._probe()

    def _approach(self) -> None:
        """The size is good: go half of what is left, or stay if that is little."""
        self._good, bad = self.size, self._bad
        gap = math.inf if bad is None else bad - self.size
        if bad is None or gap <= max(self._grain, NEAR * bad) or self.size >= self.ceiling:
            self._enter("hold")
            return
        self._resize(self.size + max(self._grain, gap / 2))
        self._enter("test")

    def _probe(self) -> None:
        """Try a little more than in the last round."""
        self._trail.append(self.size)
        if len(self._trail) > TRAIL:
            self._good = max(self._good or 0.0, self._trail.pop(0))
            self._rest = FIRST_REST
        growth = PROBE + HASTE * self._rounds
        self._resize(self.size + max(self._grain, growth * self.size))

    def _enter(self, phase: Phase) -> None:
        self.phase: Phase = phase
        self._rounds = 0
        self._part = 0.0
        self._trail.clear()

    def _resize(self, size: float) -> None:
        self.size = min(max(size, self.floor), self.ceiling)
