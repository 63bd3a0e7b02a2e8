"""The notebook runs from top to bottom in a real kernel, and tables are pandas' own."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

import batch

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def output_of(cell: Any) -> str:
    """Return what a cell shows, as text."""
    texts = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs]
    return "".join(texts)


def test_the_notebook_runs_from_top_to_bottom(folder: Path) -> None:
    notebook = nbformat.read(ROOT / "docs" / "python.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )

    client.execute(env=dict(os.environ))

    shown = [output_of(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert "r2" in shown[0]
    assert "r4" in shown[1]
    assert "40/40" in shown[2]
    assert shown[2].endswith("40")
    assert shown[3] == "0\nResults(labels.jsonl: 40 answers, 0 errors)"
    assert "positive" in shown[4]
    assert "30 lines are pending" in shown[6]
    assert shown[6].endswith("10")


LONG = """
import batch
rows = ({"prompt": str(n)} for n in range(20_000))
batch.run_sync(rows, "out.jsonl", model="m", mock=True, mock_latency=50, concurrency=8)
"""


def test_a_cell_that_is_interrupted_ends_its_run_in_order(folder: Path) -> None:
    manager, out = KernelManager(), folder / "out.jsonl"
    manager.start_kernel(cwd=str(folder), env=dict(os.environ))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        asked = client.execute(LONG)
        while not (out.exists() and out.stat().st_size):
            time.sleep(0.05)
        manager.interrupt_kernel()
        replies = iter(lambda: client.get_shell_msg(timeout=60), None)
        reply = next(one for one in replies if one["parent_header"].get("msg_id") == asked)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert json.loads((folder / "out.run" / "run.json").read_text())["status"] == "cancelled"
    assert 1 <= len(batch.read(out)) < 20_000


ROWS = pd.DataFrame(
    {
        "id": ["a", "b", "c"],
        "text": ["Good.", None, "坏"],
        "stars": [5, 1, 2],
        "when": pd.to_datetime(["2026-11-01", None, "2026-11-03"]),
        "price": [1.5, np.nan, 2.0],
        "bought": pd.array([1, None, 3], dtype="Int64"),
    }
)


def test_a_table_goes_in_and_comes_out_with_its_columns(folder: Path) -> None:
    results = batch.run_sync(
        ROWS, "out.jsonl", model="m", mock=True, prompt="Of {{ stars }} stars.", labels=["x", "y"]
    )

    table = results.to_pandas()

    assert list(table["custom_id"]) == ["a", "b", "c"]
    assert table["output_tokens"].dtype == "Int64"
    assert set(table["label"]) <= {"x", "y"}
    assert list(table["stars"]) == [5, 1, 2]
    assert table["input_text"].tolist() == ["Good.", None, "坏"]
    assert table["when"].tolist() == ["2026-11-01T00:00:00", None, "2026-11-03T00:00:00"]
    assert table["price"].isna().tolist() == [False, True, False]
    assert table["bought"].isna().tolist() == [False, True, False]
    again = batch.run_sync(
        ROWS, "out.jsonl", model="m", mock=True, prompt="Of {{ stars }} stars.", labels=["x", "y"]
    )
    assert again.outcome.summary["x_run"]["recorded"] == 0


def test_the_table_of_the_page_is_made(folder: Path) -> None:
    (example,) = re.findall(r"```python pandas\n(.*?)```", PAGE, re.DOTALL)
    batch.run_sync(ROWS, "labels.jsonl", model="m", mock=True, prompt="?", labels=["x", "y"])
    names: dict[str, Any] = {}

    exec(f"import batch\n{example}".replace("\ntable.", "\nmeans = table."), names)

    assert names["means"].gt(0).all()


def test_columns_are_those_that_are_named_and_errors_have_their_rows(folder: Path) -> None:
    rows: list[dict[str, Any]] = [{"prompt": "a"}, {"prompt": 7}]
    results = batch.run_sync(rows, "out.jsonl", model="m", mock=True)

    table = results.to_pandas(["custom_id", "error", "ms", "body"])

    assert list(table.columns) == ["custom_id", "error", "ms", "body"]
    assert table["error"].tolist() == [None, "invalid_request"]
    assert table["body"][0]["object"] == "chat.completion"
    with pytest.raises(batch.BadUsage, match="columns"):
        results.to_pandas(["colour"])


def test_what_answers_cost_is_a_column(folder: Path) -> None:
    (folder / "p.toml").write_text(
        "[prices.models.m]\ninput_per_mtok = 1e6\noutput_per_mtok = 0\nper_request = 2\n"
    )
    results = batch.run_sync([{"prompt": "a b c"}], "out.jsonl", model="m", mock=True)

    table = results.to_pandas(["cost", "input_tokens"], prices=[Path("p.toml")])

    assert table["cost"].tolist() == (table["input_tokens"] + 2).tolist()
    assert "cost" not in results.to_pandas().columns
    with pytest.raises(batch.BadConfig, match="none"):
        results.to_pandas(prices=["none.toml"])


def test_vectors_are_lists_of_numbers(folder: Path) -> None:
    rows = [{"body": {"model": "text-embedding-3-small", "input": text}} for text in "ab"]
    lines = [
        {"custom_id": f"e{n}", "method": "POST", "url": "/v1/embeddings", **row}
        for n, row in enumerate(rows)
    ]

    table = batch.run_sync(lines, "out.jsonl", mock=True).to_pandas()

    assert np.array(table["embedding"].tolist()).shape[0] == 2
