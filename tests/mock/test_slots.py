from __future__ import annotations

import asyncio

import pytest

from batch.errors import BadUsage
from batch.mock._errors import TurnedAway
from batch.mock.dials import Dials, Overflow
from batch.mock.hours import Hours
from batch.mock.slots import Slots
from tests.mock.client import until
from tests.mock.kit import Clock


def slots_of(clock: Clock | None = None, **dials: object) -> Slots:
    given = Dials(**dials)  # type: ignore[arg-type]
    return Slots(given, Hours(given, clock or Clock()))


def test_the_capacity_lets_the_others_wait_in_order() -> None:
    async def main() -> list[str]:
        slots, order = slots_of(capacity=1), []

        async def work(name: str) -> None:
            async with slots:
                order.append(f"{name} in")
                await asyncio.sleep(0)
                order.append(f"{name} out")

        await asyncio.gather(work("a"), work("b"))
        return order

    assert asyncio.run(main()) == ["a in", "a out", "b in", "b out"]


@pytest.mark.parametrize(("overflow", "reset"), [("429", False), ("reset", True)])
def test_beyond_the_capacity_requests_are_turned_away(overflow: Overflow, reset: bool) -> None:
    async def main() -> TurnedAway:
        slots = slots_of(capacity=1, overflow=overflow)
        async with slots:
            with pytest.raises(TurnedAway) as away:
                await slots.__aenter__()
        async with slots:
            return away.value

    away = asyncio.run(main())

    assert (away.fate, away.reset) == ("capacity", reset)


def test_a_capacity_that_grows_lets_in_as_many_as_fit_and_one_that_shrinks_nobody() -> None:
    async def main() -> list[int]:
        # Given: two at work, and twenty that wait
        clock = Clock()
        slots = slots_of(clock, capacity=2, limit_steps=((10, 4), (20, 0.5)))
        inside: set[int] = set()
        done = [asyncio.Event() for _ in range(22)]

        async def work(number: int) -> None:
            async with slots:
                inside.add(number)
                await done[number].wait()
                inside.discard(number)

        tasks = [asyncio.create_task(work(number)) for number in range(22)]
        await until(lambda: len(inside) == 2)
        seen = []

        # When: the capacity changes before one of them ends
        for number, second in enumerate((10, 19, 20, 21), 0):
            clock.now = 100 + second
            done[number].set()
            for _ in range(5):
                await asyncio.sleep(0)
            seen.append(len(inside))

        for event in done:
            event.set()
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(main()) == [8, 8, 7, 6]


def test_who_gives_up_waiting_takes_no_slot_along() -> None:
    async def main() -> None:
        slots = slots_of(capacity=1)
        async with slots:
            waiting = [asyncio.create_task(slots.__aenter__()) for _ in range(2)]
            await asyncio.sleep(0)
            waiting[0].cancel()
        waiting[1].cancel()  # just when it was let in
        await asyncio.gather(*waiting, return_exceptions=True)

        async with asyncio.timeout(1), slots:
            pass

    asyncio.run(main())


def test_a_capacity_of_nothing_is_refused() -> None:
    with pytest.raises(BadUsage):
        slots_of(capacity=0)
