from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import BadUsage
from batch.mock._errors import TurnedAway
from batch.mock.dials import Dials, Hint, Overflow
from batch.mock.limits import Bucket, Rates, Slots


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


asks = st.lists(
    st.tuples(st.floats(0, 30), st.integers(1, 60)),  # seconds since the one before, amount
    max_size=80,
)


@given(asks, st.floats(1, 3000), st.integers(1, 200))
def test_a_bucket_never_admits_more_than_its_burst_and_its_rate(
    steps: list[tuple[float, int]], per_minute: float, burst: int
) -> None:
    bucket = Bucket(per_minute, burst, 0.0)
    admitted: list[tuple[float, int]] = []
    now = 0.0

    for pause, amount in steps:
        now += pause
        if bucket.wait(amount, now) == 0:
            bucket.take(amount)
            admitted.append((now, amount))

    for first, (start, _) in enumerate(admitted):
        total = 0
        for end, amount in admitted[first:]:
            total += amount
            assert total <= burst + per_minute / 60 * (end - start) + 1e-6


def test_a_bucket_admits_its_whole_burst_and_then_its_rate() -> None:
    bucket = Bucket(per_minute=600, burst=5, now=0.0)
    admitted = 0

    for tick in range(10_001):  # 10 s in steps of 1 ms
        if bucket.wait(1, tick / 1000) == 0:
            bucket.take(1)
            admitted += 1

    assert admitted in (104, 105)


def test_a_bucket_says_how_long_to_wait() -> None:
    bucket = Bucket(per_minute=60, burst=10, now=0.0)
    bucket.take(10)

    assert bucket.wait(4, 1.0) == pytest.approx(3.0)
    assert bucket.wait(4, 4.0) == 0
    assert bucket.wait(11, 100.0) == math.inf


def test_without_a_declared_burst_a_minute_s_worth_may_come_at_once() -> None:
    bucket = Bucket(per_minute=30, burst=None, now=0.0)

    assert bucket.wait(30, 0.0) == 0
    assert bucket.wait(31, 0.0) == math.inf


def test_a_request_takes_from_both_buckets_or_from_none() -> None:
    clock = Clock()
    dials = Dials(requests_per_minute=60, requests_burst=2, tokens_per_minute=600, tokens_burst=100)
    rates = Rates(dials, clock)

    rates.admit(80)
    with pytest.raises(TurnedAway) as heavy:
        rates.admit(80)
    rates.admit(20)
    with pytest.raises(TurnedAway) as many:
        rates.admit(0)

    assert heavy.value.fate == "tokens_per_minute"
    assert many.value.fate == "requests_per_minute"


@pytest.mark.parametrize(
    ("style", "headers"),
    [
        ("none", {}),
        ("seconds", {"Retry-After": "3"}),
        ("ms", {"retry-after-ms": "2500.000"}),
    ],
)
def test_a_limit_tells_its_wait_as_the_dial_says(style: Hint, headers: dict[str, str]) -> None:
    clock = Clock()
    rates = Rates(Dials(requests_per_minute=24, requests_burst=1, limit_hint=style), clock)
    rates.admit(1)

    with pytest.raises(TurnedAway) as away:
        rates.admit(1)

    assert away.value.headers == headers


def test_no_wait_is_told_for_a_request_that_never_fits() -> None:
    rates = Rates(Dials(tokens_per_minute=60, tokens_burst=10, limit_hint="seconds"), Clock())

    with pytest.raises(TurnedAway) as away:
        rates.admit(11)

    assert away.value.headers == {}


def test_the_capacity_lets_the_others_wait_in_order() -> None:
    async def main() -> list[str]:
        slots, order = Slots(Dials(capacity=1)), []

        async def work(name: str) -> None:
            async with slots:
                order.append(f"{name} in")
                await asyncio.sleep(0)
                order.append(f"{name} out")

        await asyncio.gather(work("a"), work("b"))
        return order

    assert asyncio.run(main()) == ["a in", "a out", "b in", "b out"]


@pytest.mark.parametrize(("overflow", "reset"), [("429", False), ("reset", True)])
def test_beyond_the_capacity_requests_are_turned_away(overflow: Overflow, reset: bool) -> None:
    async def main() -> TurnedAway:
        slots = Slots(Dials(capacity=1, overflow=overflow))
        async with slots:
            with pytest.raises(TurnedAway) as away:
                await slots.__aenter__()
        async with slots:
            return away.value

    away = asyncio.run(main())

    assert (away.fate, away.reset) == ("capacity", reset)


@pytest.mark.parametrize(
    "dials",
    [
        Dials(requests_per_minute=0),
        Dials(tokens_per_minute=-1),
        Dials(requests_per_minute=10, requests_burst=0),
    ],
)
def test_a_limit_of_nothing_is_refused(dials: Dials) -> None:
    with pytest.raises(BadUsage):
        Rates(dials, Clock())


def test_a_capacity_of_nothing_is_refused() -> None:
    with pytest.raises(BadUsage):
        Slots(Dials(capacity=0))
