"""Whole labeling runs against the mock gateway, in virtual time: with faults, and with crashes."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from batch.labeling.kinds import Labels
from batch.labeling.script import Labeling
from batch.retry import RetryPolicy
from batch.wire import formats
from tests.labeling.rehearsal import MOODS, TOKENS, Rehearsal, reviews, usage_of
from tests.rig import Crashed, Rig

MOOD_LABELS = ("positive", "negative", "neutral")
RIGHT = dict(zip(MOODS, MOOD_LABELS, strict=True))


def rig_in(folder: Path, **more: Any) -> Rig:
    script = Labeling(Labels(MOOD_LABELS), **more)
    return Rig(folder, formats()["chat"], script, concurrency=4)


def recorded(rig: Rig) -> dict[int, list[tuple[int, ...]]]:
    """Return the usage of every paid request that the logs tell of, by line."""
    found: dict[int, list[tuple[int, ...]]] = {}
    for kind in ("part", "billed"):
        for entry in rig.journal(kind):
            found.setdefault(entry["line"], []).append(usage_of(dict(entry)))
    for line, record in rig.results().items():
        found.setdefault(line, []).append(usage_of(record["x_run"]))
    return found


def test_every_line_gets_one_label_and_every_vote_is_counted_once(tmp_path: Path) -> None:
    gateway, rig = Rehearsal("label=20%,429=5%,500=3%,empty-choices=2%"), rig_in(tmp_path, votes=3)

    rig.session(reviews(60), gateway)

    results = rig.results()
    assert results.keys() | rig.errors().keys() == set(range(1, 61))
    assert len(results) >= 55
    for record in results.values():
        label = record["x_run"]["label"]
        assert label["value"] in MOOD_LABELS
        assert len(label["votes"]) == 3
        assert label["requests"] >= 3
        most = Counter(vote["value"] for vote in label["votes"]).most_common(1)[0][1]
        assert label["confidence"] == round(most / 3, 4)
    totals = rig.totals()
    assert {name: totals[name] for name in TOKENS} == gateway.tokens()
    assert gateway.fates["label"] > 20
    assert gateway.fates["fail_429"] > 2


def test_most_labels_are_what_a_person_would_say(tmp_path: Path) -> None:
    rig = rig_in(tmp_path, votes=3)
    lines = reviews(60)

    rig.session(lines, Rehearsal("label=20%"))

    right = sum(
        record["x_run"]["label"]["value"] == RIGHT[MOODS[line % 3]]
        for line, record in rig.results().items()
    )
    assert 50 <= right < 60


def test_a_label_that_is_never_given_is_an_error_that_says_what_was_paid(tmp_path: Path) -> None:
    gateway, rig = Rehearsal("label=100%", seed=3), rig_in(tmp_path, retries=1)

    rig.session(reviews(30), gateway)

    errors = rig.errors()
    assert errors
    for record in errors.values():
        assert record["error"]["code"] == "label_invalid"
        assert record["error"]["message"].endswith("(asked 2 times)")
        assert record["response"]["body"]["choices"]
        assert record["x_run"]["label"] == {"value": None, "requests": 2}
        assert record["x_run"]["class"] == "label_invalid"
    paid = {line: Counter(rows) for line, rows in recorded(rig).items()}
    assert paid == {line: Counter(rows) for line, rows in gateway.billed.items()}


def test_what_was_mended_stands_in_the_record(tmp_path: Path) -> None:
    rig = rig_in(tmp_path)

    rig.session(reviews(40), Rehearsal("label=100%"))

    mended = Counter(
        name
        for record in rig.results().values()
        for name in record["x_run"]["label"].get("repaired", ())
    )
    assert {"fence", "prose", "think", "bare", "case"} <= mended.keys()


@pytest.mark.parametrize("seed", range(6))
def test_crashes_in_the_midst_of_votes_pay_nothing_twice_that_was_on_record(
    tmp_path: Path, seed: int
) -> None:
    chance, crashes = Random(seed), 0
    gateway, rig = Rehearsal("label=25%,429=5%", seed=seed), rig_in(tmp_path, votes=3)
    lines = reviews(24)

    while True:
        left = gateway.calls + chance.randrange(3, 25)
        try:
            rig.session(lines, gateway, crash=lambda left=left: gateway.calls >= left)
        except Crashed:
            crashes += 1
        else:
            break

    assert crashes >= 3
    assert rig.results().keys() | rig.errors().keys() == set(range(1, 25))
    told, lost = recorded(rig), 0
    for line, rows in told.items():
        # Each request on record is one that the gateway has billed, and no other one.
        assert not Counter(rows) - Counter(gateway.billed[line])
        lost += len(gateway.billed[line]) - len(rows)
        record = rig.results().get(line) or rig.errors()[line]
        assert record["x_run"]["label"].get("requests", 1) == len(rows)
    assert lost <= crashes * 2 * rig.concurrency
    totals = rig.totals()
    for n, name in enumerate(TOKENS):
        assert totals[name] == sum(row[n] for rows in told.values() for row in rows)


@pytest.mark.parametrize("crashing", [False, True], ids=["in order", "with crashes"])
@pytest.mark.parametrize("cached", [False, True], ids=["from the logs", "from the checkpoint"])
def test_votes_before_one_that_failed_are_kept_and_a_retry_asks_for_the_others(
    tmp_path: Path, crashing: bool, cached: bool
) -> None:
    chance, crashes, done = Random(7), 0, False
    gateway, rig = Rehearsal("500=30%", seed=5), rig_in(tmp_path, votes=4)
    rig.policy = RetryPolicy(attempts=1)
    rig.session(reviews(20), gateway)
    kept = sum(record["x_run"].get("parts", 0) for record in rig.errors().values())

    while not done:
        if not cached:
            shutil.rmtree(rig.paths.cache, ignore_errors=True)
        left = gateway.calls + chance.randrange(2, 9)
        try:
            crash = (lambda left=left: gateway.calls >= left) if crashing else None
            rig.session(reviews(20), gateway, crash=crash, redo=True)
        except Crashed:
            crashes += 1
        done = len(rig.results()) == 20

    assert kept > 10
    assert (crashes > 3) == crashing
    told, lost = recorded(rig), 0
    for line, rows in told.items():
        assert rig.results()[line]["x_run"]["label"]["requests"] == len(rows) == 4
        assert not Counter(rows) - Counter(gateway.billed[line])
        lost += len(gateway.billed[line]) - len(rows)
    assert lost <= crashes * 2 * rig.concurrency
    totals = rig.totals()
    for n, name in enumerate(TOKENS):
        assert totals[name] == sum(row[n] for rows in told.values() for row in rows)


def test_a_line_that_fits_no_label_is_asked_anew_by_a_retry_with_all_its_votes(
    tmp_path: Path,
) -> None:
    gateway, rig = Rehearsal("label=100%", seed=3), rig_in(tmp_path, votes=2, retries=0)
    rig.session(reviews(60), gateway)
    failed = rig.errors()
    better = Rehearsal()

    rig.session(reviews(60), better, redo=True)

    assert failed
    assert not any("parts" in record["x_run"] for record in failed.values())
    assert better.calls == 2 * len(failed)
    assert not rig.errors()


def test_where_fewer_votes_are_wanted_than_were_cast_each_is_billed_once(tmp_path: Path) -> None:
    gateway, rig = Rehearsal("", seed=4), rig_in(tmp_path, votes=5)
    with pytest.raises(Crashed):
        rig.session(reviews(6), gateway, crash=lambda: gateway.calls >= 18)
    cast = Counter(entry["line"] for entry in rig.journal("part"))

    rig.script = Labeling(Labels(MOOD_LABELS), votes=2)
    rig.session(reviews(6), gateway)

    assert max(cast.values()) > 2
    told = recorded(rig)
    for line, rows in told.items():
        assert not Counter(rows) - Counter(gateway.billed[line])
        assert len(rig.results()[line]["x_run"]["label"]["votes"]) == 2
    totals = rig.totals()
    for n, name in enumerate(TOKENS):
        assert totals[name] == sum(row[n] for rows in told.values() for row in rows)


def test_a_finished_run_asks_nothing_more_and_a_retry_asks_as_before(tmp_path: Path) -> None:
    gateway, rig = Rehearsal("label=100%", seed=3), rig_in(tmp_path, retries=0)
    rig.session(reviews(30), gateway)
    failed, asked = len(rig.errors()), gateway.calls

    rig.session(reviews(30), gateway)
    assert gateway.calls == asked

    rig.session(reviews(30), Rehearsal(), redo=True)
    assert failed > 0
    assert not rig.errors()
    assert all(one["x_run"]["label"]["value"] in MOOD_LABELS for one in rig.results().values())
