"""Figures of a simulation: how much of the capacity was used, and what was asked in vain."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tests.sim.log import Sent
from tests.sim.scenario import BY_COUNT, Known
from tests.sim.world import Outcome

OK = "ok"
REJECTED = frozenset({"429", "interrupted"})
Span = tuple[float, float]


class Figures(msgspec.Struct, frozen=True):
    """Shares are of 1; None: the case has no such figure."""

    used: float | None  # accepted after settling, of what the gateway could take
    grain: float  # what one request more or less is of it: of short spans it can be much
    rejected: float  # after settling, of the requests
    changing: float | None  # rejected while the client settles after a change
    slower: float | None  # mean latency after settling, in base latencies
    shares: tuple[float, ...]  # of the clients, and of lanes that share a capacity
    errors: float  # lines that ended as errors, of those that ended
    requests: int


def figures(outcome: Outcome) -> Figures:
    """Measure a simulation."""
    scenario, log = outcome.scenario, outcome.log
    steady = [outside(span, outcome.pauses) for span in scenario.spans()]
    sent = [one for parts in steady for one in within(log.sent, parts)]
    accepted = [one for one in sent if one.outcome == OK]
    changes = [(since, since + scenario.settling) for since, _ in scenario.changes]
    used, grain = _used(outcome, [parts for parts in steady if parts])
    return Figures(
        used=used,
        grain=grain,
        rejected=_rejected(sent),
        changing=_rejected(list(within(log.sent, changes))) if changes else None,
        slower=_slower(accepted) if scenario.kind == "queue" else None,
        shares=_shares(outcome, accepted),
        errors=_share(line.outcome not in (OK, "blocked") for line in log.ended),
        requests=len(log.sent),
    )


def _used(outcome: Outcome, steady: list[list[Span]]) -> tuple[float | None, float]:
    """Return the used share and its grain, the worst one of spans between changes, and of lanes."""
    scenario = outcome.scenario
    apart = bool(scenario.slope or scenario.keys)
    alive = range(0 if scenario.dead_at is None else 1, scenario.lanes)
    lanes: Sequence[int | None] = alive if apart else [None]
    parts = [_used_in(outcome, span, lane) for span in steady for lane in lanes]
    return min(parts, default=(None, 0.0))


def _used_in(outcome: Outcome, parts: list[Span], lane: int | None) -> tuple[float, float]:
    """Return the used share of the whole capacity, or of a lane's, and its grain."""
    accepted = [
        one
        for one in within(outcome.log.sent, parts)
        if one.outcome == OK and lane in (None, one.lane)
    ]
    time = sum(end - begin for begin, end in parts)
    reach = _reach(outcome, parts[0][0], lane, accepted)
    heaviest = max((one.tokens for one in accepted), default=1)
    heavy = heaviest / (_mean(one.tokens for one in accepted) or 1)
    return len(accepted) / (reach * time), heavy / (reach * time)


def _reach(outcome: Outcome, at: float, lane: int | None, accepted: list[Sent]) -> float:
    """Return how many requests a second could have been accepted."""
    scenario = outcome.scenario
    trip = _mean(one.trip for one in accepted) or scenario.latency
    reach = [len(scenario.starts) * scenario.ceiling / trip]
    if scenario.kind != "open":
        capacity = scenario.capacity_at(at, lane or 0)
        reach.append(capacity / trip if scenario.kind in BY_COUNT else capacity)
    declared = [scenario.known, scenario.keys[lane] if scenario.keys and lane is not None else None]
    reach += [_declared_rate(known, accepted) for known in declared if known and accepted]
    return min(reach)


def _declared_rate(known: Known, accepted: list[Sent]) -> float:
    """Return how many a second both limits let through, one request after the other."""
    each = 60 / known.rpm if known.rpm else 0.0
    token = 60 / known.tpm if known.tpm else 0.0
    return 1 / _mean(max(each, one.tokens * token) for one in accepted)


def outside(span: Span, pauses: list[Span]) -> list[Span]:
    """Return what is left of a span without the pauses."""
    parts, begin = [], span[0]
    for start, end in pauses:
        if start < span[1] and end > begin:
            parts.append((begin, start))
            begin = max(begin, end)
    parts.append((begin, span[1]))
    return [(begin, end) for begin, end in parts if end > begin]


def within(requests: list[Sent], spans: Iterable[Span]) -> Iterator[Sent]:
    """Yield the requests that ended in one of the spans; they stand in the order of their ends."""
    for begin, end in spans:
        first = bisect_left(requests, begin, key=_ended)
        last = bisect_left(requests, end, key=_ended)
        yield from requests[first:last]


def _ended(sent: Sent) -> float:
    return sent.ended


def _slower(accepted: list[Sent]) -> float | None:
    if not accepted:
        return None
    return _mean(one.ended - one.sent for one in accepted) / _mean(one.trip for one in accepted)


def _shares(outcome: Outcome, accepted: list[Sent]) -> tuple[float, ...]:
    """Return what each client got, or each lane, of a capacity that they share."""
    scenario = outcome.scenario
    if not (accepted and scenario.shared):
        return ()
    if len(scenario.starts) > 1:
        return tuple(_share(o.client == n for o in accepted) for n in range(len(scenario.starts)))
    return tuple(_share(one.lane == n for one in accepted) for n in range(scenario.lanes))


def _rejected(sent: list[Sent]) -> float:
    return _share(one.outcome in REJECTED for one in sent)


def _share(values: Iterable[bool]) -> float:
    return _mean(float(value) for value in values)


def _mean(values: Iterable[float]) -> float:
    count = total = 0.0
    for value in values:
        count += 1
        total += value
    return total / count if count else 0.0
