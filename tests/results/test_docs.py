"""Every command of docs/results.md runs, on a run that has what it asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pages import ROOT, Step, page, run, serving, shown, surroundings

KEYS = {"OPENAI_API_KEY": "sk-openai-0123456789", "CLAUDE_KEY": "sk-claude-0123456789"}
COMMANDS = shown(page("results.md"))
ROWS = [{"id": f"row-{n}", "text": f"Row {n} is good.", "gold": "positive"} for n in range(1, 21)]
TEXTS = [{"prompt": f"Text {n}."} for n in range(3)]
ASKING = "wbatch -q run rows.jsonl -p prompt.txt -m gpt-4o-mini -o out.jsonl"
EMBEDDING = "wbatch -q run texts.jsonl -m text-embedding-3-small -o out.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("sample_inputs", "jobs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "prompt.txt").write_text("Is this positive? {{ text }}\n")
    for name, lines in (("rows", ROWS), ("texts", TEXTS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    shutil.copy(ROOT / "sample_inputs" / "raw_chat.jsonl", tmp_path / "prompts.jsonl")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, folder: Path) -> None:
    environ = surroundings(folder, **KEYS)
    if "check" not in command:
        before = Step("sh", EMBEDDING if ".npy" in command else ASKING)
        assert run(before, folder, environ).returncode == 0

    if "--online" in command:
        with serving(*(f"--key={key}=*" for key in KEYS.values())) as url:
            asked = {name: value for name, value in environ.items() if name != "WBATCH_MOCK"}
            done = run(Step("sh", command), folder, asked | {"OPENAI_BASE_URL": url})
    else:
        done = run(Step("sh", command), folder, environ)

    assert done.returncode == 0, done.stderr


def test_the_page_has_commands_of_each_kind() -> None:
    kinds = {command.split()[1] for command in COMMANDS}

    assert kinds == {"check", "show", "export"}
