"""What it costs to export a record, counted in things that do not depend on the machine."""

from __future__ import annotations

from pathlib import Path

from batch.pricing import Price, PriceBook, Rate
from batch.results.costs import Costs
from batch.results.export import Sources, Wanted, export
from batch.results.logs import Logs
from batch.usage import Meter
from tests.counting import FEW, MANY, for_each
from tests.results.desk import Run, answer

CALLS_A_RECORD = 18  # of ours: one is a look at what is near the end of a log


def answered(tmp_path: Path) -> dict[int, Run]:
    """A run of few lines and one of many, all answered."""
    runs = {}
    for count in (FEW, MANY):
        folder = tmp_path / str(count)
        folder.mkdir()
        runs[count] = Run(folder, count)
        runs[count].answer(*(answer(line) for line in range(1, count + 1)))
    return runs


def test_a_record_takes_few_calls_to_be_exported_and_what_it_cost_is_reckoned_once(
    tmp_path: Path,
) -> None:
    rates = {meter: Rate(1) for meter in Meter}
    costs = Costs(PriceBook((("gpt-*", Price(rates, "ours")),)))
    runs = answered(tmp_path)

    def write(count: int) -> None:
        wanted = Wanted(str(tmp_path / "a.jsonl"), "jsonl", force=True)
        with Logs(runs[count].paths) as logs:
            assert export(Sources(logs, None, costs), wanted, ()).columns[-1] == "cost"

    record = for_each(write)

    assert 0 < record("ours") <= CALLS_A_RECORD
    assert record("_priced") == 0
    assert record("loaded") == 0  # of a plain answer no more is read than its text
    assert record("orjson.dumps") == 1


def test_no_cost_is_reckoned_where_no_column_shows_one(tmp_path: Path) -> None:
    costs = Costs(PriceBook((("gpt-*", Price({meter: Rate(1) for meter in Meter}, "ours")),)))
    runs = answered(tmp_path)

    def write(count: int) -> None:
        wanted = Wanted(str(tmp_path / "a.jsonl"), "jsonl", columns=("text",), force=True)
        with Logs(runs[count].paths) as logs:
            export(Sources(logs, None, costs), wanted, ())

    record = for_each(write)

    assert record("orjson.dumps") == 1
    assert record("of") <= 0.5  # the first 200 tell which columns there are
