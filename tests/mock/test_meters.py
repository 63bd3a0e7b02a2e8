from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.mock.meters import Bucket, Count

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


def test_a_bucket_says_what_is_in_it_and_when_it_is_full() -> None:
    bucket = Bucket(per_minute=60, burst=10, now=0.0)
    bucket.take(8)

    bucket.wait(0, 3.0)

    assert bucket.left() == (5, 5)


def test_a_bucket_at_another_rate_keeps_what_is_in_it() -> None:
    bucket = Bucket(per_minute=60, burst=10, now=0.0)
    bucket.take(8)

    bucket.scale(10, 1.0)

    assert bucket.left() == pytest.approx((3, 9.7))
    bucket.wait(0, 20.0)
    bucket.scale(0.5, 20.0)
    assert bucket.left() == (5, 0)


def test_a_count_admits_its_allowance_anew_in_each_window() -> None:
    count = Count(per_minute=60, seconds=10, now=100.0)
    admitted = []

    for tenth in range(400):
        now = 100 + tenth / 10
        if count.wait(1, now) == 0:
            count.take(1)
            admitted.append(tenth)

    assert admitted == [start + n for start in (0, 100, 200, 300) for n in range(10)]


def test_a_count_says_how_long_to_wait_and_what_is_left() -> None:
    count = Count(per_minute=60, seconds=10, now=0.0)
    count.take(8)

    assert count.wait(2, 3.0) == 0
    assert count.left() == (2, 7)
    assert count.wait(4, 3.0) == pytest.approx(7)
    assert count.wait(11, 3.0) == math.inf
    assert count.wait(4, 35.0) == 0
    assert count.left() == (10, 5)


def test_a_count_at_another_rate_allows_more_at_once() -> None:
    count = Count(per_minute=60, seconds=10, now=0.0)
    count.take(10)

    count.scale(2, 1.0)

    assert count.wait(10, 1.0) == 0
    assert count.wait(11, 1.0) == pytest.approx(9)
