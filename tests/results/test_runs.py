"""Real runs of every wire format, and of many lines, as the commands read them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batch.cli import answer as called
from batch.cli.caller import Caller
from batch.wire import formats
from tests.results.desk import RUN, Run, answer, encode_result

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_inputs"
# What of the samples' answers is no text: it is in files, in vectors, or in calls.
SILENT = {"speech", "images", "videos", "kling", "embeddings", "midjourney"}


def wbatch(*args: object, caller: Caller | None = None) -> int:
    return called([str(arg) for arg in args], caller or Caller())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one line or more for each wire format."""
    output = tmp_path_factory.mktemp("run") / "out.jsonl"
    code = wbatch(
        *("run", SAMPLES / "endpoints.jsonl", "-o", output, "--mock", "-q"),
        *("--allow-files", SAMPLES / "files"),
    )
    assert code in (0, 3)
    return output


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def test_the_answers_of_every_format_have_their_text_or_what_they_are_instead(
    finished: Path, tmp_path: Path
) -> None:
    table = tmp_path / "a.csv"

    columns = "endpoint,text,files,index,finish"
    wbatch("export", finished, "-o", table, "--columns", columns, "-q")

    rows = rows_of(table)
    by_path = {route.template: name for name, one in formats().items() for route in one.routes}
    met = {by_path[row["endpoint"]] for row in rows}
    for row in rows:
        silent = by_path[row["endpoint"]] in SILENT or row["files"] or row["finish"] == "tool"
        assert row["text"] or silent, row
    assert met >= {"chat", "messages", "responses", "gemini", "embeddings", "transcription"}


def test_every_answer_can_be_shown(finished: Path, capfd: pytest.CaptureFixture[str]) -> None:
    caller = Caller(environ={**os.environ, "COLUMNS": "90"})

    code = wbatch("show", finished, "500", caller=caller)

    told = capfd.readouterr()
    answers = finished.read_bytes().count(b"\n")
    assert code == 0
    assert told.out.count("── line ") == answers
    assert all(line.isprintable() for line in told.out.splitlines())
    assert "\x1b" not in told.out


def test_every_error_can_be_shown(finished: Path, capfd: pytest.CaptureFixture[str]) -> None:
    errors = finished.with_name("out.run") / "errors.jsonl"
    count = errors.read_bytes().count(b"\n") if errors.exists() else 0

    wbatch("show", finished, "500", "--errors")

    assert capfd.readouterr().out.count("── line ") == count


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path, 4)
    made.answer(answer(1), answer(3), torn=b'{"x_run":{"line":4')
    return made


@pytest.mark.parametrize("which", [("--id", "row-3"), ("--line", "3")])
def test_one_line_is_shown_by_its_id_or_its_place(
    run: Run, which: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert wbatch("show", run.output, *which) == 0

    assert "answer 3" in capfd.readouterr().out


def test_a_line_without_a_record_is_not_there_yet(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert wbatch("show", run.output, "--line", "4") == 66

    assert "it has no answer yet, or there is no such line" in capfd.readouterr().err


def test_show_as_json_is_one_object(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    wbatch("show", run.output, "1", "--json")

    (one,) = json.loads(capfd.readouterr().out)["data"]
    assert (one["custom_id"], one["text"], one["error"]) == ("row-1", "answer 1", None)


def test_prompts_of_inputs_that_are_gone_are_missed_and_the_answers_shown(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    run.input.unlink()

    code = wbatch("show", run.output)

    told = capfd.readouterr()
    assert code == 0
    assert "answer 1" in told.out
    assert "the prompts cannot be shown" in told.err


def test_an_export_of_an_unfinished_run_says_so(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    code = wbatch("export", run.output, "-o", run.folder / "a.csv")

    told = capfd.readouterr()
    assert code == 0
    assert len(rows_of(run.folder / "a.csv")) == 2
    assert "the run is not finished: 2 lines have no answer yet" in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--strict", "--columns", "text"], 2, "--strict"),
        (["--format", "csv", "--strict"], 2, "--strict"),
        (["--columns", ","], 2, "--columns"),
        (["--format", "npy", "--errors"], 2, "vectors"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    run: Run, flags: list[str], code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert wbatch("export", run.output, "-o", run.folder / "a.jsonl", *flags) == code

    assert words in capfd.readouterr().err


def test_a_run_that_was_never_begun_is_missing(tmp_path: Path) -> None:
    assert wbatch("export", tmp_path / "no.jsonl", "-o", tmp_path / "a.csv") == 66
    assert wbatch("show", tmp_path / "no.jsonl") == 66


def test_check_says_on_stdout_what_it_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = SAMPLES / "broken.jsonl"

    code = wbatch("check", source, "--mock", "--json")

    told = json.loads(capfd.readouterr().out)
    assert code == told["exit_code"] == 65
    assert sum(told["problem_counts"].values()) > len(told["problems"]) == 20


MANY = 100_000
SMALL = 2_000


def many(folder: Path, lines: int) -> Run:
    """Write a run of many answers, finished in another order than their lines stand in."""
    folder.mkdir()
    made = Run(folder, lines)
    step = 7919 if lines % 7919 else 7907
    with made.output.open("wb") as file:
        for n in range(lines):
            file.write(encode_result(answer(n * step % lines + 1), RUN, 0))
    return made


MEASURED = """
import resource, sys
from batch.cli import answer
from batch.cli.caller import Caller
code = answer(sys.argv[1:], Caller())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def measured(*args: object) -> int:
    """Return the most memory, in kB, that a command took in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, args)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return int(done.stderr.split()[-1])


def test_a_hundred_thousand_answers_take_no_more_memory_than_two_thousand(tmp_path: Path) -> None:
    small, large = many(tmp_path / "small", SMALL), many(tmp_path / "large", MANY)

    took = [
        measured("export", one.output, "-o", one.folder / "a.csv", "--in-order", "-q")
        for one in (small, large)
    ]

    with (large.folder / "a.csv").open(encoding="utf-8-sig") as file:
        assert sum(1 for _ in file) == MANY + 1
    assert took[1] - took[0] < 20_000


def test_a_kill_leaves_no_half_file_and_the_next_export_is_whole(tmp_path: Path) -> None:
    run = many(tmp_path / "run", 30_000)
    target, aside = run.folder / "a.csv", run.folder / "a.csv.tmp"
    export = ("export", str(run.output), "-o", str(target), "-q")
    with subprocess.Popen([sys.executable, "-m", "batch", *export], cwd=ROOT) as process:
        while not (aside.exists() and aside.stat().st_size):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)

    assert not target.exists()
    assert wbatch(*export) == 0
    assert len(rows_of(target)) == 30_000
    assert not aside.exists()


def test_an_export_goes_into_a_file_and_not_into_one_called_dash(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert wbatch("export", finished, "-o", "-", "--format", "csv") == 2
    assert "Write -o answers.csv" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_of_one_line_that_is_looked_at_no_others_are_counted(
    finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert wbatch("show", finished, "--line", "1") == 0
    assert "more: " not in capfd.readouterr().err
