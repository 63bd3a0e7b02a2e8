"""What holds a run back: one cause at a time, each with its share of the time and some advice.

A rule: whoever watches a run hands in what it sees, several times a second. A cause is what would
have to give way for the run to go faster at that moment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from batch.wording import agreeing

# What a call waits for in the gate. "yours": a declared limit. "gateway": what it asked for, or how
# often it was found to take calls. "window": as many are on the wire as were found to be good for
# it. "ceiling": as many as may be. "silence": it gives no answer. "memory": as many bytes are in
# flight as may be.
Held: TypeAlias = Literal["silence", "gateway", "yours", "window", "ceiling", "memory"]
Kind: TypeAlias = Held | Literal["disk", "cpu", "tasks", "answers", "retries", "inputs"]
# What a cause is counted by: its kind, and whose limit it is where keys differ.
Cause: TypeAlias = tuple[Kind, str]

LATELY_SECONDS: Final = 20.0  # time constant: nineteen parts of twenty are of the last minute
FIRST_SECONDS: Final = 2.0  # that tell too little
WORTH_SHARE: Final = 0.25  # of the time; less is no reason why a run takes long
FULL: Final = 0.9  # of the ceiling: so many calls are out as long as all have an answer to wait for
BUSY: Final = 0.85  # of the time: the rest goes by while the loop changes over
LATE_SECONDS: Final = 0.1  # that the loop comes round too late
_NOT_PACE: Final = ("window", "ceiling")  # these only say that as many calls are out as may be
_CHANGING: Final = ("silence", "gateway")  # whose words are news each time
_HELPED: Final = ("gateway", "yours", "ceiling", "memory", "disk", "cpu")  # by what people do


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be seen of a run at one moment."""

    held: Held | None = None
    detail: str = ""  # the same in words
    key: str = ""  # whose limit holds, as people are told; empty: of all keys, or there is one only
    behind: bool = False  # answers wait for the disk, as many as may
    cpu: float = 0.0  # share of the time in which the loop worked or waited for a processor
    late: float = 0.0  # seconds by which the loop came round late
    in_flight: int = 0
    ceiling: int = 1  # calls that may be out at once
    answer_seconds: float | None = None  # what an answer takes, as far as is known
    more: bool = True  # lines are left that were not sent yet
    tasks: int = 0  # submitted and waited for
    resting: int = 0  # lines that wait before they are asked again


class Bottleneck(msgspec.Struct, frozen=True):
    """One cause, for people and programs."""

    kind: Kind
    key: str  # whose limit; empty: of all
    share: float  # of the time
    name: str  # in a few words
    text: str  # as it follows "slowed by"
    advice: str
    detail: str = ""  # what it is right now, where that changes

    @property
    def short(self) -> str:
        """Return it for a field of a bar."""
        return f"{self.shortest}: {self.detail}" if self.detail else self.shortest

    @property
    def shortest(self) -> str:
        """Return it without what it is right now."""
        return f"{self.name} ({percent(self.share)})"

    @property
    def can_be_helped(self) -> bool:
        """Return whether people can do something about it while the run goes on, or the next."""
        return self.kind in _HELPED

    def sentence(self, of: str) -> str:
        """Return it with advice, as it follows "slowed by"; ``of``: the time it has a share of."""
        return f"{self.text} ({percent(self.share)} of {of}): {self.advice}"


def percent(share: float) -> str:
    """Return a share for people."""
    return f"{100 * share:.0f} %"


def cause_of(seen: Sample) -> Cause | None:
    """Return what holds a run back at this moment, or None where nothing does."""
    busy = seen.cpu >= BUSY or seen.late >= LATE_SECONDS
    if seen.behind and not busy:  # the disk of a busy machine waits for the loop
        return "disk", ""
    if seen.held and seen.held not in _NOT_PACE:
        return seen.held, seen.key
    if busy:  # calls are out because nobody has come round to their answers
        return "cpu", ""
    if seen.held:
        return seen.held, seen.key
    return (_while_sending if seen.more else _at_the_end)(seen)


def _while_sending(seen: Sample) -> Cause | None:
    if seen.in_flight >= FULL * seen.ceiling:
        return "ceiling", ""
    if seen.tasks or seen.resting or seen.in_flight:
        return None
    return "inputs", ""


def _at_the_end(seen: Sample) -> Cause | None:
    if seen.tasks:
        return "tasks", ""
    if seen.in_flight:
        return "answers", ""
    return ("retries", "") if seen.resting else None


class Tally:
    """How much of the time each cause took: of all, and of the last minute or so."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._all: dict[Cause, float] = {}
        self._weight = 0.0
        self._lately: dict[Cause, float] = {}
        self._seen: dict[Cause, Sample] = {}  # the last one of each

    def note(self, seen: Sample, seconds: float) -> None:
        """Take note of what was seen at the end of a stretch of time."""
        fade = math.exp(-seconds / LATELY_SECONDS)
        self._seconds += seconds
        self._weight = fade * self._weight + 1 - fade
        self._lately = {cause: fade * weight for cause, weight in self._lately.items()}
        cause = cause_of(seen)
        if cause is not None:
            self._all[cause] = self._all.get(cause, 0.0) + seconds
            self._lately[cause] = self._lately.get(cause, 0.0) + 1 - fade
            self._seen[cause] = seen

    def lately(self) -> Bottleneck | None:
        """Return what held the run back most in the last minute, if anything did."""
        if not self._lately or self._seconds < FIRST_SECONDS:
            return None
        cause = max(self._lately, key=self._lately.__getitem__)
        share = self._lately[cause] / self._weight
        return self._told(cause, share) if share >= WORTH_SHARE else None

    def overall(self) -> tuple[Bottleneck, ...]:
        """Return what held the run back since it began, the greatest share first."""
        causes = sorted(self._all, key=self._all.__getitem__, reverse=True)
        return tuple(self._told(cause, self._all[cause] / self._seconds) for cause in causes)

    def _told(self, cause: Cause, share: float) -> Bottleneck:
        kind, key = cause
        seen = self._seen[cause]
        name, text, advice = _words(kind, seen)
        whose = f" for {key}" if key else ""
        detail = seen.detail if kind in _CHANGING else ""
        return Bottleneck(kind, key, share, name, f"{text}{whose}", advice, detail)


Words: TypeAlias = tuple[str, str, str]  # name, text, advice

_WORDS: Final[Mapping[Kind, Words]] = {
    "silence": (
        "trouble",
        "trouble of the gateway",
        "trying again and again whether it answers",
    ),
    "gateway": (
        "gateway's limit",
        "the gateway's limit",
        "that is as fast as it lets this key go; another key or a higher quota would help",
    ),
    "window": (
        "window",
        "the window of calls that the gateway takes at once",
        "found out by trying; it grows when the gateway takes more",
    ),
    "memory": (
        "memory",
        "the room for what is in flight",
        "with a larger --max-inflight-bytes more large calls are out at once",
    ),
    "disk": (
        "disk",
        "the disk",
        "answers come faster than it stores them; an --output on a faster disk would help",
    ),
    "cpu": (
        "CPU",
        "the CPU",
        "one core is full, or the machine is busy; two runs, each over half the lines, use two",
    ),
    "tasks": (
        "tasks",
        "tasks that the gateway is at work on",
        "waiting for what was submitted, with nothing left to send",
    ),
    "answers": (
        "slow answers",
        "slow answers",
        "waiting for the last answers, with nothing left to send",
    ),
    "retries": (
        "retries",
        "lines that rest before they are asked again",
        "waiting to ask them again, with nothing else left; -v says what went wrong",
    ),
    "inputs": ("reading", "reading the inputs", "passing over lines that are done already"),
}


def _words(kind: Kind, seen: Sample) -> Words:
    if kind == "yours":
        return "your limit", f"your {seen.detail}", "raise it if the gateway allows more"
    return _ceiling(seen) if kind == "ceiling" else _WORDS[kind]


def _ceiling(seen: Sample) -> Words:
    if seen.key:
        advice = "all of its calls are out; raise its concurrency if the gateway takes more at once"
        return "concurrency", "the concurrency", advice
    out = f"{agreeing(seen.ceiling, 'its one call is', f'all {seen.ceiling:,} calls are')} out"
    if seen.answer_seconds is not None:
        out += f" and an answer takes {_time(seen.answer_seconds)}"
    name = f"-c {seen.ceiling}"
    return name, name, f"{out}; -c {2 * seen.ceiling} may be twice as fast"


def _time(seconds: float) -> str:
    if round(1000 * seconds) < 1000:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
