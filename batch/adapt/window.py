"""How many calls may be on the wire: found out by trying, as nobody declares it."""

from __future__ import annotations

from typing import Final

from batch.adapt.queueing import Queueing
from batch.adapt.search import CUTS, Search

START: Final = 8
# What one drop costs that is surely for the number of calls: a part of a large window or, if that
# is more, so many calls. One was too many, and the next is not to be at once.
LEAST_CUT: Final = 0.03
MOST_CUT: Final = 1.5
# What a window gains near the last drop with each answer is the least that these allow.
GAIN: Final = 0.006  # calls: whatever the window, this part of it in a round trip
FEWEST: Final = 50  # answers that make up for a cut, at the least: so seldom are small ones dropped


class Window:
    """An adaptive number of calls on the wire, from 1 to a ceiling."""

    __slots__ = ("_queueing", "_search", "_testing", "ceiling", "limit")

    def __init__(self, ceiling: int, start: int = START) -> None:
        self.ceiling = ceiling
        self._search = Search(start, 1.0, ceiling, _wider)
        self._begin(start)

    def restart(self) -> None:
        """Begin anew, with few calls: nothing is known."""
        self._begin(START)

    def _begin(self, size: float) -> None:
        self._search.begin(size)
        self._queueing = Queueing()
        self._testing = False  # of a queue: the size must stay what it is
        self._update()

    def collapse(self) -> None:
        """Let one call at a time through, until ``restart``."""
        self._search.settle(1.0)
        self._update()

    @property
    def size(self) -> float:
        """Return the number with its fraction."""
        return self._search.size

    @property
    def limiting(self) -> bool:
        """Return whether the window has held calls up lately."""
        return self._search.limiting

    def filled(self, in_flight: int) -> None:
        """Take note that so many calls are on the wire, as many as are allowed."""
        self._search.filled(in_flight)

    def answered(self, sent_at: float) -> None:
        """Take note of an answer to a call that was sent then."""
        if not self._testing:
            self._search.answered(sent_at)
            self.limit = int(self._search.size)

    def trip(self, now: float, seconds: float) -> None:
        """Take note of how long an answer took that comes now. Times in seconds."""
        search = self._search
        found = self._queueing.trip(now, seconds, search.size, search.limiting)
        search.patient = self._queueing.slower  # calls wait already, and none is ever dropped
        if found is None:
            return
        self._testing = found.testing
        if found.testing or found.queued_at is None:
            search.go(found.size)
        else:
            search.settle(found.size)
        self._update()

    def dropped(self, now: float, sent_at: float, in_flight: int, surely: bool = False) -> int:
        """Take note that a call was dropped for load, with so many on the wire.

        ``surely``: it was for how many they were, and not for how often they came.
        Returns how often calls were dropped in a row; 0 if this one is no sign.
        """
        first = min(CUTS[0], max(LEAST_CUT, MOST_CUT / max(1, in_flight))) if surely else CUTS[0]
        drops = self._search.dropped(now, sent_at, float(in_flight), first)
        if drops and self._testing:
            self._testing = False
            self._queueing.abort()
        self._update()
        return drops

    def go(self, size: float) -> None:
        """Go to a size for now; what is known of others stays."""
        self._search.go(size)
        self._update()

    def find(self, size: float) -> None:
        """Look anew, from a size on."""
        self._search.find(size)
        self._update()

    def halve(self, in_flight: int) -> None:
        """Cut to half of what is on the wire, for what calls on the wire use up among them."""
        self._search.settle(min(self._search.size, float(in_flight)) / 2)
        self._update()

    def _update(self) -> None:
        self.limit = int(self._search.size)


def _wider(calls: float, _in_flight: int) -> float:
    """Return what a window gains with an answer near the last drop."""
    return min(GAIN, CUTS[0] * calls / FEWEST)
