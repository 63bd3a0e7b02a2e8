"""What whole runs in virtual time say of what held them back, and of how long they take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batch.bottleneck import Bottleneck
from batch.errors import Overloaded, Throttled, Unreachable
from batch.gate.memory import Memory
from batch.gate.settings import KeyLimits
from batch.gauges import Count, Gauges
from batch.pipeline import Backlog
from batch.records import Call, Reply, Row
from batch.retry import RetryPolicy
from batch.secret import Secret
from batch.transport import Folding, nobody
from tests.gate.world import clock, gate, send
from tests.rig import Rig, json_reply, rows
from tests.toys.formats import TaskToy, Toy
from tests.virtual import run

GOOD = json_reply({"say": "yes", "in": 5, "out": 2})


class Slow:
    """A gateway that takes its time for each answer, and may refuse a call first."""

    def __init__(self, seconds: float, refuse: Callable[[float], None] = lambda now: None) -> None:
        self._seconds = seconds
        self._refuse = refuse

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        """Answer after a while."""
        self._refuse(asyncio.get_running_loop().time())
        await asyncio.sleep(self._seconds)
        return GOOD


class Crowded(Slow):
    """A gateway that turns away whoever is one too many at once."""

    def __init__(self, most: int) -> None:
        super().__init__(0.2)
        self._places = asyncio.Semaphore(most)

    async def send(self, *of: Any, **more: Any) -> Reply:
        """Answer after a while, or not at all."""
        if self._places.locked():
            raise Overloaded("too many at once", status=503)
        async with self._places:
            return await super().send(*of, **more)


def watched(folder: Path, concurrency: int = 8, **settings: object) -> Rig:
    rig = Rig(folder, Toy(), concurrency=concurrency)
    rig.watched = True
    for name, value in settings.items():
        setattr(rig, name, value)
    return rig


def most(rig: Rig) -> Bottleneck:
    """What held the run back most."""
    assert rig.gauges is not None
    return rig.gauges.bottlenecks[0]


def a_second(limit: int) -> Callable[[float], None]:
    """Refuse what is beyond so many calls a second, as one that counts by the clock's second."""
    taken: dict[int, int] = {}

    def refuse(now: float) -> None:
        second = int(now)
        taken[second] = taken.get(second, 0) + 1
        if taken[second] > limit:
            raise Throttled("slow down", status=429)

    return refuse


def mixed(count: int, slow: Callable[[int], bool]) -> list[Row]:
    """Return so many lines, of which some are for a slow key."""
    fast = rows(count, "toy", model="fast")
    return [
        msgspec.structs.replace(row, model="slow-1") if slow(row.ordinal) else row for row in fast
    ]


def test_your_own_limit_is_named(tmp_path: Path) -> None:
    rig = watched(tmp_path, rpm=600)

    rig.session(rows(150, "toy"), Slow(0.2))

    assert most(rig).text == "your limit of 600 requests/min"
    assert most(rig).share > 0.95


def test_the_gateways_limit_is_named(tmp_path: Path) -> None:
    rig = watched(tmp_path, concurrency=64)

    rig.session(rows(300, "toy"), Slow(0.2, a_second(10)))

    assert most(rig).kind == "gateway"
    assert most(rig).share > 0.5


def test_as_many_calls_as_are_good_for_the_gateway_are_named(tmp_path: Path) -> None:
    rig = watched(tmp_path, concurrency=64)

    rig.session(rows(2000, "toy"), Crowded(10))

    assert most(rig).kind == "window"
    assert most(rig).share > 0.75


def test_a_ceiling_is_named_with_what_an_answer_takes(tmp_path: Path) -> None:
    rig = watched(tmp_path)

    rig.session(rows(200, "toy"), Slow(3.0))

    assert most(rig).short == "-c 8 (100 %)"
    assert most(rig).advice == (
        "all 8 calls are out and an answer takes 3.0 s; -c 16 may be twice as fast"
    )


def test_a_disk_that_stalls_is_named(tmp_path: Path) -> None:
    rig = watched(tmp_path, stall=2.0)

    rig.session(rows(200, "toy"), Slow(0.05))

    assert most(rig).kind == "disk"
    assert most(rig).share > 0.8


def test_a_gateway_that_is_gone_is_named(tmp_path: Path) -> None:
    def gone(now: float) -> None:
        if now < 300:
            raise Unreachable("connection refused")

    rig = watched(tmp_path)

    rig.session(rows(50, "toy"), Slow(0.1, gone))

    assert most(rig).kind == "silence"
    assert "connection refused" in most(rig).short


def test_the_last_answers_are_named(tmp_path: Path) -> None:
    rig = watched(tmp_path)

    rig.session(rows(5, "toy"), Slow(30.0))

    assert most(rig).kind == "answers"


def test_tasks_that_are_waited_for_are_named(tmp_path: Path) -> None:
    ids = count(1)

    class Films:
        async def send(
            self,
            call: Call,
            secret: Secret | None,
            folding: Folding | None = None,
            grew: Callable[[int], None] = nobody,
            leaves: Callable[[], None] | None = None,
        ) -> Reply:
            if call.kind == "submit":
                return json_reply({"id": next(ids)})
            return json_reply({"id": int(call.path.rpartition("/")[2])})

    rig = watched(tmp_path)
    rig.wire = TaskToy()
    rig.policy = RetryPolicy(poll_jitter=0.0, task_timeout=60.0)

    rig.session(rows(20, TaskToy.name), Films())

    assert most(rig).kind == "tasks"


def test_of_two_keys_the_one_is_named_whose_lines_will_be_the_last(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Toy(), concurrency=8, keys=("slow-*", "*"))
    rig.watched = True
    rig.limits = (KeyLimits(match="*", rpm=600), KeyLimits(match="slow-*", rpm=60))

    rig.session(mixed(400, lambda n: n % 10 == 0), Slow(0.1))

    assert most(rig).text == "your limit of 60 requests/min for slow-* with key of slow-*"
    assert most(rig).share > 0.9


@pytest.mark.parametrize("order", ["shuffled", "slow first"])
def test_the_time_left_is_that_of_the_slowest_key(tmp_path: Path, order: str) -> None:
    rig = Rig(tmp_path, Toy(), concurrency=8, keys=("slow-*", "*"))
    rig.watched = True
    rig.limits = (KeyLimits(match="slow-*", rpm=60),)
    slow = (lambda n: n % 10 == 0) if order == "shuffled" else (lambda n: n <= 90)

    rig.session(mixed(900, slow), Slow(0.1))

    ended = max(rig.left)
    assert ended == pytest.approx(90, rel=0.05)
    for at, left in rig.left.items():
        # Of one line a second, fewer would be one more or less.
        if 10 <= at <= ended - 5:
            assert left == pytest.approx(ended - at, rel=0.25, abs=2), at


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (
            [KeyLimits(match="slow-*", concurrency=4)],
            "the concurrency for slow-* with key-of-slow-*",
        ),
        # Its calls are all that the account may have out: no limit of its own.
        ([], "-c 8"),
        # Others wait as well, and have waited longer, yet will be done first.
        (
            [KeyLimits(match="*", rpm=3), KeyLimits(match="slow-*", rpm=2)],
            "your limit of 2 requests/min for slow-* with key-of-slow-*",
        ),
    ],
    ids=["of the key", "of the account", "of the last key"],
)
def test_a_limit_is_that_of_the_key_whose_lines_will_be_the_last(
    limits: list[KeyLimits], text: str
) -> None:
    class Rooms:
        behind = False

        def backlog(self) -> Backlog:
            ended = round(clock())
            return Backlog({"slow-*": ended, "*": ended}, {"slow-*": 500, "*": 5}, True, True, 0)

    async def main() -> Bottleneck | None:
        at = gate("slow-*", "*", concurrency=8, keys=limits)
        rooms: Any = Rooms()
        gauges = Gauges(at, Memory(), rooms, rooms, lambda: 0.0, 1.0)
        models = [*(["fast"] * 4 if len(limits) > 1 else []), *["slow-1"] * 12]
        calls = [
            asyncio.create_task(send(at, lambda: asyncio.sleep(1000), model)) for model in models
        ]
        for second in range(10):
            await asyncio.sleep(1)
            gauges.look(float(second), Count(0, 505, 0))
        for call in calls:
            call.cancel()
        return gauges.bottleneck

    told = run(main())

    assert told is not None
    assert told.text == text
