"""How much one side of a gateway takes: so many calls at once, and so many a second.

A rejection says that it was too much, and not of what. As long as a pace holds calls up, it is how
often they come, unless they are rejected when clearly more than usual are on the wire; else it is
that only if calls beside as many others were answered lately. Otherwise it is how many there are,
and how often they came is kept as well, as a bound that must not be passed in a hurry.
"""

from __future__ import annotations

import math
from typing import Final

from batch.adapt.doubt import Doubt, Sizes
from batch.adapt.reach import Reach
from batch.adapt.search import CUTS, Search
from batch.adapt.spread import Spread
from batch.adapt.window import START, Window

FEW: Final = 0.06  # share of the last calls that are dropped: fewer may have other reasons
HARDLY: Final = 0.03  # the same with fewer on the wire than at the start, where little is to be won
NEARLY: Final = 0.8  # of the size at which many were dropped: from there on a single drop counts
ROOM: Final = 1.25  # times the calls on the wire, where these are not what is rejected
LIFT: Final = 1.1  # times the pace, where these are: then it must not be what holds calls up
# Part of the way by which the size where many were dropped follows a rate that is dropped. It was
# found when calls came in a rush, or while nobody else was there: fewer go in the long run.
FOLLOWS: Final = 0.1
SLOWEST: Final = 1 / 60  # calls a second
# What is left of a pace, however many are rejected, unless one call at a time is less. With fast
# answers that is far more: such a floor would be above many limits that are told by the minute.
LEFT: Final = 1 / 20
# What a rate gains near the last drop with each answer is the least that these allow.
GAIN: Final = 0.009  # calls a second: whatever the rate, this part of it in a second
# Part of a rate that a row of rejections leads to, at the least: where others take what there is,
# no rate of ours is too much, and from next to nothing it would take minutes to come back.
DEEPEST: Final = 1 / 16
MOST: Final = 0.5  # calls a second with an answer at the most: so half of any rate in a second
FEWEST: Final = 25  # answers that make up for a cut, at the least: so seldom are slow rates dropped
A_TRIP: Final = 0.01  # part of it in a round trip: what is too much shows only after one


class Load:
    """A window, from the first rejection on a rate, and the doubt whether drops mean either.

    Times in seconds, rates in calls a second.
    """

    __slots__ = ("_doubt", "_proven", "_reach", "pace", "spread", "window")

    def __init__(self, ceiling: int, start: int = START) -> None:
        """Begin with ``start`` calls on the wire, or fewer if the ceiling is lower."""
        self.window = Window(ceiling, start)
        self._forget()

    def restart(self) -> None:
        """Begin anew, with few calls: nothing is known."""
        self.window.restart()
        self._forget()

    def _forget(self) -> None:
        self.pace: Search | None = None  # None: no rejection yet, and so no pace
        self.spread = Spread()
        self._reach = Reach()
        self._doubt = Doubt()
        self._proven: dict[Sizes, float] = {}  # the sizes at which many were dropped last

    def answered(self, sent_at: float, among: int, in_flight: int) -> None:
        """Take note of an answer to a call that was sent then, as one of so many on the wire."""
        if self._doubt.recent:  # something was dropped once: nearly never
            self._doubt.answered(*self._size(in_flight))
        self._reach.answered(among)
        self.window.answered(sent_at)
        if self.pace is not None:
            self.pace.answered(sent_at)

    def rejected(self, now: float, sent_at: float, in_flight: int, rate: float | None) -> int:
        """Take note of a rejection while calls went at about this rate.

        Returns how many were rejected in a row, 0 if this one is no sign.
        """
        if not self._is_sign(in_flight):
            return 0
        if rate is not None:
            self._reach.rejected(in_flight)
            if self._is_of_pace(in_flight):
                return self._too_often(now, sent_at, in_flight, rate)
        return self._too_many(now, sent_at, in_flight, rate)

    def overloaded(self, now: float, sent_at: float, in_flight: int) -> int:
        """Take note of a call that was dropped otherwise: too many were on the wire.

        Returns how many were dropped in a row, 0 if this one is no sign.
        """
        if not self._is_sign(in_flight):
            return 0
        return self.window.dropped(now, sent_at, in_flight, surely=True)

    def _is_of_pace(self, in_flight: int) -> bool:
        """Return whether it is how often calls come that was too much."""
        if self.pace is not None and self.pace.limiting:
            return not self._reach.crowded(in_flight)
        return self._reach.beyond(in_flight)

    def _too_often(self, now: float, sent_at: float, in_flight: int, rate: float) -> int:
        pace = self._paced(rate)
        # With next to nothing, so few answers come that a run which others have pushed aside would
        # never climb again; what holds it back then are pauses.
        pace.floor = max(SLOWEST, min(LEFT, rate / max(1, in_flight)))
        at = pace.size if pace.limiting else rate
        drops = pace.dropped(now, sent_at, at)
        if drops:
            even = self.spread.dropped(at, drops)
            if even is not None:
                pace.settle(even)
            # So that from now on the pace alone is what holds calls up.
            self.window.go(max(self.window.size, ROOM * self._reach.most))
        return drops

    def _too_many(self, now: float, sent_at: float, in_flight: int, rate: float | None) -> int:
        drops = self.window.dropped(now, sent_at, in_flight)
        if drops:
            self._reach.lower(in_flight)
            if self._reach.crowded(in_flight) and self.pace is not None:
                self._lift(self.pace, rate)
            elif rate is not None and rate <= (pace := self._paced(rate)).size:
                pace.settle(rate)
        return drops

    def _lift(self, pace: Search, rate: float | None) -> None:
        """Let the pace hold nothing up, yet stay near how often calls come."""
        if rate is not None and pace.size < ROOM * rate:
            pace.go(LIFT * pace.size)

    def _paced(self, rate: float) -> Search:
        """Return the pace, which begins at this rate if there is none yet."""
        if self.pace is None:
            self.pace = Search(rate, SLOWEST, math.inf, _faster, MOST, DEEPEST)
            self.pace.settle(rate)
        return self.pace

    def _size(self, in_flight: int) -> tuple[Sizes, float]:
        """Return what holds calls up, and how large it is: the pace only if nothing else does."""
        pace = self.pace
        if pace is not None and pace.limiting and not self.window.limiting:
            return "rate", pace.size
        return "calls", in_flight

    def _is_sign(self, in_flight: int) -> bool:
        """Return whether a drop is a sign of load; where drops are none, go back to what was."""
        of, size = self._size(in_flight)
        opinion = self._doubt.dropped(of, size)
        if opinion == "vain":
            if of == "calls":
                self.window.find(max(self.window.size, self._doubt.before))
            self.pace = None
        return opinion == "sign" and not self._is_odd(of, size)

    def _is_odd(self, of: Sizes, size: float) -> bool:
        """Return whether a drop at this size is one of a few, which tell nothing.

        One channel of many may be bad. So a few are signs only once many were dropped, and not
        clearly below the size at which they were; a rate takes that size along, or it would pass
        over what tells it that others came. Few calls on the wire tell too little even there.
        """
        recent, proven = self._doubt.recent, self._proven.get(of)
        if recent > FEW:
            self._proven[of] = size
            return False
        if proven is None or size < NEARLY * proven:
            return True
        if of == "rate":
            self._proven[of] = max(size, proven + FOLLOWS * (size - proven))
        return of == "calls" and size < START and recent <= HARDLY


def _faster(rate: float, in_flight: int) -> float:
    """Return what a rate gains with an answer near the last drop."""
    return min(GAIN, CUTS[0] * rate / FEWEST, A_TRIP * rate / in_flight)
