"""What people are told to do next."""

from __future__ import annotations

import msgspec
import pytest

from batch.summary import Standing, closing_lines

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


@pytest.mark.parametrize(
    ("classes", "retryable", "then"),
    [
        ({"outcome_unknown": 3}, 0, "wbatch retry out.jsonl --ambiguous"),
        ({"outcome_unknown": 2, "refused": 1}, 0, "out.run/errors.jsonl"),
        ({"outcome_unknown": 2, "timeout": 1}, 1, "wbatch retry out.jsonl"),
    ],
)
def test_what_helps_is_said_last(classes: dict[str, int], retryable: int, then: str) -> None:
    standing = msgspec.structs.replace(STANDING, classes=classes, retryable=retryable)

    assert then in closing_lines(standing, None)[-1]


def test_tasks_that_go_on_are_said_beside_what_is_pending() -> None:
    standing = msgspec.structs.replace(STANDING, total=10, tasks=7)

    done = next(line for line in closing_lines(standing, None) if line.startswith("done"))

    assert "7 pending · 7 tasks under way" in done
