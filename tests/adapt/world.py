"""A client of a made-up gateway, whose only clock is its own count of seconds."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from batch.adapt.load import Load

ROUND = 0.5  # seconds that an answer takes


class Client:
    """A client that always has more calls; ``drops`` says which of them are rejected."""

    def __init__(self, ceiling: int, drops: Callable[[float, int], bool]) -> None:
        self.load = Load(ceiling)
        self.drops = drops  # (time, calls that are worked on) → whether the next one is rejected
        self.now = self.due = 0.0
        self.working = 0  # calls on the wire that are not to be rejected
        self.chance = random.Random(1)
        # Calls on the wire: when each ends, was sent, among how many, and is it rejected.
        self.on_wire: list[tuple[float, float, int, bool]] = []
        self.ends: list[tuple[float, bool]] = []  # when, and whether it was answered
        self.limits: list[int] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            room = len(self.on_wire) < self.load.window.limit
            if room and (not self.on_wire or self.due <= self.on_wire[0][0]):
                self._send()
            else:
                self._hear()
            self.limits.append(self.load.window.limit)

    def _send(self) -> None:
        load, held = self.load, self.due > self.now
        self.now = max(self.now, self.due)
        among = len(self.on_wire) + 1
        rejected = self.drops(self.now, self.working)
        seconds = 0.05 if rejected else ROUND
        end = self.now + seconds * self.chance.uniform(0.8, 1.2)
        self.working += not rejected
        heapq.heappush(self.on_wire, (end, self.now, among, rejected))
        if load.pace is not None:
            if held:
                load.pace.filled(among)
            self.due = max(self.due, self.now) + 1 / load.pace.size
        if among >= load.window.limit:
            load.window.filled(among)

    def _hear(self) -> None:
        end, sent_at, among, rejected = self.on_wire[0]
        self.now, in_flight = max(self.now, end), len(self.on_wire)
        if rejected:
            self.load.rejected(self.now, sent_at, in_flight, in_flight / ROUND)
        else:
            self.load.answered(sent_at, among, in_flight)
        heapq.heappop(self.on_wire)
        self.working -= not rejected
        self.ends.append((self.now, not rejected))

    def rate(self, since: float) -> float:
        """Answers a second since then."""
        return sum(fine for at, fine in self.ends if at >= since) / (self.now - since)

    def rejected(self, since: float) -> float:
        """Share of calls that were rejected since then."""
        ends = [fine for at, fine in self.ends if at >= since]
        return ends.count(False) / len(ends)
