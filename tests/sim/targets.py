"""What the figures of a simulation must be."""

from __future__ import annotations

import msgspec

from tests.sim.measure import Figures
from tests.sim.scenario import Scenario

HIDDEN = 50  # capacity, a second or at once, from which on the full figures hold
LEAST = 0.8  # of an equal share: of two clients each has at least 40 %


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of a scenario's figures; None: no bound."""

    used: float | None = 0.95
    rejected: float | None = 0.01
    changing: float | None = None
    slower: float | None = None
    least: float | None = None  # of the shares, in equal shares
    errors: float = 0.0


def target(scenario: Scenario) -> Target:
    """Return what a scenario must reach."""
    if scenario.declared:
        return _declared(scenario)
    if scenario.failing:
        # What fails here is none of the client's doing; it must not slow down for it.
        return Target(used=0.9, rejected=None, errors=0.003)
    if scenario.kind == "minute":
        # Nobody tells this limit, and it is met once a minute: then all is rejected that is tried.
        return Target(used=0.9, rejected=0.3)
    if least_capacity(scenario) < HIDDEN:
        # So few answers tell so little that the search takes its time; it must not flood meanwhile.
        return Target(used=None, rejected=0.1, errors=0.01 if scenario.kind == "reset" else 0.0)
    return Target(
        changing=0.05 if scenario.changes else None,
        slower=2.0 if scenario.kind == "queue" else None,
        least=LEAST if scenario.shared else None,
        errors=0.001 if scenario.kind == "reset" else 0.0,
    )


def _declared(scenario: Scenario) -> Target:
    weights = scenario.weights
    if scenario.known is not None and scenario.known.rpm and scenario.known.tpm:
        # While a heavy line waits for its tokens, requests pass unused, and the other way round.
        return Target(used=0.9, rejected=0.0 if weights.truth == 1.0 else 0.05)
    if weights.truth == 1.0:
        return Target(used=0.99, rejected=0.0, least=LEAST if scenario.shared else None)
    # Estimates are learned from answers: until the first ones are there, too many tokens go.
    return Target(used=0.9, rejected=0.05)


def least_capacity(scenario: Scenario) -> float:
    """Return the smallest capacity that there is in a scenario: requests a second, or at once.

    Of a rate with long round trips it is what is on the wire that makes it easy to find.
    """
    factors = [1.0, *(factor for _, factor in scenario.changes)]
    lanes = scenario.slope ** (scenario.lanes - 1) if scenario.slope else 1.0
    least = min(factors) * lanes * scenario.capacity
    return least * max(1.0, scenario.latency) if scenario.kind == "rate" else least


def misses(found: Figures, wanted: Target) -> list[str]:
    """Return what was not reached, in words."""
    missed: list[str] = []
    if wanted.used is not None and (found.used is None or found.used < wanted.used - found.grain):
        missed.append(f"used {percent(found.used)} < {percent(wanted.used)}")
    bounds = (
        ("rejected", found.rejected, wanted.rejected),
        ("changing", found.changing, wanted.changing),
        ("errors", found.errors, wanted.errors),
    )
    missed += [
        f"{name} {percent(value)} > {percent(bound)}"
        for name, value, bound in bounds
        if bound is not None and value is not None and value > bound
    ]
    if wanted.slower is not None and (found.slower is None or found.slower > wanted.slower):
        missed.append(f"slower {times(found.slower)} > {times(wanted.slower)}")
    if wanted.least is not None and uneven(found.shares, wanted.least):
        missed.append("shares " + "/".join(percent(share) for share in found.shares))
    return missed


def uneven(shares: tuple[float, ...], least: float) -> bool:
    """Return whether somebody has less than so much of an equal share: 80 % of 50 % are 40 %."""
    return not shares or min(shares) < least / len(shares)


def percent(share: float | None) -> str:
    """Return a share for people."""
    return "-" if share is None else f"{100 * share:.2f}%"


def times(value: float | None) -> str:
    """Return a factor for people."""
    return "-" if value is None else f"{value:.2f}"
