"""What ``wbatch init`` writes runs as it is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.init import KINDS


def init(kind: str, folder: Path, clock: float | None = None) -> int:
    caller = Caller(clock=time.time if clock is None else lambda: clock)
    return answer(["init", "--kind", kind, str(folder)], caller)


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_runs_as_it_is(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "mine"
    monkeypatch.chdir(tmp_path)

    assert init(kind, folder) == 0
    command = capsys.readouterr().err.splitlines()[-1].removeprefix("next     wbatch ")
    code = answer([*command.split(), "--json", "-q"], Caller())

    summary = json.loads(capsys.readouterr().out)
    assert code == 0
    assert summary["request_counts"]["completed"] == summary["request_counts"]["total"] > 0
    assert [*folder.glob("*.out.jsonl"), *folder.glob("triage/2*/answers.jsonl")]
    assert (folder / ".env.example").is_file()
    assert ".env" in (folder / ".gitignore").read_text().splitlines()


def test_rows_are_of_yesterday_where_the_job_is(tmp_path: Path) -> None:
    init("nightly", tmp_path / "n", clock=1_767_222_000.0)  # midnight in Berlin on New Year's Eve

    assert [one.name for one in (tmp_path / "n" / "inbox").iterdir()] == ["2025-12-31.jsonl"]
    assert "--date 2025-12-31" in (tmp_path / "n" / "nightly_triage.toml").read_text()


def test_what_starts_a_night_names_this_folder_and_this_program(tmp_path: Path) -> None:
    init("nightly", tmp_path / "n")

    for name in ("crontab", "wbatch-nightly.service"):
        text = (tmp_path / "n" / "nightly" / name).read_text()
        assert f" run -q {tmp_path}/n/nightly_triage.toml" in text
        assert "/srv/triage" not in text
    assert "/srv/triage/nightly" in (tmp_path / "n" / "nightly" / "cronjob.yaml").read_text()


def test_nothing_is_written_where_a_file_is_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".gitignore").write_text("mine")

    assert init("label", tmp_path) == 2
    assert ".gitignore is there already, and nothing was written" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == [".gitignore"]


def test_a_folder_that_cron_would_read_otherwise_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("nightly", tmp_path / "100%") == 2
    assert "cron and systemd read some characters" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert init("label", tmp_path / "100%") == 0


def test_a_folder_that_cannot_be_written_is_73(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert init("label", tmp_path / "file" / "below") == 73


def test_a_file_in_the_place_of_the_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")

    assert init(next(iter(KINDS)), taken) == 73

    assert f"{taken} is a file" in capsys.readouterr().err
    assert taken.read_text() == "mine"
