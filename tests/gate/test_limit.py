from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.gate.limit import SHARE, Limit
from batch.gate.settings import KeyLimits
from tests.gate.world import FETCH, POLL, SUBMIT, clock, gate, most_above, passes, send
from tests.virtual import run

RATES = [1, 7, 60, 500, 600, 1_200, 6_000, 60_000, 300_000]


async def keep_busy(limit: Limit, seconds: float, workers: int = 20) -> list[tuple[float, float]]:
    """Workers that want one unit after the other; returns when each was admitted."""
    admitted: list[tuple[float, float]] = []

    async def worker() -> None:
        while True:
            await limit.pay(1)
            admitted.append((clock(), 1))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(worker()) for _ in range(workers)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return admitted


@pytest.mark.parametrize("per_minute", RATES)
def test_no_window_holds_more_than_the_rate_and_the_burst(per_minute: int) -> None:
    async def main() -> None:
        limit = Limit(per_minute, "requests", clock)
        seconds = max(30.0, 180 / per_minute) if per_minute < 10_000 else 1.5

        admitted = await keep_busy(limit, seconds)

        assert len(admitted) > 1
        assert most_above(admitted, per_minute / 60) <= limit.capacity + 1e-6

    run(main())


@pytest.mark.parametrize("per_minute", RATES)
def test_the_whole_rate_is_used_even_when_timers_fire_late(per_minute: int) -> None:
    async def main() -> None:
        limit = Limit(per_minute, "requests", clock)
        seconds = 60.0 if per_minute < 10_000 else 2.0

        admitted = await keep_busy(limit, seconds)

        assert len(admitted) >= int(0.99 * per_minute * seconds / 60)

    run(main(), late=0.001)


@pytest.mark.parametrize(
    ("per_minute", "bucket", "capacity"),
    [
        (1, None, 1),
        (1_200, None, 1),
        (60_000, None, SHARE * 50),
        (60_000, 40, 20),
        (300_000, 2, 1),
        (300_000, None, SHARE * 250),
    ],
)
def test_the_burst_is_a_twentieth_second_or_half_the_declared_bucket(
    per_minute: int, bucket: int | None, capacity: float
) -> None:
    limit = Limit(per_minute, "requests", lambda: 0.0, bucket)

    assert capacity <= limit.capacity <= capacity + 0.1


def test_a_heavy_request_is_served_in_its_turn() -> None:
    async def main() -> list[int]:
        # Given: 100 units a second, a request for 900 in the midst of forty for 10
        limit = Limit(6_000, "tokens", clock)
        served: list[int] = []

        async def ask(number: int, amount: int) -> None:
            await limit.pay(amount)
            served.append(number)

        amounts = [10] * 20 + [900] + [10] * 20

        await asyncio.gather(*(ask(n, amount) for n, amount in enumerate(amounts)))

        assert clock() == pytest.approx(1300 / 100, abs=0.1)
        return served

    assert run(main()) == list(range(41))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=5, max_size=60))
def test_weights_of_any_size_stay_under_the_rate(weights: list[int]) -> None:
    async def main() -> None:
        limit = Limit(6_000, "tokens", clock)
        admitted: list[tuple[float, float]] = []

        async def ask(amount: int) -> None:
            await limit.pay(amount)
            admitted.append((clock(), amount))

        await asyncio.gather(*(ask(weight) for weight in weights))

        # A request heavier than the burst is sent whole, after its weight was saved up.
        allowed = max(limit.capacity, *weights)
        assert most_above(admitted, 100) <= allowed + limit.capacity + 1e-6
        assert clock() <= sum(weights) / (SHARE * 100) + 0.01

    run(main())


def test_an_underestimate_is_paid_by_the_next_calls_and_an_overestimate_saves_them_time() -> None:
    async def main() -> None:
        limit = Limit(6_000, "tokens", clock)
        await limit.pay(5)

        limit.settle(100)
        begun = clock()
        await limit.pay(5)
        assert clock() - begun == pytest.approx(1.05, abs=0.01)

        limit.settle(-50)
        begun = clock()
        await limit.pay(50)
        assert clock() - begun == pytest.approx(0, abs=0.001)
        await limit.pay(50)
        assert clock() - begun == pytest.approx(0.5, abs=0.06)

    run(main())


def test_units_paid_in_advance_are_never_more_than_a_minutes() -> None:
    async def main() -> None:
        limit = Limit(600, "tokens", clock)

        limit.settle(-1_000_000)

        await limit.pay(600)
        begun = clock()
        await limit.pay(100)
        assert clock() - begun == pytest.approx(10 / SHARE, abs=0.1)

    run(main())


def test_of_a_declared_bucket_no_more_than_half_is_paid_in_advance() -> None:
    async def main() -> None:
        limit = Limit(600, "tokens", clock, bucket=100)

        limit.settle(-1_000_000)

        await limit.pay(50)
        assert clock() < 0.001
        await limit.pay(100)
        assert clock() == pytest.approx(10 / SHARE, abs=0.15)

    run(main())


def test_what_makes_up_for_late_timers_is_no_burst_to_begin_with() -> None:
    async def main() -> list[tuple[float, float]]:
        return await keep_busy(Limit(60, "requests", clock), 30)

    admitted = run(main())

    assert most_above(admitted, SHARE) <= 1 + 1e-6


def test_a_weight_above_half_the_capacity_is_taken_in_pieces() -> None:
    """One alone would have to wait until the bucket is empty, and lose what leaks meanwhile."""

    async def main() -> float:
        # Given: a bucket of 100, and timers that fire late
        limit = Limit(120_000, "tokens", clock)
        for _ in range(50):
            await limit.pay(99)
        return clock()

    needed = 50 * 99 / (SHARE * 2_000)

    assert run(main(), late=0.001) <= 1.01 * needed


def test_a_new_rate_begins_without_a_burst() -> None:
    async def main() -> None:
        limit = Limit(6_000, "requests", clock)
        await asyncio.sleep(10)

        limit.change(60_000)
        admitted = await keep_busy(limit, 1.0)

        assert most_above(admitted, 1_000) <= 2
        assert len(admitted) >= 940

    run(main())


def test_a_cancelled_wait_takes_nothing_and_lets_the_next_one_through() -> None:
    async def main() -> None:
        limit = Limit(60, "requests", clock)
        await limit.pay(1)
        tasks = [asyncio.create_task(limit.pay(1)) for _ in range(5)]
        await asyncio.sleep(0.5)

        for task in tasks[:4]:
            task.cancel()
        await tasks[4]

        assert clock() == pytest.approx(1.0, abs=0.01)
        assert all(task.cancelled() for task in tasks[:4])

    run(main())


@pytest.mark.parametrize("per_second", [10, 100, 500])
def test_a_busy_loop_loses_nothing_of_the_rate(per_second: int) -> None:
    async def main() -> None:
        # Given: timers 1 ms late, 0.1 ms for each pass of the loop, many workers
        at = gate(rpm=60 * per_second)
        sent: list[tuple[float, float]] = []

        async def work() -> None:
            sent.append((clock(), 1))
            await asyncio.sleep(0.02)

        async def worker() -> None:
            while True:
                await send(at, work)

        # When
        tasks = [asyncio.create_task(worker()) for _ in range(50)]
        await asyncio.sleep(10)
        at.halt()
        await asyncio.gather(*tasks, return_exceptions=True)

        # Then
        late = [time for time, _ in sent if time > 2]
        assert len(late) >= 0.99 * per_second * 8
        assert most_above(sent, per_second) <= max(1.1, per_second / 20) + 0.005 * per_second

    run(main(), late=0.001, busy=1e-4)


@pytest.mark.parametrize(
    ("keys", "reached"),
    [
        pytest.param((), 0.99, id="of the account"),
        pytest.param((KeyLimits(match="*", rpm=300, tpm=60_000),), 0.5, id="and of the key"),
    ],
)
def test_requests_and_tokens_are_kept_together(keys: tuple[KeyLimits, ...], reached: float) -> None:
    async def main() -> None:
        # Given: prompts of up to 120 tokens, where 25 may go at once
        at = gate(rpm=240, tpm=30_000, keys=keys)
        sent: list[tuple[float, float]] = []
        tokens: list[tuple[float, float]] = []

        async def worker(number: int) -> None:
            weight = 60 + 20 * (number % 4)

            async def work() -> None:
                sent.append((clock(), 1))
                tokens.append((clock(), weight))
                await asyncio.sleep(0.3)

            while True:
                await send(at, work, tokens=weight)

        # When
        tasks = [asyncio.create_task(worker(n)) for n in range(20)]
        await asyncio.sleep(120)
        at.halt()
        await asyncio.gather(*tasks, return_exceptions=True)

        # Then
        assert most_above(sent, 4) <= 1.1
        assert most_above(tokens, 500) <= 120 + 25
        assert len(sent) >= reached * 120 * 4

    run(main())


def test_polls_take_the_request_rate_and_nothing_else() -> None:
    async def main() -> None:
        at = gate(rpm=60, tpm=60, concurrency=5)
        sent: list[tuple[float, float]] = []

        async def work() -> None:
            sent.append((clock(), 1))
            await asyncio.sleep(100)

        calls = [SUBMIT] + [POLL, FETCH] * 5
        await asyncio.gather(*(send(at, work, call=call, tokens=1) for call in calls))

        assert len(sent) == 11
        assert sent[-1][0] == pytest.approx(10, abs=0.1)
        assert most_above(sent, 1) <= 1.1

    run(main())


def test_a_long_pause_does_not_end_in_a_burst_of_what_was_paid_before_it() -> None:
    async def main() -> None:
        at = gate(rpm=60)
        lane = at.lane("gpt-4o")
        sent: list[tuple[float, float]] = []

        async def work() -> None:
            sent.append((clock(), 1))

        tasks = [asyncio.create_task(send(at, work)) for _ in range(30)]
        await passes()
        lane.account.schedule.asked(20.0)
        await asyncio.sleep(60)
        at.halt()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert not [time for time, _ in sent if 0.1 < time < 20]
        assert most_above(sent, 1) <= 1.1

    run(main())


@pytest.mark.parametrize("whose", ["the account's", "the key's"])
def test_a_call_that_paid_and_waits_out_a_pause_goes_as_part_of_the_burst_after_it(
    whose: str,
) -> None:
    async def main() -> None:
        # Given: 500 tokens may go at once, and calls take 400 each
        at = gate(tpm=600_000)
        lane = at.lane("gpt-4o")
        sent: list[tuple[float, float]] = []

        async def work() -> None:
            sent.append((clock(), 400))

        # When: one has gone, the next one is paying, and a pause begins that outlasts its wait
        tasks = [asyncio.create_task(send(at, work, tokens=400)) for _ in range(20)]
        await passes()
        scope = lane if whose == "the key's" else lane.account
        scope.schedule.asked(10.0)
        await asyncio.gather(*tasks)

        # Then
        assert len([time for time, _ in sent if time < 10]) == 1
        assert sent[1][0] == pytest.approx(10, abs=0.001)
        assert most_above(sent[1:], 10_000) <= 500

    run(main())
