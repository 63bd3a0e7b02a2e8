"""A command line of ``run`` in which somebody changes the word."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.check import command as check
from batch.cli.config import command as config
from batch.cli.estimate import command as estimate
from batch.cli.run import command as run

LIKE_RUN = {"check": check, "estimate": estimate}
FLAGS = (
    "-m gpt-4o-mini -o out.jsonl --new-run --name daily --tag team=search --head 2 --no-add-usage "
    "--param max_tokens=50 --votes 1 --timeout 30 -c 4 --rpm 60 --max-attempts 3 --max-cost 5 "
    "--max-duration 2h --confirm-above 2 -y --notify-when always --log-format text "
    "--mock --mock-fail 429=5% --mock-latency 3 --mock-seed 7"
)


@pytest.mark.parametrize("command", [*LIKE_RUN.values(), config])
def test_every_flag_of_run_is_taken(command: click.Command) -> None:
    of_run = {flag for param in run.params for flag in param.opts if flag.startswith("-")}

    assert of_run <= {flag for param in command.params for flag in param.opts}


@pytest.mark.parametrize("name", LIKE_RUN)
def test_the_command_line_of_a_run_is_looked_at_by_changing_the_word(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts, prices = tmp_path / "in.jsonl", tmp_path / "prices.toml"
    prompts.write_text('{"prompt": "Hi."}\n')
    prices.write_text('[prices.models."gpt-4o-mini"]\ninput_per_mtok = 1\noutput_per_mtok = 2\n')

    code = answer([name, str(prompts), "--prices", str(prices), *FLAGS.split()], Caller(environ={}))

    assert code == 0, capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "prices.toml"]


@pytest.mark.parametrize("name", LIKE_RUN)
def test_what_is_wrong_with_a_flag_is_said_also_where_it_makes_no_difference(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "in.jsonl"
    prompts.write_text('{"prompt": "Hi."}\n')

    code = answer([name, str(prompts), "-m", "m", "--mock", "--max-duration", "soon"], Caller())

    assert code == 2
    assert "--max-duration" in capsys.readouterr().err


@pytest.mark.parametrize("name", LIKE_RUN)
def test_the_help_lists_only_what_makes_a_difference(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer([name, "--help"], Caller())

    text = " ".join(capsys.readouterr().out.split())
    assert "It takes every option of run" in text
    assert "--prompt" in text
    assert "--webhook-url" not in text
