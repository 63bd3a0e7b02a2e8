"""Whether calls are dropped for load at all.

A gateway drops some calls whatever is sent: one channel of several is bad, a proxy restarts. To
send less because of them helps nobody. So when drops come again and again at sizes that were good,
they are counted at this size and at half of it. If as large a share is dropped at half the size, it
is not the size, and that share is no sign of load from then on.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

# What follows from a call for the size: nothing; make it smaller, there is a sign of load; end the
# test, as hardly a call is dropped; go to half of it, for the test; go back to where it began,
# drops are no sign; go to a little below that, they are.
Opinion: TypeAlias = Literal["none", "sign", "rare", "half", "vain", "load"]

SIGNS: Final = 3  # of load, each of them unexpected: then there is doubt
# So many drops are counted at the first size, if that takes no more calls; then as many calls at
# half of it. Of a load that was too much, half is not: hardly one of them is dropped.
DROPS: Final = 4
CALLS: Final = 160
AS_MANY: Final = 2
MOST: Final = 0.3  # share of calls: with more dropped it is better to send less, whatever the cause
RECENT: Final = 1 / 64  # part of each new call in the recent share
MARGIN: Final = 0.1  # above the share that is no sign, at which drops are one again
QUIET: Final = 1024  # calls in a row, none of them dropped: then no share is one in vain any more


class Doubt:
    """Compares the share of calls that are dropped at two sizes."""

    __slots__ = ("_calls", "_drops", "_ignored", "_sample", "_signs", "_skip", "recent", "testing")

    def __init__(self) -> None:
        self.recent = 0.0  # share of the last calls that were dropped
        self._ignored: float | None = None  # share that was found to be no sign of load
        self._sample: int | None = None  # calls that were counted at the first size of a test
        self._skip = 0  # calls that are not counted, as they were sent before the size changed
        self.testing = False  # the size must stay what it is
        self.forget()

    def forget(self) -> None:
        """Begin to count anew, after a long time without a drop."""
        self._signs = self._calls = self._drops = 0

    def answered(self, in_flight: int) -> Opinion:
        """Take note of a call that was not dropped, with so many on the wire."""
        self.recent -= RECENT * self.recent
        if self.testing:
            return self._counted(0, in_flight)
        if self._ignored is not None:
            self._calls += 1
            if self._calls > QUIET:
                self._ignored = None
        return "none"

    def dropped(self, alone: bool, in_flight: int) -> Opinion:
        """Take note of one that was; ``alone``: nothing let it be expected."""
        self.recent += RECENT * (1 - self.recent)
        if self.testing:
            return self._counted(1, in_flight)
        if self._ignored is not None:
            self._calls = 0
            if self.recent <= self._ignored + MARGIN:
                return "none"
            self._ignored = None
            self.forget()
            return "sign"
        self._signs += alone
        if self._signs > SIGNS and self.recent <= MOST:
            self.testing = True
            self._begin(in_flight)
        return "sign"

    def _begin(self, in_flight: int) -> None:
        self._calls = self._drops = 0
        self._skip = in_flight

    def _counted(self, drop: int, in_flight: int) -> Opinion:
        if self._skip:
            self._skip -= 1
            return "none"
        self._calls += 1
        self._drops += drop
        if self._sample is None:
            if self._drops == DROPS:
                self._sample = self._calls
                self._begin(in_flight)
                return "half"
            if self._calls == CALLS:
                self._end()
                return "rare"
        elif self._drops == AS_MANY:
            share = DROPS / self._sample
            self._end()
            if share > MOST:
                return "sign"
            self._ignored = share
            return "vain"
        elif self._calls >= self._sample:
            self._end()
            return "load"
        return "none"

    def _end(self) -> None:
        self.testing = False
        self._sample = None
        self.forget()
