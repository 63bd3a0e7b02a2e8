"""Who is measured beside the command, and whether they did all that was asked."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.bench.rivals.commands import ANSWER, RIVALS, complete, installed, write
from tests.proofs.processes import Failed

ROOT = Path(__file__).parents[2]


def test_whoever_is_not_installed_has_no_version(tmp_path: Path) -> None:
    assert installed("flexllm", tmp_path) is None


def test_an_environment_that_was_not_finished_counts_as_none(tmp_path: Path) -> None:
    place = tmp_path / "async-batch-llm" / "lib" / "python3.11" / "site-packages"
    (place / "async_batch_llm-0.28.0.dist-info").mkdir(parents=True)
    before = installed("async-batch-llm", tmp_path)

    (tmp_path / "async-batch-llm" / ".ready").touch()

    assert before is None
    assert installed("async-batch-llm", tmp_path) == "0.28.0"


def test_everybody_is_asked_the_same_prompts(tmp_path: Path) -> None:
    write(tmp_path, 3, stream=False)

    ours = [orjson.loads(line) for line in (tmp_path / "in.jsonl").read_bytes().splitlines()]
    chats = [orjson.loads(line) for line in (tmp_path / "chats.jsonl").read_bytes().splitlines()]
    texts = (tmp_path / "prompts.txt").read_text().splitlines()
    assert [one["body"]["messages"] for one in ours] == [one["messages"] for one in chats]
    assert texts == [one["messages"][0]["content"] for one in chats]


def test_a_missing_answer_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_bytes(2 * (ANSWER + b"\n"))

    complete(tmp_path, 2)
    with pytest.raises(Failed, match="2 answers to 3 lines"):
        complete(tmp_path, 3)


def test_each_rival_has_its_pinned_requirements() -> None:
    for name in RIVALS:
        lines = (ROOT / f"requirements-rivals-{name}.txt").read_text().splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        assert any(line.partition("[")[0].partition("==")[0] == name for line in pins)
        assert all("==" in line for line in pins)
