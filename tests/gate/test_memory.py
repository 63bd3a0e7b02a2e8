"""Memory for what is in flight: who waits for it, in which order, and what answers teach."""

from __future__ import annotations

import asyncio

import pytest

from batch.errors import Halted
from batch.gate.memory import Held, Memory
from tests.gate.world import passes
from tests.virtual import run

KB = 1 << 10
MODEL = "painter"


class Askers:
    """Some who ask, one after the other; those who got their bytes are noted in order."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.got: list[int] = []
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def ask(self, *amounts: int) -> None:
        """Have each amount asked for; return when nothing more happens."""
        for amount in amounts:
            self.tasks[amount] = asyncio.ensure_future(self._take(amount))
        await passes()

    async def _take(self, amount: int) -> None:
        await self.memory.take(lambda: amount)
        self.got.append(amount)


def test_as_many_bytes_are_out_as_there_are_and_the_next_goes_when_some_come_back() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)

        await askers.ask(60, 40, 1)
        assert (askers.got, memory.taken) == ([60, 40], 100)

        memory.give_back(40)
        await passes()
        assert (askers.got, memory.taken) == ([60, 40, 1], 61)

    run(main())


def test_a_small_one_does_not_go_before_a_large_one_that_waits() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        await askers.ask(60, 70, 1)
        assert askers.got == [60]

        memory.give_back(60)
        await passes()

        assert askers.got == [60, 70, 1]

    run(main())


def test_what_wants_more_than_there_is_goes_alone() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        await askers.ask(10, 500, 20)
        assert askers.got == [10]

        memory.give_back(10)
        await passes()
        assert askers.got == [10, 500]

        memory.give_back(500)
        await passes()
        assert askers.got == [10, 500, 20]

    run(main())


def test_a_debt_keeps_the_next_waiting_until_it_is_paid() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        await askers.ask(50)
        memory.owe(150)

        await askers.ask(1)
        memory.give_back(50)
        await passes()
        assert askers.got == [50]

        memory.give_back(150)
        await passes()
        assert (askers.got, memory.taken) == ([50, 1], 1)

    run(main())


def test_lines_in_work_leave_so_much_less_for_calls_but_one_goes_however_many_they_are() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        memory.carry(50)

        await askers.ask(40, 20)
        assert askers.got == [40]

        memory.put_down(30)
        await passes()
        assert askers.got == [40, 20]

        memory.carry(500)
        memory.give_back(60)
        await askers.ask(90)
        assert askers.got == [40, 20, 90]

    run(main())


def test_when_the_run_ends_all_who_wait_are_sent_away_and_the_next_does_not_begin_to() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        await askers.ask(100, 2, 3)

        memory.halt()
        await askers.ask(4)

        for amount in (2, 3, 4):
            assert isinstance(askers.tasks[amount].exception(), Halted)
        memory.give_back(100)
        assert memory.taken == 0
        assert memory.waiting_for() is None

    run(main())


def test_one_who_gives_up_first_in_line_makes_way_for_the_next() -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        await askers.ask(60, 90, 30)

        askers.tasks[90].cancel()
        await passes()

        assert askers.got == [60, 30]
        assert memory.taken == 90

    run(main())


@pytest.mark.parametrize("first", ["bytes", "cancel"])
def test_bytes_that_come_just_when_the_wait_ends_are_not_lost(first: str) -> None:
    async def main() -> None:
        memory = Memory(100)
        askers = Askers(memory)
        await askers.ask(100, 70, 30)

        if first == "bytes":
            memory.give_back(100)
            askers.tasks[70].cancel()
        else:
            askers.tasks[70].cancel()
            memory.give_back(100)
        await passes()

        assert askers.got == [100, 30]
        assert memory.taken == 30

    run(main())


def test_who_waits_says_for_what() -> None:
    async def main() -> None:
        memory = Memory(100)
        assert memory.waiting_for() is None

        await Askers(memory).ask(100, 1)

        held = memory.waiting_for()
        assert held is not None
        assert held.kind == "memory"
        assert "--max-inflight-bytes" in str(held)

    run(main())


def test_where_there_is_room_nobody_gives_way_to_another_task() -> None:
    memory = Memory(100)
    taking = memory.held(MODEL).take(100)

    with pytest.raises(StopIteration):
        taking.send(None)


def test_a_call_that_weighs_nothing_goes_whoever_waits() -> None:
    async def main() -> None:
        memory = Memory(100)
        await Askers(memory).ask(100, 50)

        await asyncio.wait_for(memory.held(MODEL).take(0), 1)

        assert memory.taken == 100

    run(main())


async def answered(memory: Memory, amount: int, unknown: int = 0) -> int:
    """Have a call of the model answered; return how many bytes were reserved for the answer."""
    held = memory.held(MODEL)
    await held.take(0, unknown)
    reserved = memory.taken
    held.answered(amount)
    held.release()
    return reserved


def test_bytes_are_reserved_for_an_answer_as_those_of_its_model_took_them_of_late() -> None:
    async def main() -> None:
        memory = Memory(1 << 30)
        assert await answered(memory, 800 * KB) == 0

        assert await answered(memory, 900 * KB) == 800 * KB
        assert await answered(memory, 100 * KB) == 900 * KB  # a larger one counts at once
        assert await answered(memory, 800 * KB) == 800 * KB  # a smaller one by an eighth
        assert await answered(memory, 0) == 800 * KB

        other = memory.held("another")
        await other.take(0)
        assert memory.taken == 0

    run(main())


@pytest.mark.parametrize("room", [1000 * KB, 9000 * KB])
def test_two_calls_of_an_unknown_model_go_at_once_however_much_room_there_is(room: int) -> None:
    async def main() -> None:
        memory = Memory(room)
        calls = [memory.held(MODEL) for _ in range(3)]

        async def call(held: Held) -> None:
            await held.take(100 * KB, unknown=10 * KB)
            out.append(held)

        out: list[Held] = []
        tasks = [asyncio.ensure_future(call(held)) for held in calls]
        await passes()
        assert out == calls[:2]

        calls[0].answered(200 * KB)
        calls[0].release()
        await asyncio.gather(*tasks)
        assert memory.taken == room // 2 + 300 * KB  # as much as is known by now

    run(main())


def test_what_may_come_counts_in_full_if_there_is_little_room() -> None:
    async def main() -> None:
        memory = Memory(1000 * KB)
        held = memory.held(MODEL)

        await held.take(100 * KB, unknown=800 * KB)

        assert memory.taken == 900 * KB

    run(main())


def test_a_model_that_gives_small_answers_only_has_nothing_reserved() -> None:
    async def main() -> None:
        memory = Memory(1000 * KB)

        assert await answered(memory, 1 * KB, unknown=300 * KB) == 500 * KB
        assert await answered(memory, 1 * KB, unknown=300 * KB) == 0

    run(main())


def test_what_once_was_large_is_forgotten() -> None:
    async def main() -> None:
        memory = Memory(1 << 30)
        await answered(memory, 800 * KB)

        for _ in range(200):
            await answered(memory, 0)

        assert await answered(memory, 0) == 0

    run(main())


def test_an_answer_takes_more_than_was_reserved_without_asking_and_gives_all_of_it_back() -> None:
    async def main() -> None:
        memory = Memory(100 * KB)
        held = memory.held(MODEL)
        await held.take(80 * KB)

        held.grew(50 * KB)
        held.grew(50 * KB)
        assert memory.taken == 180 * KB

        held.answered(300 * KB)  # in all, with what was made of it
        assert memory.taken == 380 * KB

        held.release()
        held.release()
        assert memory.taken == 0

    run(main())


def test_what_comes_is_taken_out_of_what_was_reserved_for_it() -> None:
    async def main() -> None:
        memory = Memory(1 << 30)
        await answered(memory, 800 * KB)
        held = memory.held(MODEL)
        await held.take(100 * KB)
        assert memory.taken == 900 * KB

        held.grew(700 * KB)
        held.answered(800 * KB)

        assert memory.taken == 900 * KB

    run(main())
