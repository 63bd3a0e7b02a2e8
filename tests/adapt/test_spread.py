from __future__ import annotations

import pytest

from batch.adapt.spread import Spread


def rejected(spread: Spread, *rates: float, in_a_row: int = 1) -> list[float | None]:
    return [spread.dropped(rate, in_a_row) for rate in rates]


def trying() -> Spread:
    """A trial that has begun, after even calls were rejected at 100 a second."""
    spread = Spread()
    while not spread.on:
        rejected(spread, 100)
    return spread


def test_calls_go_evenly_until_some_were_rejected() -> None:
    spread = Spread()
    assert not spread.on

    rejected(spread, 100)

    assert not spread.on


def test_what_is_rejected_in_a_row_says_little_of_the_rate_that_goes() -> None:
    spread = Spread()

    rejected(spread, *[300] * 20, in_a_row=2)

    assert not spread.on


@pytest.mark.parametrize("rate", [95, 100, 140])
def test_where_as_much_goes_as_before_they_go_a_few_together_for_good(rate: float) -> None:
    spread = trying()

    assert set(rejected(spread, *[rate] * 10)) == {None}
    assert set(rejected(spread, *[20] * 500, in_a_row=3)) == {None}

    assert spread.on


def test_one_rejection_at_less_than_before_is_not_enough_to_tell() -> None:
    spread = trying()

    assert rejected(spread, 60) == [None]

    assert spread.on


def test_where_clearly_less_goes_they_go_evenly_again_and_as_often_as_before() -> None:
    spread = trying()

    said = rejected(spread, 60, in_a_row=2)

    assert said == [pytest.approx(100)]
    assert not spread.on


def test_a_gateway_that_saves_up_too_little_is_tried_again_after_a_long_time() -> None:
    # Given
    spread = trying()
    rejected(spread, 60, in_a_row=2)

    # When
    rejections = 0
    while not spread.on:
        rejected(spread, 100)
        rejections += 1

    assert rejections > 50
