"""The state machine, run at a size: the same examples each time for the same seed."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.machine import life


class Size(msgspec.Struct, frozen=True):
    """How much is tried."""

    examples: int
    steps: int = 50  # rules of an example, at most
    seed: int = 0  # 0: the examples that the tests see
    shrink: bool = True


def explore(size: Size) -> Counter[str]:
    """Try so many examples; return how often what was done. Raises what broke."""
    tally: Counter[str] = Counter()
    phases = (Phase.generate, Phase.shrink) if size.shrink else (Phase.generate,)
    with tempfile.TemporaryDirectory() as folder:
        machine = life(Path(folder) / "life", tally)
        if size.seed:
            machine = seed(size.seed)(machine)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=size.examples,
                stateful_step_count=size.steps,
                derandomize=not size.seed,
                phases=phases,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )
    return tally
