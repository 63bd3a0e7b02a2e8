"""Whether an account answers at all, and how often to ask one that does not."""

from __future__ import annotations

import math
from typing import Final

FAILURES: Final = 8  # in a row, without one sign of life: the account is down
FIRST_PAUSE: Final = 1.0  # seconds before the first probe; doubled for each that fails
LONGEST_PAUSE: Final = 30.0


class Health:
    """Counts failures in a row. Times are of the gate's clock."""

    __slots__ = ("_pause", "_paused_at", "down", "failures", "first_at", "last_at")

    def __init__(self) -> None:
        self.recover()

    def recover(self) -> None:
        """Take note of a sign of life."""
        self.down = False
        self.failures = 0
        self.first_at = self.last_at = 0.0  # of this row's failures
        self._pause = 0.0
        self._paused_at = -math.inf

    def failed(self, now: float, sent_at: float) -> float | None:
        """Take note of a failure. Returns for how long to pause before a probe, if at all."""
        if not self.failures:
            self.first_at = now
        self.last_at = now
        self.failures += 1
        # What was sent before the pause says nothing about whether the pause has helped.
        if self.failures < FAILURES or sent_at < self._paused_at:
            return None
        self.down = True
        self._paused_at = now
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        return self._pause
