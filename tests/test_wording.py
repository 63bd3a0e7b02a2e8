"""How numbers stand in messages, and what others chose."""

from __future__ import annotations

import msgspec
import pytest

from batch.session.live import Live, Stamp
from batch.session.snapshot import Snapshot, plain_line, postfix
from batch.wording import agreeing, counted, shown

ALONE = Snapshot(
    total=9,
    done=1,
    ok=1,
    failed=0,
    pending_blocked=0,
    retries=1,
    in_flight=1,
    tasks=1,
    waiting_for=None,
    seconds=1.0,
)
SEVERAL = msgspec.structs.replace(ALONE, retries=2000, tasks=2)


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (2000, "2,000 lines")]
)
def test_a_noun_agrees_with_its_number(count: int, said: str) -> None:
    assert counted(count, "line") == said


def test_a_word_may_have_a_plural_of_its_own() -> None:
    assert counted(1, "retry", "retries") == "1 retry"
    assert counted(2, "retry", "retries") == "2 retries"
    assert [agreeing(count, "was", "were") for count in (0, 1, 2, None)] == [
        "were",
        "was",
        "were",
        "were",
    ]


def test_one_retry_and_one_task_are_said_as_one_beside_the_bar_in_logs_and_in_the_status() -> None:
    def said(state: Snapshot) -> str:
        status = Live(Stamp("run-1", 0.0), state, 0.0).lines()
        return " | ".join([postfix(state), plain_line(state, 1.0), *status])

    alone, several = said(ALONE), said(SEVERAL)

    assert (alone.count("1 retry"), alone.count("1 task")) == (2, 3)
    assert "retries" not in alone
    assert "tasks" not in alone
    assert (several.count("2,000 retries"), several.count("2 tasks")) == (2, 3)


def test_what_others_chose_is_cut_and_printable() -> None:
    assert shown("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert shown("x" * 100, 10) == "x" * 9 + "…"
