"""Labels in records: what stands in ``x_run``, and that no label can spoil the reading of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.ledger.entries import decode_mark, encode_error, encode_result
from batch.records import Answer, Fault, Label, Result, Timing, Vote

ANSWER = Answer(b'{"say":"x"}', "x", "stop", None)


def record(label: Label | None, outcome: Answer | Fault = ANSWER) -> bytes:
    timing = Timing(1_760_000_000.0, 5, 3)
    result = Result(7, 9, "r-7", "m", "/toy", None, timing, outcome, label=label)
    return (encode_result if isinstance(outcome, Answer) else encode_error)(result, "run-abcdef", 0)


TOLD = [
    (None, None),
    (Label("a", 1, (Vote("a"),)), {"value": "a"}),
    (Label("a", 1, (Vote("a", ("case",)),)), {"value": "a", "repaired": ["case"]}),
    (Label("a", 3, (Vote("a"),)), {"value": "a", "requests": 3}),
    (
        Label("a", 3, (Vote("a", ("bare",)), Vote(None), Vote("b")), 1 / 3, tie=True),
        {
            "value": "a",
            "confidence": 0.3333,
            "votes": [{"value": "a", "repaired": ["bare"]}, {"value": None}, {"value": "b"}],
            "tie": True,
            "requests": 3,
        },
    ),
    (
        Label(None, 2, (Vote("a"), Vote("b")), 0.5, tie=True),
        {
            "value": None,
            "confidence": 0.5,
            "votes": [{"value": "a"}, {"value": "b"}],
            "tie": True,
            "abstained": True,
            "requests": 2,
        },
    ),
]


@pytest.mark.parametrize(("label", "told"), TOLD)
def test_a_record_says_what_became_of_the_votes(
    label: Label | None, told: dict[str, Any] | None
) -> None:
    assert orjson.loads(record(label))["x_run"].get("label") == told


def test_an_error_says_what_was_paid_for_it() -> None:
    line = record(Label(None, 3, (Vote(None),), 0.0), Fault("label_invalid", "no"))

    assert orjson.loads(line)["x_run"]["label"] == {"value": None, "requests": 3}


HOSTILE = [
    {"a": 1, "id": "batch_req_abcdef0000000007"},
    [{"x": {"a": 1, "id": "batch_req_"}}, {"y": 2, "id": "batch_req_"}],
    {"x": '},"id":"batch_req_', "id": "batch_req_", "z": '{"x_run":'},
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_label_that_spells_the_end_of_x_run_does_not_end_it(value: Any) -> None:
    line = record(Label(value, 1, (Vote(value),)))

    mark = decode_mark(line)

    assert (mark.line, mark.attempts, mark.model) == (7, 3, "m")
    assert orjson.loads(line)["x_run"]["label"]["value"] == value


def test_what_is_no_record_is_still_none() -> None:
    line = record(Label({"a": 1, "id": "batch_req_"}, 1, (Vote(1),)))

    for broken in (line[: line.index(b'"stop"')], line.replace(b'"line":7', b'"line":x'), b"{}\n"):
        with pytest.raises(ValueError):
            decode_mark(broken)
