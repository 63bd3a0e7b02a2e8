"""Every example of docs/python.md runs, in order; the notebook's cells are clean."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import batch
from batch.api.said import NAMES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NOTEBOOK = json.loads((ROOT / "docs" / "python.ipynb").read_text(encoding="utf-8"))


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "sample_inputs", tmp_path / "sample_inputs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}

    for example in EXAMPLES:
        exec(compile(example, "docs/python.md", "exec"), names)

    told = capsys.readouterr().out
    assert len(EXAMPLES) == 5
    assert "4 " in told
    assert "lines are pending" in told
    assert len(batch.read("out2.jsonl")) == len(batch.read("out.jsonl")) > 2


def test_what_the_page_names_is_there() -> None:
    for name in re.findall(r"`batch\.(\w+)", PAGE):
        assert name in batch.__all__, name
    table = PAGE[PAGE.index("## Settings") : PAGE.index("## What goes wrong")]
    for name in re.findall(r"\b(\w+)=", table):
        assert name in NAMES | {"job", "progress"}, name
    rows = PAGE[PAGE.index("| of a result |") :]
    for names in re.findall(r"^\| (`[^|]*`) \|", rows, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(batch.Result, name), name


def test_the_notebook_is_clean() -> None:
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]

    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        compile("".join(cell["source"]), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert len(code) >= 5
