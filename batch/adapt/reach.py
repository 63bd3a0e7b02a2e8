"""Whether it is the number of calls on the wire that a gateway rejects, or how often they come.

Where as many calls at once are too many, whatever is sent beside more than so many is rejected. If
calls beside clearly more others were answered a moment ago, the gateway counts something else.

That is not certain where others use the gateway as well, as they may have come meanwhile. But how
many calls are on the wire varies by itself. If calls are rejected only when there are more than
usual, it is their number; where they come too often, they are rejected beside few as well.
"""

from __future__ import annotations

from typing import Final

MARGIN: Final = 1.15  # times as many others: less may be answers that were just on their way
# The most is forgotten after so many answers, or after so many times the calls on the wire if that
# is more, as the gateway may change.
ANSWERS: Final = 512
ROUNDS: Final = 16
RECENT: Final = 1 / 64  # part of each answer in what is usual
PART: Final = 1 / 16  # of each rejection in their rank: a few would by chance often be a crowd
FARTHEST: Final = 3.0  # a single rejection counts for no more, in the usual distances
CROWDED: Final = 1.2  # their rank from which on it is the number that is rejected
SURELY: Final = 1.4  # the same, where something speaks against it


class Reach:
    """The calls on the wire beside which one was answered lately, and beside which it was not."""

    __slots__ = ("_apart", "_before", "_left", "_mean", "_now", "_rank")

    def __init__(self) -> None:
        self._now = self._before = 0
        self._left = ANSWERS
        self._mean = self._apart = 0.0  # of calls on the wire, and their usual distance from it
        self._rank = 0.0  # how many such distances above the mean calls are rejected

    @property
    def most(self) -> int:
        """Return the most calls on the wire, an answered one among them."""
        return max(self._now, self._before)

    def crowded(self, among: int) -> bool:
        """Return whether calls are rejected beside clearly more others than most are sent.

        If some beside clearly more than now were answered lately, it may be chance, or others that
        came just when more were sent: then they must be rejected beside more others yet.
        """
        least = CROWDED if self.most <= MARGIN * among else SURELY
        return self._rank > least

    def answered(self, among: int) -> None:
        """Take note of an answer to a call that was sent as one of so many on the wire."""
        self._now = max(self._now, among)
        away = among - self._mean
        self._mean += RECENT * away
        self._apart += RECENT * (abs(away) - self._apart)
        self._left -= 1
        if not self._left:
            self._before, self._now = self._now, among
            self._left = max(ANSWERS, ROUNDS * among)

    def rejected(self, among: int) -> None:
        """Take note of a rejection beside so many."""
        rank = (among - self._mean) / max(self._apart, 1.0)
        self._rank += PART * (min(max(rank, -FARTHEST), FARTHEST) - self._rank)

    def lower(self, among: int) -> None:
        """Take note that so many were too many, so that those answered were on their way."""
        most = int(among / MARGIN)
        self._now, self._before = min(self._now, most), min(self._before, most)

    def beyond(self, among: int) -> bool:
        """Return whether calls beside as many others, and clearly more if many, were answered."""
        return self.most >= int(MARGIN * among)
