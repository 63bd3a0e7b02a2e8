from __future__ import annotations

from typing import Any

import pytest

from batch.errors import BadUsage
from batch.mock.dials import Dials
from batch.mock.hours import Hours, parse_steps
from tests.mock.kit import Clock


def test_steps_change_the_limits_by_the_time_since_the_first_request() -> None:
    clock = Clock()
    hours = Hours(Dials(limit_steps=((10, 10), (20, 1))), clock)
    clock.now += 1_000  # nobody has asked yet
    factors = []

    for _ in range(6):
        factors.append(hours.factor())
        clock.now += 5

    assert factors == [1, 1, 10, 10, 1, 1]


def test_between_two_pauses_it_is_open_for_as_long_as_the_dial_says() -> None:
    clock = Clock()
    hours = Hours(Dials(pause_after=20, pause_seconds=30), clock)
    closed = []

    for _ in range(12):
        closed.append(hours.closed_for())
        clock.now += 10

    assert closed == [0, 0, 30, 20, 10] * 2 + [0, 0]


def test_without_dials_it_is_always_open_and_nothing_changes() -> None:
    hours = Hours(Dials(), Clock())

    assert (hours.factor(), hours.closed_for()) == (1, 0)


@pytest.mark.parametrize(
    "dials",
    [
        {"limit_steps": ((10, 2), (5, 1))},
        {"limit_steps": ((-1, 2),)},
        {"limit_steps": ((10, 0),)},
        {"pause_after": 0},
        {"pause_after": 10, "pause_seconds": 0},
    ],
)
def test_a_day_that_cannot_be_is_refused(dials: dict[str, Any]) -> None:
    with pytest.raises(BadUsage):
        Hours(Dials(**dials), Clock())


@pytest.mark.parametrize(
    ("text", "steps"), [("", ()), ("60=10", ((60, 10),)), (" 1.5=2 , 9=.5", ((1.5, 2), (9, 0.5)))]
)
def test_steps_are_read_as_people_write_them(
    text: str, steps: tuple[tuple[float, float], ...]
) -> None:
    assert parse_steps(text) == steps


@pytest.mark.parametrize("text", ["60", "60=", "x=1", "60:10"])
def test_a_step_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadUsage, match=text):
        parse_steps(f"5=1,{text}")
