from __future__ import annotations

import asyncio

import pytest

from batch.errors import BadKey, Blocked, Halted, Saturated, Throttled
from batch.gate.gate import Gate
from batch.gate.settings import KeyLimits
from batch.gate.visit import Visit
from batch.gate.waits import Door, Waiter
from batch.records import Call
from batch.usage import Meter, Usage
from batch.wire import Estimate
from tests.gate.world import FETCH, FOREIGN, MODEL, POLL, SUBMIT, clock, gate, passes, send
from tests.virtual import run


async def nothing() -> None:
    pass


def on_the_wire(at: Gate, model: str = MODEL) -> tuple[int, int]:
    """Slots taken of the key's side and of the account's."""
    lane = at.lane(model)
    return lane.slots.taken, lane.account.slots.taken


def switches(visit: Visit) -> int:
    """How often entering gives way to other tasks."""
    entering, count = visit.__aenter__(), 0
    while True:
        try:
            entering.send(None)
        except StopIteration:
            return count
        count += 1


@pytest.mark.parametrize("settings", [{}, {"rpm": 6_000, "tpm": 600_000}], ids=["free", "limited"])
@pytest.mark.parametrize("call", [SUBMIT, POLL, FOREIGN], ids=["submit", "poll", "foreign"])
def test_a_call_that_nothing_holds_up_enters_without_a_task_switch(settings, call) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        at = gate(**settings)

        assert switches(at.admit(at.lane(MODEL), MODEL, call, Estimate(100, 0))) == 0

    run(main())


def test_never_more_calls_are_on_the_wire_than_the_ceiling() -> None:
    async def main() -> None:
        at = gate(concurrency=5)
        most = 0

        async def work() -> None:
            nonlocal most
            most = max(most, at.in_flight)
            await asyncio.sleep(1)

        await asyncio.gather(*(send(at, work) for _ in range(50)))

        assert most == 5
        assert clock() == pytest.approx(10, abs=0.01)
        assert on_the_wire(at) == (0, 0)

    run(main())


def test_calls_go_in_the_order_they_came() -> None:
    async def main() -> list[int]:
        at = gate(concurrency=1)
        order: list[int] = []

        async def one(number: int) -> None:
            async def work() -> None:
                order.append(number)
                await asyncio.sleep(1)

            await send(at, work)

        await asyncio.gather(*(one(number) for number in range(10)))
        return order

    assert run(main()) == list(range(10))


def test_at_most_one_slot_is_held_while_the_rate_is_waited_for() -> None:
    async def main() -> None:
        at = gate(rpm=60)
        tasks = [asyncio.create_task(send(at, nothing)) for _ in range(20)]
        most = 0

        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.25)
            most = max(most, at.in_flight)

        assert most == 1

    run(main())


def test_nothing_of_the_account_is_held_while_a_key_waits() -> None:
    async def main() -> None:
        # Given: a slow key and a free one
        at = gate("slow-*", "*", concurrency=1, keys=(KeyLimits(match="slow-*", rpm=1),))
        await send(at, nothing, "slow-1")

        # When: the slow key's next call waits for its rate
        waiting = asyncio.create_task(send(at, nothing, "slow-1"))
        await asyncio.sleep(1)

        # Then: the only slot of the account is free for the others
        assert on_the_wire(at, "slow-1") == (1, 0)
        for _ in range(100):
            await send(at, nothing, "fast-1")
        assert clock() < 2
        await waiting
        assert clock() == pytest.approx(60, abs=1)

    run(main())


def test_keys_take_turns_at_the_account() -> None:
    async def main() -> None:
        at = gate("a-*", "b-*", rpm=60, keys=(KeyLimits(match="b-*"),))
        order: list[str] = []

        async def one(model: str) -> None:
            async def work() -> None:
                order.append(model)

            await send(at, work, model)

        models = ["a-1"] * 20 + ["b-1"] * 3
        await asyncio.gather(*(one(model) for model in models))

        assert order.index("b-1") <= 2
        assert "".join(order[:6]).count("b-1") >= 2

    run(main())


def test_a_pause_of_the_key_that_begins_while_the_account_is_awaited_is_kept() -> None:
    async def main() -> None:
        # Given: a call of the key waits for the account's only slot
        at = gate(concurrency=1)
        lane = at.lane(MODEL)
        lane.account.slots.take(0.0)
        sent: list[float] = []

        async def work() -> None:
            sent.append(clock())

        waiting = asyncio.create_task(send(at, work))
        await passes()

        # When: the key is told to pause, and then the slot comes free
        lane.schedule.asked(10.0)
        lane.account.slots.give_back()
        await asyncio.sleep(1)

        # Then
        assert on_the_wire(at) == (1, 0)
        await waiting
        assert sent == [pytest.approx(10, abs=0.01)]

    run(main())


def test_polls_hold_no_slot_and_never_wait_behind_calls_that_want_one() -> None:
    async def main() -> None:
        at = gate(concurrency=1)

        async def long() -> None:
            await asyncio.sleep(100)

        tasks = [asyncio.create_task(send(at, long)) for _ in range(3)]
        await passes()
        await send(at, nothing, call=POLL)

        assert clock() < 1
        at.halt()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_polls_do_not_widen_the_window() -> None:
    async def main() -> None:
        at = gate()
        window = at.lane(MODEL).account.slots.window

        for _ in range(200):
            await send(at, nothing, call=POLL)

        assert window.limit == 8

    run(main())


def test_foreign_calls_pass_even_a_paused_account_but_not_a_halted_gate() -> None:
    async def main() -> None:
        at = gate(rpm=1)
        at.lane(MODEL).account.schedule.asked(100)

        for _ in range(10):
            await send(at, nothing, call=FOREIGN)
        assert clock() < 1

        at.halt()
        with pytest.raises(Halted):
            await send(at, nothing, call=FOREIGN)

    run(main())


@pytest.mark.parametrize("after", [0.0, 0.2, 0.999, 1.0, 1.5])
def test_a_cancelled_wait_leaks_nothing(after: float) -> None:
    async def main() -> None:
        # Given: calls that wait for slots, rates and a pause
        at = gate(concurrency=3, rpm=60, tpm=600)

        async def work() -> None:
            await asyncio.sleep(0.7)

        tasks = [asyncio.create_task(send(at, work, tokens=15)) for _ in range(12)]
        tasks += [asyncio.create_task(send(at, work, call=POLL)) for _ in range(3)]

        # When: half of them are cancelled, wherever they are
        await asyncio.sleep(after)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        # Then: the others were sent, and everything is free again
        assert all(task.exception() is None for task in tasks[1::2])
        assert on_the_wire(at) == (0, 0)
        await asyncio.sleep(120)
        assert switches(at.admit(at.lane(MODEL), MODEL, SUBMIT)) == 0

    run(main())


def test_who_is_cancelled_in_the_moment_of_the_turn_passes_it_on() -> None:
    async def main() -> None:
        # Given: one inside, two who wait
        door = Door()
        await door.enter(Waiter())
        second, third = (asyncio.create_task(door.enter(Waiter())) for _ in range(2))
        await passes()

        # When: the turn is given to the second, which is cancelled before it notices
        door.leave()
        second.cancel()

        # Then
        await asyncio.wait_for(third, 1)
        door.leave()
        assert not door.busy

    run(main())


def test_halting_wakes_whatever_waits_and_whatever_comes() -> None:
    async def main() -> None:
        # Given: calls that wait for a slot, for a rate, and for a pause; one on the wire
        at = gate("a-*", "b-*", "*", concurrency=1, keys=(KeyLimits(match="b-*", rpm=1),))
        release = asyncio.Event()

        async def hold() -> None:
            await release.wait()

        first = asyncio.create_task(send(at, hold, "b-1"))
        await passes()
        at.lane("c-1").schedule.asked(1000)
        waiting = [
            asyncio.create_task(send(at, nothing, model, call))
            for model in ("a-1", "b-1", "c-1")
            for call in (SUBMIT, SUBMIT, POLL)
            if (model, call) != ("a-1", POLL)
        ]
        await asyncio.sleep(1)

        # When
        at.halt()
        await asyncio.wait(waiting, timeout=0.001)

        # Then: what is on the wire is left alone
        assert all(isinstance(task.exception(), Halted) for task in waiting)
        assert not first.done()
        release.set()
        await first
        assert at.in_flight == 0
        with pytest.raises(Halted):
            await send(at, nothing)

    run(main())


def test_nobody_is_admitted_before_the_time_the_gateway_asked_for_and_then_all_go_on() -> None:
    async def main() -> None:
        # Given: a busy gate
        at = gate(concurrency=8)
        sent: list[float] = []
        rejected = False

        async def work() -> None:
            nonlocal rejected
            sent.append(clock())
            await asyncio.sleep(1)
            if clock() > 5 and not rejected:
                rejected = True
                failure = Throttled("slow down")
                failure.retry_after = 12
                raise failure

        async def worker() -> None:
            while clock() < 30:
                try:
                    await send(at, work)
                except Throttled:
                    paused_at.append(clock())

        paused_at: list[float] = []

        # When: one call of many is told to come back in 12 s
        await asyncio.gather(*(worker() for _ in range(20)))

        # Then
        again = paused_at[0] + 12
        assert not [time for time in sent if paused_at[0] < time < again - 1e-6]
        assert len([time for time in sent if again - 1e-6 <= time <= again + 0.01]) >= 7

    run(main())


def test_a_pause_that_is_moved_while_waited_for_is_waited_out() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        lane.account.schedule.asked(5)
        waiting = asyncio.create_task(send(at, nothing))
        await asyncio.sleep(3)

        lane.account.schedule.asked(10)
        await waiting

        assert clock() == pytest.approx(13, abs=0.01)

    run(main())


def test_an_upstreams_limit_holds_one_key_and_the_gateways_own_holds_all() -> None:
    async def main() -> None:
        at = gate("a-*", "b-*")
        saturated, throttled = Saturated("upstream"), Throttled("own")
        saturated.retry_after = throttled.retry_after = 30

        at.failed(at.lane("a-1"), "a-1", saturated, clock())
        await send(at, nothing, "b-1")
        assert clock() < 1

        at.failed(at.lane("a-1"), "a-1", throttled, clock())
        await send(at, nothing, "b-1")
        assert clock() == pytest.approx(30, abs=0.1)

    run(main())


def test_what_holds_calls_up_is_said_in_plain_words() -> None:
    async def main() -> None:
        said: list[str] = []
        for settings, hold in (
            ({"concurrency": 16}, False),
            ({"rpm": 60}, False),
            ({"tpm": 60}, False),
            ({}, True),
        ):
            at = gate(**settings)
            said.append(str(at.waiting_for()))
            if hold:
                at.lane(MODEL).account.schedule.asked(12)

            async def long() -> None:
                await asyncio.sleep(1000)

            tasks = [asyncio.create_task(send(at, long)) for _ in range(40)]
            await asyncio.sleep(0.5)
            said.append(str(at.waiting_for()))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        assert said == [
            "None",
            "window of 8",
            "None",
            "limit of 60 requests/min",
            "None",
            "limit of 60 tokens/min",
            "None",
            "gateway asked for 12 s",
        ]

    run(main())


def test_a_model_without_a_key_is_refused_by_name() -> None:
    with pytest.raises(Blocked, match=r"no key is for model 'gemini-1'"):
        gate("gpt-*").lane("gemini-1")


def test_the_first_matching_key_counts_and_case_matters() -> None:
    at = gate("gpt-4*", "gpt-*", "*")

    assert at.lane("gpt-4o").key_name == "key-of-gpt-4*"
    assert at.lane("gpt-3").key_name == "key-of-gpt-*"
    assert at.lane("GPT-4o").key_name == "key-of-*"
    assert at.lane("gpt-3") is at.lane("gpt-5")


def test_reported_tokens_correct_what_the_next_calls_pay() -> None:
    async def main() -> None:
        at = gate(tpm=6_000)
        lane = at.lane(MODEL)
        visit = at.admit(lane, MODEL, SUBMIT, Estimate(5, 0))
        async with visit:
            pass

        at.answered(visit, Usage({Meter.INPUT: 505}), 0.1)
        await send(at, nothing, model="another", tokens=5)

        assert clock() == pytest.approx(5, abs=0.1)

    run(main())


@pytest.mark.parametrize("call", [POLL, FETCH, FOREIGN], ids=["polls", "fetches", "foreign"])
def test_no_more_of_a_kind_are_on_the_wire_than_there_may_be_submits(call: Call) -> None:
    """A resume of hundreds of tasks asks after all of them at once."""

    async def main() -> None:
        at = gate(concurrency=5)
        now, most, sent = 0, 0, 0

        async def work() -> None:
            nonlocal now, most, sent
            now, sent = now + 1, sent + 1
            most = max(most, now)
            await asyncio.sleep(1)
            now -= 1

        await asyncio.gather(*(send(at, work, call=call) for _ in range(40)))

        assert (most, sent) == (5, 40)

    run(main())


def test_who_may_not_pass_gives_its_place_back() -> None:
    async def main() -> None:
        at = gate(concurrency=1)
        at.block("key", at.lane(MODEL), MODEL, BadKey("no"))

        async def work() -> None:
            pytest.fail("nothing is sent with this key")

        for _ in range(3):
            with pytest.raises(Blocked):
                await send(at, work, call=POLL)

    run(main())


def test_who_waits_for_a_turn_at_the_account_takes_nothing_twice() -> None:
    """Of many keys at one account each has its own door, and all meet at the account's."""
    keys = [f"key-{number}" for number in range(20)]

    async def main() -> None:
        at = gate(*keys, concurrency=8)
        sent = 0

        async def work() -> None:
            nonlocal sent
            assert at.in_flight <= 8
            await asyncio.sleep(0.01)
            sent += 1

        async def worker(key: str) -> None:
            for _ in range(30):
                await send(at, work, model=key)

        await asyncio.gather(*(worker(key) for key in keys for _ in range(3)))

        assert (sent, at.in_flight) == (20 * 3 * 30, 0)
        assert [lane.slots.taken for lane in at.lanes] == [0] * 20

    run(main(), busy=0.001)
