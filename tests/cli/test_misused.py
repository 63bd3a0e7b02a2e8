"""What is said of a command line that cannot be read: what, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.cli import COMMANDS, answer
from batch.cli.caller import Caller

WITHOUT = ("models", "mock", "completion")  # which need nothing, or a word that is named
WRONG = [
    (["run", "in.jsonl", "-c", "many"], "error: --concurrency: 'many' is no whole number.\n"),
    (["mock", "--port", "x"], "error: --port: 'x' is no whole number.\n"),
    (["mock", "--port", "99999"], "error: --port: 99999 is not at least 0 and at most 65535.\n"),
    (["check", "in.jsonl", "--most", "0"], "error: --most: 0 is not at least 1.\n"),
    (["show", "out.jsonl", "0"], "error: N: 0 is not at least 1.\n"),
    (["run", "in.jsonl", "--max-cost", "much"], "error: --max-cost: 'much' is no number.\n"),
    (["config", "sow"], "error: Invalid value for 'show|schema': 'sow' is not one of"),
    (["rnu"], "error: No such command 'rnu'. Did you mean 'run'?\n"),
]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in WITHOUT])
def test_who_leaves_out_what_a_command_is_about_is_given_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer([name], Caller()) == 2

    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: Missing argument '")
    assert said[1].startswith(f"such as: wbatch {name} ")
    assert said[2] == f"help: wbatch {name} --help"


@pytest.mark.parametrize(("args", "words"), WRONG, ids=lambda one: str(one)[:30])
def test_a_value_that_cannot_be_is_named_in_plain_words(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(args, Caller()) == 2

    assert capsys.readouterr().err.startswith(words)


@pytest.mark.parametrize("name", ["status", "show", "retry"])
@pytest.mark.parametrize("what", ["", "folder"])
def test_what_is_no_run_is_named_with_what_one_is(
    name: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()

    code = answer([name, str(tmp_path / what) if what else ""], Caller())

    assert code == 66
    assert "is no run. Name the file that was given as --output" in capsys.readouterr().err
