"""Model gateways in virtual time: what each takes at once, and what it does with the rest."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

import orjson

from batch.errors import Interrupted
from batch.records import Reply
from tests.sim.buckets import Bucket, declared
from tests.sim.scenario import BY_COUNT, Scenario

EPOCH = 1_760_000_000.0
_THROTTLED = orjson.dumps(
    {"error": {"message": "too many requests", "type": "new_api_error", "code": ""}}
)
_SATURATED = orjson.dumps(
    {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
)
_DEAD = orjson.dumps(
    {"error": {"message": "this token is not valid", "type": "new_api_error", "code": ""}}
)
_BROKEN = orjson.dumps({"error": {"message": "oops", "type": "server_error", "code": ""}})


class Gateway:
    """One gateway that all clients of a simulation ask."""

    def __init__(self, scenario: Scenario, clock: Callable[[], float]) -> None:
        self.scenario = scenario
        self._clock = clock
        self._random = random.Random(f"gateway {scenario.seed} {scenario.case}")
        own = range(scenario.lanes if scenario.slope else 1)
        self._buckets = [Bucket(partial(_capacity, scenario, n), scenario.burst) for n in own]
        self._minute = (-1, 0)  # which, and how many were taken in it
        self._busy: list[float] = []  # when those that are worked on are done
        self._queue: deque[asyncio.Future[None]] = deque()
        self._working = 0
        self._named_at = self._next_pause(scenario.settling)
        self.pauses: list[tuple[float, float]] = []  # that were named
        self._walk = 0.0
        self._of_account = declared(scenario.known)
        self._of_keys = [declared(known) for known in scenario.keys]
        for since, _ in scenario.changes:
            asyncio.get_running_loop().call_later(since, self._start_waiting)

    async def serve(self, lane: int, tokens: int) -> tuple[Reply, float]:
        """Return a reply, and what its work took with the way there and back.

        Raises Interrupted where the connection is reset.
        """
        scenario, sent = self.scenario, self._clock()
        trip = self._draw_trip()
        arrives = sent + scenario.network
        if not scenario.declared:
            # Ways differ. If they did not, two clients could fall into step, each always in time
            # for what the bucket gets, one of them with twice the rate of the other.
            await asyncio.sleep(scenario.network * (0.5 + self._random.random()))
            arrives = self._clock()
        try:
            refusal = self._refuses(arrives, lane, tokens, trip)
        except Interrupted:
            await asyncio.sleep(self._way_back(sent))
            raise
        if refusal is not None:
            await asyncio.sleep(self._way_back(sent))
            status, headers, body = refusal
            return self._reply(sent, status, headers, body), trip
        if scenario.kind == "queue":
            await self._in_line(trip)
        else:
            await asyncio.sleep(max(0.0, sent + trip - self._clock()))
        body = b'{"choices":[{"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}'
        body += b'],"usage":{"prompt_tokens":1,"completion_tokens":%d}}' % max(0, tokens - 1)
        return self._reply(sent, 200, self._headers(), body), trip

    def _way_back(self, sent: float) -> float:
        """Return how long it is until a refusal of what was sent then is there."""
        return max(0.0, sent + 2 * self.scenario.network - self._clock())

    def _reply(self, sent: float, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        ms = round((self._clock() - sent) * 1000)
        return Reply(status, headers, body, EPOCH + sent, ms)

    def _draw_trip(self) -> float:
        scenario, chance = self.scenario, self._random
        if scenario.sigma:
            mu = math.log(scenario.latency) - scenario.sigma**2 / 2
            trip = chance.lognormvariate(mu, scenario.sigma)
        else:
            trip = scenario.latency * (1 + scenario.jitter * (2 * chance.random() - 1))
        return max(trip, 2.5 * scenario.network)

    def _refuses(
        self, now: float, lane: int, tokens: int, trip: float
    ) -> tuple[int, Mapping[str, str], bytes] | None:
        """Return what a request gets that comes now and is not taken; None: it is taken."""
        scenario = self.scenario
        if lane == 0 and scenario.dead_at is not None and now >= scenario.dead_at:
            return 401, {}, _DEAD
        if refusal := self._named(now) or self._fails():
            return refusal
        if not (self._allows(now, lane, tokens) and self._takes(now, lane, trip)):
            if scenario.kind == "reset":
                raise Interrupted("the gateway hung up before it answered")
            return 429, self._headers(), _SATURATED if scenario.upstream else _THROTTLED
        return None

    def _allows(self, now: float, lane: int, tokens: int) -> bool:
        """Keep the declared limits."""
        buckets = self._of_account + (self._of_keys[lane] if self._of_keys else [])
        return all(bucket.take(now, tokens if counts else 1) for counts, bucket in buckets)

    def _takes(self, now: float, lane: int, trip: float) -> bool:
        """Keep the hidden limit."""
        scenario = self.scenario
        if scenario.kind in ("open", "queue"):
            return True
        if scenario.kind == "rate":
            return self._buckets[lane if scenario.slope else 0].take(now)
        if scenario.kind == "minute":
            minute, taken = self._minute
            taken = taken + 1 if minute == now // 60 else 1
            self._minute = (int(now // 60), taken)
            return taken <= 60 * scenario.capacity_at(now)
        assert scenario.kind in BY_COUNT
        while self._busy and self._busy[0] <= now:
            heapq.heappop(self._busy)
        if len(self._busy) >= scenario.capacity_at(now):
            return False
        heapq.heappush(self._busy, now + trip - 2 * scenario.network)
        return True

    async def _in_line(self, trip: float) -> None:
        """Be worked on when it is one's turn."""
        scenario, network = self.scenario, self.scenario.network
        if scenario.declared:
            await asyncio.sleep(network)
        if self._working < self.scenario.capacity_at(self._clock()) and not self._queue:
            self._working += 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            await turn
        try:
            await asyncio.sleep(trip - 2 * network)
        finally:
            self._working -= 1
            self._start_waiting()
        await asyncio.sleep(network)

    def _start_waiting(self) -> None:
        capacity = self.scenario.capacity_at(self._clock())
        while self._queue and self._working < capacity:
            turn = self._queue.popleft()
            if not turn.done():
                self._working += 1
                turn.set_result(None)

    def _next_pause(self, after: float) -> float:
        every = self.scenario.named_every
        return math.inf if every is None else after + every * self._random.uniform(0.1, 1.9)

    def _named(self, now: float) -> tuple[int, Mapping[str, str], bytes] | None:
        """Name a pause now and then, and mean it."""
        named = self.scenario.named_seconds
        if now >= self._named_at:
            self.pauses.append((now, now + named))
            self._named_at = self._next_pause(now + named)
        elif not (self.pauses and now < self.pauses[-1][1]):
            return None
        left = max(1, math.ceil(self.pauses[-1][1] - now - 1e-6))
        body = _SATURATED if self.scenario.upstream else _THROTTLED
        return 429, {"retry-after": str(left)}, body

    def _fails(self) -> tuple[int, Mapping[str, str], bytes] | None:
        failing = self.scenario.failing
        chance = self._random.random() if failing else 1.0
        if chance >= failing:
            return None
        if chance < failing / 3:
            return 429, {}, _SATURATED if self.scenario.upstream else _THROTTLED
        if chance < failing * 2 / 3:
            return 500, {}, _BROKEN
        raise Interrupted("the gateway hung up before it answered")

    def _headers(self) -> Mapping[str, str]:
        told = self.scenario.told
        if not told:
            return {}
        now = self._clock()
        rate = self.scenario.capacity_at(now)
        left = self._buckets[0].level
        missing = self._buckets[0].depth(now) - left
        if told == "minute":
            left = 60 * rate - missing
        elif told != "bucket":
            rate, left, missing = self._others(rate)
        return {
            "x-ratelimit-limit-requests": str(round(60 * rate)),
            "x-ratelimit-remaining-requests": str(max(0, int(left))),
            "x-ratelimit-reset-requests": duration(max(0.0, missing) / rate),
        }

    def _others(self, rate: float) -> tuple[float, float, float]:
        """Return the rate, what is left and what is missing at an upstream that is not ours."""
        chance = self._random
        if self.scenario.told == "walk":
            self._walk = min(3.0, max(-3.0, self._walk + chance.gauss(0, 0.05)))
            rate *= math.exp(self._walk)
        else:
            rate *= 1 / 20 if self.scenario.told == "low" else 10
        missing = 60 * rate * chance.random()
        return rate, 60 * rate - missing, missing


def duration(seconds: float) -> str:
    """Write a time as such headers do: 120ms, 1s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{shown}s" if minutes else f"{shown}s"


def _capacity(scenario: Scenario, lane: int, time: float) -> float:
    return scenario.capacity_at(time, lane)
