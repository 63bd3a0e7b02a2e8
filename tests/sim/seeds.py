"""From a seed to a scenario: which case, how large, how slow, how uneven."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from tests.sim.chance import Chance
from tests.sim.scenario import (
    BY_COUNT,
    SETTLING_SECONDS,
    SETTLING_TRIPS,
    Kind,
    Known,
    Scenario,
    Told,
    Weights,
    changing,
)

FULL = 20_000  # requests of a simulation, about
SMALL = 3_000
MOST_TOKEN_SECONDS = 2000.0  # a limit of tokens costs work as long as it is waited for
_replace = msgspec.structs.replace


Draw: TypeAlias = Callable[[Chance], Scenario]


def _steady(kind: Kind) -> Draw:
    return lambda chance: chance.hidden(kind)


def _changing(kind: Kind) -> Draw:
    def draw(chance: Chance) -> Scenario:
        up = chance.random.random() < 0.5
        # A quick gateway of so many at once answers too many to be simulated for all that time.
        fastest = SETTLING_SECONDS / SETTLING_TRIPS if kind in BY_COUNT else 0.05
        base = chance.hidden(kind, length=6 if up else 10, fastest=fastest)
        most = 10 * base.capacity
        base = _replace(base, ceiling=chance.ceiling(base, most))
        if not up:
            base = _replace(base, capacity=most)
        return changing(base, (10.0, 1.0) if up else (0.1, 1.0), base.seconds - base.settling)

    return draw


def _pausing(kind: Kind) -> Draw:
    def draw(chance: Chance) -> Scenario:
        base = chance.hidden(kind, length=3)
        if kind == "open":
            # Nothing but the ceiling holds the client.
            ceiling = max(2, int(base.capacity * base.latency))
            base = _replace(base, ceiling=min(ceiling, 2000))
        steady = 2 * (base.seconds - base.settling)
        return _replace(
            base, named_every=steady * 0.6, seconds=base.settling + steady + base.named_seconds
        )

    return draw


def _sharing(kind: Kind) -> Draw:
    def draw(chance: Chance) -> Scenario:
        base = chance.hidden(kind, length=1.6)
        second = chance.random.choice((0.0, 0.6 * base.settling))
        return _replace(base, starts=(0.0, second), seconds=base.seconds + second)

    return draw


def _telling(*kinds: Told) -> Draw:
    def draw(chance: Chance) -> Scenario:
        base = chance.hidden("rate")
        deep = kinds[0] == "bucket" and chance.random.random() < 0.2
        return _replace(base, told=chance.random.choice(kinds), burst=60.0 if deep else base.burst)

    return draw


def _by_the_minute(chance: Chance) -> Scenario:
    base = chance.hidden("minute", length=6)
    minutes = 5 + math.ceil(base.settling / 60)
    rate = min(base.capacity, chance.budget / 1.5 / 60 / minutes)
    return _replace(base, capacity=rate, seconds=60.0 * minutes)


def _failing(chance: Chance) -> Scenario:
    base = chance.hidden("open")
    ceiling = max(2, min(2000, int(base.capacity * base.latency)))
    return _replace(base, failing=chance.random.uniform(0.01, 0.06), ceiling=ceiling)


def _declared_requests(chance: Chance) -> Scenario:
    rate = chance.between(1 / 60, 5000)
    depth = chance.random.choice((None, 2.0, max(2.0, rate / 10), max(2.0, rate), 60 * rate + 2))
    return _declared(chance, rate, Known(rpm=60 * rate, rpm_bucket=depth), Weights())


def _declared_tokens(chance: Chance) -> Scenario:
    light, heavy = int(chance.between(30, 1000)), int(chance.between(1000, 50_000))
    share = chance.random.choice((0.0, 0.02, 0.2))
    truth = chance.random.choice((1.0, 1.0, 0.3, 3.0))
    mean = (light + share * (heavy - light)) * truth
    rate = chance.between(0.5, 1000)
    depth = chance.random.choice((None, max(2.0, rate * mean), 60 * rate * mean + 2))
    weights = Weights(light=light, heavy=heavy, share=share, truth=truth)
    return _declared(chance, rate, Known(tpm=60 * rate * mean, tpm_bucket=depth), weights)


def _declared_both(chance: Chance) -> Scenario:
    base = _declared_tokens(chance)
    assert base.known is not None
    rpm = base.capacity * 60 * chance.between(0.5, 2)
    return _replace(base, known=_replace(base.known, rpm=rpm))


def _declared(chance: Chance, rate: float, known: Known, weights: Weights) -> Scenario:
    """Return a client that is told a limit, of so many requests a second."""
    seconds = max(chance.budget / rate, 4.0)
    if known.tpm:
        seconds = min(seconds, MOST_TOKEN_SECONDS)
    latency = chance.between(0.05, max(0.06, min(20.0, 600 / rate, seconds / 20)))
    return Scenario(
        case="",
        kind="open",
        capacity=rate,
        latency=latency,
        known=known,
        weights=weights,
        ceiling=int(max(8, 3 * rate * latency)),
        seconds=seconds,
        late=chance.random.choice((0.0, 0.0, 0.0005, 0.002)),
    )


def _declared_keys(chance: Chance) -> Scenario:
    lanes = chance.random.randint(2, 5)
    slowest = chance.between(0.5, 50)
    rates = [slowest * chance.between(1, 6) for _ in range(lanes)]
    seconds = max(10.0, chance.budget / sum(rates))
    latency = chance.between(0.05, min(5.0, seconds / 20))
    return Scenario(
        case="",
        kind="open",
        latency=latency,
        lanes=lanes,
        keys=tuple(Known(rpm=60 * rate) for rate in rates),
        dead_at=chance.random.choice((None, seconds / 3)),
        ceiling=int(max(8, 3 * sum(rates) * latency)),
        seconds=seconds,
    )


def _sharing_keys(chance: Chance) -> Scenario:
    base = chance.hidden("rate")
    return _replace(base, upstream=False, lanes=chance.random.randint(2, 4))


def _uneven_keys(chance: Chance) -> Scenario:
    base = chance.hidden("rate")
    capacity = base.capacity / 1.75
    return _replace(base, upstream=True, lanes=3, slope=0.5, capacity=capacity)


_OFTEN: tuple[tuple[str, Draw], ...] = (
    ("a", _steady("rate")),
    ("a2", _steady("busy")),
    ("b", _steady("queue")),
    ("c", _steady("reset")),
    ("k-requests", _declared_requests),
    ("d", _changing("rate")),
)
# In this order, again and again. What takes longest to simulate stands once.
CASES: tuple[tuple[str, Draw], ...] = (
    *_OFTEN,
    ("e", _pausing("rate")),
    ("e-open", _pausing("open")),
    ("f", _sharing("rate")),
    ("f-count", _sharing("busy")),
    ("k-tokens", _declared_tokens),
    ("g", _telling("bucket", "minute")),
    ("h", _telling("low", "high", "walk")),
    ("i", _by_the_minute),
    ("j", _failing),
    ("k-both", _declared_both),
    ("l", _declared_keys),
    ("l-shared", _sharing_keys),
    ("l-hidden", _uneven_keys),
    ("d-count", _changing("busy")),
    *_OFTEN,
    ("f-queue", _sharing("queue")),
    ("f-reset", _sharing("reset")),
    ("d-queue", _changing("queue")),
    ("d-reset", _changing("reset")),
)


def drawn(seed: int, budget: int = FULL) -> Scenario:
    """Return the scenario of a seed."""
    case, draw = CASES[seed % len(CASES)]
    return _replace(draw(Chance(seed, budget)), case=case, seed=seed)
