"""Values in documents of others: what is not of the wanted type is as if it were missing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from batch.wire._lenient import count, counts, decoded, first_count, first_text, milliseconds


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (7, 7),
        (7.0, 7),
        (0, 0),
        (7.5, None),
        (-1, None),
        (10**12, None),
        (True, None),
        ("7", None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_a_count_is_a_whole_number_that_json_can_hold(told: Any, known: int | None) -> None:
    assert count(told) == known


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (4, 4000),
        (0.25, 250),
        ("8.5", 8500),
        (0, 0),
        (-1, None),
        ("long", None),
        ("nan", None),
        (float("inf"), None),
        (10**400, None),
        (10**12, None),
        (True, None),
        ([4], None),
        (None, None),
    ],
)
def test_seconds_may_be_told_as_a_number_or_as_a_text(told: Any, known: int | None) -> None:
    assert milliseconds(told) == known


def test_of_several_counts_a_zero_is_taken_only_if_there_is_no_other() -> None:
    assert first_count(None, 0, 3) == 3
    assert first_count(None, 0) == 0
    assert first_count(None, None) is None


def test_of_a_usage_only_the_counts_are_kept() -> None:
    told = {"read": 3, "made": "many", "inside": {"cached": 2, "heard": None}, "other": [1]}

    known = counts(told, ("inside", "missing"))

    assert known["inside"] == {"cached": 2, "heard": None}
    assert known["missing"] == {}
    assert {key: known[key] for key in ("read", "made", "other")} == {
        "read": 3,
        "made": None,
        "other": None,
    }


@pytest.mark.parametrize("body", [b"7", b"{", b'{"a":"\xff"}', b'{"a":1}'])
def test_a_body_that_cannot_be_read_is_as_if_it_said_nothing(body: bytes) -> None:
    decode = msgspec.json.Decoder(dict[str, str]).decode

    assert decoded(decode, b'{"a":"b"}', {}) == {"a": "b"}
    assert decoded(decode, body, {}) == {}


def test_the_first_text_that_says_something_is_found_by_its_path() -> None:
    document = {"a": {"b": ["", {"c": "here"}]}, "id": 7}

    assert first_text(document, "a.b.0", "a.b.9", "a.x.c", "a.b.1.c") == "here"
    assert first_text(document, "id") == "7"
    assert first_text(document, "a") == ""
