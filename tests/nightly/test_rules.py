"""The rules of the nights: which days, where, in which state, and what is to be done."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import get_args

import pytest

from batch.cli.dates import Dates
from batch.errors import BadConfig
from batch.nightly.days import days
from batch.nightly.partition import partition_of
from batch.nightly.state import OnFailed, State, Task, WhenMissing, goes_on, moved, publishes, task
from batch.session.summary import PRECEDENCE
from tests.nightly.kit import night_after


@pytest.mark.parametrize(
    ("last", "catch_up", "expected"),
    [
        ("2026-11-26", 0, ["2026-11-26"]),
        ("2026-11-26", 2, ["2026-11-24", "2026-11-25", "2026-11-26"]),
        ("2026-03-01", 1, ["2026-02-28", "2026-03-01"]),
        ("2028-03-01", 1, ["2028-02-29", "2028-03-01"]),
        ("2027-01-01", 1, ["2026-12-31", "2027-01-01"]),
        ("2026-03-30", 2, ["2026-03-28", "2026-03-29", "2026-03-30"]),  # of 23 hours in Berlin
        ("2026-10-26", 2, ["2026-10-24", "2026-10-25", "2026-10-26"]),  # of 25 hours
        ("0001-01-02", 9, ["0001-01-01", "0001-01-02"]),
    ],
)
def test_a_command_is_for_a_day_and_those_before_it(
    last: str, catch_up: int, expected: list[str]
) -> None:
    assert list(days(last, catch_up)) == expected


@pytest.mark.parametrize(
    ("now", "yesterday"),
    [
        # The clocks go forward on 2026-03-29: a day before half past midnight is 23 hours ago.
        (night_after("2026-03-28"), "2026-03-28"),
        (night_after("2026-03-29"), "2026-03-29"),
        (night_after("2026-03-30"), "2026-03-30"),
        # And back on 2026-10-25: before half past eleven that day there were 24 hours of it.
        (night_after("2026-10-24", 23, 30), "2026-10-24"),
        (night_after("2026-10-25"), "2026-10-25"),
        # A quarter past two comes twice in that night, and never in the other one.
        (datetime(2026, 10, 25, 0, 15, tzinfo=UTC).timestamp(), "2026-10-24"),
        (datetime(2026, 10, 25, 1, 15, tzinfo=UTC).timestamp(), "2026-10-24"),
        (night_after("2026-03-28", 2, 15), "2026-03-28"),
    ],
)
def test_yesterday_is_the_day_before_in_the_calendar_also_when_the_clocks_change(
    now: float, yesterday: str
) -> None:
    dates = Dates(now)
    dates.learn({}, {"run": {"tz": "Europe/Berlin"}})

    assert dates() == yesterday


def test_a_day_that_is_given_outranks_what_is_said() -> None:
    dates = Dates(0.0, "2026-11-24")
    dates.learn({}, {"run": {"tz": "Europe/Berlin", "date": "2026-11-26"}})

    assert dates() == "2026-11-24"


@pytest.mark.parametrize(
    ("output", "partial", "lock"),
    [
        ("t/2026-11-26/a.jsonl", "t/.2026-11-26.partial/a.jsonl", "t/.2026-11-26.lock"),
        ("/t/d-2026-11-26/a.jsonl", "/t/.d-2026-11-26.partial/a.jsonl", "/t/.d-2026-11-26.lock"),
        ("2026-11-26/a.jsonl", "./.2026-11-26.partial/a.jsonl", "./.2026-11-26.lock"),
    ],
)
def test_a_day_is_made_beside_its_place(output: str, partial: str, lock: str) -> None:
    partition = partition_of("2026-11-26", output)

    assert (partition.output, partition.building, partition.lock) == (output, partial, lock)


@pytest.mark.parametrize(
    ("day", "output"),
    [
        ("2026-11-26", "answers-2026-11-26.jsonl"),
        ("2026-11-26", "2026-11-26/all/answers.jsonl"),
        ("2026-11-26", "2026-11-26/"),
        ("2026-11-26", "2026-11-25/answers.jsonl"),
        (None, "2026-11-26/answers.jsonl"),
    ],
)
def test_an_output_in_no_folder_of_its_day_is_refused(day: str | None, output: str) -> None:
    with pytest.raises(BadConfig, match=r'Write output = "answers/\{date\}/'):
        partition_of(day, output)


TASKS: dict[tuple[State, bool, WhenMissing], Task] = {
    ("absent", False, "fail"): "run",
    ("absent", False, "skip"): "run",
    ("absent", True, "fail"): "fail",
    ("absent", True, "skip"): "skip",
    ("begun", False, "fail"): "run",
    ("begun", False, "skip"): "run",
    ("begun", True, "fail"): "finish",
    ("begun", True, "skip"): "finish",
    ("published", False, "fail"): "nothing",
    ("published", False, "skip"): "nothing",
    ("published", True, "fail"): "nothing",
    ("published", True, "skip"): "nothing",
    ("foreign", False, "fail"): "refuse",
    ("foreign", False, "skip"): "refuse",
    ("foreign", True, "fail"): "refuse",
    ("foreign", True, "skip"): "refuse",
}


def test_of_every_state_it_is_known_what_is_to_be_done() -> None:
    every = set(product(get_args(State), (False, True), get_args(WhenMissing)))

    assert set(TASKS) == every
    assert {one: task(one[0], missing=one[1], when_missing=one[2]) for one in TASKS} == TASKS


@pytest.mark.parametrize(
    ("state", "missing", "todo"),
    [
        ("published", False, "mend"),
        ("published", True, "nothing"),
        ("begun", False, "run"),
        ("absent", False, "run"),
        ("absent", True, "fail"),
    ],
)
def test_what_was_mended_is_asked_where_the_day_is(state: State, missing: bool, todo: Task) -> None:
    assert task(state, missing=missing, when_missing="fail", mend=True) == todo


@pytest.mark.parametrize(
    ("code", "pending", "on_failed", "published"),
    [
        (0, 0, "publish", True),
        (0, 0, "keep", True),
        (3, 0, "publish", True),
        (3, 0, "keep", False),
        (0, 5, "publish", False),  # a first look
        (3, 5, "publish", False),
        (0, None, "publish", False),
        *((code, 0, "publish", False) for code in PRECEDENCE if code not in (0, 3)),
    ],
)
def test_a_day_is_published_when_every_line_has_ended(
    code: int, pending: int | None, on_failed: OnFailed, published: bool
) -> None:
    assert publishes(code, pending, on_failed) is published


def test_what_would_stop_every_day_alike_stops_the_days_after_it() -> None:
    assert {code for code in PRECEDENCE if goes_on(code)} == {0, 3, 65, 66}


def test_a_summary_that_was_moved_differs_in_its_places_alone() -> None:
    summary = {"id": "r", "x_run": {"output": "a", "folder": "b", "pending": 0}}

    after = moved(summary, "c", "d")

    assert after == {"id": "r", "x_run": {"output": "c", "folder": "d", "pending": 0}}
    assert summary["x_run"] == {"output": "a", "folder": "b", "pending": 0}
