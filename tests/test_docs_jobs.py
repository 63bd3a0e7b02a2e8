"""What docs/jobs.md shows is taken, and its commands run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.fill import Values
from batch.settings.config import JOB, read_layer
from batch.settings.tree import Settings, build
from tests.pages import ROOT, page, steps, words

DOC = page("jobs.md")
TOML = [step.text for step in steps(DOC, "toml")]
BLOCKS = [step.text for step in steps(DOC, "sh")]


@pytest.mark.parametrize("text", TOML)
def test_a_job_that_is_shown_is_taken(text: str, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text(text, encoding="utf-8")
    values = Values({"GATEWAY": "https://gateway.example"}, lambda: "2026-11-26")

    layer = read_layer(str(job), JOB, lambda _: values, required=True)

    assert build(layer.tree, Settings).inputs


@pytest.mark.parametrize("block", BLOCKS)
def test_a_command_that_is_shown_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WBATCH_MOCK", "1")  # as this test has no key
    monkeypatch.chdir(shutil.copytree(ROOT / "jobs", tmp_path / "jobs"))

    for line in block.splitlines():
        command = line.partition("#")[0].partition(">")[0]
        assert answer([*words(command), "-q"], Caller()) == 0, line


def test_every_kind_of_mark_and_layer_is_described() -> None:
    assert len(TOML) == 2
    assert len(BLOCKS) == 3
    for word in ("${NAME}", "{date}", "$${", ".env", "--env-file", "WBATCH_", "config.toml"):
        assert word in DOC
