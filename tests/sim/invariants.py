"""What must hold in every simulation, whatever the gateway does. Each returns what broke it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from batch.errors import CallFailed, Interrupted, ServerTrouble
from batch.gate.retry_budget import FIRST, PER_ANSWER, PER_SECOND
from batch.retry import rule_of
from tests.gate.world import most_above
from tests.sim.buckets import depth_of
from tests.sim.log import Sent
from tests.sim.measure import OK
from tests.sim.scenario import BY_COUNT, Known, Scenario
from tests.sim.world import Outcome

# Failures whose repeat must be granted by the account's budget, by outcome.
_KINDS: dict[str, type[CallFailed]] = {"500": ServerTrouble, "interrupted": Interrupted}
BUDGETED = frozenset(name for name, kind in _KINDS.items() if rule_of(kind).budgeted)
ROUNDING = 1e-6


def broken(outcome: Outcome) -> list[str]:
    """Return every invariant that does not hold, in words."""
    return [
        *_above_declared(outcome),
        *_overtaken(outcome.log.sent),
        *_waited(outcome),
        *_retries(outcome),
        *_unended(outcome),
        *_above_ceiling(outcome),
        *_in_pauses(outcome),
    ]


def _above_declared(outcome: Outcome) -> Iterator[str]:
    """In no span of time more is sent than the declared limits allow, and a bucket."""
    scenario = outcome.scenario
    asked: list[tuple[str, Known, list[Sent]]] = []
    if scenario.known is not None:
        asked.append(("the account", scenario.known, outcome.log.sent))
    for lane, known in enumerate(scenario.keys):
        sent = [one for one in outcome.log.sent if one.lane == lane]
        asked.append((f"key {lane}", known, sent))
    for name, known, sent in asked:
        ordered = sorted(sent, key=lambda one: one.sent)
        if known.rpm:
            most = most_above([(one.sent, 1.0) for one in ordered], known.rpm / 60)
            if most > depth_of(known.rpm, known.rpm_bucket) + ROUNDING:
                yield f"{name}: {most:.2f} requests above {known.rpm:,.2f} a minute"
        if known.tpm:
            yield from _tokens_above(name, known.tpm, known.tpm_bucket, ordered, scenario)


def _tokens_above(
    name: str, tpm: float, bucket: float | None, ordered: list[Sent], scenario: Scenario
) -> Iterator[str]:
    """What is heavier than the bucket cannot be sent in parts: it is one burst.

    Of estimates that are wrong the difference is known when the answer is there, so that as much
    may be too much as was on the wire at once; what was paid too much goes out as a burst, of half
    the bucket at the most. A call whose timer fires late is sent late, and the
    next one, which waits for its own tokens, no later than it would have been.
    """
    most = most_above([(one.sent, float(one.tokens)) for one in ordered], tpm / 60)
    burst = max([depth_of(tpm, bucket), *(float(one.tokens) for one in ordered)])
    burst += scenario.late * tpm / 60
    if scenario.weights.truth < 1 and bucket is not None:
        burst += bucket / 2
    if scenario.weights.truth > 1:
        burst += _most_on_the_wire(ordered, lambda one: one.tokens)
    if most > burst + ROUNDING:
        yield f"{name}: {most:,.0f} tokens above {tpm:,.0f} a minute, a burst is {burst:,.0f}"


def _overtaken(sent: list[Sent]) -> Iterator[str]:
    """Of one key's requests none is sent after another that came to the gate later."""
    for requests in _by_lane(sent).values():
        latest: list[float] = []
        for one in sorted(requests, key=lambda one: (one.sent, one.asked)):
            later = len(latest) - bisect_right(latest, one.asked)
            if later > 0:
                yield (
                    f"line {one.line} of key {one.lane} was overtaken by {later} others: it came "
                    f"at {one.asked:.3f} and was sent at {one.sent:.3f}"
                )
                return
            insort(latest, one.asked)


def _waited(outcome: Outcome) -> Iterator[str]:
    """Nobody starves: who waits, waits for those who came before, each for its turn.

    A request waits no longer than what came before it, and itself, would take at half the capacity
    when every key takes its turn; plus the time to find the capacity, in the beginning and after a
    change; plus the pauses that the gateway named, and those that it did not, of a minute at most.
    Of a limit by the minute the whole of it may be used up when the minute begins.
    """
    scenario = outcome.scenario
    allowance = 0.0 if scenario.declared else scenario.settling + 60.0
    allowance += 120.0 if scenario.kind == "minute" else 0.0
    allowance += sum(end - begin + 60.0 for begin, end in outcome.pauses)
    for (_, lane), requests in _by_lane(outcome.log.sent).items():
        if lane == 0 and scenario.dead_at is not None:
            continue
        rates = _slowest(scenario, lane)
        ordered = sorted(requests, key=lambda one: one.sent)
        times = [one.sent for one in ordered]
        tokens = [0]
        for one in ordered:
            tokens.append(tokens[-1] + one.tokens)
        for place, one in enumerate(ordered):
            first = bisect_left(times, one.asked)
            ahead = place + 1 - first, tokens[place + 1] - tokens[first]
            least = max(n / rate for n, rate in zip(ahead, rates, strict=True))
            wait = one.sent - one.asked
            if wait > 2 * least + allowance + 5 * scenario.latency:
                yield (
                    f"line {one.line} of key {lane} waited {wait:.1f} s from {one.asked:.1f} on, "
                    f"{least:.1f} s would do"
                )
                break


def _slowest(scenario: Scenario, lane: int) -> tuple[float, float]:
    """Return the requests and the tokens used a second that a lane must get at the least.

    Tokens are waited for as they are estimated, and used as they are.
    """
    trip = scenario.latency
    requests, tokens = [scenario.ceiling / trip / scenario.lanes], [math.inf]
    if scenario.kind != "open":
        factors = [1.0, *(factor for _, factor in scenario.changes)]
        hidden = scenario.capacity * min(factors) * (scenario.slope**lane if scenario.slope else 1)
        hidden /= trip if scenario.kind in BY_COUNT else 1.0
        shares = len(scenario.starts) * (1 if scenario.slope else scenario.lanes)
        requests.append(hidden / shares)
    shares = scenario.lanes
    if scenario.known is not None:
        requests.append((scenario.known.rpm or math.inf) / 60 / shares)
        tokens.append((scenario.known.tpm or math.inf) / 60 / shares)
    if scenario.keys:
        requests.append((scenario.keys[lane].rpm or math.inf) / 60)
        tokens.append((scenario.keys[lane].tpm or math.inf) / 60)
    return min(requests), min(tokens) * min(1.0, scenario.weights.truth)


def _retries(outcome: Outcome) -> Iterator[str]:
    """Repeats that need the budget's leave are no more than it gives, at any time."""
    for client, start in enumerate(outcome.scenario.starts):
        events: list[tuple[float, float]] = []
        by_line: dict[int, list[Sent]] = defaultdict(list)
        for one in outcome.log.sent:
            if one.client == client:
                by_line[one.line].append(one)
                if one.outcome == OK:
                    events.append((one.ended, PER_ANSWER))
        for attempts in by_line.values():
            for before, again in pairwise(attempts):
                if before.outcome in BUDGETED:
                    events.append((again.sent, -1.0))
        level = FIRST + ROUNDING
        at = start
        for time, change in sorted(events, key=lambda event: (event[0], -event[1])):
            level += (time - at) * PER_SECOND + change
            at = time
            if level < 0:
                yield f"client {client} had repeated more than its budget at {time:.3f}"
                return


def _unended(outcome: Outcome) -> Iterator[str]:
    """Every line that was begun has one end."""
    log = outcome.log
    ends = Counter((one.client, one.line) for one in log.ended)
    if twice := [line for line, times in ends.items() if times > 1]:
        yield f"{len(twice)} lines ended twice"
    if log.begun != len(ends):
        yield f"{log.begun - len(ends)} lines of {log.begun} never ended"
    if outcome.scenario.dead_at is None and any(one.outcome == "blocked" for one in log.ended):
        yield "lines were blocked though nothing was hopeless"


def _above_ceiling(outcome: Outcome) -> Iterator[str]:
    """No client has more requests on the wire than it may."""
    for client in range(len(outcome.scenario.starts)):
        sent = [one for one in outcome.log.sent if one.client == client]
        most = _most_on_the_wire(sorted(sent, key=lambda one: one.sent), lambda _: 1)
        if most > outcome.scenario.ceiling:
            yield f"client {client} had {most:,.0f} requests on the wire"


def _in_pauses(outcome: Outcome) -> Iterator[str]:
    """Nothing is sent while a pause lasts that the gateway has named."""
    network = outcome.scenario.network
    for client in range(len(outcome.scenario.starts)):
        sent = [one for one in outcome.log.sent if one.client == client]
        for begin, end in outcome.pauses:
            # It is known when the first one is back that was rejected with it.
            rejected = [one.ended for one in sent if one.outcome == "429" and one.ended >= begin]
            known = min(rejected, default=math.inf)
            doomed = sum(known < one.sent < end - network - ROUNDING for one in sent)
            if doomed:
                yield f"client {client} sent {doomed} requests into a pause that was named"


def _most_on_the_wire(ordered: list[Sent], weigh: Callable[[Sent], float]) -> float:
    events = [(one.sent, weigh(one)) for one in ordered]
    events += [(one.ended, -weigh(one)) for one in ordered]
    now = most = 0.0
    for _, weight in sorted(events):
        now += weight
        most = max(most, now)
    return most


def _by_lane(sent: Iterable[Sent]) -> dict[tuple[int, int], list[Sent]]:
    """Return the requests of each client's lanes."""
    lanes: dict[tuple[int, int], list[Sent]] = defaultdict(list)
    for one in sent:
        lanes[one.client, one.lane].append(one)
    return lanes
