"""What is simulated: a gateway, the clients in front of it, and for how long."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

# What the gateway does with what it cannot take:
# "rate": so many a second, 429 above; "queue": so many at once, the rest wait in line; "reset": so
# many at once, the rest are reset; "busy": so many at once, 429 above; "minute": so many in each
# minute of the clock, 429 above; "open": it takes everything.
Kind: TypeAlias = Literal["rate", "queue", "reset", "busy", "minute", "open"]
# What its answers say of limits: the truth as the bucket has it, the truth as a sum over a minute,
# or an upstream's limits: a twentieth of ours, ten times ours, a random walk.
Told: TypeAlias = Literal["", "bucket", "minute", "low", "high", "walk"]

SETTLING_SECONDS = 30.0
SETTLING_TRIPS = 200
BY_COUNT: frozenset[Kind] = frozenset({"queue", "reset", "busy"})


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Limits that are declared to the client, and kept by the gateway."""

    rpm: float | None = None
    tpm: float | None = None
    rpm_bucket: float | None = None
    tpm_bucket: float | None = None


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens lines take: a part of them is heavy."""

    light: int = 10
    heavy: int = 10
    share: float = 0.0  # of heavy lines
    truth: float = 1.0  # what is used, for each token estimated


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One simulation. Times in seconds."""

    case: str
    seed: int = 0
    kind: Kind = "rate"
    capacity: float = 200.0  # requests a second, or at once
    burst: float = 0.1  # depth of the gateway's bucket, as seconds of its rate
    latency: float = 0.3  # mean round trip of an answer that does not queue
    jitter: float = 0.2  # of the latency, each way, uniform
    sigma: float = 0.0  # more than 0: lognormal instead
    changes: tuple[tuple[float, float], ...] = ()  # when it becomes so many times the capacity
    told: Told = ""
    named_every: float | None = None  # mean time between two pauses that the gateway names
    named_seconds: float = 60.0
    failing: float = 0.0  # share of requests that fail for no reason of load
    upstream: bool = False  # a 429 is an upstream's: it binds the lane
    starts: tuple[float, ...] = (0.0,)  # of the clients
    lanes: int = 1
    slope: float = 0.0  # more than 0: each lane has a capacity of its own, so many times the last
    dead_at: float | None = None  # from then on the gateway refuses the first lane's key
    ceiling: int = 2000
    seconds: float = 150.0  # after which nothing new is begun
    known: Known | None = None  # declared for the account
    keys: tuple[Known, ...] = ()  # declared for each lane
    weights: Weights = Weights()
    late: float = 0.0  # by which every timer fires too late

    @property
    def network(self) -> float:
        """Return what a message takes, each way."""
        return min(0.02, max(0.001, 0.02 * self.latency))

    @property
    def declared(self) -> bool:
        """Return whether the client is told every limit that there is."""
        return self.known is not None or bool(self.keys)

    @property
    def shared(self) -> bool:
        """Return whether clients, or lanes, share a capacity, each with as many lines."""
        apart = self.slope or self.keys
        return len(self.starts) > 1 or (self.lanes > 1 and not apart)

    @property
    def settling(self) -> float:
        """Return how long a client may take to find its rate."""
        if self.declared:
            return 5 * self.latency
        return max(SETTLING_SECONDS, SETTLING_TRIPS * self.latency)

    @property
    def rate(self) -> float:
        """Return how many requests a second a gateway with a hidden limit takes to begin with."""
        return self.capacity / self.latency if self.kind in BY_COUNT else self.capacity

    def capacity_at(self, time: float, lane: int = 0) -> float:
        """Return the capacity at a time, of one lane if they have their own."""
        factor = self.slope**lane if self.slope else 1.0
        for since, becomes in self.changes:
            if time >= since:
                factor = becomes
        return round(self.capacity * factor, 6)  # a tenth of 70 calls is no more than 7

    def spans(self) -> list[tuple[float, float]]:
        """Return the times in which the capacity has been found and stays as it is."""
        begins = [max(self.starts), *(since for since, _ in self.changes)]
        ends = [*begins[1:], self.seconds]
        return [(b + self.settling, e) for b, e in zip(begins, ends, strict=True)]


def changing(scenario: Scenario, factors: tuple[float, ...], steady: float) -> Scenario:
    """Return a scenario whose capacity changes when each level was held for so long."""
    each = scenario.settling + steady
    changes = tuple((n * each, factor) for n, factor in enumerate(factors, 1))
    return msgspec.structs.replace(
        scenario, changes=changes, seconds=each * (len(factors) + 1) + max(scenario.starts)
    )


def preset(case: str, seed: int = 0) -> Scenario:
    """Return a case in a size that is quick to simulate."""
    return msgspec.structs.replace(PRESETS[case], case=case, seed=seed)


_replace = msgspec.structs.replace
_BY_RATE = Scenario(case="", latency=0.3, seconds=120)
_BY_COUNT = Scenario(case="", kind="queue", capacity=100, latency=0.4, seconds=120)
_TWO = (0.0, 30.0)
_FEW = _replace(_BY_COUNT, kind="busy", capacity=50, latency=0.15)
PRESETS: dict[str, Scenario] = {
    "a": _BY_RATE,
    "a-upstream": _replace(_BY_RATE, upstream=True),
    "a2": _replace(_BY_COUNT, kind="busy"),
    "b": _BY_COUNT,
    "b-tail": _replace(_BY_COUNT, sigma=0.8),
    "c": _replace(_BY_COUNT, kind="reset"),
    "d": changing(_replace(_BY_RATE, capacity=50, latency=0.2), (10, 1), 30),
    "d-down": changing(_replace(_BY_RATE, capacity=500, latency=0.2), (0.1, 1), 30),
    "d-count": changing(_FEW, (10, 1), 10),
    "d-queue": changing(_replace(_FEW, kind="queue"), (10, 1), 10),
    "d-reset": changing(_replace(_FEW, kind="reset"), (10, 1), 10),
    "e": _replace(_BY_RATE, capacity=100, named_every=120, seconds=400),
    "e-open": _replace(_BY_RATE, kind="open", ceiling=32, named_every=120, seconds=400),
    "f": _replace(_BY_RATE, starts=_TWO, seconds=330),
    "f-count": _replace(_BY_COUNT, kind="busy", starts=_TWO, seconds=170),
    "f-queue": _replace(_BY_COUNT, starts=_TWO, seconds=170),
    "f-reset": _replace(_BY_COUNT, kind="reset", starts=_TWO, seconds=170),
    "g": _replace(_BY_RATE, told="bucket"),
    "g-minute": _replace(_BY_RATE, told="minute"),
    "g-deep": _replace(_BY_RATE, told="bucket", burst=60, capacity=100, seconds=240),
    "h-low": _replace(_BY_RATE, told="low"),
    "h-high": _replace(_BY_RATE, told="high"),
    "h-walk": _replace(_BY_RATE, told="walk"),
    "i": _replace(_BY_RATE, kind="minute", capacity=100, seconds=360),
    "j": _replace(_BY_RATE, kind="open", ceiling=64, failing=0.05),
    "k": _replace(
        _BY_RATE, kind="open", known=Known(rpm=12_000, rpm_bucket=20), ceiling=400, seconds=90
    ),
    "k-tokens": _replace(
        _BY_RATE,
        kind="open",
        known=Known(tpm=600_000),
        weights=Weights(light=50, heavy=20_000, share=0.02),
        ceiling=400,
        seconds=600,
    ),
    "l": _replace(
        _BY_RATE,
        kind="open",
        lanes=4,
        keys=tuple(Known(rpm=rpm) for rpm in (60, 600, 3000, 9000)),
        dead_at=60.0,
        ceiling=300,
        seconds=90,
    ),
    "l-hidden": _replace(
        _BY_RATE, lanes=3, upstream=True, slope=0.5, ceiling=300, capacity=150, seconds=90
    ),
}
