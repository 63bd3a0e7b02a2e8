"""When calls may go that a pace holds up, in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from batch.adapt.load import Load
from batch.adapt.search import Search
from batch.gate.pace import Pace
from batch.gate.waits import Waiter
from tests.gate.world import clock, most_above
from tests.virtual import run

RATE = 200.0
SETTLED = 30.0  # seconds in which a client may find out what a gateway takes


def paced(rate: float = RATE, *, spread: bool = False) -> Load:
    """A load with a pace that stays what it is."""
    load = Load(1_000)
    load.pace = Search(rate, rate, rate, lambda _size, _in_flight: 0.0)
    while spread and not load.spread.on:
        load.spread.dropped(rate, 1)
    return load


async def sent(pace: Pace, count: int) -> list[float]:
    """When so many calls went that always waited for the pace alone."""
    times = []
    for _ in range(count):
        await pace.passed(Waiter())
        pace.take(10)
        times.append(clock())
    return times


def times_of(load: Load, count: int = 1_000, late: float = 0.0) -> list[float]:
    async def main() -> list[float]:
        await asyncio.sleep(1)
        return await sent(Pace(load, clock), count)

    return run(main(), late=late)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.parametrize("late", [0.0, 0.002])
@pytest.mark.parametrize("spread", [False, True], ids=["even", "spread"])
@pytest.mark.parametrize("rate", [0.5, 20, 200, 2_000])
def test_calls_go_at_the_rate_on_average(rate: float, spread: bool, late: float) -> None:
    count = max(20, min(4_000, int(20 * rate)))

    times = times_of(paced(rate, spread=spread), count, late)

    assert (count - 1) / (times[-1] - times[0]) == pytest.approx(rate, rel=0.02)


def test_even_calls_never_go_two_together() -> None:
    assert min(gaps(times_of(paced()))[10:]) == pytest.approx(1 / RATE, rel=0.01)


@pytest.mark.parametrize("rate", [200, 2_000])
def test_calls_that_are_spread_do_so_but_never_more_than_come_in_twenty_milliseconds(
    rate: float,
) -> None:
    times = times_of(paced(rate, spread=True))[100:]

    assert min(gaps(times)) < 0.5 / rate
    above = most_above([(time, 1.0) for time in times], rate)
    assert 1.5 < above <= 1 + 0.021 * rate


def test_slow_calls_that_are_spread_are_still_apart() -> None:
    times = times_of(paced(2, spread=True), 100)[10:]

    assert 0.4 < min(gaps(times)) < 0.42
    assert 0.6 < max(gaps(times)) < 0.7


def test_time_in_which_nothing_was_sent_is_not_made_up_for() -> None:
    async def main() -> list[float]:
        pace = Pace(paced(), clock)
        await sent(pace, 100)
        await asyncio.sleep(10)
        return await sent(pace, 100)

    times = run(main())

    assert most_above([(time, 1.0) for time in times], RATE) <= 1 + 0.011 * RATE


def test_a_call_that_goes_later_than_its_time_does_not_go_with_the_next_one() -> None:
    async def main() -> tuple[float, float]:
        pace = Pace(paced(1.0), clock)
        await sent(pace, 3)
        await asyncio.sleep(0.9)  # for something else
        went = clock()
        pace.renew()
        await pace.passed(Waiter())
        return went, clock()

    went, following = run(main())

    assert following - went >= 0.98


def test_without_a_pace_nothing_waits() -> None:
    async def main() -> list[float]:
        pace = Pace(Load(1_000), clock)
        assert pace.rate is None
        assert pace.free(clock())
        return await sent(pace, 100)

    times = run(main())

    assert times[-1] - times[0] < 0.001


class Client:
    """A client that always has more calls, at a gateway that saves up so many of them.

    What becomes of them is counted once the client has settled.
    """

    def __init__(self, saved: float) -> None:
        self.load = Load(1_000)
        self.saved = self.level = saved
        self.at = 0.0
        self.in_flight = self.answered = self.rejected = 0

    async def run(self, seconds: float) -> None:
        pace, calls = Pace(self.load, clock), set()
        while clock() < seconds:
            await pace.passed(Waiter())
            if self.load.pace is None:
                await asyncio.sleep(0.9 / RATE)  # a little too often, so that there will be one
            self.in_flight += 1
            pace.take(self.in_flight)
            call = asyncio.ensure_future(self._call(self.in_flight))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)

    async def _call(self, among: int) -> None:
        sent_at, taken = clock(), self._takes(clock())
        await asyncio.sleep(0.1 if taken else 0.01)
        if clock() >= SETTLED:
            self.answered += taken
            self.rejected += not taken
        if taken:
            self.load.answered(sent_at, among, self.in_flight)
        else:
            self.load.rejected(clock(), sent_at, self.in_flight, self.in_flight / 0.1)
        self.in_flight -= 1

    def _takes(self, now: float) -> bool:
        self.level = min(self.saved, self.level + RATE * (now - self.at))
        self.at = now
        if self.level < 1 - 1e-6:
            return False
        self.level -= 1
        return True


def test_a_gateway_that_saves_up_a_single_call_is_used_by_even_ones_again_after_a_trial() -> None:
    client = Client(saved=1)

    run(client.run(SETTLED + 120))

    assert not client.load.spread.on
    assert client.answered >= 0.95 * 120 * RATE
    assert client.rejected <= 0.01 * client.answered


def test_where_a_gateway_saves_up_some_calls_a_few_go_together_for_good() -> None:
    client = Client(saved=20)

    run(client.run(SETTLED + 120))

    assert client.load.spread.on
    assert client.answered >= 0.95 * 120 * RATE
    assert client.rejected <= 0.01 * client.answered
