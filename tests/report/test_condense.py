"""Buckets that are summed up come to the same, to the cent and to the reason of each gap."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest

from batch.pricing import Price, PriceBook, Rate
from batch.report.condense import Condensed
from batch.report.tally import dimensions, tally
from batch.usage import Meter
from tests.report.kit import HOUR, START, bucket

UTC = ZoneInfo("UTC")


def rate(amount: str, *tiers: tuple[int, str]) -> Rate:
    return Rate(Decimal(amount), tuple((start, Decimal(more)) for start, more in tiers))


BOOK = PriceBook(
    (
        ("plain", Price({Meter.INPUT: rate("2"), Meter.OUTPUT: rate("8")}, "page")),
        ("long", Price({Meter.INPUT: rate("1", (1000, "2")), Meter.OUTPUT: rate("5")}, "page")),
        ("painter", Price({Meter.IMAGES: rate("40")}, "page", multiplier=Decimal("1.5"))),
    )
)


def drawn(chance: Random):
    wasted, read = chance.choice([0, 0, 1]), chance.choice([None, 400, 999, 1001, 5000])
    longest = chance.choice([None, 300, 900, 1001])
    return bucket(
        start_time=START + HOUR * chance.randrange(72),
        run_id=f"run-{chance.randrange(3)}",
        model=chance.choice(["plain", "long", "painter", "unknown"]),
        endpoint=chance.choice(["/v1/chat/completions", "/v1/models"]),
        job=chance.choice(["a", None]),
        key=chance.choice(["k", None]),
        tags=chance.choice([{}, {"team": "x"}, {"team": "y", "a": "b"}]),
        num_model_requests=chance.choice([1, 1, 7]),
        num_usage_unknown=chance.choice([0, 0, 1]),
        input_tokens=read,
        input_cached_tokens=chance.choice([None, min(100, read)]) if read else None,
        output_tokens=chance.choice([None, 50]),
        images=chance.choice([None, 3]),
        seconds=chance.choice([None, 0.25, 1.003]),
        max_input_tokens=longest if read is None or longest is None else min(read, longest),
        num_wasted=wasted,
        wasted={"input_tokens": min(read or 0, chance.choice([10, 1200]))} if wasted else {},
    )


@pytest.mark.parametrize("by", ["model", "day", "run,model", "job,key", "tag", "tag:team,endpoint"])
def test_a_report_of_sums_is_the_report_of_the_buckets(by):
    chance = Random(by)
    buckets = [drawn(chance) for _ in range(3000)]
    names = dimensions(by)

    condensed = Condensed(names, BOOK, UTC)
    condensed.add(buckets)
    few = list(condensed.buckets())

    assert len(few) < len(buckets)
    assert tally(few, names, BOOK, UTC) == tally(buckets, names, BOOK, UTC)


@pytest.mark.parametrize("by", ["model", "run,day", "key,tag"])
def test_how_many_are_added_at_once_changes_nothing_not_even_a_fraction(by):
    chance = Random(by)
    buckets = [drawn(chance) for _ in range(2000)]
    single, several = (Condensed(dimensions(by), BOOK, UTC) for _ in range(2))

    for one in buckets:
        single.add([one])
    start = 0
    while start < len(buckets):
        size = chance.choice([0, 1, 2, 40, 500])
        several.add(buckets[start : start + size])
        start += size

    assert list(several.buckets()) == list(single.buckets())


def test_as_many_are_kept_as_a_report_tells_apart():
    condensed = Condensed(("model",), BOOK, UTC)

    for number in range(1000):
        condensed.add([bucket(run_id=f"run-{number}", job=f"job-{number}")])

    (one,) = condensed.buckets()
    assert one.num_model_requests == 1000


def test_the_hours_of_a_day_are_one_where_a_price_is_the_same_and_two_where_it_changed():
    before, after = (Price({Meter.INPUT: rate(amount)}, "list") for amount in ("2", "3"))
    book = PriceBook(listed=lambda _, at: before if at < START + 12 * HOUR else after)
    hours = [bucket(start_time=START + HOUR * hour) for hour in range(48)]

    condensed = Condensed(("day",), book, UTC)
    condensed.add(hours)

    few = list(condensed.buckets())
    assert [one.num_model_requests for one in few] == [12, 12, 24]
    assert tally(few, ("day",), book, UTC) == tally(hours, ("day",), book, UTC)


def test_a_day_begins_where_the_report_has_it_begin():
    hours = [bucket(start_time=START + HOUR * hour) for hour in range(24)]

    condensed = Condensed(("day",), BOOK, ZoneInfo("Asia/Shanghai"))
    condensed.add(hours)

    assert [one.num_model_requests for one in condensed.buckets()] == [16, 8]
