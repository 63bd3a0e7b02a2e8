from datetime import UTC, datetime
from itertools import permutations

import orjson
import pytest

from batch.ledger.entries import Counts
from batch.ledger.totals import Totals, hour_of

KEY = ("2026-11-22T02", "gpt-4o-mini", "/v1/chat/completions", "default")
UNKNOWN = {"input_tokens": None, "output_tokens": None}


def test_tokens_add_up_by_hour_model_endpoint_and_key():
    totals = Totals()
    other = ("2026-11-22T03", *KEY[1:])

    totals.add(KEY, "result", {"input_tokens": 40, "output_tokens": 7})
    totals.add(KEY, "result", {"input_tokens": 2, "output_tokens": 0})
    totals.add(other, "result", {"input_tokens": 1, "output_tokens": 1})

    first, second = totals.rows("run-1")
    assert (first["input_tokens"], first["output_tokens"]) == (42, 7)
    assert (second["input_tokens"], second["num_model_requests"]) == (1, 1)
    assert totals.sum()["input_tokens"] == 43


def test_what_was_served_at_a_tier_has_a_row_of_its_own_that_names_it():
    totals = Totals()
    flex = {"input_tokens": 9, "output_tokens": 1, "tier": "flex"}

    totals.add(KEY, "result", {"input_tokens": 40, "output_tokens": 7})
    totals.add((*KEY, "flex"), "result", flex)

    plain, served = totals.rows("run-1")
    assert "tier" not in plain
    assert (served["tier"], served["key"]) == ("flex", "default")
    assert (plain["input_tokens"], served["input_tokens"]) == (40, 9)
    assert totals.sum()["input_tokens"] == 49


def test_a_row_names_its_hour_in_unix_seconds():
    totals = Totals()
    totals.add(KEY, "result", None)

    (row,) = totals.rows("run-1")

    assert datetime.fromtimestamp(row["start_time"], UTC).isoformat() == "2026-11-22T02:00:00+00:00"
    assert row["end_time"] - row["start_time"] == 3600
    assert row["run_id"] == "run-1"


def test_rows_stand_in_order_of_time_whatever_the_order_of_the_records():
    totals = Totals()
    for hour in ("2026-11-22T10", "2026-11-21T23", "2026-11-22T02"):
        totals.add((hour, *KEY[1:]), "result", None)

    starts = [row["start_time"] for row in totals.rows("run-1")]

    assert starts == sorted(starts)


@pytest.mark.parametrize("order", list(permutations([0.1, 0.2, 0.7, 33.333])))
def test_seconds_add_up_exactly_in_any_order(order):
    totals = Totals()

    for seconds in order:
        totals.add(KEY, "result", {"seconds": seconds})

    assert totals.sum()["seconds"] == 34.333


def test_ten_thousand_tenths_of_a_second_are_a_thousand_seconds():
    totals = Totals()

    for _ in range(10_000):
        totals.add(KEY, "result", {"seconds": 0.1})

    assert totals.sum()["seconds"] == 1000.0


USAGES = [
    None,
    {},
    UNKNOWN,
    {"input_tokens": 40, "output_tokens": 7, "seconds": 0.1},
    {"input_tokens": 0, "output_tokens": 0, "seconds": 2},
    {"input_tokens": 50, "output_tokens": None, "images": 3},
    {"input_tokens": None, "output_tokens": None, "seconds": 33.333},
]


@pytest.mark.parametrize("source", ["result", "billed", "part"])
@pytest.mark.parametrize("calls", [0, 1])
def test_records_that_are_counted_together_come_to_what_each_does_alone(source, calls):
    together, alone = Totals(), Totals()
    for usage in USAGES:
        alone.add(KEY, source, usage, calls)

    counts = [None if usage is None else Counts(**usage) for usage in USAGES]
    together.add_all(KEY, source, counts, calls)

    (row,) = together.rows("run-1")
    assert [row] == list(alone.rows("run-1"))
    assert (row["input_tokens"], row["seconds"], row["max_input_tokens"]) == (90, 35.433, 50)
    assert row["num_usage_unknown"] == 4 * calls


def test_what_nobody_reported_stays_null_and_is_counted_as_unknown():
    totals = Totals()

    totals.add(KEY, "result", None)
    totals.add(KEY, "result", UNKNOWN)

    (row,) = totals.rows("run-1")
    assert row["input_tokens"] is row["output_reasoning_tokens"] is None
    assert row["num_usage_unknown"] == row["num_model_requests"] == 2
    assert "images" not in row


def test_what_some_reported_is_a_sum_over_those():
    totals = Totals()

    totals.add(KEY, "result", {"input_tokens": 5, "output_tokens": 0})
    totals.add(KEY, "result", UNKNOWN)

    row = totals.sum()
    assert (row["input_tokens"], row["output_tokens"], row["num_usage_unknown"]) == (5, 0, 1)


def test_pictures_that_are_counted_without_tokens_are_not_unknown():
    totals = Totals()

    totals.add(KEY, "result", {**UNKNOWN, "images": 2})

    row = totals.sum()
    assert (row["images"], row["num_usage_unknown"], row["input_tokens"]) == (2, 0, None)


@pytest.mark.parametrize(
    ("usage", "unknown"), [({"input_tokens": 3, "output_tokens": 1}, 0), (None, 1)]
)
def test_a_pack_is_one_call_and_as_many_lines_as_it_has(usage, unknown):
    totals = Totals()

    for place in range(3):
        totals.add(KEY, "result", usage, calls=1 if place == 0 else 0)

    row = totals.sum()
    assert row["num_model_requests"] == 1
    assert row["num_succeeded"] == 3
    assert row["num_usage_unknown"] == unknown


def test_wasted_tokens_stand_inside_the_sums_and_beside_them():
    totals = Totals()

    totals.add(KEY, "result", {"input_tokens": 40, "output_tokens": 7})
    totals.add(KEY, "billed", {"input_tokens": 40, "output_tokens": 2})
    totals.add(KEY, "part", {"input_tokens": 1, "output_tokens": 1})

    row = totals.sum()
    assert (row["input_tokens"], row["output_tokens"], row["wasted_tokens"]) == (81, 10, 42)
    assert (row["num_succeeded"], row["num_wasted"], row["num_parts"]) == (1, 1, 1)
    assert row["num_model_requests"] == 3


def test_no_key_is_written_as_null():
    totals = Totals()
    totals.add((*KEY[:3], ""), "result", None)

    (row,) = totals.rows("run-1")

    assert row["key"] is None


def test_counts_are_written_as_whole_numbers():
    totals = Totals()
    totals.add(KEY, "billed", {"input_tokens": 40, "output_tokens": None, "seconds": 2.0})

    written = orjson.dumps(totals.sum())

    assert b'"input_tokens":40,' in written
    assert b'"seconds":2.0,' in written
    assert b'"wasted_tokens":40}' in written


def test_the_hour_is_that_of_the_time_in_utc():
    assert hour_of("2026-11-22T02:59:59.999Z") == "2026-11-22T02"
    assert hour_of(None) == "1970-01-01T00"


def test_the_longest_request_is_no_sum():
    totals = Totals()
    other = ("2026-11-22T03", *KEY[1:])

    for key, read in ((KEY, 5), (KEY, 9), (KEY, 7), (other, 8)):
        totals.add(key, "result", {"input_tokens": read, "output_tokens": 1})

    assert [row["max_input_tokens"] for row in totals.rows("run-1")] == [9, 8]
    assert totals.sum()["max_input_tokens"] == 9


def test_calls_that_may_be_billed_stand_beside_the_sums_also_where_nothing_else_is():
    totals = Totals()
    totals.doubt(KEY, 2)
    other = ("2026-11-22T03", *KEY[1:])

    rows = list(totals.rows("run-1", {"tags": {"a": "b"}}, {KEY: 1, other: 4}))

    assert [row["num_maybe_billed"] for row in rows] == [3, 4]
    assert [row["num_model_requests"] for row in rows] == [0, 0]
    assert rows[0]["tags"] == {"a": "b"}
