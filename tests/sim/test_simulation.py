"""The gate with its retries in front of model gateways, in virtual time; a hundred drawn ones."""

from __future__ import annotations

import msgspec
import pytest

from tests.sim.measure import figures
from tests.sim.scenario import Scenario, preset
from tests.sim.seeds import SMALL, drawn
from tests.sim.trials import judged, shown
from tests.sim.world import simulate

SEEDS = range(100)
# Limits that nobody declares: counted by rate; queued, or reset, above a number at once; changing
# tenfold; with a Retry-After now and then; shared; with headers, honest or of somebody else; and
# limits that are declared.
CASES = ("a", "b", "c", "d", "e", "f", "g", "h-low", "h-high", "k")


@pytest.mark.parametrize("seed", SEEDS)
def test_in_front_of_a_drawn_gateway_nothing_breaks_that_must_hold(seed: int) -> None:
    trial = judged(drawn(seed, SMALL))

    again = f"again: python -m tests.sim --again {seed} --small --trace"
    assert not trial.broken, f"{shown(drawn(seed, SMALL))}: {trial.broken}; {again}"


@pytest.mark.parametrize("case", CASES)
def test_a_gateway_is_used_and_not_flooded(case: str) -> None:
    trial = judged(preset(case, seed=0))

    assert not trial.failed, f"{trial.broken + trial.missed}; python -m tests.sim --case {case}"


def test_two_equal_clients_share_a_rate_evenly_whatever_chance_does() -> None:
    trial = judged(preset("f", seed=3))

    assert not trial.failed, trial.missed


@pytest.mark.parametrize("seed", [131, 163])
def test_no_line_is_so_unlucky_that_rejections_are_its_end(seed: int) -> None:
    """While the limit is found out, a line that knocks again at once is rejected six times."""
    trial = judged(drawn(seed))

    assert not trial.broken
    assert trial.figures.errors == 0


@pytest.mark.parametrize("seed", [158, 309])
def test_a_run_that_another_has_pushed_aside_comes_back(seed: int) -> None:
    """Where answers take long and others take what there is, it is left with next to nothing."""
    trial = judged(drawn(seed))

    assert not trial.failed, trial.broken + trial.missed


def test_a_limit_below_one_call_at_a_time_is_found_too() -> None:
    """Sixty calls a minute, each answered in a third of a second."""
    outcome = simulate(
        Scenario(case="", seed=3, capacity=1.0, latency=0.3, burst=1.0, seconds=300.0)
    )

    found = figures(outcome)

    assert found.errors < 0.01
    assert found.rejected < 0.2


def test_calls_that_fail_by_chance_slow_nobody_down_for_good() -> None:
    """A cluster of them looks like load, and what is cut then comes on no size for long."""
    trial = judged(drawn(314))

    assert not trial.failed, trial.missed


@pytest.mark.parametrize(("a_minute", "latency"), [(3, 5.0), (12, 2.0)])
def test_lines_that_wait_for_hours_before_they_are_sent_end_well(
    a_minute: int, latency: float
) -> None:
    capacity = a_minute / 60
    low = Scenario(case="low", kind="rate", capacity=capacity, latency=latency, burst=1 / capacity)

    trial = judged(msgspec.structs.replace(low, seconds=1_500))

    assert trial.figures.errors == 0


def test_nobody_stays_stuck_where_a_tenth_of_the_calls_at_once_is_left() -> None:
    """Calls that go after a pause are rejected before the others of them are answered."""
    trial = judged(preset("d-count", seed=0))

    assert not trial.broken
    assert trial.figures.used > 0.85


@pytest.mark.parametrize("seed", [3, 8, 14, 16])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    scenario = drawn(seed, SMALL)

    first, second = simulate(scenario), simulate(scenario)

    assert first.digest() == second.digest()


def test_another_seed_gives_another_trace() -> None:
    scenario = drawn(9, SMALL)

    one, other = simulate(scenario), simulate(msgspec.structs.replace(scenario, seed=1))

    assert one.digest() != other.digest()
