"""A whole simulation: its clients in front of its gateway, from the first second to the last."""

from __future__ import annotations

import asyncio
import gc
import hashlib

from tests.sim.client import Client
from tests.sim.gateways import Gateway
from tests.sim.log import Log
from tests.sim.scenario import Scenario
from tests.virtual import run


class Outcome:
    """What came of a simulation."""

    def __init__(self, scenario: Scenario, log: Log, pauses: list[tuple[float, float]]) -> None:
        self.scenario = scenario
        self.log = log
        self.pauses = pauses  # that the gateway named

    def digest(self) -> str:
        """Return a hash of all that happened: the same for the same scenario."""
        trace = hashlib.sha256()
        for event in (*self.log.sent, *self.log.ended):
            trace.update(repr(tuple(event)).encode())
        return trace.hexdigest()[:16]


def simulate(scenario: Scenario) -> Outcome:
    """Run a scenario in virtual time."""
    # Nothing here lives long in cycles, and looking for them takes a fifth of the time.
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        return run(_simulate(scenario), late=scenario.late)
    finally:
        gc.set_threshold(*thresholds)


async def _simulate(scenario: Scenario) -> Outcome:
    gateway = Gateway(scenario, asyncio.get_running_loop().time)
    log = Log()
    clients = [Client(scenario, n, gateway, log) for n in range(len(scenario.starts))]
    await asyncio.gather(
        *(client.run(start) for client, start in zip(clients, scenario.starts, strict=True))
    )
    return Outcome(scenario, log, gateway.pauses)
