"""The meters behind the names in a file of totals."""

from __future__ import annotations

import orjson
import pytest

from batch.ledger.totals import Totals
from batch.report.buckets import decode
from batch.usage import Meter, Usage, fields
from tests.report.kit import bucket


@pytest.mark.parametrize(
    ("amounts", "counts"),
    [
        (
            {"input_tokens": 10, "input_cached_tokens": 4},
            {Meter.INPUT: 6, Meter.CACHED_INPUT: 4},
        ),
        ({"input_tokens": None, "input_cached_tokens": None}, {}),
        ({"input_tokens": 10, "input_cached_tokens": None}, {Meter.INPUT: 10}),
        ({"seconds": 1.5}, {Meter.MILLISECONDS: 1500}),
        ({"images": 2, "characters": 7}, {Meter.IMAGES: 2, Meter.CHARACTERS: 7}),
        ({"searches": 3}, {Meter.SEARCHES: 3}),
        (
            {"input_tokens": 10, "input_cache_write_tokens": 7},
            {Meter.INPUT: 3, Meter.CACHE_WRITE: 7},
        ),
        (
            {"input_tokens": 10, "input_cache_write_tokens": 7, "input_cache_write_1h_tokens": 5},
            {Meter.INPUT: 3, Meter.CACHE_WRITE: 2, Meter.CACHE_WRITE_1H: 5},
        ),
    ],
)
def test_totals_are_taken_apart_into_meters_that_overlap_nowhere(amounts, counts):
    nothing = {"input_tokens": None, "input_cached_tokens": None}
    nothing |= {"output_tokens": None, "output_reasoning_tokens": None}

    assert bucket(**{**nothing, **amounts}).counts() == counts


def test_what_the_ledger_writes_is_read_back_meter_by_meter():
    usage = Usage({meter: 10 + number for number, meter in enumerate(Meter)})
    totals = Totals()
    key = ("2026-11-01T05", "m", "/v1/chat/completions", "")
    for source in ("result", "billed"):
        totals.add(key, source, fields(usage))
    totals.doubt(key, 3)
    (line,) = totals.rows("run-1", {"job": "j", "tags": {"a": "b"}, "mock": True}, {key: 2})
    line["tier"] = "flex"

    read = decode(orjson.dumps(line))

    assert read.counts() == (usage + usage).counts
    assert read.used_in_vain().counts == usage.counts
    assert (read.num_model_requests, read.num_wasted, read.num_maybe_billed) == (2, 1, 5)
    assert read.max_input_tokens == fields(usage)["input_tokens"]
    assert (read.used().tier, read.used_in_vain().tier) == ("flex", "flex")
    assert (read.job, read.tags, read.mock, read.key) == ("j", {"a": "b"}, True, None)
