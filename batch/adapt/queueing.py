"""Whether answers take longer because calls wait for each other.

A gateway that takes more calls than it works on drops none of them: they queue, and each takes
longer. Yet answers take longer for other reasons too: another model, longer texts. So a suspicion
is put to the test: the window is made smaller. If nearly as much gets done, calls had only waited;
if less, they had not, and the longer time is the new measure.

Times in seconds.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

import msgspec

FEWEST: Final = 64  # answers in a mean
LONGER: Final = 1.5  # times the shortest mean: are calls waiting?
SURE: Final = 3.0  # standard errors that it must be longer, too
SLOWER: Final = 1.15  # times the shortest mean: may some be waiting?
AIM: Final = 1.25  # times the shortest mean: so that the gateway always has something to do
SMALLEST_CUT: Final = 0.8  # of the window, at which a difference can be seen
LARGEST_CUT: Final = 0.5
# Of the share that the window gave up, so much of what got done may be lost with it: then calls had
# waited. Where they wait for the calls of one other client like us too, it is half.
LOST: Final = 0.8
SHORTER: Final = 0.25  # part of a shorter mean in the measure; one alone may be luck

# "before" and "after" are the two halves of a test; the window stays what it is in each.
Step: TypeAlias = Literal["watch", "before", "after"]


class Finding(msgspec.Struct, frozen=True):
    """What window to go on with, and what is known of it."""

    size: float
    testing: bool = False  # stay there until there is another finding
    queued_at: float | None = None  # calls were found to wait for each other with this window


class Queueing:
    """Watches round trips, and tests a suspicion."""

    __slots__ = (
        "_base",
        "_before",
        "_count",
        "_since",
        "_squares",
        "_step",
        "_sum",
        "_wanted",
        "slower",
    )

    def __init__(self) -> None:
        self._base: float | None = None  # what an answer takes that waits for no other
        self._before = (0.0, 0.0)  # window and mean before it was made smaller
        self._step: Step = "watch"
        self.slower = False  # answers took a little longer lately: some may wait already
        self._since = -math.inf  # calls that were sent before it tell of another window
        self._clear()

    def trip(self, now: float, seconds: float, size: float, limiting: bool) -> Finding | None:
        """Take note of a round trip with a window that held calls up, or did not."""
        if now - seconds < self._since:
            return None
        if not limiting and self._step == "watch":
            self._clear()
            return None
        if not self._count:
            self._wanted = max(FEWEST, size)  # the window may grow with every answer
        self._count += 1
        self._sum += seconds
        self._squares += seconds * seconds
        if self._count < self._wanted:
            return None
        count, mean = self._count, self._sum / self._count
        error = math.sqrt(max(self._squares / count - mean * mean, 0.0) / count)
        self._clear()
        if self._step == "after":
            self._step = "watch"
            return self._compared(mean, size)
        longer = self._is_longer(mean, error) and size >= 2
        if not longer:
            stay = self._step == "before"
            self._step = "watch"
            return Finding(size) if stay else None
        self._since = now
        if self._step == "watch":
            self._step = "before"
            return Finding(size, testing=True)
        self._step = "after"
        self._before = size, mean
        cut = min(max(AIM * (self._base or mean) / mean, LARGEST_CUT), SMALLEST_CUT)
        return Finding(size * cut, testing=True)

    def abort(self) -> None:
        """Break off a test: the window has become another for another reason."""
        self._step = "watch"
        self._clear()

    def _is_longer(self, mean: float, error: float) -> bool:
        """Compare a mean with the measure, which a shorter mean corrects."""
        base = self._base
        self.slower = base is not None and mean - base > max((SLOWER - 1) * base, SURE * error)
        if base is None or mean < base:
            self._base = mean if base is None else base + SHORTER * (mean - base)
            return False
        return mean > LONGER * base and mean - base > SURE * error

    def _compared(self, mean: float, size: float) -> Finding:
        """Say what came of the smaller window."""
        before, mean_before = self._before
        kept = (size / mean) / (before / mean_before)
        if kept < 1 - LOST * (1 - size / before):
            self._base = mean_before
            return Finding(before)
        if self._base is not None and mean < self._base:
            self._base = mean
        return Finding(size, queued_at=before)

    def _clear(self) -> None:
        self._count = 0
        self._sum = self._squares = self._wanted = 0.0
