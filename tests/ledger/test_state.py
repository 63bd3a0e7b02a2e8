"""What results come to, however many of them are noted together."""

from __future__ import annotations

from typing import Any

import pytest

from batch.ledger.entries import Mark, decode_mark, encode_result
from batch.ledger.state import BLOCK, WORD, History, weighed
from batch.records import Answer, Timing
from batch.usage import Usage
from tests.ledger.kit import HOUR, RUN, USAGE, answered

USUAL: dict[str, Any] = {}


def marks(*changes: dict[str, Any], first: int = 1) -> list[Mark]:
    """What is read back of results, one after the other, each with something changed."""
    results = [answered(line, **changed) for line, changed in enumerate(changes, first)]
    return [decode_mark(encode_result(one, RUN, 0)) for one in results]


def used(usage: Usage | None) -> dict[str, Any]:
    """A result whose answer took this."""
    return {"outcome": Answer(b"{}", None, "stop", usage)}


def noted(*groups: list[Mark]) -> tuple[Any, ...]:
    history = History()
    for group in groups:
        history.note_results(group)
    return history.totals.buckets, history.sums, history.answered.count


@pytest.mark.parametrize(
    "other",
    [
        USUAL,
        {"model": "gpt-4o"},
        {"endpoint": "/v1/embeddings"},
        {"key": "night"},
        {"timing": Timing(HOUR - 1, 840, 1)},
        {"timing": Timing(HOUR + 3600, 840, 1)},
        {"timing": Timing(0.0, 0, 0)},
        {"pack": (0, 2)},
        {"pack": (1, 2)},
        {"maybe_billed": 2},
        used(None),
        used(Usage({})),
        used(Usage(USAGE.counts, "flex")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_results_that_are_noted_together_come_to_what_each_does_alone(
    other: dict[str, Any], place: int
) -> None:
    several = [USUAL] * 3
    several.insert(place, other)
    found = marks(*several)

    assert noted(found) == noted(*[[one] for one in found])


def test_results_of_two_blocks_are_weighed_by_their_own() -> None:
    found = marks(*[USUAL] * 6, first=BLOCK - 3)

    _, sums, _ = noted(found)

    assert sums == [
        sum(weighed(one.line, int(one.sum, 16)) for one in those) & WORD
        for those in (found[:3], found[3:])
    ]


def test_no_results_change_nothing() -> None:
    assert noted([]) == noted()
