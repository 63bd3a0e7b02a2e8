"""Runs that are written as if they had been: a million results without a million requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Final

import orjson

from batch.checkpoint import encode, save
from batch.files import OsFiles
from batch.inputs.lines import line_sum
from batch.ledger.entries import Mark, decode_mark, encode_result, timestamp
from batch.ledger.paths import paths_of
from batch.ledger.recover import positions, recover
from batch.ledger.totals import Totals, hour_of
from batch.records import Answer, Result, Timing
from batch.results.record import Record, decode_record
from batch.usage import Meter, Usage
from tests.bench.contestants import KEY
from tests.bench.lines import CHAT, requests, write
from tests.bench.stage import PYTHON, spend

TOTALS: Final = {"input_tokens": 140_000, "input_cached_tokens": 20_000, "output_tokens": 60_000}
GROUP: Final = 100  # lines that are synced together
HOURS: Final = 24
# As many buckets an hour as make about a thousand lines of usage a run.
ASKED: Final = tuple(
    (f"gpt-{number}", key) for number, key in product(range(1, 22), ("day", "night"))
)
DAYS: Final = 365
FIRST: Final = datetime(2025, 11, 1, tzinfo=UTC)
USAGE_LINES: Final = HOURS * len(ASKED)  # of a run


def resumed(url: str, *flags: object) -> list[object]:
    """Return the command that begins such a run, and goes on with it."""
    files = ("run", "in.jsonl", "-o", "out.jsonl")
    return [PYTHON, "-m", "batch", *files, "--base-url", url, "--quiet", *flags]


def answered(folder: Path, url: str, lines: int) -> None:
    """Begin a run of so many lines, have its first one answered, and write down the others."""
    write(folder, lines, stream=False)
    spend(resumed(url, "--head", 1), folder, KEY)
    output = folder / "out.jsonl"
    line = output.read_bytes()
    first, mark = decode_record(line), decode_mark(line)
    size = synced = len(line)
    with output.open("ab") as file:
        for ordinal, asked in enumerate(requests(lines, stream=False), 1):
            if ordinal > 1:
                alike = _alike(first, mark, ordinal, asked)
                size += file.write(encode_result(alike, mark.run_id, synced))
            if ordinal % GROUP == 0:
                synced = size
    forgotten(folder)


def forgotten(folder: Path) -> None:
    """Take the checkpoint of a run away."""
    (folder / "out.run" / "cache" / "checkpoint").unlink(missing_ok=True)


def checkpointed(folder: Path) -> None:
    """Leave the checkpoint of a run, as a session that asked something does."""
    files, paths = OsFiles(), paths_of(str(folder / "out.jsonl"))
    found = recover(files, paths)
    assert found is not None
    journal, results, errors = (end.keep for end in found.ends)
    where = positions(files, paths, (journal, results, errors))
    files.make_folder(paths.cache)
    save(files, paths.checkpoint, encode(found.run_id, found.history, where))


def totals(folder: Path, runs: int) -> int:
    """Write the usage totals of so many runs over a year; return how many lines each has."""
    for day in range(min(runs, DAYS)):
        lines = _day(FIRST + timedelta(days=day))
        for run in range(day, runs, DAYS):
            place = folder / f"{run:05d}.run"
            place.mkdir(parents=True)
            (place / "usage.jsonl").write_bytes(lines.replace(b"THE-RUN", b"run-%05d" % run))
    return USAGE_LINES


def _day(begin: datetime) -> bytes:
    sums = Totals()
    for hour, (model, key) in product(range(HOURS), ASKED):
        at = hour_of(timestamp((begin + timedelta(hours=hour)).timestamp()))
        sums.add((at, model, CHAT, key), "result", TOTALS)
    rows = sums.rows("THE-RUN", {"job": "nightly"})
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _alike(first: Record, mark: Mark, ordinal: int, line: bytes) -> Result:
    """Return the result of another line that was answered as the first one was."""
    read, written = 120 + ordinal % 41, 40 + ordinal % 37  # of 1,517 kinds
    counts = {Meter.INPUT: read, Meter.CACHED_INPUT: 0, Meter.OUTPUT: written, Meter.REASONING: 0}
    told = Answer(first.body, None, "stop", Usage(counts), model=mark.model, request_id="bench")
    return Result(
        ordinal=ordinal,
        sum=line_sum(line),
        custom_id=f"row-{ordinal}",
        model=mark.model,
        endpoint=mark.endpoint,
        key=mark.key,
        timing=Timing(1_795_312_803.0 + ordinal / 1000, 840, 1),
        outcome=told,
    )
