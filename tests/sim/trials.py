"""Many seeds: each simulated, measured against what its case must reach, and summed up."""

from __future__ import annotations

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from tests.sim.invariants import broken
from tests.sim.measure import Figures, figures
from tests.sim.scenario import Scenario
from tests.sim.seeds import FULL, drawn
from tests.sim.targets import least_capacity, misses, percent, target, times
from tests.sim.world import simulate

PROCESSES = 2
SEEDS_OF_A_PROCESS = 40  # then a new one takes over, so that memory stays small
HEADINGS = (
    "case         seeds  held  broken  missed  least used  most rejected  changing  slower  "
    "least share  most errors"
)
TWICE_EVERY = 50  # seeds: simulated again, to the same trace


class Trial(msgspec.Struct, frozen=True):
    """What came of one seed."""

    seed: int
    case: str
    figures: Figures
    missed: list[str]  # figures that the case must reach
    broken: list[str]  # what must hold in any case
    seconds: float  # of CPU

    @property
    def failed(self) -> bool:
        """Return whether anything is not as it must be."""
        return bool(self.missed or self.broken)


def judged(scenario: Scenario, twice: bool = False) -> Trial:
    """Simulate a scenario and say what came of it."""
    began = time.process_time()
    outcome = simulate(scenario)
    found = figures(outcome)
    wrong = broken(outcome)
    if twice and simulate(scenario).digest() != outcome.digest():
        wrong.append("the same seed gave another trace")
    took = time.process_time() - began
    missed = misses(found, target(scenario))
    return Trial(scenario.seed, scenario.case, found, missed, wrong, took)


def run_seeds(seeds: Iterable[int], budget: int = FULL) -> Iterator[Trial]:
    """Yield what came of each seed, in any order, from several processes."""
    tasks = [(seed, budget) for seed in seeds]
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES, maxtasksperchild=SEEDS_OF_A_PROCESS) as pool:
        yield from pool.imap_unordered(_try, tasks)


def _try(task: tuple[int, int]) -> Trial:
    seed, budget = task
    return judged(drawn(seed, budget), twice=seed % TWICE_EVERY == 0)


def table(trials: Iterable[Trial], budget: int = FULL) -> str:
    """Return a line for each case: how many seeds held, and the worst figures.

    Of figures only those count that the full bounds are for: of capacities that are not too small.
    """
    cases: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        cases[trial.case].append(trial)
    lines = [HEADINGS]
    for case, listed in sorted(cases.items()):
        found = [trial.figures for trial in listed]
        lines.append(
            f"{case:<12}{len(listed):>6}{sum(not one.failed for one in listed):>6}"
            f"{sum(bool(one.broken) for one in listed):>8}"
            f"{sum(bool(one.missed) for one in listed):>8}"
            f"{percent(_least(one.used for one in found)):>12}"
            f"{percent(_most(one.rejected for one in found)):>15}"
            f"{percent(_most(one.changing for one in found)):>10}"
            f"{times(_most(one.slower for one in found)):>8}"
            f"{percent(_least(min(one.shares) for one in found if one.shares)):>13}"
            f"{percent(_most(one.errors for one in found)):>13}"
        )
    return "\n".join(lines)


def shown(scenario: Scenario) -> str:
    """Return what a scenario is, in a few words."""
    size = f"{scenario.kind} {scenario.capacity:.1f}, latency {scenario.latency:.2f} s"
    full = "" if scenario.declared or least_capacity(scenario) >= 50 else " (small)"
    return f"{scenario.case}: {size}{full}"


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
