"""Each key has as many workers as may have a call on the wire: too few would leave slots empty."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import orjson
import pytest

from batch.errors import UpstreamAccount
from batch.pool import Pool
from batch.records import Call, Reply, Row
from tests.rig import Crashed, Rig, Scripted, json_reply, rows
from tests.toys.formats import AskThrice, Toy
from tests.virtual import run

GOOD = json_reply({"say": "yes", "in": 5, "out": 2})


class Crew:
    """Workers of one lane, for each of many units of work."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.left = 10_000
        self.seconds = 1.0  # that a unit takes
        self.pool = Pool(lambda lane: self.at_once, self._work)

    async def _work(self, lane: str) -> None:
        while self.left and self.pool.beyond(lane) <= 0:
            self.left -= 1
            self.pool.call_in(lane)
            await asyncio.sleep(self.seconds)

    @property
    def size(self) -> int:
        return len(self.pool.tasks)


def crewed(at_once: int, then: Callable[[Crew], Awaitable[None]]) -> None:
    """Have a crew at work for some seconds, and then something happen."""

    async def main() -> None:
        crew = Crew(at_once)
        crew.pool.start("*")
        watching = asyncio.ensure_future(crew.pool.keep_up())
        await asyncio.sleep(3.5)
        await then(crew)
        watching.cancel()
        await crew.pool.stop()

    run(main())


def test_there_are_as_many_workers_as_calls_may_be_on_the_wire() -> None:
    async def then(crew: Crew) -> None:
        assert crew.size == 8

    crewed(8, then)


def test_more_are_called_in_when_more_may_be_on_the_wire() -> None:
    async def then(crew: Crew) -> None:
        crew.at_once = 20
        await asyncio.sleep(1.1)
        assert crew.size == 20

    crewed(8, then)


def test_those_that_become_too_many_leave_one_by_one_and_never_all() -> None:
    async def then(crew: Crew) -> None:
        crew.at_once = 3
        await asyncio.sleep(5)
        assert crew.size == 3

    crewed(8, then)


def test_another_one_works_in_the_place_of_one_that_rests_and_leaves_afterwards() -> None:
    async def then(crew: Crew) -> None:
        with crew.pool.resting("*"):
            assert crew.size == 9
            await asyncio.sleep(5)
            assert crew.size == 9
        await asyncio.sleep(5)
        assert crew.size == 8

    crewed(8, then)


def test_no_more_are_called_in_than_find_work() -> None:
    async def then(crew: Crew) -> None:
        crew.left = 5
        crew.at_once = 1000
        await asyncio.sleep(1.1)
        assert crew.left == 0
        await asyncio.sleep(2)
        assert crew.size == 0

    crewed(2, then)


def test_more_are_called_in_soon_though_all_are_busy_for_long() -> None:
    async def then(crew: Crew) -> None:
        crew.seconds = 3600.0
        await asyncio.sleep(2)
        crew.at_once = 20
        await asyncio.sleep(1.5)
        assert crew.size == 20

    crewed(8, then)


def test_calls_are_on_the_wire_while_answers_of_votes_wait_for_the_disk(tmp_path: Path) -> None:
    # Given lines that ask three times, and a disk that takes longer than an answer
    def reply_to(call: Call) -> Reply:
        calls.append(asyncio.get_running_loop().time())
        return GOOD

    calls: list[float] = []
    rig = Rig(tmp_path, Toy(), AskThrice(), concurrency=200)
    rig.stall = 0.1

    rig.session(rows(3000, "toy"), Scripted(reply_to))

    # Then it is busy: each round takes in as many answers as may wait for it, of 9,000
    assert len(calls) == 9000
    assert max(calls) < 1.5 * (9000 / 200 * rig.stall)


def mixed(bare: int, count: int) -> list[Row]:
    """Return so many lines, of which the first are for a model whose channels fail."""
    return [
        msgspec.structs.replace(row, model="bare" if row.ordinal <= bare else "here")
        for row in rows(count, "toy")
    ]


def test_lines_that_wait_for_a_model_in_trouble_hold_up_no_line_of_another(tmp_path: Path) -> None:
    # Given a model whose channels fail, with more lines than may be on the wire at first
    def reply_to(call: Call) -> Reply:
        assert isinstance(call.payload, bytes)
        if orjson.loads(call.payload)["line"] <= 40:
            raise UpstreamAccount("the upstream has no money", status=503)
        done.append(asyncio.get_running_loop().time())
        return GOOD

    done: list[float] = []
    rig = Rig(tmp_path, Toy(), concurrency=64)

    # When the others come behind them
    rig.session(mixed(40, 100), Scripted(reply_to))

    # Then these are done before that model is tried a second time
    assert len(done) == 60
    assert max(done) < 3


def test_lines_that_wait_for_a_model_in_trouble_are_no_more_than_calls_may_be_at_once(
    tmp_path: Path,
) -> None:
    # Given a file of nothing else
    def reply_to(call: Call) -> Reply:
        raise UpstreamAccount("the upstream has no money", status=503)

    def watch() -> bool:
        """Cut the run off while they wait."""
        tasks.append(len(asyncio.all_tasks()))
        return asyncio.get_running_loop().time() > 2

    tasks: list[int] = []
    rig = Rig(tmp_path, Toy(), concurrency=64)

    # When they have waited for a while
    with pytest.raises(Crashed):
        rig.session(mixed(10_000, 10_000), Scripted(reply_to), crash=watch)

    # Then no more of them were taken than may be at once, beside the few that failed and rest
    assert 64 < max(tasks) < 90
