"""What it costs to read a line of usage, counted in things that do not depend on the machine."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from batch.pricing import Price, PriceBook, Rate
from batch.report.condense import Condensed
from batch.report.sources import read_all
from batch.usage import Meter
from tests.counting import FEW, MANY, for_each
from tests.report.kit import HOUR, START, row, write

CALLS_A_LINE = 0.05  # of ours: what is asked of each line is asked by loops of C


def test_lines_of_usage_are_read_and_added_up_without_a_call_for_each(tmp_path: Path) -> None:
    book = PriceBook((("gpt-*", Price({Meter.INPUT: Rate(2)}, "ours")),))
    for count in (FEW, MANY):
        hours = [START + HOUR * (number % 24) for number in range(count)]
        lines = [row(start_time=at, key=f"key-{number}") for number, at in enumerate(hours)]
        write(tmp_path / str(count) / "usage.jsonl", *lines)

    def read(count: int) -> None:
        condensed = Condensed(("day", "model", "job"), book, ZoneInfo("UTC"))
        found = read_all([str(tmp_path / str(count))], lambda _: None, lambda: condensed.add)
        assert (found.runs, found.skipped) == (1, [])

    line = for_each(read)

    assert line("ours") <= CALLS_A_LINE
    assert line("JSONDecoder.decode") + line("Decoder.decode") <= 1
