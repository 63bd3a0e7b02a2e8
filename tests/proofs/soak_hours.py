"""The hours of the gateway that a soak meets: every dial of the mock is turned in one of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any, Final

import msgspec

from batch.mock.dials import MODELS, Dials
from batch.mock.faults import FAULTS
from tests.proofs.processes import require

# Whose key is for which models, and how the command is told.
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "claude": ("claude-*",),
    "gemini": ("gemini-*",),
    "midjourney": ("mj_*", "swap_face"),
    "rest": ("*",),
}
HOUR: Final = (0.7, 2.5)  # seconds until another one begins
SESSIONS: Final = 1000  # keys are known for so many
_EACH: Final = 0.01  # the share of each fault in a usual hour
_OFTEN: Final = 0.02  # and in a bad one
_SELDOM: Final = ("fail_529", "fail_503", "fail_429_hint")  # lines wait seconds for each
_MANY: Final = 3000.0  # requests a minute: fewer than come

# What is turned at all hours.
ALWAYS: Final[Mapping[str, Any]] = {
    "answer_words": 12,
    "latency_ms": 25.0,
    "latency_jitter": 0.5,
    "task_ms": 600.0,
    "task_fail": 0.05,
    "task_hint_ms": 250.0,
    "file_bytes": 6000,
    "models": (*MODELS, "gpt-4o-search-preview"),
    **dict.fromkeys(FAULTS, _EACH),
    **dict.fromkeys(_SELDOM, 0.001),
}
HOURS: Final[Mapping[str, Mapping[str, Any]]] = {
    "as usual": {},
    "faults": {**dict.fromkeys(FAULTS, _OFTEN), **dict.fromkeys(_SELDOM, 0.004)},
    "honest headers": {
        "requests_per_minute": _MANY,
        "requests_burst": 20.0,
        "limit_headers": 1.0,
        "limit_hint": "seconds",
    },
    "headers say ten times as much": {
        "requests_per_minute": _MANY,
        "requests_burst": 20.0,
        "limit_headers": 10.0,
        "limit_hint": "ms",
    },
    "headers say a fifth": {"requests_per_minute": _MANY, "limit_headers": 0.2},
    "a limit without a word": {"requests_per_minute": _MANY, "requests_burst": 20.0},
    "tokens": {"tokens_per_minute": 90_000.0, "tokens_burst": 3000.0, "limit_hint": "ms"},
    "windows": {"requests_per_minute": _MANY, "limit_window": 1.0, "limit_hint": "seconds"},
    "few slots, a queue": {"capacity": 5},
    "few slots, 429s": {"capacity": 10, "overflow": "429"},
    "few slots, resets": {"capacity": 20, "overflow": "reset"},
    "slots come and go": {
        "capacity": 12,
        "overflow": "429",
        "limit_steps": ((0.5, 0.3), (1.5, 3.0), (2.5, 1.0)),
    },
    "pauses": {"pause_after": 1.5, "pause_seconds": 1.0, "hint_seconds": 0.5},
    "no money": {"money_tokens": 3000},
    "unknown models": {"unknown_models": ("gpt-5", "veo-*", "mj_blend")},
    "all keys expire": {"key_requests": 100},
    "one key is dead": {"keys": "claude"},
    "drips": {
        "latency_chunk_ms": 30.0,
        "drip_ms": 60.0,
        "pings": True,
        "slow_bytes": 0.05,
    },
    "slow": {"latency_ms": 400.0, "latency_jitter": 1.0},
    "too slow": {"latency_ms": 2500.0, "latency_jitter": 0.9},
}
# After these a session has nothing left to do: lines wait for somebody to mend it.
HOPELESS: Final = ("no money", "unknown models", "all keys expire", "one key is dead")


class Weather:
    """Has one hour follow another, each hour once a round."""

    def __init__(self, turn: Callable[[bytes], object], seed: int, chance: Random) -> None:
        self.tally: Counter[str] = Counter()
        self._turn = turn
        self._seed = seed
        self._chance = chance
        self._next = 0.0  # when the next one begins, by the clock
        self._left: list[str] = []  # of this round

    def look(self, without: Collection[str] = ()) -> None:
        """Begin another hour if it is time, but for some."""
        if time.monotonic() < self._next:
            return
        if not self._left:
            self._left = list(HOURS)
            self._chance.shuffle(self._left)
        hour = self._left.pop()
        if hour not in without:
            self._turn(dials_of(hour, self._seed))
            self.tally[hour] += 1
            self._next = time.monotonic() + self._chance.uniform(*HOUR)


def dials_of(hour: str, seed: int) -> bytes:
    """Return the dials of an hour, as JSON."""
    turned = dict(HOURS[hour])
    dead = turned.pop("keys", "")
    keys = [
        (key_of(session, family), family)
        for session in range(1, SESSIONS + 1)
        for family in FAMILIES
        if family != dead
    ]
    groups = [(family, model) for family, models in FAMILIES.items() for model in models]
    known = {"seed": seed, "keys": keys, "groups": groups}
    return msgspec.json.encode({**ALWAYS, **known, **turned}) + b"\n"


def calm(seed: int) -> bytes:
    """Return the dials of a gateway that has no trouble, as JSON."""
    usual: dict[str, Any] = msgspec.json.decode(dials_of("as usual", seed))
    # Tasks that have begun go on as they would have; those that begin now do not fail either.
    return msgspec.json.encode({**usual, **dict.fromkeys(FAULTS, 0.0), "task_fail": 0.0}) + b"\n"


def key_of(session: int, family: str) -> str:
    """Return the key that a session has for a family of models."""
    return f"sk-of-soak-{session}-{family}"


def require_every_dial() -> None:
    """Raise ``Failed`` for a dial of the mock that no hour turns."""
    turned = {"seed", "keys", "groups", *ALWAYS}.union(*HOURS.values())
    left = set(Dials.__struct_fields__) - turned
    require(not left, f"no hour turns {', '.join(sorted(left))}")
