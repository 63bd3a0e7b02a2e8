"""Patterns that send each model to a key that may call it: right, and as few as can be."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.suggest import Pattern, literal, suggest

GPT = {"gpt-4o", "gpt-4o-mini", "gpt-5", "tts-1", "whisper-1"}
CLAUDE = {"claude-sonnet-4-5", "claude-opus-4-1"}
GEMINI = {"gemini-2.5-flash", "gemini-2.5-pro"}
CASES = [
    ({"A": GPT}, ["* A"]),
    ({"A": GPT, "B": CLAUDE}, ["claude-* B", "* A"]),
    ({"B": CLAUDE, "A": GPT}, ["claude-* B", "* A"]),
    ({"A": GPT, "B": CLAUDE, "C": GEMINI}, ["claude-* B", "gemini-* C", "* A"]),
    # A pattern reaches as far as its key: other models of the family are another key's.
    ({"A": GPT, "B": {"gpt-image-1"}}, ["gpt-image-* B", "* A"]),
    ({"A": GPT, "B": {"gpt-5-pro", "gpt-5-codex"}}, ["gpt-5-* B", "* A"]),
    ({"A": {"m-1", "m-2", "m-3"}, "B": {"m-4"}}, ["m-4 B", "* A"]),
    ({"A": GPT, "B": {"veo3", "veo3-fast"}}, ["veo3 B", "veo3-* B", "* A"]),
    ({"A": GPT, "B": {"mj_imagine", "mj_blend"}}, ["mj_* B", "* A"]),
    ({"A": GPT, "B": {"deepseek/r1", "deepseek/v3"}}, ["deepseek/* B", "* A"]),
    # Both may call some: nothing is said of those.
    ({"A": GPT | CLAUDE, "B": CLAUDE}, ["* A"]),
    ({"A": GPT | {"claude-opus-4-1"}, "B": CLAUDE}, ["claude-* B", "* A"]),
    # The fewest patterns, though A may call more models.
    (
        {"A": {"a-1", "b-1", "c-1", "d-1"}, "B": {"x-1", "y-1", "z-1"}},
        ["x-* B", "y-* B", "z-* B", "* A"],
    ),
    ({"A": {"a-1", "a-2", "a-3"}, "B": {"x-1", "y-1"}}, ["a-* A", "* B"]),
    ({"A": {"a[1]*", "b"}, "B": {"a[1]?"}}, ["a[[]1][?]* B", "* A"]),
    ({"A": {"m--1", "m-1", "m-2"}, "B": {"m--2"}}, ["m--2 B", "* A"]),
    ({"A": GPT, "B": set()}, ["* A"]),
    ({"A": set()}, []),
    ({}, []),
]


def said(grants: dict[str, set[str]]) -> list[str]:
    return [f"{one.match} {one.key}" for one in suggest(grants)]


@pytest.mark.parametrize(("grants", "patterns"), CASES)
def test_families_of_models_go_to_the_key_that_may_call_them(
    grants: dict[str, set[str]], patterns: list[str]
) -> None:
    assert said(grants) == patterns


NAMES = st.one_of(
    st.text(min_size=1, max_size=6),
    st.lists(
        st.sampled_from(["gpt", "4o", "mini", "*", "[a]", "?", "-", "_", "/", "!"]), min_size=1
    )
    .map("".join)
    .filter(lambda name: len(name) < 20),
)


@st.composite
def many_grants(draw: st.DrawFn) -> dict[str, set[str]]:
    names = draw(st.lists(NAMES, min_size=1, max_size=12, unique=True))
    keys = draw(st.integers(1, 4))
    some = st.sets(st.sampled_from(names))
    return {f"K{number}": draw(some) for number in range(keys)}


@given(many_grants())
def test_every_model_meets_first_a_pattern_of_a_key_that_may_call_it(
    grants: dict[str, set[str]],
) -> None:
    patterns = suggest(grants)

    for model in set().union(*grants.values()):
        first = next(one for one in patterns if fnmatchcase(model, one.match))
        assert model in grants[first.key], (model, patterns)


@given(many_grants())
def test_no_pattern_but_the_last_matches_what_its_key_may_not_call(
    grants: dict[str, set[str]],
) -> None:
    patterns = suggest(grants)
    models = set().union(*grants.values())

    assert [one.match for one in patterns[-1:]] == (["*"] if models else [])
    for one in patterns[:-1]:
        assert {model for model in models if fnmatchcase(model, one.match)} <= grants[one.key]
    assert len(set(patterns)) == len(patterns)


@st.composite
def small_grants(draw: st.DrawFn) -> dict[str, set[str]]:
    names = ["a-x", "a-y", "a-x-1", "a-x-2", "b-x", "b"]
    return {key: draw(st.sets(st.sampled_from(names))) for key in ("K0", "K1", "K2")}


@settings(max_examples=60, deadline=None)
@given(small_grants())
def test_no_fewer_patterns_of_the_kind_would_do(grants: dict[str, set[str]]) -> None:
    models = set().union(*grants.values())
    matches = [*(f"{start}*" for start in ("a-", "a-x-", "b-")), *map(literal, models)]
    good = [
        Pattern(match, key)
        for match, key in product(matches, grants)
        if {model for model in models if fnmatchcase(model, match)} <= grants[key]
    ]

    fewer = range(len(suggest(grants)) - 1)
    for some in chain.from_iterable(combinations(good, number) for number in fewer):
        rest = {m for m in models if not any(fnmatchcase(m, one.match) for one in some)}
        assert not any(rest <= granted for granted in grants.values())
