"""Where the files of a run are, by its results or by its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.ledger.paths import paths_of, results_of


def begin(results: Path) -> None:
    folder = Path(paths_of(str(results)).folder)
    folder.mkdir()
    (folder / "journal.jsonl").write_text("{}\n")


@pytest.mark.parametrize("name", ["out.jsonl", "out", "out.json"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_run_is_found_by_its_folder(name: str, end: str, tmp_path: Path) -> None:
    results = tmp_path / name
    results.touch()
    begin(results)

    assert results_of(f"{paths_of(str(results)).folder}{end}") == str(results)


def test_a_run_without_answers_yet_is_found_by_its_folder(tmp_path: Path) -> None:
    begin(tmp_path / "out.jsonl")

    assert results_of(f"{tmp_path}/out.run/") == f"{tmp_path}/out.jsonl"


@pytest.mark.parametrize("said", ["out.jsonl", "job.toml", "out.run", "empty.run/", "x/", ""])
def test_what_is_no_folder_of_a_run_stays_as_it_was_said(said: str, tmp_path: Path) -> None:
    (tmp_path / "empty.run").mkdir()

    assert results_of(f"{tmp_path}/{said}") == f"{tmp_path}/{said}"


@pytest.mark.parametrize(
    "command", [["status"], ["show"], ["retry", "-y"], ["export", "-o", "answers.csv"]]
)
def test_commands_about_a_run_take_its_folder(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a run
    prompts, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    prompts.write_text('{"prompt": "Hi."}\n')
    assert answer(["run", str(prompts), "-o", str(out), "-m", "m", "--mock"], Caller()) == 0
    capsys.readouterr()

    # When a command is given its results, and its folder
    name, *flags = [str(tmp_path / one) if one.endswith(".csv") else one for one in command]
    by_results = (answer([name, str(out), *flags], Caller()), capsys.readouterr())
    (tmp_path / "answers.csv").unlink(missing_ok=True)
    by_folder = (answer([name, f"{tmp_path}/out.run/", *flags], Caller()), capsys.readouterr())

    # Then it does the same
    assert by_folder == by_results
    assert by_folder[0] == 0
