"""Simulate the gate in front of model gateways, in virtual time: single cases, or many seeds.

python -m tests.sim --case a --trace
python -m tests.sim --seeds 1000
python -m tests.sim --again 17        one of these seeds, as it was
"""

from __future__ import annotations

import argparse
import time

from tests.sim.invariants import broken
from tests.sim.measure import Figures, figures
from tests.sim.scenario import PRESETS, Scenario, preset
from tests.sim.seeds import FULL, SMALL, drawn
from tests.sim.show import plot_data, trace
from tests.sim.targets import misses, percent, target, times
from tests.sim.trials import Trial, run_seeds, shown, table
from tests.sim.world import simulate


def main() -> int:
    """Return 0 if everything held."""
    asked = _parser().parse_args()
    budget = SMALL if asked.small else FULL
    if asked.seeds:
        return _many(range(asked.first, asked.first + asked.seeds), budget)
    if asked.again is not None:
        return _one(drawn(asked.again, budget), asked)
    cases = list(PRESETS) if asked.case == ["all"] else asked.case
    return max(_one(preset(case, asked.seed), asked) for case in cases)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sim",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--case", nargs="+", choices=["all", *PRESETS], metavar="CASE")
    what.add_argument("--seeds", type=int, metavar="COUNT", help="how many drawn scenarios")
    what.add_argument("--again", type=int, metavar="SEED", help="one drawn scenario")
    parser.add_argument("--first", type=int, default=0, help="seed to begin --seeds with")
    parser.add_argument("--small", action="store_true", help="draw the sizes that the tests draw")
    parser.add_argument("--seed", type=int, default=0, help="of the chances in a --case")
    parser.add_argument("--trace", action="store_true", help="print a line for each second")
    parser.add_argument("--plot-data", metavar="FILE", help="write the same as JSON")
    return parser


def _one(scenario: Scenario, asked: argparse.Namespace) -> int:
    began = time.process_time()
    outcome = simulate(scenario)
    took = time.process_time() - began
    if asked.trace:
        print(trace(outcome))
    if asked.plot_data:
        plot_data(outcome, asked.plot_data)
    found = figures(outcome)
    wrong = misses(found, target(scenario)) + broken(outcome)
    cost = f"{took:.1f} s, {took / max(1, found.requests) * 1e6:.0f} us each"
    print(f"{scenario.case:<11}{_line(found)}  {outcome.digest()}  [{cost}]  ", end="")
    print("ok" if not wrong else "MISSED: " + "; ".join(wrong), flush=True)
    return 1 if wrong else 0


def _line(found: Figures) -> str:
    shares = "/".join(f"{100 * share:.0f}" for share in found.shares) or "-"
    return (
        f"used {percent(found.used):>8}  rejected {percent(found.rejected):>7}  "
        f"changing {percent(found.changing):>7}  slower {times(found.slower):>5}  "
        f"shares {shares:>6}  errors {percent(found.errors):>6}  requests {found.requests:>7,}"
    )


def _many(seeds: range, budget: int) -> int:
    trials: list[Trial] = []
    for trial in run_seeds(seeds, budget):
        trials.append(trial)
        if trial.failed:
            small = " --small" if budget == SMALL else ""
            print(
                f"{shown(drawn(trial.seed, budget))}: {'; '.join(trial.broken + trial.missed)}\n"
                f"    again: python -m tests.sim --again {trial.seed}{small}",
                flush=True,
            )
    failed = sum(trial.failed for trial in trials)
    print(table(trials))
    seconds = sum(trial.seconds for trial in trials)
    print(f"{len(trials) - failed} of {len(trials)} seeds held; {seconds:,.0f} s of CPU")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
