"""Do everything to a run that can happen to one, in any order, and look at its promises each time.

python -m tests.stateful --examples 5000
python -m tests.stateful --examples 500 --seed 7     other orders
python -m tests.stateful --mutants                   see it catch what breaks a promise
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.stateful.lives import LIVES
from tests.stateful.mutants import MUTANTS, caught
from tests.stateful.trial import Size, explore


def main() -> int:
    """Return 0 if every promise held, and every mutant was caught."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.stateful",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50, help="rules of an example, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="do not look for a smaller example")
    parser.add_argument("--mutants", action="store_true", help="break the house, and look")
    asked = parser.parse_args()
    if asked.mutants:
        return _mutants(asked.examples)
    began = time.process_time()
    for life in LIVES:
        with tempfile.TemporaryDirectory() as folder:
            life(Path(folder))
    tally = explore(Size(asked.examples, asked.steps, asked.seed, shrink=not asked.quick))
    for what, count in tally.most_common():
        print(f"{count:>9,} {what}")
    print(f"every promise held; {time.process_time() - began:,.0f} s of CPU")
    return 0


def _mutants(examples: int) -> int:
    escaped = 0
    for mutant in MUTANTS:
        broken = caught(mutant, examples)
        escaped += broken is None
        print(f"{mutant.name}: {broken or 'NOT CAUGHT'}", flush=True)
    print(f"{len(MUTANTS) - escaped} of {len(MUTANTS)} mutants caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    raise SystemExit(main())
