"""What docs/nightly.md shows is taken, its commands run, and it says what the rules say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import fields

from batch.cli import answer
from batch.cli.caller import Caller
from batch.fill import Values
from batch.nightly.state import OnFailed, WhenMissing
from batch.session.summary import PRECEDENCE
from batch.settings.config import JOB, read_layer
from batch.settings.tree import NightlySettings, Settings, build

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "nightly.md").read_text(encoding="utf-8")


def test_the_job_that_is_shown_is_taken_and_shows_every_setting(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOC.partition("## When it fails")[0], re.DOTALL)
    job = tmp_path / "job.toml"
    job.write_text(text, encoding="utf-8")
    values = Values({}, lambda: "2026-11-26")

    settings = build(read_layer(str(job), JOB, lambda _: values, required=True).tree, Settings)

    assert settings.nightly is not None
    assert all(f"\n{one.name} = " in text for one in fields(NightlySettings))


def test_the_commands_that_are_shown_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WBATCH_MOCK", "1")  # as this test has no key
    page = DOC.partition("## When it fails")[0]

    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        for line in block.splitlines():
            command = line.partition("#")[0]
            assert answer([*shlex.split(command)[1:], "-q"], Caller()) == 0, line


def test_every_choice_and_every_code_is_named() -> None:
    for word in (*get_args(WhenMissing), *get_args(OnFailed)):
        assert f"`{word}`" in DOC
    assert ", ".join(str(code) for code in PRECEDENCE) in DOC


@pytest.mark.parametrize("name", ["crontab", "wbatch-nightly.service", "cronjob.yaml"])
def test_what_starts_a_night_catches_up(name: str) -> None:
    text = (ROOT / "jobs" / "nightly" / name).read_text(encoding="utf-8").replace('", "', " ")

    assert re.search(r"run -q \S+/nightly_triage\.toml --catch-up 3", text)
