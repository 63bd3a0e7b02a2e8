"""One client: the real gate, deliveries and retries, in front of a simulated gateway.

Nothing is written and nothing is read: lines are made up, records and entries are kept in lists.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec

from batch.deliver import Deliver, Halves
from batch.errors import Blocked, CallFailed
from batch.gate.gate import Gate
from batch.gate.lane import Lane
from batch.gate.settings import GateSettings, KeyLimits
from batch.gate.visit import Visit
from batch.ledger.entries import Entry
from batch.means import Means
from batch.pool import Pool
from batch.records import Answer, Call, Fault, Reply, Row
from batch.retry import RetryPolicy
from batch.script import AskOnce
from batch.secret import Secret
from batch.wire import formats
from tests.sim.gateways import EPOCH, Gateway
from tests.sim.lines import model_of, row, told
from tests.sim.log import Ended, Log, Sample, Sent
from tests.sim.scenario import Scenario

SAMPLE_SECONDS = 0.25  # at the least
SAMPLES = 2000  # at the most
# For the lines that are in hand when nothing new is begun: longer than any of them may take.
LONGEST_DRAIN = 3 * 3600.0


class NoJournal:
    """A journal of which nothing is ever read."""

    behind = False

    def note(self, entry: Entry) -> None:
        pass

    async def keep(self, entry: Entry) -> None:
        pass

    async def room(self) -> None:
        pass


class NoMedia:
    """No answer of a simulation holds any."""

    async def keep(self, answer: Answer) -> Answer:
        raise AssertionError("a simulated answer holds no media")


class WatchedGate(Gate):
    """A gate that remembers when each call came to it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: dict[int, float] = {}
        self._time: Callable[[], float] = args[2]

    def admit(self, lane: Lane, model: str, call: Call, *rest: Any, **more: Any) -> Visit:
        self.asked[id(call)] = self._time()
        return super().admit(lane, model, call, *rest, **more)


class Client:
    """One engine with its lines."""

    def __init__(self, scenario: Scenario, number: int, gateway: Gateway, log: Log) -> None:
        self._scenario = scenario
        self._number = number
        self._gateway = gateway
        self._log = log
        self._clock = asyncio.get_running_loop().time
        self._chance = random.Random(f"client {number} {scenario.seed} {scenario.case}")
        self._models = [model_of(n) for n in range(scenario.lanes)]
        keys = [(model, Secret(f"KEY_{model}", f"sk-{model}")) for model in self._models]
        self.gate = WatchedGate(settings(scenario), keys, self._clock)
        self._pool = Pool(self.gate.at_once, self._work)
        self._closed: set[str] = set()  # lanes whose key is dead
        self._lines = 0
        self._ending = False
        self._deliver = Deliver(
            Means(
                script=AskOnce(),
                formats=formats(),
                gate=self.gate,
                transport=self,
                journal=NoJournal(),
                media=NoMedia(),
                policy=RetryPolicy(),
                resting=self._pool.resting,
                sleep=asyncio.sleep,
                chance=self._chance.random,
                clock=self._clock,
                now=lambda: EPOCH + self._clock(),
                retried=lambda line, attempts, failure, wait: None,
            )
        )

    async def run(self, start: float) -> None:
        """Deliver lines until nothing new is to be begun, and then those that were."""
        await asyncio.sleep(start)
        sampling = asyncio.ensure_future(self._sample())
        for model in self._models:
            self._pool.start(model)
        over = asyncio.ensure_future(self._pool.over.wait())
        await asyncio.wait({over}, timeout=self._scenario.seconds - start)
        self._ending = True
        await asyncio.wait({over}, timeout=LONGEST_DRAIN)
        sampling.cancel()
        over.cancel()
        await self._pool.stop()
        if self._pool.failure is not None:
            raise self._pool.failure

    async def send(self, call: Call, secret: Secret | None, *_: object) -> Reply:
        """Put a call on the simulated wire: this client is its own transport."""
        assert isinstance(call.payload, bytes)
        line, lane, tokens = told(call.payload)
        asked, sent = self.gate.asked.pop(id(call)), self._clock()
        outcome, trip = "cancelled", 0.0
        try:
            reply, trip = await self._gateway.serve(lane, tokens)
            outcome = "ok" if reply.status == 200 else str(reply.status)
        except CallFailed as failure:
            outcome = failure.code
            raise
        else:
            return reply
        finally:
            times = asked, sent, self._clock()
            self._log.sent.append(Sent(self._number, line, lane, *times, outcome, trip, tokens))

    async def _work(self, name: str) -> None:
        lane = self._models.index(name)
        while not (self._ending or name in self._closed or self._pool.beyond(name) > 0):
            self._pool.call_in(name)
            line = self._next_line(lane)
            began = self._clock()
            try:
                outcome = await self._deliver([line])
            except Blocked:
                self._record(line.ordinal, "blocked", 0, began)
                self._closed.add(name)
                return
            assert not isinstance(outcome, Halves)
            fault, attempts = outcome[0].outcome, outcome[0].timing.attempts
            self._record(
                line.ordinal, fault.code if isinstance(fault, Fault) else "ok", attempts, began
            )

    def _next_line(self, lane: int) -> Row:
        """Make up a line."""
        weights, chance = self._scenario.weights, self._chance
        heavy = weights.share and chance.random() < weights.share
        self._lines += 1
        self._log.begun += 1
        estimate = weights.heavy if heavy else weights.light
        return row(self._lines, lane, estimate, weights.truth)

    def _record(self, line: int, outcome: str, attempts: int, began: float) -> None:
        self._log.ended.append(Ended(self._number, line, outcome, attempts, began, self._clock()))

    async def _sample(self) -> None:
        pause = max(SAMPLE_SECONDS, self._scenario.seconds / SAMPLES)
        while True:
            self._log.samples.append(self._look())
            await asyncio.sleep(pause)

    def _look(self) -> Sample:
        now = self._clock()
        lane = self.gate.lane(self._models[0])
        account = lane.account
        paces = [pace for side in (account, lane) if (pace := pace_of(side)) is not None]
        return Sample(
            client=self._number,
            at=now,
            account=account.slots.window.limit,
            lane=lane.slots.window.limit,
            in_flight=account.slots.taken,
            paused=account.schedule.until > now or lane.schedule.until > now,
            pace=min(paces, default=None),
        )


def pace_of(side: object) -> float | None:
    """Return the rate at which a side of the gate lets calls go, if it has found one."""
    rate: float | None = getattr(getattr(side, "pace", None), "rate", None)
    return rate


def settings(scenario: Scenario) -> GateSettings:
    """Return what is declared to the gate."""
    keys = tuple(
        KeyLimits(match=model_of(n), **msgspec.structs.asdict(known))
        for n, known in enumerate(scenario.keys)
    )
    known = msgspec.structs.asdict(scenario.known) if scenario.known else {}
    return GateSettings(concurrency=scenario.ceiling, keys=keys, **known)
