"""Gateways whose limits nobody declares: the cases, and what must be reached with each."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

Span: TypeAlias = tuple[float, float]  # from and to, in seconds since the first request

SETTLING_SECONDS: Final = 30.0
SETTLING_TRIPS: Final = 200


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway, and who asks it. Times in seconds since the first request."""

    name: str
    about: str
    seconds: float  # that it is watched
    rate: float | None = None  # requests a second, from a bucket of a tenth of a second
    at_once: int | None = None  # or so many at once, and what becomes of the others
    overflow: str = "queue"
    latency_ms: float = 100.0
    headers: float | None = None  # what they tell of the rate, times the truth
    steps: tuple[tuple[float, float], ...] = ()  # when the limit becomes so many times as much
    pause: tuple[float, float] | None = None  # open, then closed, and again
    starts: tuple[float, ...] = (0.0,)  # of the clients
    haste: float = 1.0  # by which all times are shorter, for trying
    # What must be reached
    slower: float | None = None  # mean time to an answer, as a multiple of the gateway's own
    errors: float = 0.0  # share of the lines that may end with an error

    @property
    def capacity(self) -> float:
        """Return the requests a second that the gateway can take, before any step."""
        return self.rate or (self.at_once or 0) * 1000 / self.latency_ms

    @property
    def most(self) -> float:
        """Return the requests a second that it can take at its best."""
        return self.capacity * max([1.0, *(factor for _, factor in self.steps)])

    @property
    def settling(self) -> float:
        """Return how long a client may take to find the limit."""
        return max(SETTLING_SECONDS, SETTLING_TRIPS * self.latency_ms / 1000) / self.haste

    @property
    def flags(self) -> tuple[object, ...]:
        """Return what the mock gateway is started with."""
        flags: list[object] = ["--latency", self.latency_ms]
        if self.rate:
            flags += ["--rpm", 60 * self.rate, "--rpm-burst", self.rate / 10]
        if self.at_once:
            flags += ["--capacity", self.at_once, "--overflow", self.overflow]
        if self.headers:
            flags += ["--limit-headers", self.headers]
        if self.steps:
            flags += ["--limit-steps", ",".join(f"{at}={factor}" for at, factor in self.steps)]
        if self.pause:
            flags += ["--pause-after", self.pause[0], "--pause", self.pause[1]]
        return tuple(flags)

    def capacity_at(self, time: float) -> float:
        """Return the requests a second that it can take at a time outside pauses."""
        factors = [1.0, *(factor for since, factor in self.steps if since <= time)]
        return self.capacity * factors[-1]

    def pauses(self) -> list[Span]:
        """Return when nobody is let in."""
        if self.pause is None:
            return []
        opened, closed = self.pause
        count = int(self.seconds // (opened + closed)) + 1
        begins = [n * (opened + closed) + opened for n in range(count)]
        return [(begin, begin + closed) for begin in begins if begin < self.seconds]

    def steady(self) -> list[list[Span]]:
        """Return the times that count: for each level of the limit, once it can have been found."""
        begins = [max(self.starts), *(since for since, _ in self.steps)]
        ends = [*begins[1:], self.seconds]
        return [
            outside((begin + self.settling, end), self.pauses())
            for begin, end in zip(begins, ends, strict=True)
        ]

    def changing(self) -> list[Span]:
        """Return the times after a step in which the new limit is being found."""
        return [(since, since + self.settling) for since, _ in self.steps]


def outside(span: Span, pauses: list[Span]) -> list[Span]:
    """Return what is left of a span without the pauses."""
    parts, begin = [], span[0]
    for start, end in pauses:
        if start < span[1] and end > begin:
            parts.append((begin, start))
            begin = max(begin, end)
    return [(start, end) for start, end in [*parts, (begin, span[1])] if end > start]


def hurried(case: Case, by: float) -> Case:
    """Return the case with all its times shortened."""
    return msgspec.structs.replace(
        case,
        haste=by,
        seconds=case.seconds / by,
        steps=tuple((at / by, factor) for at, factor in case.steps),
        pause=case.pause and (case.pause[0] / by, case.pause[1] / by),
        starts=tuple(start / by for start in case.starts),
    )


CASES: Final = {
    case.name: case
    for case in (
        Case(
            name="a",
            about="answers 429 without headers above 200 a second",
            rate=200,
            seconds=90,
        ),
        Case(
            name="b",
            about="works on 50 at once and queues the rest without a word",
            at_once=50,
            latency_ms=150,
            seconds=90,
            slower=2.0,
        ),
        Case(
            name="c",
            about="works on 50 at once and resets the rest",
            at_once=50,
            overflow="reset",
            latency_ms=150,
            seconds=90,
            errors=0.001,
        ),
        Case(
            name="d",
            about="as (a), with 50 a second, then 500, then 50 again",
            rate=50,
            steps=((60, 10), (120, 1)),
            seconds=180,
        ),
        Case(
            name="e",
            about="as (a), and lets nobody in for 60 s now and then, which Retry-After tells",
            rate=200,
            pause=(50, 60),
            seconds=260,
        ),
        Case(
            name="f",
            about="as (a), shared with another run like this one",
            rate=200,
            starts=(0, 20),
            seconds=120,
        ),
        Case(
            name="g",
            about="as (a), and tells the limit in honest headers",
            rate=200,
            headers=1,
            seconds=90,
        ),
        Case(
            name="h-low",
            about="as (a), and its headers tell an upstream's limit: a tenth",
            rate=200,
            headers=0.1,
            seconds=90,
        ),
        Case(
            name="h-high",
            about="as (a), and its headers tell an upstream's limit: ten times as much",
            rate=200,
            headers=10,
            seconds=90,
        ),
    )
}
