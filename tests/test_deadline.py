from __future__ import annotations

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from batch.deadline import ANSWERS, LEAST, Deadline, clock_time, next_moment, seconds_of
from batch.errors import BadConfig
from batch.settings.moment import pinned
from batch.settings.tree import BudgetSettings, RunSettings, Settings
from batch.spending import caps_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("45s", 45),
        ("90m", 5400),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1 h 30 m", 5400),
        ("600", 600),
        ("0.5", 0.5),
        (600, 600),
        ("", None),
        ("0", None),
        ("0h", None),
        ("h", None),
        ("30m1h", None),
        ("-5m", None),
        ("soon", None),
        ("٢h", None),
    ],
)
def test_a_span_is_read_as_it_is_spoken(written, seconds):
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", ["2026-11-28", "24:30", "6", "noon", "", "06:00 tomorrow"])
def test_what_is_no_time_of_a_clock_is_none(written):
    assert clock_time(written) is None


@pytest.mark.parametrize(
    ("now", "said", "meant"),
    [
        ("2026-11-27T02:15", "06:00", "2026-11-27T06:00+01:00"),
        ("2026-11-27T06:00", "06:00", "2026-11-28T06:00+01:00"),
        ("2026-11-27T22:00", "06:00", "2026-11-28T06:00+01:00"),
        ("2026-10-24T22:00", "06:00", "2026-10-25T06:00+01:00"),  # the clock is set back that night
        ("2026-11-27T22:00", "2026-12-01T06:00", "2026-12-01T06:00+01:00"),
        ("2026-11-27T22:00", "2026-11-28T06:00+00:00", "2026-11-28T06:00+00:00"),
        ("2026-11-28T00:30", "23:45+00:00", "2026-11-28T00:45+01:00"),  # there it is yesterday
        ("2026-10-25T02:15", "02:30", "2026-10-25T02:30+02:00"),  # the first one of two
        ("2026-10-25T02:45", "02:30", "2026-10-25T02:30+01:00"),
    ],
)
def test_a_time_of_day_is_the_next_one(now, said, meant):
    moment = clock_time(said)
    assert moment is not None

    found = next_moment(moment, datetime.fromisoformat(now).replace(tzinfo=BERLIN))

    assert found == datetime.fromisoformat(meant).timestamp()


def test_a_time_of_this_machine_is_one_of_its_clock_also_when_that_is_set(monkeypatch):
    # Given: the night in which the clock goes forward, on a machine in Berlin
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    moment = clock_time("06:00")
    assert moment is not None

    found = next_moment(moment, datetime.fromisoformat("2026-03-28T22:00"))

    monkeypatch.undo()
    time.tzset()
    assert found == datetime.fromisoformat("2026-03-29T06:00+02:00").timestamp()


def test_a_time_beyond_the_calendar_is_refused_in_words():
    settings = Settings(output="out.jsonl", budget=BudgetSettings(finish_by="0001-01-01T00:00"))

    with pytest.raises(BadConfig, match="--finish-by"):
        caps_of(settings, None, (), 0.0)


@pytest.mark.parametrize("zone", ["Europe/Berlin", None])
def test_a_time_of_day_is_the_moment_that_was_meant_as_the_command_began(zone):
    began = datetime.fromisoformat("2026-11-27T05:59:50+01:00").timestamp()
    budget = BudgetSettings(finish_by="06:00" if zone else "06:00+01:00")
    said = Settings(output="out.jsonl", budget=budget, run=RunSettings(tz=zone))

    settings = pinned(said, began)

    caps = caps_of(settings, None, (), began + 60)
    assert caps.deadline.end_by == began + 10
    assert pinned(settings, began + 60) == settings


def test_nothing_is_sent_after_so_long():
    deadline = Deadline(send_for=60)

    assert deadline.passed(59.9, 0, None) is None
    assert deadline.passed(60, 0, None) == "--max-duration is over"
    assert not deadline.over(10**9)


def test_who_is_to_end_by_a_time_stops_to_send_while_answers_can_still_come():
    deadline = Deadline(end_by=1000)

    assert deadline.passed(0, 1000 - LEAST - 0.1, None) is None
    assert deadline.passed(0, 1000 - LEAST, None) is not None
    assert deadline.passed(0, 1000 - ANSWERS * 30 - 0.1, 30) is None
    assert deadline.passed(0, 1000 - ANSWERS * 30, 30) is not None
    assert not deadline.over(999.9)
    assert deadline.over(1000)


def test_without_a_deadline_it_takes_as_long_as_it_takes():
    assert Deadline().passed(10**9, 10**9, 10**9) is None
