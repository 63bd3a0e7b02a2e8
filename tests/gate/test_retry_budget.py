from __future__ import annotations

import asyncio

import pytest

from batch.errors import Halted
from batch.gate.retry_budget import FIRST, MOST, RetryBudget
from tests.gate.world import clock, passes
from tests.virtual import run


def test_an_empty_budget_delays_to_one_a_second() -> None:
    async def main() -> None:
        budget = RetryBudget(clock)

        for _ in range(int(FIRST) + 20):
            await budget.take()

        assert clock() == pytest.approx(20, abs=0.01)

    run(main())


def test_ten_answers_allow_one_retry() -> None:
    async def main() -> None:
        budget = RetryBudget(clock)
        for _ in range(int(FIRST)):
            await budget.take()
        waiting = [asyncio.create_task(budget.take()) for _ in range(3)]
        await passes()

        for _ in range(11):
            budget.earn()
        await passes()

        assert [task.done() for task in waiting] == [True, False, False]
        await asyncio.gather(*waiting)

    run(main())


def test_a_long_time_without_retries_saves_up_no_more_than_the_most() -> None:
    async def main() -> None:
        budget = RetryBudget(clock)
        for _ in range(100_000):
            budget.earn()
        await asyncio.sleep(10_000)

        for _ in range(int(MOST) + 5):
            await budget.take()

        assert clock() - 10_000 == pytest.approx(5, abs=0.2)

    run(main())


def test_retries_are_granted_in_order_and_a_cancelled_one_costs_nothing() -> None:
    async def main() -> None:
        budget = RetryBudget(clock)
        order: list[int] = []

        async def retry(number: int) -> None:
            await budget.take()
            order.append(number)

        tasks = [asyncio.create_task(retry(number)) for number in range(int(FIRST) + 6)]
        await asyncio.sleep(0.5)
        tasks[10].cancel()
        tasks[12].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert order == [*range(10), 11, 13, 14, 15]
        assert clock() == pytest.approx(4, abs=0.01)

    run(main())


def test_halting_wakes_who_waits() -> None:
    async def main() -> None:
        budget = RetryBudget(clock)
        tasks = [asyncio.create_task(budget.take()) for _ in range(15)]
        await passes()

        budget.halt()
        ends = await asyncio.gather(*tasks, return_exceptions=True)

        assert [type(end) for end in ends[10:]] == [Halted] * 5
        with pytest.raises(Halted):
            await budget.take()

    run(main())
