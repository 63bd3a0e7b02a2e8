"""How much one side of a gateway takes: so many calls at once, and so many a second.

A rejection says that it was too much, and not of what. If calls beside as many others were answered
lately, it is how often calls come; else it is how many there are, and how often they came is kept
as well, as a bound that must not be passed in a hurry.
"""

from __future__ import annotations

import math
from typing import Final

from batch.adapt.doubt import Doubt, Opinion
from batch.adapt.reach import Reach
from batch.adapt.search import Search
from batch.adapt.window import START, Window

SLOWEST: Final = 1 / 60  # calls a second
FEW: Final = 0.06  # share of the last calls that are dropped: fewer may have other reasons
HARDLY: Final = 0.03  # the same with fewer on the wire than at the start, where little is to be won
NEARLY: Final = 0.8  # of the calls on the wire when many were dropped: there a single drop counts
BELOW: Final = 0.9  # of the size at which calls were dropped, after a test has said so
ROOM: Final = 1.25  # times the calls on the wire, where these are not what is rejected


class Load:
    """A window, from the first rejection on a pace, and the doubt whether drops mean either.

    Times in seconds, rates in calls a second.
    """

    __slots__ = ("_doubt", "_proven", "_reach", "_tested", "pace", "window")

    def __init__(self, ceiling: int) -> None:
        self.window = Window(ceiling)
        self.restart()

    def restart(self) -> None:
        """Begin anew: nothing is known."""
        self.window.restart()
        self.pace: Search | None = None  # None: no rejection yet, and so no pace
        self._reach = Reach()
        self._doubt = Doubt()
        self._proven: int | None = None  # calls on the wire when many were dropped
        self._tested = (self.window.size, 0.0)  # window and pace when a test of the doubt began

    def answered(self, among: int, in_flight: int) -> None:
        """Take note of an answer to a call that was sent as one of so many on the wire."""
        opinion = self._doubt.answered(in_flight)
        if opinion != "none":
            self._heed(opinion, in_flight)
        self._reach.answered(among)
        self.window.answered()
        if self.pace is not None:
            self.pace.answered()

    def rejected(self, now: float, sent_at: float, in_flight: int, rate: float | None) -> int:
        """Take note of a rejection while calls went at about this rate.

        Returns how many were rejected in a row, 0 if this one is no sign.
        """
        if not self._is_sign(in_flight):
            return 0
        if rate is not None and self._is_of_pace(in_flight):
            pace = self._paced(rate)
            drops = pace.dropped(now, sent_at, pace.size if pace.limiting else rate)
            if drops:
                # So that from now on the pace alone is what holds calls up.
                self.window.go(max(self.window.size, ROOM * self._reach.most))
            return drops
        drops = self.window.dropped(now, sent_at, in_flight)
        if drops:
            self._reach.lower(in_flight)
            if rate is not None and rate <= (pace := self._paced(rate)).size:
                pace.settle(rate)
        return drops

    def overloaded(self, now: float, sent_at: float, in_flight: int) -> int:
        """Take note of a call that was dropped otherwise: too many were on the wire.

        Returns how many were dropped in a row, 0 if this one is no sign.
        """
        return self.window.dropped(now, sent_at, in_flight) if self._is_sign(in_flight) else 0

    def _is_of_pace(self, in_flight: int) -> bool:
        """Return whether it is how often calls come that was too much."""
        if self._reach.beyond(in_flight):
            return True
        return self._held_by_pace and not self._reach.at_top(in_flight)

    @property
    def _held_by_pace(self) -> bool:
        """Return whether it is the pace alone that holds calls up."""
        return self.pace is not None and self.pace.limiting and not self.window.limiting

    def _paced(self, rate: float) -> Search:
        """Return the pace, which begins at this rate if there is none yet."""
        if self.pace is None:
            self.pace = Search(rate, SLOWEST, math.inf, 0.0)
        return self.pace

    def _is_sign(self, in_flight: int) -> bool:
        # A window that holds no calls up stays as it was, perhaps in the midst of a search.
        window_steady = self.window.steady or self._held_by_pace
        steady = window_steady and (self.pace is None or self.pace.steady)
        opinion = self._doubt.dropped(steady, in_flight)
        self._heed(opinion, in_flight)
        return opinion == "sign" and not self._is_odd(in_flight)

    def _is_odd(self, in_flight: int) -> bool:
        """Return whether so few calls are dropped that it tells nothing, with so many on the wire.

        That is so until many were dropped at once, and with clearly fewer on the wire than then.
        """
        recent, proven = self._doubt.recent, self._proven
        if recent > FEW:
            self._proven = in_flight
            return False
        if proven is None or in_flight < NEARLY * proven:
            return True
        return in_flight < START and recent <= HARDLY

    def _heed(self, opinion: Opinion, in_flight: int) -> None:
        """Go where a test of the drops leads."""
        if opinion == "half":
            self._tested = self.window.size, self.pace.size if self.pace is not None else 0.0
            self.window.go(min(self.window.size, in_flight) / 2)
            if self.pace is not None:
                self.pace.go(self.pace.size / 2)
        window, pace = self._tested
        if opinion == "load":
            self.window.go(BELOW * window)
            if self.pace is not None:
                self.pace.go(BELOW * pace)
        elif opinion == "vain":
            self.window.find(window)
            self.pace = None
        self.window.frozen = self._doubt.testing
        if self.pace is not None:
            self.pace.frozen = self._doubt.testing
