"""Whether calls are dropped for load at all.

A gateway drops some calls whatever is sent: one channel of several is bad, a proxy restarts. To
send less because of them helps nobody. So calls and drops are counted apart for each size at which
they went. Where less was sent and as large a share was dropped as before, it is not the size, and
that share is no sign of load from then on. Load is not like that: a little below what is too much,
hardly a call is dropped.

Nothing is tried to find this out: sizes vary by themselves, as every sign of load cuts them.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

# What follows from a drop: nothing; send less, it is a sign of load; go back to what was sent
# before, drops are no sign.
Opinion: TypeAlias = Literal["none", "sign", "vain"]
Sizes: TypeAlias = Literal["calls", "rate"]  # what held calls up, and so changed

STEPS: Final = 8  # in which sizes are told apart: to twice as much
APART: Final = 2  # steps, at the least, between sizes that are compared
DROPS: Final = 5  # on either side, at the least
RARE: Final = 0.015  # share of calls: fewer are dropped by others who share the gateway as well
MOST: Final = 0.3  # with more dropped it is better to send less, whatever the cause
ALIKE: Final = 0.6  # of the share at the larger size: that is as large a share
FORGET: Final = 0.97  # of what was counted, at each drop
RECENT: Final = 1 / 64  # part of each new call in the recent share
MARGIN: Final = 0.1  # above the share that is no sign, at which drops are one again
QUIET: Final = 1024  # calls in a row, none of them dropped: then no share is one in vain any more


class Doubt:
    """Compares the shares of calls that are dropped at different sizes."""

    __slots__ = ("_counts", "_ignored", "_quiet", "before", "recent")

    def __init__(self) -> None:
        self.recent = 0.0  # share of the last calls that were dropped
        self.before = 0.0  # the largest size that was compared last
        self._ignored: float | None = None  # share that was found to be no sign of load
        self._quiet = 0  # calls since the last drop
        self._counts: dict[tuple[Sizes, int], _Count] = {}

    def answered(self, of: Sizes, size: float) -> None:
        """Take note of a call that was not dropped, at a size."""
        self.recent -= RECENT * self.recent
        if not self._counts and self._ignored is None:
            return  # as long as nothing is dropped there is nothing to compare
        self._quiet += 1
        if self._quiet > QUIET:
            self._ignored = None
            self._counts.clear()
            return
        self._at(of, _step(size)).calls += 1

    def dropped(self, of: Sizes, size: float) -> Opinion:
        """Take note of one that was."""
        self.recent += RECENT * (1 - self.recent)
        self._quiet = 0
        if self._ignored is not None:
            if self.recent <= self._ignored + MARGIN:
                return "none"
            self._ignored = None
            self._counts.clear()
        self._fade()
        step = _step(size)
        here = self._at(of, step)
        here.calls += 1
        here.drops += 1
        return self._compared(of, step)

    def _compared(self, of: Sizes, step: int) -> Opinion:
        """Compare the share that is dropped up to this size with the one at clearly larger sizes.

        Up to it, and not only at it: a size that is cut by each drop seldom stays where it is for
        as many drops as it takes.
        """
        here, above = _Count(), _Count()
        for (kind, at), count in self._counts.items():
            if kind == of and at <= step:
                here.add(count)
            elif kind == of and at >= step + APART:
                above.add(count)
        if min(here.drops, above.drops) < DROPS:
            return "sign"
        if not RARE <= here.share <= MOST or above.share > MOST:
            return "sign"
        if here.share < ALIKE * above.share:
            return "sign"
        self._ignored = here.share
        self.before = 2 ** (max(at for kind, at in self._counts if kind == of) / STEPS)
        self._counts.clear()
        return "vain"

    def _fade(self) -> None:
        """Let what was counted earlier count for less."""
        for key, count in list(self._counts.items()):
            count.calls *= FORGET
            count.drops *= FORGET
            if count.calls < 1:
                del self._counts[key]

    def _at(self, of: Sizes, step: int) -> _Count:
        count = self._counts.get((of, step))
        if count is None:
            count = self._counts[of, step] = _Count()
        return count


class _Count:
    """Calls at a size, and how many of them were dropped; the longer ago, the less they count."""

    __slots__ = ("calls", "drops")

    def __init__(self) -> None:
        self.calls = self.drops = 0.0

    def add(self, other: _Count) -> None:
        self.calls += other.calls
        self.drops += other.drops

    @property
    def share(self) -> float:
        return self.drops / self.calls


def _step(size: float) -> int:
    return round(STEPS * math.log2(max(size, 1e-6)))
