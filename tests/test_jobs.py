"""The jobs that are shipped run as they are, against the mock."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.init import KINDS

JOBS = Path(__file__).parents[1] / "jobs"
FLAGS = {"nightly_triage": ["--date", "2026-11-26"]}
NAMES = [names[0].removesuffix(".toml") for names in KINDS.values()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the jobs, so that answers are not written beside the originals."""
    return Path(shutil.copytree(JOBS, tmp_path / "jobs"))


@pytest.mark.parametrize("name", NAMES)
def test_a_job_runs_and_running_it_again_sends_nothing(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["run", str(folder / f"{name}.toml"), "--mock", "-q", "--json", *FLAGS.get(name, [])]

    codes = [answer(args, Caller()) for _ in range(2)]

    first, again = map(json.loads, capsys.readouterr().out.splitlines())
    assert codes == [0, 0]
    assert first["request_counts"]["completed"] == first["request_counts"]["total"] > 0
    assert again["request_counts"] == first["request_counts"]
    written = [*folder.glob("*.out.jsonl"), *folder.glob("triage/2*/answers.jsonl")]
    assert len(written) == 1


def test_every_job_has_a_kind_of_its_own_and_all_its_files_are_there() -> None:
    jobs = {
        path.name for path in JOBS.glob("*.toml") if "inputs" in tomllib.loads(path.read_text())
    }

    assert jobs == {names[0] for names in KINDS.values()}
    assert [name for names in KINDS.values() for name in names if not (JOBS / name).is_file()] == []


def test_the_labels_of_a_job_can_be_scored(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(["run", str(folder / "label_reviews.toml"), "--mock", "-q"], Caller())
    out, gold = folder / "label_reviews.out.jsonl", folder / "gold" / "reviews.csv"

    assert answer(["score", str(out), "--gold", str(gold)], Caller()) == 0
    assert "20 of 20 gold lines have a label" in capsys.readouterr().out


def test_the_costs_of_a_job_can_be_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(["run", str(folder / "monthly_costs.toml"), "--mock", "-q"], Caller())
    out, prices = folder / "monthly_costs.out.jsonl", folder / "monthly_costs.prices.toml"
    report = ["report", str(out), "--mock", "--prices", str(prices), "--by", "month,model"]

    assert answer(report, Caller()) == 0
    assert "claude-sonnet-4-5" in capsys.readouterr().out


def test_what_reads_a_run_takes_its_job(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job, gold = str(folder / "label_reviews.toml"), str(folder / "gold" / "reviews.csv")
    answer(["run", job, "--mock", "-q"], Caller())
    commands = (
        ["status", job],
        ["show", job, "1"],
        ["export", job, "-o", str(folder / "labels.csv")],
        ["score", job, "--gold", gold],
        ["retry", job],
    )

    assert [answer(command, Caller()) for command in commands] == [0] * len(commands)
    assert len((folder / "labels.csv").read_text(encoding="utf-8").splitlines()) == 21


def test_the_package_has_the_jobs_of_the_repository() -> None:
    link = JOBS.parent / "batch" / "jobs"

    assert link.is_symlink()
    assert link.resolve() == JOBS
