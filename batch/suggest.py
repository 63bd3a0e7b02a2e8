"""Which patterns of models send each model to a key that may call it.

As few as can be of one kind: the beginning of a name up to a sign between its words, such as
``claude-*``, and at the end ``*`` for one key that may call all that is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

import msgspec

Grants = Mapping[str, AbstractSet[str]]  # key → models that it may call, in the order of preference


class Pattern(msgspec.Struct, frozen=True):
    """Models, and the key for them."""

    match: str
    key: str


def suggest(grants: Grants) -> list[Pattern]:
    """Return patterns in the order in which they are to be tried; none if no key may call anything.

    Every listed model meets first a pattern of a key that may call it. All patterns but the last
    match no listed model which their key may not call, in whatever order they are tried.
    """
    branches = _branches(frozenset().union(*grants.values()))
    ways = [
        [*_apart(branches, grants, last), Pattern("*", last)] for last in grants if grants[last]
    ]
    # Of two ways of one length, the one whose last key may call more; min takes the first such.
    return min(ways, key=lambda way: (len(way), -len(grants[way[-1].key])), default=[])


def literal(text: str) -> str:
    """Return a pattern that matches this text alone."""
    return re.sub(r"([*?[])", r"[\1]", text)


def _branches(models: Iterable[str]) -> dict[str, set[str]]:
    """Return the beginnings of the names, each with the models that have it."""
    branches: dict[str, set[str]] = {}
    for model in models:
        for start in _starts(model):
            branches.setdefault(start, set()).add(model)
    return branches


def _starts(model: str) -> list[str]:
    """Return the beginnings of a name that end with a sign between words, the shortest first.

    Each sign ends one, so that of two names every common beginning of this kind is one of both.
    """
    return [model[: sign.end()] for sign in re.finditer(r"[\W_]", model)]


def _apart(branches: Mapping[str, AbstractSet[str]], grants: Grants, last: str) -> list[Pattern]:
    """Return patterns for the models that ``last`` may not call.

    The beginnings of names are a tree. A model needs one good branch above it, and the widest one
    serves most others too: so no fewer branches would do.
    """
    others = frozenset().union(*grants.values()) - grants[last]
    good = (next(_good(model, branches, grants)) for model in sorted(others))
    return list(dict.fromkeys(good))


def _good(
    model: str, branches: Mapping[str, AbstractSet[str]], grants: Grants
) -> Iterator[Pattern]:
    """Yield patterns for a model whose key may call all that they match, the widest first."""
    for start in _starts(model):
        for key, granted in grants.items():
            if branches[start] <= granted:
                yield Pattern(f"{literal(start)}*", key)
    yield from (Pattern(literal(model), key) for key in grants if model in grants[key])
