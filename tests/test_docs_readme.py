"""The README has the same commands in both languages, and they run in their order."""

from __future__ import annotations

import ast
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.session.summary import PRECEDENCE
from tests.pages import (
    READMES,
    ROOT,
    Step,
    mentioned,
    page,
    run,
    serving,
    shown,
    steps,
    surroundings,
)
from tests.recipes import put

ENGLISH, CHINESE = map(page, READMES)
TYPED = re.compile(r"(?:\S*/)?wbatch |mkdir ")  # the targets of make .ci/run has
KEYS = {"OPENAI_API_KEY": "sk-openai-0123456789", "CLAUDE_KEY": "sk-claude-0123456789"}
# A demand that the mock gateway's labels do not meet is what the command is for.
MAY_BE_LESS = "--min-accuracy"


def commands(text: str) -> list[str]:
    """Return what a reader can type in a block."""
    return [one for one in shown(text) if TYPED.match(one)]


def blocks(text: str) -> list[list[str]]:
    """Return the commands of each block, and those in sentences one by one."""
    every = (f"```console\n{step.text}```\n" for step in steps(text, "console"))
    return [found for found in map(commands, every) if found] + [[one] for one in mentioned(text)]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with serving(*(f"--key={key}=*" for key in KEYS.values())) as url:
        yield url


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{name}-{block[0]}")
        for name in READMES
        for block in blocks(page(name))
    ],
)
def test_the_commands_of_a_block_run_one_after_the_other(
    block: list[str], gateway: str, tmp_path: Path
) -> None:
    put(tmp_path, model="gpt-4o-mini")
    shutil.copytree(ROOT / "sample_inputs", tmp_path / "sample_inputs")
    environ = surroundings(tmp_path, OPENAI_BASE_URL=gateway, **KEYS)
    before = ["wbatch -q run texts.jsonl -o runs/texts.jsonl"] if "runs/" in str(block) else []

    for command in [*before, *block]:
        done = run(Step("sh", command.replace(".venv/bin/", "")), tmp_path, environ)
        codes = (0, 3) if MAY_BE_LESS in command else (0,)
        assert done.returncode in codes, f"{command}\n{done.stderr}"


@pytest.mark.parametrize("name", READMES)
def test_what_is_python_runs_in_a_notebook(name: str, gateway: str, tmp_path: Path) -> None:
    put(tmp_path)
    environ = surroundings(tmp_path, OPENAI_BASE_URL=gateway, **KEYS)

    for block in steps(page(name), "python"):
        cell = f"compile({block.text!r}, 'cell', 'exec', {ast.PyCF_ALLOW_TOP_LEVEL_AWAIT})"
        script = f"import asyncio\nasyncio.run(eval({cell}, vars()))"
        done = run(Step("python", script), tmp_path, environ)
        assert done.returncode == 0, done.stderr
        assert "p5" in done.stdout


def test_both_readmes_have_the_same_commands() -> None:
    missing = [one for one in commands(ENGLISH) if one not in commands(CHINESE)]

    assert missing == []


def test_both_readmes_have_the_same_settings() -> None:
    english, chinese = (
        [tomllib.loads(step.text) for step in steps(text, "toml")] for text in (ENGLISH, CHINESE)
    )

    assert english == chinese


def test_every_exit_code_is_in_the_readme() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", CHINESE, re.MULTILINE)

    assert {int(code) for codes in rows for code in codes.split(",")} == set(PRECEDENCE)
