"""A declared rate, kept: requests or tokens a minute, over aiolimiter.

aiolimiter serves small amounts first, so that a heavy one could wait for ever; it refuses amounts
above its capacity, and gives nothing back. Hence one caller at a time, pieces, and a debt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiolimiter import AsyncLimiter

from batch.gate.holdups import Holdup

BURST_SECONDS: Final = 1 / 20  # of the rate that may go at once: half of a shallow gateway's bucket
# Timers fire late and loops are busy: a bucket as deep as one unit would lose that time with each
# unit. It is deeper by 5 ms worth of the rate, yet by no more than a tenth of a unit.
LATE_SECONDS: Final = 0.005
MOST_LATE_UNITS: Final = 0.1
# Of what was declared: the way to the gateway takes longer for one call than for the next, and a
# rate that is used to the last would be passed whenever two come closer together.
SHARE: Final = 0.9975


class Limit:
    """So many units a minute. In no span of time more pass than rate x time + ``capacity``."""

    __slots__ = (
        "_bucket",
        "_clock",
        "_filled_at",
        "_level",
        "_limiter",
        "_lock",
        "_owed",
        "_rate",
        "capacity",
        "why",
    )

    def __init__(
        self, per_minute: float, unit: str, clock: Callable[[], float], bucket: float | None = None
    ) -> None:
        self.why = Holdup("yours", f"limit of {per_minute:,.10g} {unit}/min")
        self._clock = clock
        self._bucket = bucket
        self._lock = asyncio.Lock()
        self._level = self._filled_at = 0.0  # units in the bucket after the last payment, and when
        self._build(per_minute)
        # Units that went through unpaid; below zero: paid in advance. What makes up for late timers
        # is no burst to begin with.
        self._owed = min(self.capacity - 1, MOST_LATE_UNITS)

    def change(self, per_minute: float) -> None:
        """Go on at another rate, without a burst. A call that waits already keeps its old wait."""
        self._build(per_minute)
        self._owed = max(0.0, self._owed) + self.capacity

    def free(self, amount: float) -> bool:
        """Return whether ``pay`` would return without waiting."""
        due = amount + self._owed
        if self._lock.locked():
            return False
        return due <= 0 or (due <= self.capacity and self._limiter.has_capacity(due))

    async def pay(self, amount: float) -> None:
        """Take units, and what is owed; wait for them in order of arrival."""
        async with self._lock:
            self._owed += amount
            try:
                while self._owed > 0:
                    piece = min(self._owed, max(1.0, self.capacity / 2))
                    await self._acquire(piece)
                    self._owed -= piece
            except BaseException:
                # What was taken in vain is lost: given back later, it would make a burst.
                self._owed = max(0.0, self._owed - amount)
                raise

    async def renew(self, amount: float, paid_at: float, level: float) -> None:
        """Bring a payment up to now, after its call had to wait for something else. Never waits.

        The bucket has leaked meanwhile as if the call were long gone; without this, that call and
        a fresh burst would be sent together. ``level``: as it was after the payment; what stood in
        it before has leaked first. What a busy loop takes to come round is not waiting.
        """
        waited = self._clock() - paid_at - LATE_SECONDS
        before = max(0.0, level - amount)
        stale = min(amount, self.capacity, waited * self._rate - before)
        if stale <= 0:
            return
        if self._limiter.has_capacity(stale):
            await self._acquire(stale)
        else:
            self._owed += stale

    @property
    def level(self) -> float:
        """Return how full the bucket is, in units; the limiter tells nobody."""
        return max(0.0, self._level - (self._clock() - self._filled_at) * self._rate)

    async def _acquire(self, units: float) -> None:
        await self._limiter.acquire(units)
        self._level = self.level + units
        self._filled_at = self._clock()

    def settle(self, difference: float) -> None:
        """Correct an estimate: the next calls pay so much more, or less where it is negative."""
        # What is paid in advance goes out as a burst. Where nothing is said of the gateway's
        # bucket, a minute's units are what it holds.
        most = 60 * self._rate if self._bucket is None else self._bucket / 2
        # Nor does one answer forgive more to a call that is paying just now.
        self._owed = max(self._owed + max(difference, -most), -most)

    def _build(self, per_minute: float) -> None:
        self._rate = SHARE * per_minute / 60
        depth = self._rate * BURST_SECONDS
        if self._bucket is not None:
            depth = min(depth, self._bucket / 2)
        floor = 1 + min(self._rate * LATE_SECONDS, MOST_LATE_UNITS)
        self.capacity = max(floor, depth)
        self._limiter = AsyncLimiter(self.capacity, self.capacity / self._rate)
        self._level = self._filled_at = 0.0
