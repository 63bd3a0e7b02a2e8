"""What one account may do at a time: requests and tokens a minute, and a hidden capacity.

The clock is handed in. A bucket admits at most ``burst + rate * t`` over any span ``t``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Final

from batch.errors import BadUsage
from batch.mock._errors import TurnedAway, hint
from batch.mock.dials import Dials

_MINUTE: Final = 60.0


class Bucket:
    """A token bucket, full at the start."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, per_minute: float, burst: float | None, now: float) -> None:
        """Take a rate in units a minute, and a depth in units: by default a minute's worth."""
        if per_minute <= 0 or (burst is not None and burst <= 0):
            raise BadUsage("a limit a minute and its burst must be greater than 0")
        self._rate = per_minute / _MINUTE
        self._burst = per_minute if burst is None else burst
        self._level = self._burst
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much would be admitted: 0 if now, infinity if never."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if amount <= self._level:
            return 0.0
        return math.inf if amount > self._burst else (amount - self._level) / self._rate

    def take(self, amount: float) -> None:
        """Take what ``wait`` has just admitted."""
        self._level -= amount


class Rates:
    """Requests and tokens a minute: a request takes from both buckets or from none."""

    def __init__(self, dials: Dials, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hint = dials.limit_hint
        now = clock()
        self._buckets = tuple(
            (fate, Bucket(rate, burst, now))
            for fate, rate, burst in (
                ("requests_per_minute", dials.requests_per_minute, dials.requests_burst),
                ("tokens_per_minute", dials.tokens_per_minute, dials.tokens_burst),
            )
            if rate is not None
        )

    def admit(self, tokens: int) -> None:
        """Take one request of so many tokens, or raise ``TurnedAway`` and take nothing."""
        if not self._buckets:
            return
        now = self._clock()
        for fate, bucket in self._buckets:
            wait = bucket.wait(_amount(fate, tokens), now)
            if wait > 0:
                raise TurnedAway(fate, headers=hint(wait, self._hint))
        for fate, bucket in self._buckets:
            bucket.take(_amount(fate, tokens))


def _amount(fate: str, tokens: int) -> int:
    return 1 if fate == "requests_per_minute" else tokens


class Slots:
    """The requests that are at work at once: ``async with slots`` holds one of them."""

    def __init__(self, dials: Dials) -> None:
        if dials.capacity is not None and dials.capacity < 1:
            raise BadUsage("the capacity must be at least 1")
        self._hint = hint(1.0, dials.limit_hint)
        self._overflow = dials.overflow
        self._free = None if dials.capacity is None else asyncio.Semaphore(dials.capacity)

    async def __aenter__(self) -> None:
        """Wait for a slot, or raise ``TurnedAway``, as the overflow dial says."""
        if self._free is None:
            return
        if self._overflow != "queue" and self._free.locked():
            raise TurnedAway("capacity", headers=self._hint, reset=self._overflow == "reset")
        await self._free.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._free is not None:
            self._free.release()
