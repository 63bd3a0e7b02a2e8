"""Which fault a request meets, and when: a function of the seed, its body and its attempt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final, Literal, TypeAlias

import msgspec

from batch.errors import BadUsage
from batch.mock import chance
from batch.mock.dials import Dials

# "door": refused at once. "work": after the latency, instead of an answer. "answer": spoils it.
Stage: TypeAlias = Literal["door", "work", "answer"]

FAULTS: Final[Mapping[str, Stage]] = {
    "fail_429": "door",
    "fail_429_hint": "door",
    "fail_500": "work",
    "fail_502_html": "work",
    "fail_503": "door",
    "fail_504": "work",
    "fail_529": "door",
    "reset": "work",
    "cut": "answer",
    "no_finish": "answer",
    "html_200": "work",
    "error_200": "answer",
    "empty_choices": "answer",
    "slow_bytes": "answer",
    "label": "answer",
}
# As people write them.
NAMES: Final[Mapping[str, str]] = {
    dial.removeprefix("fail_").replace("_", "-"): dial for dial in FAULTS
}


class Fate(msgspec.Struct, frozen=True):
    """What one attempt of one body meets."""

    fault: str | None
    latency: float  # seconds


class Faults:
    """The faults that the dials ask for."""

    def __init__(self, dials: Dials) -> None:
        odds = {name: getattr(dials, name) for name in FAULTS}
        self._names = [name for name, odd in odds.items() if odd]
        self._edges = list(accumulate(odds[name] for name in self._names))
        if any(odd < 0 for odd in odds.values()) or sum(odds.values()) > 1 + 1e-9:
            raise BadUsage("the probabilities of all faults together must lie between 0 and 100%")
        if dials.latency_ms < 0 or not 0 <= dials.latency_jitter <= 1:
            raise BadUsage("a latency must not be negative, and its jitter lies between 0 and 100%")
        self._seed = dials.seed
        self._mean = dials.latency_ms / 1000
        self._jitter = dials.latency_jitter

    def fate(self, body_sum: str, attempt: int) -> Fate:
        """Return what this attempt of this body meets."""
        which, when = chance.rolls(self._seed, body_sum, attempt)
        place = bisect_right(self._edges, which)
        return Fate(
            fault=self._names[place] if place < len(self._names) else None,
            latency=self._mean * (1 + self._jitter * (2 * when - 1)),
        )


def parse_faults(text: str) -> dict[str, float]:
    """Read ``429=5%,500=1%,reset=0.005`` into values for the dials. Raises ``BadUsage``."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in NAMES:
            raise BadUsage(f"unknown fault {name!r}; known are {', '.join(NAMES)}")
        found[NAMES[name]] = _share(name, value)
    return found


def _share(name: str, value: str) -> float:
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise BadUsage(f"fault {name}: {value!r} is no probability, such as 5% or 0.05")
    return share
