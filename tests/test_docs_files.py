"""Every command of docs/files.md runs, with the sample files, without a key."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.inputs.recognise import recognise
from batch.inputs.settings import Reading
from tests.pages import ROOT, page, steps, words

PAGE = page("files.md")
COMMANDS = re.findall(r"(?:^\$ |`)(wbatch run sample_inputs/[^`\n]+)", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "sample_inputs", tmp_path / "sample_inputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, folder: Path) -> None:
    rehearsal = [] if "--mock" in command else ["--mock"]
    code = answer([*words(command), *rehearsal, "-q"], Caller())

    assert code == 0
    assert (folder / "out.jsonl").read_bytes()


def test_the_page_names_every_sample_of_lines() -> None:
    samples = {path.name for path in (ROOT / "sample_inputs").iterdir() if path.is_file()}

    unnamed = {name for name in samples if f"sample_inputs/{name}" not in PAGE}

    assert unnamed == {"batch_openai.jsonl.gz", "reviews.tsv"}


def test_the_template_of_the_page_is_the_one_in_the_samples() -> None:
    (shown,) = steps(PAGE, "jinja")

    assert shown.text == (ROOT / "sample_inputs" / "review.prompt.txt").read_text(encoding="utf-8")


def test_the_prompts_of_the_page_are_prompts() -> None:
    (lines,) = steps(PAGE, "json")

    assert recognise("p", "p", lines.text.encode(), Reading(asking=True)).kind == "prompts"
