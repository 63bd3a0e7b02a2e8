"""Inputs that are too much take no more memory than others: at a sixtieth of their size."""

from __future__ import annotations

import pytest

from tests.catalogues.bad_inputs_heavy import HEAVIES, Heavy, weigh

SCALE = 60


@pytest.mark.parametrize("heavy", HEAVIES, ids=[one.name for one in HEAVIES])
def test_an_input_that_is_too_much_takes_no_more_memory_than_others(heavy: Heavy) -> None:
    weigh(heavy, SCALE)
