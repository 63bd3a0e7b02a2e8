"""That each simulated gateway does what it says, before anything is concluded from it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from batch.errors import Interrupted
from batch.records import Reply
from tests.sim.gateways import Gateway, duration
from tests.sim.measure import figures, outside
from tests.sim.scenario import Kind, Known, Scenario
from tests.sim.test_invariants import outcome_of, sent
from tests.virtual import run

SECONDS = 40


def flood(rate: float, **settings: Any) -> list[tuple[float, float, Reply | None]]:
    """Send so many a second, each to no lane in particular; None: it was reset."""
    scenario = Scenario(case="", **{"latency": 0.5, "jitter": 0.0, "seconds": SECONDS, **settings})

    async def main() -> list[tuple[float, float, Reply | None]]:
        clock = asyncio.get_running_loop().time
        gateway = Gateway(scenario, clock)

        async def one(at: float) -> tuple[float, float, Reply | None]:
            await asyncio.sleep(at)
            try:
                reply, _ = await gateway.serve(0, 10)
            except Interrupted:
                return at, clock() - at, None
            return at, clock() - at, reply

        return list(await asyncio.gather(*(one(n / rate) for n in range(int(SECONDS * rate)))))

    return run(main())


def answers(replies: list[tuple[float, float, Reply | None]]) -> int:
    return sum(reply is not None and reply.status == 200 for _, _, reply in replies)


@pytest.mark.parametrize(
    ("settings", "accepted", "others"),
    [
        ({"kind": "rate", "capacity": 20, "burst": 0.5}, 20 * SECONDS + 10, {429}),
        ({"kind": "busy", "capacity": 10}, 20 * SECONDS, {429}),
        ({"kind": "reset", "capacity": 10}, 20 * SECONDS, {None}),
        ({"kind": "minute", "capacity": 1}, 60, {429}),
        ({"kind": "open"}, 40 * SECONDS, set()),
        ({"kind": "open", "known": Known(rpm=600, rpm_bucket=5)}, 10 * SECONDS + 5, {429}),
        ({"kind": "open", "known": Known(tpm=6000, tpm_bucket=50)}, 10 * SECONDS + 5, {429}),
        (
            {"kind": "rate", "capacity": 2, "burst": 0.5, "changes": ((20, 10.0),)},
            2 * 20 + 20 * 20,
            {429},
        ),
    ],
)
def test_a_gateway_takes_what_it_can_and_turns_away_the_rest(
    settings: dict[str, Any], accepted: float, others: set[int | None]
) -> None:
    replies = flood(40, **settings)

    assert answers(replies) == pytest.approx(accepted, rel=0.03)
    statuses = {None if reply is None else reply.status for _, _, reply in replies}
    assert statuses - {200} == others


def test_a_queue_answers_all_and_each_later() -> None:
    replies = flood(20, kind="queue", capacity=5)

    assert answers(replies) == len(replies)
    took = [seconds for _, seconds, _ in replies]
    assert took[:5] == pytest.approx([0.5] * 5, abs=0.005)  # ways differ by as much
    assert took[-1] == pytest.approx(len(replies) / 5 * 0.48 - SECONDS, rel=0.05)


@pytest.mark.parametrize("kind", ["rate", "busy", "reset"])
def test_what_is_turned_away_costs_the_network_alone(kind: Kind) -> None:
    replies = flood(40, kind=kind, capacity=5)

    turned_away = [took for _, took, reply in replies if reply is None or reply.status != 200]
    assert turned_away == pytest.approx([0.02] * len(turned_away))


def test_a_pause_that_is_named_is_meant() -> None:
    replies = flood(10, kind="open", named_every=2.0, named_seconds=4.0, latency=0.01)

    rejected = [(at, reply.headers) for at, _, reply in replies if reply and reply.status == 429]
    begin, headers = rejected[0]
    assert headers == {"retry-after": "4"}
    inside = [reply for at, _, reply in replies if begin <= at < begin + 3.9]
    assert all(reply is not None and reply.status == 429 for reply in inside)
    after = [reply for at, _, reply in replies if begin + 4.0 < at < begin + 4.2]
    assert after
    assert all(reply is not None and reply.status == 200 for reply in after)


@pytest.mark.parametrize(
    ("told", "limit"),
    [("bucket", 1200.0), ("minute", 1200.0), ("low", 60.0), ("high", 12_000.0)],
)
def test_headers_tell_the_truth_or_an_upstreams(told: str, limit: float) -> None:
    replies = flood(15, kind="rate", capacity=20, burst=1.0, told=told)

    headers = [reply.headers for _, _, reply in replies if reply is not None]
    assert {float(one["x-ratelimit-limit-requests"]) for one in headers} == {limit}
    left = [float(one["x-ratelimit-remaining-requests"]) for one in headers]
    assert all(0 <= one <= limit for one in left)


@pytest.mark.parametrize(
    ("seconds", "written"), [(0.12, "120ms"), (1.0, "1s"), (6.5, "6.5s"), (360.0, "6m0s")]
)
def test_a_duration_is_written_as_in_such_headers(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_figures_count_what_ended_after_settling() -> None:
    early = [sent(n, n * 0.1, n * 0.1, "429") for n in range(300)]
    steady = [sent(n, 200 + n * 0.25, 200 + n * 0.25) for n in range(400)]
    refused = [sent(n, 210.0, 210.0, "429") for n in range(500, 520)]
    settings = {"kind": "rate", "capacity": 5.0, "seconds": 301.0}

    found = figures(outcome_of((settings, [*early, *steady, *refused])))

    assert found.used == pytest.approx(400 / (5 * 101), rel=0.01)
    assert found.rejected == pytest.approx(20 / 420)
    assert found.requests == 720


def test_time_outside_pauses_is_what_is_left_of_a_span() -> None:
    assert outside((10, 100), [(0, 12), (20, 30), (95, 120)]) == [(12, 20), (30, 95)]
