"""Turns at the gate's doors: where they take long to come, nobody waits for one alone."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

import pytest

from batch.errors import BadKey, CallFailed, Halted, Saturated, Throttled, UnknownModel
from batch.gate.gate import Gate
from batch.gate.settings import KeyLimits
from batch.gate.waits import Door, Waiter
from tests.gate.world import MODEL, SUBMIT, clock, gate, send
from tests.virtual import run

BUSY = 0.001  # seconds of a round of a loop that has much to do


@pytest.mark.parametrize("keys", [("*",), ("a", "b"), ("a", "b", "c", "d")], ids=len)
def test_where_rounds_are_long_what_is_free_is_used(keys: tuple[str, ...]) -> None:
    async def main() -> None:
        at = gate(*keys, concurrency=64)
        left = {key: iter(range(6000 // len(keys))) for key in keys}
        together: list[int] = []

        async def work() -> None:
            together.append(at.in_flight)
            await asyncio.sleep(0)

        async def worker(key: str) -> None:
            for _ in left[key]:
                await send(at, work, model=key)

        await asyncio.gather(*(worker(key) for key in keys for _ in range(64)))

        late = together[3000:5000]
        assert sum(late) / len(late) > 24

    run(main(), busy=BUSY)


def test_where_rounds_are_long_keys_take_turns_all_the_same() -> None:
    async def main() -> None:
        at = gate("a", "b", "c", concurrency=16)
        shares: Counter[str] = Counter()

        async def worker(key: str) -> None:
            async def work() -> None:
                await asyncio.sleep(0.005)
                shares[key] += 1

            while shares.total() < 3000:
                await send(at, work, model=key)

        some = {"a": 60, "b": 30, "c": 20}
        await asyncio.gather(*(worker(key) for key, count in some.items() for _ in range(count)))

        assert max(shares.values()) < 1.2 * min(shares.values())

    run(main(), busy=BUSY)


@pytest.mark.parametrize(("busy", "at_once"), [(1e-9, 1), (BUSY, 8)], ids=["short", "long"])
def test_only_where_rounds_are_long_several_go_in_one(busy: float, at_once: int) -> None:
    """Of a gateway that answers within a round, the first answers must be heard in time."""

    async def main() -> None:
        at = gate(concurrency=8)
        rounds = 0
        went: Counter[int] = Counter()
        end = asyncio.Event()

        async def work() -> None:
            went[rounds] += 1
            await end.wait()

        calls = [asyncio.create_task(send(at, work)) for _ in range(24)]
        await asyncio.sleep(1)
        went.clear()
        end.set()
        end = asyncio.Event()
        for _ in range(20):
            rounds += 1
            await asyncio.sleep(0)

        assert went.total() == 8
        assert (max(went.values()) > 1) is (at_once > 1)
        end.set()
        end = asyncio.Event()
        end.set()
        await asyncio.gather(*calls)

    run(main(), busy=busy)


class Passer(Waiter):
    """Somebody who needs no turn."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self.taken = 0

    def passes(self) -> Door | None:
        self.taken += 1
        return self._door

    def give_back(self) -> None:
        self.taken -= 1


@pytest.mark.parametrize("end", ["sent away", "cancelled", "let through"])
def test_what_was_taken_without_a_turn_is_given_back_if_the_wait_ends_otherwise(end: str) -> None:
    async def main() -> None:
        door = Door()
        passer = Passer(door)
        assert await door.enter(Waiter())
        second = asyncio.create_task(door.enter(passer))
        await asyncio.sleep(0)

        assert door.let_through() is door
        assert passer.taken == 1
        if end == "sent away":
            passer.send_away(Halted("the run is ending"))
        elif end == "cancelled":
            second.cancel()
        (outcome,) = await asyncio.gather(second, return_exceptions=True)
        door.leave()

        assert passer.taken == (outcome is False) == (end == "let through")
        assert not door.busy

    run(main())


def test_who_was_sent_away_while_waiting_is_passed_over() -> None:
    async def main() -> None:
        door = Door()
        gone, passer = Passer(door), Passer(door)
        assert await door.enter(Waiter())
        waiting = [asyncio.create_task(door.enter(one)) for one in (gone, passer)]
        await asyncio.sleep(0)

        gone.send_away(Halted("the run is ending"))
        assert door.let_through() is door
        assert door.let_through() is None
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

        assert isinstance(outcomes[0], Halted)
        assert (gone.taken, passer.taken, outcomes[1]) == (0, 1, False)

    run(main())


SIDES = ["key", "account"]


async def waiting_at(at: Gate, side: str) -> tuple[Door, asyncio.Task[None], list[float]]:
    """A call that waits for its turn at a side's door, with somebody inside, and when it goes."""
    lane = at.lane(MODEL)
    door = (lane if side == "key" else lane.account).door(True)
    assert await door.enter(Waiter())
    went: list[float] = []

    async def work() -> None:
        went.append(clock())

    call = asyncio.create_task(send(at, work))
    await asyncio.sleep(0)
    return door, call, went


@pytest.mark.parametrize("paused", SIDES)
@pytest.mark.parametrize("side", SIDES)
def test_who_was_let_through_without_a_turn_heeds_a_pause_that_began_meanwhile(
    side: str, paused: str
) -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        door, call, went = await waiting_at(at, side)

        assert door.let_through() is lane.door(True)
        assert at.in_flight == lane.slots.taken == 1
        (lane if paused == "key" else lane.account).schedule.asked(5)
        door.leave()
        await call

        assert went[0] >= 5
        assert at.in_flight == lane.slots.taken == 0

    run(main())


@pytest.mark.parametrize("side", SIDES)
def test_who_is_cancelled_when_let_through_gives_all_back(side: str) -> None:
    async def main() -> None:
        at = gate()
        door, call, went = await waiting_at(at, side)

        door.let_through()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        assert not went
        assert at.in_flight == at.lane(MODEL).slots.taken == 0

    run(main())


def test_who_pays_a_rate_or_is_for_a_model_in_trouble_needs_a_turn() -> None:
    async def main() -> None:
        for side, at in (
            ("key", gate(rpm=600)),
            ("account", gate(rpm=600)),
            ("key", gate(keys=(KeyLimits(match="*", rpm=600),))),
            ("key", gate()),
        ):
            door, call, went = await waiting_at(at, side)
            lane = at.lane(MODEL)
            if not lane.limited and not lane.account.limited:
                trouble = UnknownModel("no such model")
                lane.account.breakers.failed(lane.key_name, MODEL, trouble, clock())

            assert door.let_through() is None
            door.leave()
            await call

            assert went

    run(main())


class Rush:
    """Calls of some keys, of which a few fail, are cancelled, or have their key refused."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.keys = ["a", "b", "c"][: 1 + seed % 3]
        self.at: Gate = gate(*self.keys, concurrency=self.chance.choice([3, 12, 40]))
        self.entering: Counter[str] = Counter()
        self.rests = 0

    def require_nobody_waits_for_nothing(self) -> None:
        """With nothing left to be done, nobody waits where there is room."""
        self.rests += 1
        for key in +self.entering:
            lane = self.at.lane(key)
            now = lane.account.now()
            sides = [side.free(now, True, 0, at_door=True) for side in (lane, lane.account)]
            assert not all(sides), f"{key} waits for nothing"
            assert self.at.waiting_for() is not None

    async def call(self, key: str) -> None:
        """Send one call."""
        at, chance, lane = self.at, self.chance, self.at.lane(key)
        visit = at.admit(lane, key, SUBMIT)
        self.entering[key] += 1
        try:
            await visit.__aenter__()
        finally:
            self.entering[key] -= 1
        error: BaseException | None = None
        sent_at = clock()
        try:
            await asyncio.sleep(chance.choice([0, 0, 0.002, 0.05]))
            if chance.random() < 0.02:
                error = chance.choice([Throttled, Saturated])("too much")
                at.failed(lane, key, error, sent_at)
        except asyncio.CancelledError as cancelled:
            error = cancelled
            raise
        finally:
            await visit.__aexit__(type(error) if error else None, error, None)
        if error is None:
            at.answered(visit, None, clock() - sent_at)

    async def worker(self, key: str) -> None:
        """Send calls until it is cancelled, or sent away."""
        for _ in range(60):
            await self.call(key)

    async def main(self) -> None:
        """Send them all."""
        workers = [asyncio.create_task(self.worker(key)) for key in self.keys for _ in range(40)]
        for _ in range(60):
            await asyncio.sleep(self.chance.choice([0, 0, 0.003, 0.02]))
            self.chance.choice(workers).cancel()
        if len(self.keys) > 1:
            at, key = self.at, self.keys[-1]
            at.block("key", at.lane(key), key, BadKey("no"))
        for worker in workers:
            with contextlib.suppress(Halted, asyncio.CancelledError, CallFailed):
                await worker


# By the last one's rejections a pace is given up, for whose time somebody waits.
@pytest.mark.parametrize("seed", [*range(24), 1067])
def test_nobody_waits_where_there_is_room_and_nothing_is_lost(seed: int) -> None:
    rush: list[Rush] = []

    async def main() -> None:
        rush.append(Rush(seed))
        await rush[0].main()

    def at_rest() -> None:
        for one in rush:
            one.require_nobody_waits_for_nothing()

    run(main(), busy=[1e-9, 0.0004, 0.003][seed % 5 % 3], at_rest=at_rest)

    at = rush[0].at
    assert at.in_flight == 0
    assert [lane.slots.taken for lane in at.lanes] == [0] * len(at.lanes)
    assert rush[0].rests
