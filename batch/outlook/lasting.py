"""How long a run is likely to take, by the limits that are set and the time that answers take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from batch.estimating.told import Estimated, Part
from batch.records import Makes
from batch.settings.tree import Pace, Settings
from batch.wording import counted

SPEED: Final = 50.0  # tokens a second in which a text is taken to come
# Seconds from a request to its answer, for want of better knowledge; a text's words come on top.
SECONDS: Final[Mapping[Makes, float]] = {"text": 1.0, "image": 20.0, "audio": 5.0, "video": 120.0}


class Lasting(msgspec.Struct, frozen=True):
    """How long a run is likely to take."""

    seconds: float
    answer: float  # the seconds that an answer is taken to take
    why: str  # the limit that lets it take so long; "": none, but one answer does


def lasting(estimated: Estimated, settings: Settings) -> Lasting:
    """Return how long it takes; a limit that nobody declared may make it longer."""
    parts = estimated.parts
    requests = estimated.requests.likely
    each = sum(map(_work, parts)) / requests if requests else 0.0
    longest = max(map(_answer_seconds, parts), default=0.0)
    found = [(longest, ""), *_held_up(settings.limits, parts, settings.limits.at_most, "")]
    matched: dict[str, list[Part]] = {}
    for one in parts:
        match = next((key.match for key in settings.keys if fnmatchcase(one.model, key.match)), "")
        matched.setdefault(match, []).append(one)
    for key in settings.keys:
        found += _held_up(key, matched.get(key.match, ()), key.concurrency, f" of {key.match}")
    seconds, why = max(found)
    return Lasting(seconds, each, why)


def _answer_seconds(part: Part) -> float:
    output = part.output.likely / part.requests.likely if part.requests.likely else 0.0
    return SECONDS[part.makes] + (output / SPEED if part.makes == "text" else 0.0)


def _work(part: Part) -> float:
    return part.requests.likely * _answer_seconds(part)


def _held_up(
    pace: Pace, parts: Sequence[Part], at_once: int | None, whose: str
) -> Iterator[tuple[float, str]]:
    """Yield how long each limit lets these lines take."""
    requests = sum(one.requests.likely for one in parts)
    if at_once:
        yield sum(map(_work, parts)) / at_once, f"{at_once} at once{whose}"
    if pace.rpm:
        yield 60 * requests / pace.rpm, f"{counted(pace.rpm, 'request')} a minute{whose}"
    if pace.tpm:
        tokens = sum(one.input.likely + one.output.likely for one in parts)
        yield 60 * tokens / pace.tpm, f"{counted(pace.tpm, 'token')} a minute{whose}"
