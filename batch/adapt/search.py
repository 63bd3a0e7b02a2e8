"""A number found out by trying: as large as goes without calls being dropped.

It doubles with each round of answers until a call is dropped. From then on it climbs with each
answer and is cut by a little at each drop, by more if drops come in a row. Near the size at which a
call was dropped last it climbs slowly, and away from it with the square of the distance: below,
after a deep cut, and above, where there is more to be had by now. So it stays a few percent around
what goes, finds what has changed in a few seconds, and asks in vain about once in two hundred
calls.

Two who share a gateway climb by the same part of themselves in a second, and the larger one is
dropped more often: so they come to equal parts.

Only answers to calls that the number itself held up count, as the others say nothing about it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

# (size, calls on the wire) → how much it climbs with an answer near the last drop
Gain: TypeAlias = Callable[[float, int], float]

# Parts by which it is cut by drops in a row, which say that it is far too much.
CUTS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
IN_A_ROW: Final = 16  # answers to calls sent since the last cut: as many end a row
NEAR: Final = 0.03  # of the size at the last drop: up to there it climbs slowly
HASTE: Final = 0.1  # part of the size in a round trip, at the most, far away from it


class Search:
    """A size between ``floor`` and ``ceiling``: calls, or calls a second."""

    __slots__ = (
        "_answers",
        "_cut_at",
        "_deepest",
        "_dropped_at",
        "_drops",
        "_earned",
        "_gain",
        "_heard",
        "_in_flight",
        "_lowest",
        "_most",
        "_top",
        "ceiling",
        "floor",
        "patient",
        "size",
    )

    def __init__(
        self,
        start: float,
        floor: float,
        ceiling: float,
        gain: Gain,
        most: float = math.inf,
        deepest: float = 0.0,
    ) -> None:
        self.floor, self.ceiling = floor, ceiling
        self._gain, self._most = gain, most
        self._deepest = deepest  # part of a size that a row of drops leads to, at the least
        self._dropped_at = self._cut_at = -math.inf
        self.begin(start)

    def begin(self, size: float) -> None:
        """Begin anew: nothing is known."""
        self._top: float | None = None  # the size at the last drop
        self._drops = 0  # in a row
        self._lowest = 0.0  # that this row may lead to
        self._answers = 0  # to calls sent since the last drop
        # A call that was sent since the last cut was answered. Where none is, nothing goes for now,
        # whatever is sent: limits that are counted by the minute are like that at its end.
        self._heard = False
        self._earned = 0  # answers still to come of calls that the size held up
        self._in_flight = 1  # when it held calls up last
        self.patient = False  # climb slowly, wherever it is
        self.go(size)

    @property
    def limiting(self) -> bool:
        """Return whether the size has held calls up lately."""
        return self._earned > 0

    def filled(self, in_flight: int) -> None:
        """Take note that a call was held up by the size, with so many on the wire."""
        self._earned = self._in_flight = in_flight

    def answered(self, sent_at: float) -> None:
        """Take note of an answer to a call that was sent then."""
        self._heard |= sent_at >= self._cut_at
        if not self._earned:
            return
        self._earned -= 1
        self._answers += sent_at >= self._dropped_at
        if self._answers >= IN_A_ROW:
            self._drops = 0
        self.go(self.size + self._climb())

    def dropped(self, now: float, sent_at: float, at: float, first: float = CUTS[0]) -> int:
        """Take note that a call was dropped for load while the size was ``at``.

        Calls that are dropped together are one sign: what was sent before the last is none.
        ``first`` is the part of the size that the first sign of a row costs.
        Returns how often calls were dropped in a row, 0 if it is no sign.
        """
        if sent_at < self._dropped_at:
            return 0
        self._dropped_at = now
        self._drops += 1
        # Where nothing is answered it is not the size: it is cut no further, and what it climbs
        # back to is what it was before.
        if self._heard or self._drops <= len(CUTS):
            at = max(min(self.size, at), self.floor)
            # Nothing was answered yet, and the size held nothing up: it may have been anything, as
            # estimates that were far too low. So it is cut, and goes on doubling from there.
            known = self._top is not None or self._earned
            if self._heard or (known and self._drops == 1):
                self._top = at
            self._cut_at = now
            if self._drops == 1:
                self._lowest = self._deepest * at
            cut = first if self._drops == 1 else CUTS[min(self._drops, len(CUTS)) - 1]
            self.go(max(self._lowest, at * (1 - cut)))
        self._heard = False
        self._answers = self._earned = 0
        return self._drops

    def settle(self, size: float) -> None:
        """Go to a size that something else has found out."""
        self._drops = self._answers = self._earned = 0
        self.go(size)
        self._top = self.size

    def find(self, size: float) -> None:
        """Look anew, from a size on."""
        self._drops = 0
        self._top = None
        self.go(size)

    def go(self, size: float) -> None:
        """Go to a size for now; what is known of others stays."""
        self.size = min(max(size, self.floor), self.ceiling)

    def _climb(self) -> float:
        """Return how much is gained with one answer."""
        size, in_flight, top = self.size, self._in_flight, self._top
        if top is None:
            return max(1.0, size) / in_flight
        away = 0.0 if self.patient else (size / top - 1) / NEAR
        climb = self._gain(size, in_flight) * max(1.0, away * away)
        return min(climb, HASTE * size / in_flight, self._most)
