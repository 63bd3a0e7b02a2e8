"""How many calls may be on the wire: found out by trying, as nobody declares it.

A rule: ``now`` is handed in. The window grows by one for each answer until calls are dropped, is
then cut by a tenth, and from there on stays just below the level where they were dropped.
"""

from __future__ import annotations

import math
from typing import Final

START: Final = 8
CUT: Final = 0.9
NEAR: Final = 0.95  # of the level: up to here growth is quick again, beyond it one a round trip
# A probe above the level costs a drop or two and a cut. One in so many round trips, of at least
# so many answers, keeps drops under 1 %; each that fails doubles the rest until the next.
FIRST_REST: Final = 16
LONGEST_REST: Final = 256
FEWEST_ANSWERS: Final = 20
CLEAN_PROBES: Final = 3  # so many in a row without a drop: the level has gone, find the new one


class Window:
    """An adaptive number of calls on the wire, from 1 to a ceiling."""

    __slots__ = (
        "_cut_at",
        "_earned",
        "_level",
        "_probes",
        "_quiet",
        "_rest",
        "_size",
        "_start",
        "ceiling",
        "limit",
    )

    def __init__(self, ceiling: int, start: int = START) -> None:
        self.ceiling = ceiling
        self._start = start
        self._cut_at = -math.inf
        self.restart()

    def restart(self) -> None:
        """Begin anew: nothing is known."""
        self._level: float | None = None  # where calls were dropped last
        self._earned = 0  # answers still to come of calls that filled the window
        self._forget_probes()
        self._rest = FIRST_REST
        self._resize(self._start)

    def collapse(self) -> None:
        """Let one call at a time through, until ``restart``."""
        self._resize(1)
        self._earned = 0

    def filled(self, in_flight: int) -> None:
        """Take note that so many calls are on the wire, as many as are allowed.

        Only then it is the window that limits, so only the answers to these calls may widen it.
        """
        self._earned = in_flight

    def answered(self) -> None:
        """Take note of an answer."""
        if self._earned:
            self._earned -= 1
            self._grow()

    def dropped(self, now: float, sent_at: float, trip: float, in_flight: int) -> bool:
        """Take note that a call was dropped for load. Returns whether the window was cut.

        Calls that are dropped together are one sign: the window is cut at most once per round trip
        (``trip``, in seconds), and never for a call that was sent before the last cut.
        """
        if sent_at < self._cut_at or now - self._cut_at < trip:
            return False
        self._cut_at = now
        self._settle_below(min(self._size, in_flight + 1.0), CUT)
        return True

    def halve(self, in_flight: int) -> None:
        """Cut to half of what is on the wire, for what calls on the wire use up among them."""
        self._settle_below(min(self._size, float(in_flight)), 0.5)

    def _settle_below(self, level: float, part: float) -> None:
        if self._probes:
            self._rest = min(2 * self._rest, LONGEST_REST)
        self._level = level
        self._earned = 0
        self._forget_probes()
        self._resize(level * part)

    def _forget_probes(self) -> None:
        self._probes = 0
        self._quiet = 0

    def _grow(self) -> None:
        level = self._level
        if level is None:
            self._resize(self._size + 1)
        elif self._size >= level - 1:
            self._hold(level)
        else:
            step = 1.0 if self._size < NEAR * level else 1 / self._size
            self._resize(min(self._size + step, level - 1))

    def _hold(self, level: float) -> None:
        """Stay where it is; once in a long while, try whether one more goes."""
        self._quiet += 1
        if self._quiet < self._rest * max(self._size, FEWEST_ANSWERS):
            return
        self._quiet = 0
        self._probes += 1
        self._level = level + 1
        if self._probes > CLEAN_PROBES:
            self._level = None
            self._probes = 0
            self._rest = FIRST_REST

    def _resize(self, size: float) -> None:
        self._size = min(max(size, 1.0), float(self.ceiling))
        self.limit = int(self._size)
