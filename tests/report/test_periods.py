"""Days in a time zone, and spans as people name them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from batch.errors import BadUsage
from batch.report.periods import day_of, first_day, last_day, week_of, zone

TODAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("2026-11-05", "2026-11-05", "2026-11-05"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2026-12", "2026-12-01", "2026-12-31"),
        ("1d", "2026-11-27", "2026-11-27"),
        ("30d", "2026-10-29", "2026-11-27"),
        ("today", "2026-11-27", "2026-11-27"),
        ("yesterday", "2026-11-26", "2026-11-26"),
        ("month", "2026-11-01", "2026-11-27"),
        ("year", "2026-01-01", "2026-11-27"),
    ],
)
def test_a_span_has_a_first_and_a_last_day(said, first, last):
    assert first_day(said, TODAY).isoformat() == first
    assert last_day(said, TODAY).isoformat() == last


@pytest.mark.parametrize("said", ["", "2026-13", "2026-02-30", "soon", "0d", "-3d", "3w"])
def test_other_words_are_refused_with_those_that_are_known(said):
    with pytest.raises(BadUsage, match="--since takes 2026-11-01"):
        first_day(said, TODAY)


def test_an_hour_belongs_to_the_day_of_its_zone_on_both_sides_of_a_change_of_clocks():
    berlin = zone("Europe/Berlin")

    days = [
        day_of(datetime(*when, tzinfo=ZoneInfo("UTC")).timestamp(), berlin).isoformat()
        for when in ((2026, 10, 24, 21), (2026, 10, 24, 22), (2026, 10, 25, 22), (2026, 10, 25, 23))
    ]

    assert days == ["2026-10-24", "2026-10-25", "2026-10-25", "2026-10-26"]


@pytest.mark.parametrize(
    ("day", "week"), [(date(2026, 11, 27), "2026-W48"), (date(2027, 1, 1), "2026-W53")]
)
def test_a_week_is_that_of_iso(day, week):
    assert week_of(day) == week


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd"])
def test_a_zone_that_nobody_knows_is_refused(name):
    with pytest.raises(BadUsage, match="--tz"):
        zone(name)
