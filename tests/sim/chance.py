"""Draws for a scenario, all from one seed, and of a size that a budget of requests allows.

The work of a simulation is its requests. So a slow gateway is simulated for hours, one that takes
thousands a second for half a minute.
"""

from __future__ import annotations

import math
import random

import msgspec

from tests.sim.scenario import BY_COUNT, Kind, Scenario
from tests.sim.targets import HIDDEN

STEADY_SECONDS = 20.0  # measured after settling, at the least
STEADY_TRIPS = 60
FEWEST = 4  # at once
# Ways differ, so of two calls sent evenly one comes too early: a bucket of a single call rejects
# it, whoever sends it, unless a fifth or more of the rate is left unused.
FEWEST_SAVED = 2  # calls in a bucket, and those of the time by which ways differ


class Chance:
    """Draws, all from one seed."""

    def __init__(self, seed: int, budget: int) -> None:
        self.random = random.Random(f"draw {seed}")
        self.budget = budget

    def between(self, low: float, high: float) -> float:
        """Draw a number whose size is as likely as any other."""
        return math.exp(self.random.uniform(math.log(low), math.log(high)))

    def hidden(self, kind: Kind, length: float = 1.0, fastest: float = 0.05) -> Scenario:
        """Draw a gateway with a limit that nobody tells, of a size that the budget allows.

        ``length``: how many times as long as usual it is simulated. ``fastest``: shortest latency.
        """
        latency = self.between(fastest, 20)
        jitter, sigma = self.random.uniform(0, 0.5), self.random.choice((0.0, 0.0, 0.4, 0.8))
        plain = Scenario(case="", kind=kind, latency=latency, jitter=jitter, sigma=sigma)
        seconds = plain.settling + max(STEADY_SECONDS, STEADY_TRIPS * latency)
        by_count = kind in BY_COUNT
        most = self.budget / length / seconds * (latency if by_count else 1.0)
        least = min(HIDDEN if by_count else HIDDEN / max(1.0, latency), most)
        capacity = self.between(least, max(least, min(most, 1000)))
        if by_count:
            capacity = float(max(FEWEST, round(capacity)))
        return msgspec.structs.replace(
            plain,
            capacity=capacity,
            burst=max(self.between(0.02, 1), FEWEST_SAVED / capacity + 2 * plain.network),
            upstream=self.random.random() < 0.5,
            seconds=seconds,
            ceiling=self.ceiling(plain, capacity),
            late=self.random.choice((0.0, 0.0, 0.0005, 0.002)),
        )

    def ceiling(self, scenario: Scenario, capacity: float) -> int:
        """Draw a ceiling above what is needed."""
        needed = capacity if scenario.kind in BY_COUNT else capacity * scenario.latency
        return int(min(2000, max(16, needed * self.random.uniform(1.5, 6))))
