"""Whether it is the number of calls on the wire that a gateway rejects, or how often they come.

Where as many calls at once are too many, whatever is sent beside more than so many is rejected. If
calls beside clearly more others were answered a moment ago, the gateway counts something else.
"""

from __future__ import annotations

from typing import Final

MARGIN: Final = 1.05  # times as many others: less may be answers that were just on their way
# The most is forgotten after so many answers, or after so many times the calls on the wire if that
# is more, as the gateway may change.
ANSWERS: Final = 512
ROUNDS: Final = 16


class Reach:
    """The most calls on the wire beside which one was answered lately."""

    __slots__ = ("_before", "_left", "_now")

    def __init__(self) -> None:
        self._now = self._before = 0
        self._left = ANSWERS

    @property
    def most(self) -> int:
        """Return the most calls on the wire, an answered one among them."""
        return max(self._now, self._before)

    def answered(self, among: int) -> None:
        """Take note of an answer to a call that was sent as one of so many on the wire."""
        self._now = max(self._now, among)
        self._left -= 1
        if not self._left:
            self._before, self._now = self._now, among
            self._left = max(ANSWERS, ROUNDS * among)

    def at_top(self, among: int) -> bool:
        """Return whether no call was answered beside as many others."""
        return among > self.most

    def lower(self, among: int) -> None:
        """Take note that so many were too many, so that those answered were on their way."""
        most = int(among / MARGIN)
        self._now, self._before = min(self._now, most), min(self._before, most)

    def beyond(self, among: int) -> bool:
        """Return whether calls beside as many others, and clearly more if many, were answered."""
        return self.most >= int(MARGIN * among)
