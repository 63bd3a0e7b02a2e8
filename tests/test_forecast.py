"""How long a run will take yet, by the rates of its keys."""

from __future__ import annotations

from itertools import pairwise

import pytest

from batch.forecast import Load, Speed, forecast


@pytest.mark.parametrize(
    ("loads", "unread", "seconds", "last"),
    [
        ({"a": Load(100, 300, 10.0)}, 0, 30.0, "a"),
        # 10,000 lines at one a second among fast ones: 2h46m, whatever the rate of all is.
        ({"a": Load(500, 900, 100.0), "b": Load(60, 10_000, 1.0)}, 0, 10_000.0, "b"),
        # What is not read yet is mixed as what has been: half of it is for the slow key.
        ({"a": Load(90, 10, 9.0), "b": Load(10, 90, 1.0)}, 200, 190.0, "b"),
        ({"a": Load(100, 0, 10.0)}, 50, 5.0, "a"),
        # In a file sorted by model that is not the mix of what has been read in all.
        ({"a": Load(9, 90, 1.0, 0.0), "b": Load(100, 0, 10.0, 10.0)}, 800, 90.0, "a"),
        ({"a": Load(90, 0, 9.0, None), "b": Load(10, 90, 1.0, 8.0)}, 200, 290.0, "b"),
        # A key of unknown rate is left out, or else nothing is known.
        ({"a": Load(100, 300, 10.0), "b": Load(0, 5, None)}, 0, 30.0, "a"),
        ({"a": Load(100, 0, 10.0)}, 0, 0.0, "a"),
    ],
)
def test_a_run_takes_as_long_as_the_key_that_is_last(
    loads: dict[str, Load], unread: int, seconds: float, last: str
) -> None:
    told = forecast(loads, unread)

    assert told is not None
    assert told.seconds == pytest.approx(seconds)
    assert told.last == last


@pytest.mark.parametrize("loads", [{}, {"a": Load(0, 5, None)}])
def test_without_a_rate_nothing_is_foretold(loads: dict[str, Load]) -> None:
    assert forecast(loads, 100) is None


def speed(*stretches: tuple[float, float], step: float = 0.25) -> Speed:
    """A speed after stretches of so many seconds at so many lines a second."""
    now = count = 0.0
    told = Speed(now, 0)
    for seconds, rate in stretches:
        for _ in range(round(seconds / step)):
            now += step
            count += rate * step
            told.note(now, round(count))
    return told


@pytest.mark.parametrize(
    ("stretches", "rate"),
    [
        ([(10, 50.0)], 50.0),
        ([(3600, 50.0)], 50.0),
        ([(3600, 50.0), (66, 5.0)], 5.0),  # of the last minute
        ([(3600, 5.0), (30, 50.0)], 25.0),
        ([(3600, 0.1)], 0.1),  # of so much longer as it takes to see twenty
        ([(3600, 0.01)], 0.01),  # yet no more than ten minutes
        ([(3600, 5.0), (700, 0.0)], None),
        ([(0.75, 50.0)], None),
        ([(100, 0.0)], None),
    ],
)
def test_a_rate_is_that_of_the_last_minute(
    stretches: list[tuple[float, float]], rate: float | None
) -> None:
    told = speed(*stretches).rate()

    assert told == (rate if rate is None else pytest.approx(rate, rel=0.15))


def test_a_rate_counts_from_where_it_began() -> None:
    told = Speed(100.0, 5000)
    told.note(110.0, 5040)

    assert told.rate() == 4.0


def test_a_rate_that_changes_changes_without_a_jump() -> None:
    told = speed((600, 10.0))
    seen = []
    count = 6000.0
    for tick in range(4 * 120):
        count += 0.5
        told.note(600 + tick / 4, round(count))
        seen.append(told.rate() or 0.0)

    assert all(abs(after - before) < 1 for before, after in pairwise(seen))
    assert seen[-1] == pytest.approx(2.0, rel=0.1)
