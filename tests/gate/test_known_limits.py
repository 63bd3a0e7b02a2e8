"""Declared limits in front of a gateway that keeps them: all of the rate is used, and no more.

The loop is busy and its timers fire late, as real ones do. Nobody tells the client how deep the
gateway's bucket is.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import msgspec
import pytest

from batch.gate.gate import Gate
from batch.gate.limit import MOST_LATE_UNITS
from batch.gate.settings import KeyLimits
from batch.usage import Meter, Usage
from batch.wire import Estimate
from tests.gate.world import MODEL, SUBMIT, clock, gate, most_above, send
from tests.virtual import run

USED = 0.99  # of the rate, at least
SPAN = 30.0  # seconds, at least
UNITS = 100  # requests in the span of a slow limit, at least
PROMPTS_SEEN = 20  # in the span of a limit of tokens that is slow for them, at least
LATE = 0.001  # seconds by which timers fire late
BUSY = 1e-4  # seconds that a pass of the loop takes
LATENCY = 0.02
JITTER = 0.002  # seconds on the way to the gateway, at most, where there is any
BURST_SECONDS = 1 / 20  # of a rate that may go at once


class Line(msgspec.Struct, frozen=True):
    """What a call takes in tokens: as estimated, and in truth."""

    estimate: int = 10
    used: int = 10


class Gateway:
    """Admits and turns away by one limit, in units a second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.taken: list[tuple[float, float]] = []
        self.rejected = 0

    def admits(self, amount: float, now: float) -> bool:
        """Return whether so much is admitted now, and take it then."""
        raise NotImplementedError

    def take(self, amount: float) -> None:
        if self.admits(amount, clock()):
            self.taken.append((clock(), amount))
        else:
            self.rejected += 1

    @property
    def used(self) -> float:
        """The part of the rate that was used, from the first request to the last."""
        (first, weight), (last, _) = self.taken[0], self.taken[-1]
        total = sum(amount for _, amount in self.taken)
        return (total - weight) / (self.rate * (last - first))


class Bucket(Gateway):
    """A token bucket. What is heavier than it is deep needs it full."""

    def __init__(self, rate: float, depth: float) -> None:
        super().__init__(rate)
        self._depth = self._level = depth
        self._at = 0.0

    def admits(self, amount: float, now: float) -> bool:
        self._level = min(self._depth, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level + 1e-6 < min(amount, self._depth):
            return False
        self._level -= amount
        return True


class AnyMinute(Gateway):
    """So many requests in any 60 seconds, however they are spread over them."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self._times: deque[float] = deque(maxlen=round(60 * rate))

    def admits(self, amount: float, now: float) -> bool:
        full = len(self._times) == self._times.maxlen
        if full and now - self._times[0] < 60:
            return False
        self._times.append(now)
        return True


def limits(where: str, **limit: Any) -> Gate:
    """A gate with limits of the account, or of its key."""
    if where == "account":
        return gate(concurrency=400, **limit)
    return gate(concurrency=400, keys=(KeyLimits(match="*", **limit),))


def keep_busy(
    make: Callable[[], Gate],
    lines: Sequence[Line],
    arrive: Callable[[Line], None],
    span: float,
    jitter: float = 0.0,
) -> None:
    """Have workers send one line after the other for so many seconds.

    Each asks a model of its own, so that nothing of its tokens is learned before it is answered.
    """

    async def main() -> None:
        at, waiting, chance = make(), enumerate(cycle(lines)), random.Random(1)
        lane = at.lane(MODEL)

        async def worker() -> None:
            for number, line in waiting:
                visit = at.admit(lane, f"{MODEL}-{number}", SUBMIT, Estimate(line.estimate, 0))
                async with visit:
                    sent = clock()
                    if jitter:
                        await asyncio.sleep(jitter * chance.random())
                    arrive(line)
                    await asyncio.sleep(LATENCY)
                at.answered(visit, Usage({Meter.INPUT: line.used}), clock() - sent)

        tasks = [asyncio.create_task(worker()) for _ in range(300)]
        await asyncio.sleep(span)
        at.halt()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main(), LATE, BUSY)


def check(gateway: Gateway, span: float, heaviest: float = 1.0) -> None:
    """Nothing was rejected, the rate was used up, and that went on to the end."""
    assert gateway.rejected == 0
    assert gateway.used >= USED
    assert gateway.taken[-1][0] >= span - heaviest / gateway.rate - 0.1


RATES = [1, 7, 60, 500, 600, 900, 1_200, 6_000, 30_000]


@pytest.mark.parametrize(
    ("per_minute", "where"),
    [*((rate, "account") for rate in RATES), *((rate, "key") for rate in (7, 900, 6_000))],
)
def test_requests_are_used_up_in_front_of_a_bucket_of_a_tenth_of_a_second(
    per_minute: int, where: str
) -> None:
    rate = per_minute / 60
    span = max(SPAN, UNITS / rate)
    gateway = Bucket(rate, max(1.0, rate / 10))

    keep_busy(lambda: limits(where, rpm=per_minute), [Line()], lambda _: gateway.take(1), span)

    check(gateway, span)
    assert most_above(gateway.taken, rate) <= max(1.1, BURST_SECONDS * rate) + LATE * rate


@pytest.mark.parametrize("per_minute", [1, 7, 60, 500, 600, 900, 1_200, 6_000, 12_000])
def test_requests_are_used_up_where_any_minute_counts_and_the_way_takes_now_more_now_less(
    per_minute: int,
) -> None:
    rate = per_minute / 60
    span = max(150.0, UNITS / rate) if per_minute < 5_000 else 65.0
    gateway = AnyMinute(rate)

    keep_busy(
        lambda: limits("account", rpm=per_minute),
        [Line()],
        lambda _: gateway.take(1),
        span,
        JITTER,
    )

    check(gateway, span)


def test_five_thousand_a_second_are_used_up() -> None:
    # Many requests make up for a shorter span: each of them is simulated.
    gateway, span = Bucket(5_000, 500), 6.0

    keep_busy(lambda: limits("account", rpm=300_000), [Line()], lambda _: gateway.take(1), span)

    check(gateway, span)


# Tokens of lines, one after the other.
LIGHT, HEAVY = Line(10, 10), Line(50_000, 50_000)
MIXED = [Line(n, n) for n in (10, 50_000, 300, 10, 7_000, 40, 10, 1_200, 25, 20_000)]
PROMPTS = {"light": [LIGHT], "heavy": [HEAVY], "mixed": MIXED, "rare": [LIGHT] * 999 + [HEAVY]}


def span_of(lines: Sequence[Line], rate: float) -> float:
    """For how long to look at lines: at some of them at the least, and at each more than once."""
    total = sum(line.used for line in lines)
    return max(SPAN, PROMPTS_SEEN * total / len(lines) / rate, 3 * total / rate)


@pytest.mark.parametrize(
    ("prompts", "per_minute", "where"),
    [
        *(("light", rate, "account") for rate in (600, 60_000, 240_000)),
        *(("rare", rate, "account") for rate in (60_000, 600_000)),
        *(("heavy", rate, "account") for rate in (60_000, 2_000_000, 30_000_000)),
        *(("mixed", rate, "account") for rate in (60_000, 2_000_000, 30_000_000)),
        *((prompts, 2_000_000, "key") for prompts in ("heavy", "mixed")),
    ],
)
def test_tokens_are_used_up_whatever_a_prompt_weighs(
    prompts: str, per_minute: int, where: str
) -> None:
    lines, rate = PROMPTS[prompts], per_minute / 60
    span, heaviest = span_of(lines, rate), max(line.used for line in lines)
    gateway = Bucket(rate, max(per_minute, heaviest))

    keep_busy(
        lambda: limits(where, tpm=per_minute), lines, lambda line: gateway.take(line.used), span
    )

    check(gateway, span, heaviest)
    assert most_above(gateway.taken, rate) <= heaviest + 2 * BURST_SECONDS * rate + LATE * rate


@pytest.mark.parametrize("estimate", [100, 5_000])
@pytest.mark.parametrize("part", [0.1, 0.5, 3, 20])
def test_answers_of_another_length_than_estimated_leave_no_token_unused(
    part: float, estimate: int
) -> None:
    line, rate = Line(estimate, round(estimate * part)), 5_000.0
    span = span_of([line], rate)
    gateway = Bucket(rate, 60 * rate)

    keep_busy(
        lambda: limits("account", tpm=60 * rate),
        [line],
        lambda line: gateway.take(line.used),
        span,
    )

    # What is on the wire before anything is known of it may be more than was paid for.
    unknown = 2 + (BURST_SECONDS + LATENCY + LATE) * rate / estimate
    beyond = unknown * max(0, line.used - estimate)
    check(gateway, span, max(line.used, line.estimate) + beyond)
    paid_for = line.used + 2 * BURST_SECONDS * rate
    assert most_above(gateway.taken, rate) <= paid_for + beyond


@pytest.mark.parametrize(
    ("rpm", "tpm"), [(6_000, 600_000), (600, 6_000_000), (30_000, 60_000)], ids=str
)
def test_of_two_limits_the_tighter_one_is_used_up(rpm: int, tpm: int) -> None:
    lines = [Line(n, n) for n in (10, 400, 50, 90, 20)]
    requests, tokens = Bucket(rpm / 60, max(1.0, rpm / 600)), Bucket(tpm / 60, tpm / 60)

    def arrive(line: Line) -> None:
        requests.take(1)
        tokens.take(line.used)

    keep_busy(lambda: limits("account", rpm=rpm, tpm=tpm), lines, arrive, SPAN)

    assert requests.rejected == tokens.rejected == 0
    assert max(requests.used, tokens.used) >= USED


def test_a_call_that_waited_for_its_tokens_does_not_leave_together_with_the_next() -> None:
    """Its request was paid long before, and that bucket of one call has run dry meanwhile."""

    async def main() -> None:
        at = gate(rpm=60, rpm_bucket=1, tpm=60_000, tpm_bucket=6000)
        sent: list[tuple[float, float]] = []

        async def work() -> None:
            sent.append((clock(), 1.0))

        async def line(tokens: int) -> None:
            await send(at, work, tokens=tokens)

        heavy_among_light = (10, 30_000, 10, 10, 25_000, 10)
        await asyncio.gather(*(line(tokens) for tokens in heavy_among_light))

        assert most_above(sent, 1) <= 1 + 2 * MOST_LATE_UNITS
        assert clock() < 70

    run(main())


@pytest.mark.parametrize(
    ("settings", "keys", "at_once"),
    [
        ({}, ["*"], 8),
        ({"rpm": 12_000}, ["*"], 50),
        ({"rpm": 12_000}, ["a", "b"], 50),
        ({"keys": (KeyLimits(match="a", rpm=9_600), KeyLimits(match="b", rpm=2_400))}, "ab", 50),
        ({"rpm": 120}, ["*"], 8),
        ({"rpm": 60_000, "concurrency": 20}, ["*"], 20),
    ],
    ids=["nothing", "one key", "two keys", "limits of keys", "a slow limit", "few at once"],
)
def test_with_a_declared_rate_a_quarter_seconds_worth_may_go_before_the_first_answer(
    settings: dict[str, Any], keys: Sequence[str], at_once: int
) -> None:
    """Else runs of less than a minute would lose a part of it to growing from a few."""

    async def main() -> None:
        # Given
        at = gate(*keys, **{"concurrency": 400, **settings})

        # When: far more calls want to go than may, and none is answered
        async def silence() -> None:
            await asyncio.sleep(1000)

        models = cycle([MODEL] if "*" in keys else keys)
        calls = [asyncio.create_task(send(at, silence, model=next(models))) for _ in range(200)]
        await asyncio.sleep(10)

        # Then
        assert at.in_flight == at_once
        for call in calls:
            call.cancel()

    run(main())


def test_a_key_without_a_limit_of_its_own_begins_with_few_whatever_another_may() -> None:
    limits = (KeyLimits(match="a", rpm=60_000),)
    at = gate("a", "b", concurrency=400, keys=limits)

    windows = [at.lane(key).slots.window.limit for key in "ab"]

    assert windows == [250, 8]
