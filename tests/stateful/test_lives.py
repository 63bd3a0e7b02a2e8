"""Short lives of a run, in which something was found or is seldom met by chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stateful.lives import LIVES


@pytest.mark.parametrize("life", LIVES, ids=lambda one: one.__name__.replace("_", "-"))
def test_a_short_life_keeps_every_promise(life: Callable[[Path], None], tmp_path: Path) -> None:
    life(tmp_path)
