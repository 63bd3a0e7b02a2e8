"""Everything that can happen to a run, in any order, and two broken promises; in small."""

from __future__ import annotations

import pytest

from tests.stateful.mutants import MUTANTS, ROOT, Mutant, caught, fits
from tests.stateful.trial import Size, explore

QUICK = ("an answer counts before it is on stable storage", "a paid failure is billed twice")


def test_whatever_happens_in_whatever_order_the_promises_hold_or_the_run_is_refused() -> None:
    tally = explore(Size(examples=200))

    print(dict(tally.most_common()))
    assert tally["examples"] >= 200
    assert min(tally["crashes"], tally["refusals"], tally["second writers"]) > 200


@pytest.mark.parametrize("name", QUICK, ids=lambda one: one.replace(" ", "-"))
def test_a_broken_promise_is_seen(name: str) -> None:
    (mutant,) = (one for one in MUTANTS if one.name == name)

    assert caught(mutant, examples=60) is not None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name.replace(" ", "-"))
def test_every_mutant_can_still_be_made(mutant: Mutant) -> None:
    assert fits(mutant, (ROOT / "batch" / mutant.file).read_text())
