from __future__ import annotations

from typing import Any

import pytest

from batch.errors import BadUsage
from batch.mock._errors import TurnedAway
from batch.mock.dials import Dials, Hint
from batch.mock.hours import Hours
from batch.mock.limits import Rates
from tests.mock.kit import Clock

REQUESTS = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests")


def rates_of(clock: Clock | None = None, **dials: Any) -> Rates:
    given = Dials(**dials)
    return Rates(given, Hours(given, clock or Clock()))


def outcomes(rates: Rates, clock: Clock, seconds: int, a_second: int = 10) -> list[int]:
    """How many requests are admitted in each second."""
    admitted = []
    for _ in range(seconds):
        admitted.append(0)
        for _ in range(a_second):
            try:
                rates.admit(1)
            except TurnedAway:
                pass
            else:
                admitted[-1] += 1
            clock.now += 1 / a_second
    return admitted


def test_a_request_takes_from_both_buckets_or_from_none() -> None:
    rates = rates_of(
        requests_per_minute=60, requests_burst=2, tokens_per_minute=600, tokens_burst=100
    )

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
    rates = rates_of(requests_per_minute=24, requests_burst=1, limit_hint=style)
    rates.admit(1)

    with pytest.raises(TurnedAway) as away:
        rates.admit(1)

    assert away.value.headers == headers


def test_no_wait_is_told_for_a_request_that_never_fits() -> None:
    rates = rates_of(tokens_per_minute=60, tokens_burst=10, limit_hint="seconds")

    with pytest.raises(TurnedAway) as away:
        rates.admit(11)

    assert away.value.headers == {}


def test_steps_change_rate_and_burst() -> None:
    clock = Clock()
    rates = rates_of(
        clock, requests_per_minute=60, requests_burst=1, limit_steps=((10, 5), (20, 0.5))
    )

    admitted = outcomes(rates, clock, 30)

    assert admitted[:10] == [1] * 10
    assert sum(admitted[10:20]) in range(49, 55)
    assert sum(admitted[20:]) == 0  # half a request never is a whole one


def test_requests_may_be_counted_in_windows() -> None:
    clock = Clock()

    admitted = outcomes(rates_of(clock, requests_per_minute=60, limit_window=5), clock, 12)

    assert admitted == [5, 0, 0, 0, 0] * 2 + [5, 0]


def test_in_a_pause_everybody_is_turned_away_and_told_how_long_it_still_is() -> None:
    clock = Clock()
    rates = rates_of(clock, pause_after=30)

    assert rates.admit(1) == {}
    clock.now += 72.5
    with pytest.raises(TurnedAway) as away:
        rates.admit(1)
    clock.now += 17.5
    rates.admit(1)

    assert (away.value.fate, away.value.headers) == ("pause", {"Retry-After": "18"})


def test_honest_headers_say_what_is_left_and_that_is_what_is_admitted() -> None:
    clock = Clock()
    rates = rates_of(clock, requests_per_minute=60, requests_burst=3, limit_headers=1)
    told = [rates.admit(5) for _ in range(3)]

    with pytest.raises(TurnedAway) as away:
        rates.admit(5)

    assert [tuple(said[name] for name in REQUESTS) for said in told] == [
        ("60", "2"),
        ("60", "1"),
        ("60", "0"),
    ]
    assert told[-1]["x-ratelimit-reset-requests"] == "3s"
    assert away.value.headers == told[-1]


def test_both_limits_are_told_and_a_hint_beside_them() -> None:
    rates = rates_of(
        requests_per_minute=60,
        tokens_per_minute=600,
        tokens_burst=10,
        limit_headers=1,
        limit_hint="seconds",
    )
    assert len(rates.admit(8)) == 6

    with pytest.raises(TurnedAway) as away:
        rates.admit(8)

    assert away.value.headers["Retry-After"] == "1"
    assert away.value.headers["x-ratelimit-remaining-tokens"] == "2"


@pytest.mark.parametrize(("factor", "limit", "left"), [(0.1, "6", "0"), (10, "600", "96")])
def test_headers_of_an_upstream_have_nothing_to_do_with_what_is_admitted(
    factor: float, limit: str, left: str
) -> None:
    clock = Clock()
    rates = rates_of(clock, requests_per_minute=60, requests_burst=10, limit_headers=factor)

    told = [rates.admit(1) for _ in range(4)][-1]

    assert tuple(told[name] for name in REQUESTS) == (limit, left)
    assert outcomes(rates, clock, 6, a_second=1) == [1] * 6


def test_honest_headers_follow_the_steps() -> None:
    clock = Clock()
    rates = rates_of(clock, requests_per_minute=60, limit_headers=1, limit_steps=((10, 10),))
    before = rates.admit(1)

    clock.now += 10
    rates.admit(1)
    clock.now += 6
    after = rates.admit(1)

    assert [before[name] for name in REQUESTS] == ["60", "59"]
    assert [after[name] for name in REQUESTS] == ["600", "118"]


@pytest.mark.parametrize(
    "dials",
    [
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
        {"requests_per_minute": 10, "requests_burst": 0},
        {"requests_per_minute": 10, "limit_window": 0},
        {"requests_per_minute": 10, "limit_headers": 0},
    ],
)
def test_a_limit_of_nothing_is_refused(dials: dict[str, Any]) -> None:
    with pytest.raises(BadUsage):
        rates_of(**dials)
