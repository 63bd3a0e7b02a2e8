"""What is put into the texts of a job: variables, and the date of its paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.fill import Filled, Values, fill

VALUES = Values({"A": "one", "B": "{date} ${A}", "EMPTY": ""}, lambda: "2026-11-26")


def _no_date() -> str:
    raise ValueError("no date")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", Filled("plain")),
        ("${A}", Filled("one", ("A",))),
        ("<${A}${A}>", Filled("<oneone>", ("A",))),
        ("${A} ${B}", Filled("one {date} ${A}", ("A", "B"))),
        ("$${A}", Filled("${A}")),
        ("$$${A}", Filled("$${A}")),
        ("$A {A} $", Filled("$A {A} $")),
        ("{date}", Filled("{date}")),
        ('{"a": 1}', Filled('{"a": 1}')),
    ],
)
def test_a_variable_is_put_into_a_text_once_and_nothing_into_what_it_holds(
    text: str, filled: Filled
) -> None:
    assert fill(text, VALUES, path=False) == filled


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("in/{date}.jsonl", Filled("in/2026-11-26.jsonl", (), True)),
        ("{date}/{date}", Filled("2026-11-26/2026-11-26", (), True)),
        ("${A}/{date}", Filled("one/2026-11-26", ("A",), True)),
        ("${B}", Filled("{date} ${A}", ("B",))),
        ("a{}b{-}", Filled("a{}b{-}")),
    ],
)
def test_the_date_is_put_into_paths_alone(text: str, filled: Filled) -> None:
    assert fill(text, VALUES, path=True) == filled


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${NONE}", "needs the variable NONE, which is empty or not set"),
        ("${EMPTY}", "needs the variable EMPTY"),
        ("${", "takes the name of a variable in"),
        ("${A", "takes the name of a variable in"),
        ("${}", "takes the name of a variable in"),
        ("${A:-b}", "takes the name of a variable in"),
        ("{day}", r"holds \{day\}. Of such marks a path may hold \{date\}"),
    ],
)
def test_what_cannot_be_filled_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fill(text, VALUES, path=True)


def test_nobody_is_asked_for_a_date_that_no_path_holds() -> None:
    assert fill("a", Values({}, _no_date), path=True) == Filled("a")


@given(st.text())
def test_a_text_without_a_mark_stays_as_it_is(text: str) -> None:
    if "${" not in text:
        assert fill(text, VALUES, path=False).text == text
