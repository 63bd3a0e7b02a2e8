"""From flags and sections to the script of a run, and what is refused on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch import runs
from batch.cli import answer
from batch.cli.caller import Caller
from batch.errors import BadConfig, BadUsage
from batch.labeling.kinds import Fitting, Labels
from batch.labeling.script import Labeling
from batch.script import AskOnce
from batch.session.event import Event
from batch.session.snapshot import Snapshot
from batch.settings.tree import BadSetting, Settings, build
from batch.shares import script
from tests.cli.fake_engine import FakeEngine

SCHEMA = '{"type": "object", "properties": {"mood": {"enum": ["up", "down"]}}}'


def settings(**label: Any) -> Settings:
    return build({"output": "out.jsonl", "label": label}, Settings)


def test_labels_of_a_flag_are_taken_apart() -> None:
    engine = FakeEngine()

    answer(["run", "a.jsonl", "-o", "o.jsonl", "--labels", "good, not good,bad"], Caller(engine))

    assert engine.settings.label.labels == ("good", "not good", "bad")


def test_a_run_without_labels_asks_once() -> None:
    assert isinstance(script(settings()), AskOnce)


def test_labels_and_schemas_make_a_labeling_run(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(SCHEMA)

    listed = script(settings(labels=["a", "b"], votes=3, tie="abstain"))
    fitting = script(settings(schema=str(path), field="mood"))

    assert isinstance(listed, Labeling)
    assert isinstance(listed.kind, Labels)
    assert listed.identity()["label_votes"] == 3
    assert isinstance(fitting, Labeling)
    assert isinstance(fitting.kind, Fitting)
    assert fitting.identity()["label_field"] == "mood"


def test_a_schema_that_is_written_otherwise_and_says_the_same_is_the_same_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "schema.json"
    path.write_text(SCHEMA)
    before = script(settings(schema=str(path))).identity()

    path.write_text(SCHEMA.replace(" ", "\n "))

    assert script(settings(schema=str(path))).identity() == before


REFUSED = [
    ({"labels": ["a", "b"], "schema": "s.json"}, "give either labels or a schema"),
    ({"votes": 3}, "votes, field and tie are for labels"),
    ({"field": "mood"}, "votes, field and tie are for labels"),
    ({"labels": ["a", "b"], "votes": 0}, "give a whole number of at least 1"),
    ({"labels": ["a", "b"], "retries": -1}, "give a whole number of at least 0"),
    ({"labels": ["a", "b"], "tie": "coin"}, "give one of abstain, first"),
]


@pytest.mark.parametrize(("label", "message"), REFUSED)
def test_what_cannot_be_is_refused_in_words(label: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        settings(**label)


def test_a_schema_that_is_not_there_or_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    with pytest.raises(BadConfig, match=r"schema\.json: No such file"):
        script(settings(schema=str(path)))

    path.write_text("{")
    with pytest.raises(BadConfig, match=r"schema\.json: the label schema is not JSON"):
        script(settings(schema=str(path)))


def test_packs_and_labels_exclude_each_other() -> None:
    tree = {"output": "o", "request": {"pack": 8}, "label": {"labels": ["a", "b"]}}

    with pytest.raises(BadUsage, match="labels are asked for one by one"):
        script(build(tree, Settings))


class Quiet:
    """Watches, and says nothing."""

    def begin(self, total: int, done: int) -> None:
        pass

    def tick(self, now: Snapshot) -> None:
        pass

    def say(self, message: str) -> None:
        pass

    def note(self, event: Event) -> None:
        pass

    def end(self) -> None:
        pass


def test_a_retry_labels_as_the_run_did_although_no_flag_says_so(tmp_path: Path) -> None:
    lines = [
        orjson.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": f"Text {n}"}]})
        for n in range(60)
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    tree = {"inputs": [str(tmp_path / "in.jsonl")], "output": str(tmp_path / "out.jsonl")}
    label = {"labels": ["cat", "dog"], "votes": 2, "retries": 0}
    mock = {"mock": True, "mock_fail": "label=90%"}

    first = asyncio.run(runs.run(build({**tree, "label": label, "run": mock}, Settings), Quiet()))
    retry = asyncio.run(
        runs.retry(build({**tree, "run": {"mock": True}}, Settings), Quiet(), None, False)
    )

    results = (tmp_path / "out.jsonl").read_bytes().splitlines()
    votes = [orjson.loads(one)["x_run"]["label"]["votes"] for one in results]
    assert (first.exit_code, retry.exit_code) == (3, 0)
    assert [len(several) for several in votes] == [2] * 60
