"""The crashed stories are hard to fool: each harmful change of the protocol is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.mutants import HARMFUL, SURVIVORS, Mutant, tried


def named(mutant: Mutant) -> str:
    return mutant.name.replace(" ", "-")


@pytest.mark.parametrize("mutant", HARMFUL, ids=named)
def test_a_harmful_change_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    assert tried(mutant, tmp_path).caught


@pytest.mark.parametrize("mutant", SURVIVORS, ids=named)
def test_a_change_that_does_no_harm_survives_for_the_reason_that_is_given(
    mutant: Mutant, tmp_path: Path
) -> None:
    outcome = tried(mutant, tmp_path)

    assert mutant.survives
    assert not outcome.caught, f"{mutant.survives}; but: {outcome.said}"
