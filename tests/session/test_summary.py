"""What people are told to do next."""

from __future__ import annotations

import msgspec
import pytest

from batch.bottleneck import Bottleneck
from batch.session.advice import Closure
from batch.session.summary import Session, Standing, closing_lines, manifest

STANDING = Standing(
    run_id="r1",
    output="/data/out.jsonl",
    folder="/data/out.run",
    shown="out.jsonl",
    created_at=0,
    total=3,
    ok=0,
    failed=3,
    classes={},
    retryable=0,
    tasks=0,
    usage={},
    header={},
)
SESSION = Session(started_at=0.0, seconds=5.0, recorded=0, retries=0, reasons={})


@pytest.mark.parametrize(
    ("classes", "retryable", "then"),
    [
        ({"outcome_unknown": 3}, 0, "wbatch retry out.jsonl --ambiguous"),
        ({"outcome_unknown": 2, "refused": 1}, 0, "out.run/errors.jsonl"),
        ({"outcome_unknown": 2, "timeout": 1}, 1, "wbatch retry out.jsonl"),
        ({"refused": 3}, 0, "mend the lines that out.run/errors.jsonl names, and run again"),
        ({"bad_file": 3}, 0, "put right the files that out.run/errors.jsonl names, then wbatch re"),
        ({"file_gone": 3}, 0, "--only file_gone looks for the files once more"),
        ({"task_failed": 3}, 0, "out.jsonl --only task_failed asks and pays for new work"),
        ({"no_media": 1, "task_lost": 2}, 0, "--only no_media,task_lost asks and pays"),
        ({"invalid_json": 1, "bad_file": 2}, 0, "--keep-answers; put right the files"),
        ({"line_too_long": 3}, 0, "--only line_too_long asks those that a setting has mended"),
    ],
)
def test_what_helps_is_said_last(classes: dict[str, int], retryable: int, then: str) -> None:
    standing = msgspec.structs.replace(STANDING, classes=classes, retryable=retryable)

    assert then in closing_lines(standing, None)[-1]


def test_after_a_rehearsal_it_is_said_that_a_retry_asks_the_mock_again() -> None:
    header = {"identity": {"mock": True}}
    standing = msgspec.structs.replace(STANDING, retryable=1, header=header)

    lines = closing_lines(standing, SESSION)

    assert lines[-1] == "next     wbatch retry out.jsonl, which asks the mock again"


def test_a_log_that_was_moved_has_to_be_back_before_the_run_goes_on() -> None:
    session = msgspec.structs.replace(SESSION, reasons={73: "the file was moved"})

    lines = closing_lines(msgspec.structs.replace(STANDING, total=10), session)

    assert lines[-1] == "next     with that mended, the same command again goes on from here"


@pytest.mark.parametrize("name", ["bad_file", "file_gone", "task_failed", "no_media"])
def test_lines_that_are_not_to_blame_need_no_mending(name: str) -> None:
    standing = msgspec.structs.replace(STANDING, classes={name: 3})

    assert "mend the lines" not in closing_lines(standing, None)[-1]


def test_one_is_not_many() -> None:
    usage = {"input_tokens": 1, "num_usage_unknown": 1, "images": 1, "characters": 2}
    standing = msgspec.structs.replace(STANDING, total=5, tasks=1, usage=usage)
    session = msgspec.structs.replace(SESSION, retries=1, recorded=2)

    said = " ".join(closing_lines(standing, session))

    assert "1 task under way" in said
    assert "1 retry " in said
    assert "1 request did not report" in said
    assert "1 token in" in said
    assert "1 picture ·" in said
    assert "2 characters spoken" in said


CLOSED = Closure(
    code="bad_key",
    key="K",
    place="environment variable K",
    models=(),
    patterns=(),
    message="the gateway refuses this key (HTTP 401)",
    lines=2,
    mended=False,
)


def test_what_is_closed_is_told_in_paragraphs_and_to_programs_in_fields() -> None:
    advice = [["key 'K': refused", "2 lines wait for it."], ["key 'L': refused", "1 line waits."]]
    session = msgspec.structs.replace(
        SESSION, reasons={77: "refused", 130: "by SIGINT"}, closed=[CLOSED], advice=advice
    )
    standing = msgspec.structs.replace(STANDING, total=10)

    lines = closing_lines(standing, session)

    assert lines[:5] == (
        "stopped  by SIGINT",
        "stopped  key 'K': refused",
        "         2 lines wait for it.",
        "stopped  key 'L': refused",
        "         1 line waits.",
    )
    assert lines[-1] == "next     with that mended, the same command again goes on from here"
    assert manifest(standing, session)["x_run"]["blocked"] == [
        {
            "class": "bad_key",
            "key": "K",
            "models": [],
            "message": "the gateway refuses this key (HTTP 401)",
            "lines": 2,
            "answers_again": False,
        }
    ]


def test_tasks_that_go_on_are_said_beside_what_is_pending() -> None:
    standing = msgspec.structs.replace(STANDING, total=10, tasks=7)

    done = next(line for line in closing_lines(standing, None) if line.startswith("done"))

    assert "7 pending · 7 tasks under way" in done


@pytest.mark.parametrize(
    ("seconds", "share", "said"),
    [(60.0, 0.83, True), (60.0, 0.1, False), (5.0, 0.83, False)],
)
def test_what_slowed_a_run_down_is_said_if_it_took_long_and_held_it_back_much(
    seconds: float, share: float, said: bool
) -> None:
    cause = Bottleneck("gateway", "", share, "gateway's limit", "the gateway's limit", "wait")
    session = Session(0.0, seconds, 3, 0, {0: "every line is answered"}, bottlenecks=[cause])

    lines = closing_lines(STANDING, session)

    line = "slowed   by the gateway's limit (83 % of the time): wait"
    assert (line in lines) is said
    assert any(one.startswith("slowed") for one in lines) is said


def test_the_manifest_has_the_share_of_each_cause() -> None:
    causes = [
        Bottleneck("yours", "claude-* with K", 0.71234, "your limit", "your limit", "raise it"),
        Bottleneck("answers", "", 0.2, "slow answers", "slow answers", "wait"),
    ]
    session = Session(0.0, 60.0, 3, 0, {0: "every line is answered"}, bottlenecks=causes)

    assert manifest(STANDING, session)["x_run"]["bottlenecks"] == [
        {"kind": "yours", "key": "claude-* with K", "share": 0.712},
        {"kind": "answers", "key": "", "share": 0.2},
    ]
    assert manifest(STANDING, None)["x_run"]["bottlenecks"] == []


@pytest.mark.parametrize(
    ("spent", "most", "told"),
    [
        (0.000041, 0.0005, "0.000041 of at most 0.000500 USD"),
        (0.0, 5.0, "0.0000 of at most 5.00 USD"),
        (3.14159, 20.0, "3.1416 of at most 20.00 USD"),
    ],
)
def test_what_was_spent_is_told_with_the_decimals_that_tell_something(
    spent: float, most: float, told: str
) -> None:
    budget = {"max_cost": most, "currency": "USD", "spent": spent, "maybe_spent": 0.0}
    session = msgspec.structs.replace(SESSION, budget=budget)

    assert f"cost     {told}" in closing_lines(STANDING, session)


@pytest.mark.parametrize(
    ("read", "written", "total"), [(40, 7, 47), (40, None, 40), (0, 0, 0), (None, None, None)]
)
def test_what_is_known_to_be_nothing_is_nought_and_what_nobody_knows_is_null(
    read: int | None, written: int | None, total: int | None
) -> None:
    usage = {"input_tokens": read, "output_tokens": written}

    assert manifest(msgspec.structs.replace(STANDING, usage=usage), None)["usage"] == {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": None},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": None},
        "total_tokens": total,
    }


def test_a_command_that_is_said_can_be_copied_whatever_the_output_is_called() -> None:
    standing = msgspec.structs.replace(STANDING, shown="my run/out;1.jsonl", retryable=1)

    lines = closing_lines(standing, SESSION)

    assert lines[-1] == "next     wbatch retry 'my run/out;1.jsonl'"
    assert lines[-2].startswith("files    my run/out;1.jsonl · my run/out;1.run/ ")


def test_answers_that_are_all_there_are_to_be_looked_at_next() -> None:
    standing = msgspec.structs.replace(STANDING, ok=3, failed=0)

    last = closing_lines(standing, SESSION)[-1]

    assert last == "next     wbatch show out.jsonl, or wbatch export out.jsonl -o answers.csv"
