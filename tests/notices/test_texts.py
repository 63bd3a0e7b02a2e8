"""What people and programs are told, in words."""

from __future__ import annotations

import orjson
import pytest

from batch.notices.texts import brief, document, headline, text
from tests.notices.ends import PROMPT, ended


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"code": 0}, "triage: every line has an answer"),
        ({"code": 3}, "triage: exit code 3, some lines failed"),
        (
            {"code": 3, "date": "2026-11-26"},
            "triage for 2026-11-26: exit code 3, some lines failed",
        ),
        (
            {"code": 3, "date": "2026-11-26", "before": 2},
            "triage for 2026-11-26 and the 2 days before: exit code 3, some lines failed",
        ),
        ({"code": 0, "rehearsal": True}, "triage (a rehearsal): every line has an answer"),
    ],
)
def test_a_headline_says_whose_run_it_was_and_what_it_came_to(
    facts: dict[str, object], said: str
) -> None:
    assert headline(ended(**facts)) == said  # type: ignore[arg-type]


def test_a_text_is_the_headline_and_the_last_words() -> None:
    assert text(ended(3)).splitlines() == [
        "triage: exit code 3, some lines failed",
        "done     17 ok",
        "next     wbatch retry",
    ]


def test_an_object_has_a_text_for_chats_and_counts_for_programs_and_no_prompt() -> None:
    told = document(ended(3, date="2026-11-26"))

    assert told["text"] == text(ended(3, date="2026-11-26"))
    assert (told["job"], told["date"], told["exit_code"]) == ("triage", "2026-11-26", 3)
    assert told["runs"][0]["request_counts"]["failed"] == 2
    assert told["runs"][0]["x_run"]["reasons"] == {"3": "2 lines failed"}
    assert PROMPT not in orjson.dumps(told).decode()


CUT = "         and 2 more lines about this, said without -q"
LAST = ["done     1 ok", "files    out.jsonl", "next     again"]
SPARE = ["slowed   by your limit", "done     1 ok", "used     2 in", *LAST[1:]]


@pytest.mark.parametrize(
    ("causes", "most", "said"),
    [
        ([], 10, SPARE),
        ([], 4, [*SPARE[1:]]),
        ([], 3, LAST),
        (["stopped  a", "         b"], 7, ["stopped  a", "         b", *SPARE]),
        (["stopped  a", "         b"], 5, ["stopped  a", "         b", *LAST]),
        (
            ["stopped  a", "         b", "         c", "         d"],
            6,
            ["stopped  a", "         b", CUT, *LAST],
        ),
        (["stopped  a"], 0, []),
    ],
)
def test_the_last_words_are_shortened_from_what_can_be_spared(
    causes: list[str], most: int, said: list[str]
) -> None:
    assert brief([*causes, *SPARE], most) == said
