"""Sums, by one thing and by several at once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product
from random import Random
from zoneinfo import ZoneInfo

import pytest

from batch.errors import BadUsage
from batch.pricing import Price, PriceBook, Rate
from batch.report.tally import BY, dimensions, grain, tally
from batch.usage import Meter
from tests.report.kit import DAY, HOUR, START, bucket

UTC = ZoneInfo("UTC")
BOOK = PriceBook(
    (("gpt-*", Price({Meter.INPUT: Rate(Decimal("0.000002"))}, "page", as_of="2026-11-01")),)
)


def lines(buckets, by, tz=UTC):
    return {line.keys: line.requests for line in tally(buckets, dimensions(by), BOOK, tz).lines}


MIXED = [
    bucket(job="a", tags={"team": "search", "x": "1"}),
    bucket(start_time=START + DAY, run_id="run-2", key=None, tags={"team": "shop"}),
    bucket(start_time=START + 30 * DAY, run_id="run-3", model="claude", endpoint="/v1/messages"),
]


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("day", ["2026-11-01", "2026-11-02", "2026-12-01"]),
        ("week", ["2026-W44", "2026-W45", "2026-W49"]),
        ("month", ["2026-11", "2026-12"]),
        ("model", ["claude", "gpt-4o"]),
        ("job", ["a", "—"]),
        ("run", ["run-1", "run-2", "run-3"]),
        ("tag", ["team=search, x=1", "team=shop", "—"]),
        ("tag:team", ["search", "shop", "—"]),
        ("endpoint", ["/v1/chat/completions", "/v1/messages"]),
        ("key", ["KEY", "—"]),
    ],
)
def test_buckets_are_summed_by_what_is_asked_for(by, keys):
    found = lines(MIXED, by)

    assert sorted(key for (key,) in found) == sorted(keys)
    assert sum(found.values()) == 3


def test_several_things_at_once_are_as_many_columns():
    assert lines(MIXED, "month,model") == {
        ("2026-11", "gpt-4o"): 2,
        ("2026-12", "claude"): 1,
    }


@pytest.mark.parametrize("by", ["", ",", "hour", "tag:", "day,nothing"])
def test_what_nothing_can_be_summed_by_is_refused_with_what_can(by):
    with pytest.raises(BadUsage, match="day, week, month"):
        dimensions(by)


def test_a_day_begins_where_the_zone_says():
    late = [bucket(start_time=START + 23 * HOUR)]

    assert lines(late, "day") == {("2026-11-01",): 1}
    assert lines(late, "day", ZoneInfo("Europe/Berlin")) == {("2026-11-02",): 1}


@pytest.mark.parametrize("by", [*BY, "tag:team", "day,model", "month,job,key"])
def test_whatever_it_is_summed_by_the_total_is_the_same(by):
    chance = Random(by)
    buckets = [
        bucket(
            start_time=START + hours * HOUR,
            model=model,
            run_id=f"run-{chance.randrange(5)}",
            job=chance.choice(["a", None]),
            key=chance.choice(["k", None]),
            tags=chance.choice([{}, {"team": "x"}]),
            input_tokens=chance.randrange(10**6),
            num_wasted=chance.randrange(2),
            wasted={"input_tokens": chance.randrange(100)},
        )
        for hours, model in product(range(0, 900, 7), ["gpt-4o", "gpt-5", "claude"])
    ]

    report = tally(buckets, dimensions(by), BOOK, UTC)

    whole = sum(one.input_tokens for one in buckets if one.model != "claude")
    assert report.total.cost.amount == whole * Decimal("0.000002")
    assert sum(line.cost.amount for line in report.lines) == report.total.cost.amount
    assert sum(line.waste.amount for line in report.lines) == report.total.waste.amount
    assert sum(line.read for line in report.lines) == report.total.read
    assert sum(line.requests for line in report.lines) == len(buckets)


def test_times_stand_in_their_order_and_what_costs_most_before_the_rest():
    buckets = [
        bucket(start_time=START + DAY),
        bucket(model="gpt-small", input_tokens=5),
        bucket(),
    ]

    report = tally(buckets, ("day", "model"), BOOK, UTC)

    assert [line.keys for line in report.lines] == [
        ("2026-11-01", "gpt-4o"),
        ("2026-11-01", "gpt-small"),
        ("2026-11-02", "gpt-4o"),
    ]


def test_each_price_has_its_source_and_its_date():
    assert tally([bucket()], ("model",), BOOK, UTC).sources == {"gpt-4o": "page, 2026-11-01"}


@pytest.mark.parametrize(
    ("last", "bars"),
    [("2026-01-01", "day"), ("2026-03-03", "day"), ("2026-03-04", "week"), ("2027-06-01", "month")],
)
def test_bars_stand_for_as_much_time_as_fits_side_by_side(last, bars):
    assert grain(date(2026, 1, 1), date.fromisoformat(last)) == bars
    assert grain(None, None) == "day"


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [
        ("/v1/models", "models"),
        ("/v1/videos/{id}", "videos"),
        ("/mj/task/{id}/fetch", "mj_fetch"),
        ("/mj/task/list-by-condition", "mj_list"),
    ],
)
def test_a_question_costs_nothing_and_is_no_gap(endpoint, model):
    asked = bucket(endpoint=endpoint, model=model, input_tokens=None, num_usage_unknown=1)

    report = tally([bucket(), asked], ("model",), BOOK, UTC)

    assert (report.total.requests, report.total.cost.amount, report.gaps) == (2, 2, [])
