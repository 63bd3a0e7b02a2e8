"""Token buckets, as gateways keep them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.sim.scenario import Known

SHALLOW_SECONDS = 0.1  # depth of a bucket of which nothing is declared


class Bucket:
    """So many units a second, and what has been saved up. The rate may change."""

    def __init__(self, rate: Callable[[float], float], depth_seconds: float) -> None:
        self._rate = rate
        self._seconds = depth_seconds
        self._at = 0.0
        self.level = self.depth(0.0)

    def depth(self, now: float) -> float:
        """Return how many units there may be at once."""
        return max(1.0, self._rate(now) * self._seconds)

    def take(self, now: float, weight: float = 1.0) -> bool:
        """Take units if they are there. What is heavier than the bucket needs, and empties, it."""
        depth = self.depth(now)
        weight = min(weight, depth)
        self.level = min(depth, self.level + (now - self._at) * self._rate(now))
        self._at = now
        # A call that comes at the very moment it may is not a call too many.
        if self.level + 1e-6 < weight:
            return False
        self.level -= weight
        return True


def declared(known: Known | None) -> list[tuple[bool, Bucket]]:
    """Return a bucket for each limit that is declared, and whether it counts tokens."""
    if known is None:
        return []
    limits = (False, known.rpm, known.rpm_bucket), (True, known.tpm, known.tpm_bucket)
    return [
        (counts, Bucket(partial(_constant, rpm / 60), depth_of(rpm, bucket) / (rpm / 60)))
        for counts, rpm, bucket in limits
        if rpm
    ]


def _constant(rate: float, time: float) -> float:
    return rate


def depth_of(per_minute: float, bucket: float | None) -> float:
    """Return how many units a gateway takes at once: as declared, else what a shallow one would."""
    return max(2.0, per_minute / 60 * SHALLOW_SECONDS) if bucket is None else bucket
