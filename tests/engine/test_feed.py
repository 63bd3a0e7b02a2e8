"""What the feed promises: every line once, each lane's in order, in bounded memory, and no lane
holds up another one.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from batch.errors import BadData, Blocked
from batch.feed import Feed, Lines, Spill
from batch.files import OsFiles
from batch.queues import ALL_BYTES, ALL_ROWS
from batch.records import BadLine, Row
from batch.spill import Spill as RealSpill
from tests.rig import at_once, unread
from tests.virtual import run

Handed = dict[str, list[int]]


@cache
def zeros(size: int) -> bytes:
    """Return the same object for the same size: so many lines take no memory here."""
    return bytes(size)


def row(ordinal: int, lane: str, size: int = 1, pack_key: str = "") -> Row:
    return Row(
        ordinal=ordinal,
        sum=ordinal,
        custom_id=str(ordinal),
        format="toy",
        model=lane,
        body=zeros(size),
        source="in.jsonl",
        number=ordinal,
        pack_key=pack_key,
    )


def bad(ordinal: int) -> BadLine:
    return BadLine(ordinal, ordinal, str(ordinal), "in.jsonl", ordinal, "invalid_json", "no")


class Kept:
    """A spill in memory, with so much room; getting lines back takes a while."""

    def __init__(
        self,
        room: float = float("inf"),
        seconds: float = 0.001,
        failure: Exception | None = None,
    ) -> None:
        self.room = room
        self.seconds = seconds
        self.failure = failure
        self.kept: dict[str, deque[Row]] = {}
        self.puts = 0

    def put(self, lane: str, row: Row) -> bool:
        if sum(map(len, self.kept.values())) >= self.room:
            return False
        self.puts += 1
        self.kept.setdefault(lane, deque()).append(row)
        return True

    async def take(self, lane: str, rows: int, size: int) -> Sequence[Row]:
        await asyncio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        kept = self.kept[lane]
        back = [kept.popleft()]
        while kept and len(back) < rows:
            size -= len(back[-1].body)
            if len(kept[0].body) > size:
                break
            back.append(kept.popleft())
        return back


class Watched:
    """Another spill, how many lines it held, and how many the feed held in memory beside it."""

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self.feed: Feed
        self.rows = self.most = self.most_held = 0

    def look(self) -> int:
        held = sum(self.feed.waiting().values()) - self.rows
        self.most_held = max(self.most_held, held)
        return held

    def put(self, lane: str, row: Row) -> bool:
        if self.rows % 16 == 0:
            self.look()
        there = self._spill.put(lane, row)
        self.rows += there
        self.most = max(self.most, self.rows)
        return there

    async def take(self, lane: str, rows: int, size: int) -> Sequence[Row]:
        self.look()
        back = await self._spill.take(lane, rows, size)
        self.rows -= len(back)
        asyncio.get_running_loop().call_soon(self.look)  # when the feed has taken them
        return back


class Bench:
    """A feed, the reader that goes ahead, and workers who take as fast as their lane may."""

    def __init__(
        self,
        lines: Iterable[Row | BadLine | None],
        lanes: Collection[str],
        spill: Spill | None = None,
        width: int = 1,
        lane_of: Callable[[str], str] = str,
    ) -> None:
        self.read = 0  # lines
        self.met: list[str] = []
        self.handed: Handed = {lane: [] for lane in lanes}
        self.units: list[list[Row]] = []
        self.times: dict[int, float] = {}
        self.bad: list[int] = []
        to = lane_of, width, self.met.append, spill or Kept(), lanes
        self.feed = Feed(self._counted(lines), *to)
        if isinstance(spill, Watched):
            spill.feed = self.feed

    def _counted(self, lines: Iterable[Row | BadLine | None]) -> Lines:
        for line in lines:
            self.read += 1
            yield line

    async def read_ahead(self) -> None:
        while await self.feed.ahead():
            while self.feed.bad:
                self.bad.append(self.feed.bad.popleft().ordinal)

    async def take(self, lane: str, seconds: float = 0.0, most: float = float("inf")) -> None:
        """Take a lane's units, resting after each, until they end or there were so many."""
        while lane not in self.met:
            await asyncio.sleep(0.0005)
        while len(self.handed[lane]) < most:
            unit = await self.feed.take(lane)
            if unit is None:
                return
            self.units.append(list(unit.rows))
            for one in unit.rows:
                self.handed[lane].append(one.ordinal)
                self.times[one.ordinal] = asyncio.get_running_loop().time()
            await asyncio.sleep(seconds)
            self.feed.end(lane, unit)


def expected(lines: Iterable[Row]) -> Handed:
    """Return the lines of each lane, in order."""
    handed: Handed = {}
    for line in lines:
        handed.setdefault(line.model, []).append(line.ordinal)
    return handed


async def together(*work: object) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)  # type: ignore[arg-type]


@pytest.mark.parametrize("room", [float("inf"), 700, 0], ids=["spill", "small spill", "no spill"])
@pytest.mark.parametrize("width", [1, 7])
@pytest.mark.parametrize("seed", range(4))
def test_every_line_is_handed_out_once_and_each_lanes_in_order(
    seed: int, width: int, room: float
) -> None:
    # Given lines of four lanes in long and short stretches, small and large
    chance = random.Random(seed)
    lanes = ["a", "b", "c", "d"]
    models: list[str] = []
    while len(models) < 3000:
        models += [chance.choice(lanes)] * chance.choice([1, 1, 1, 30, 900])
    sizes = (1, 1, 1, 100, 100_000, 3_000_000)
    lines = [row(n, lane, chance.choice(sizes), "k") for n, lane in enumerate(models, 1)]
    bench = Bench(lines, lanes, Kept(room), width)

    # When workers of each lane take at a pace of their own
    async def main() -> None:
        paces = [chance.choice([0.0, 0.0001, 0.01]) for _ in lanes]
        takers = [
            bench.take(lane, pace)
            for lane, pace in zip(lanes, paces, strict=True)
            for _ in range(3)
        ]
        await together(bench.read_ahead(), *takers)

    run(main())

    # Then
    assert bench.handed == {lane: [] for lane in lanes} | expected(lines)
    assert all(len(unit) <= width for unit in bench.units)
    assert sum(bench.feed.waiting().values()) == 0


def test_a_slow_lane_with_very_many_lines_holds_up_nobody_behind_it() -> None:
    # Given 50,000 lines of a lane that takes one a second, before the first line of another one
    lines = [
        *(row(n, "slow") for n in range(50_000)),
        *(row(n, "fast") for n in range(50_000, 50_100)),
    ]
    bench = Bench(lines, ["slow", "fast"])

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(bench.read_ahead())
            slow = group.create_task(bench.take("slow", 1.0))
            await bench.take("fast", 0.001)
            slow.cancel()

    run(main())

    assert bench.handed["fast"] == list(range(50_000, 50_100))
    assert len(bench.handed["slow"]) <= 2


def test_lines_that_nobody_needs_are_not_read() -> None:
    """One lane needs no reading ahead, and so its lines are read only once."""
    bench = Bench((row(n, "a") for n in range(100_000)), ["a"], spill := Kept())

    async def main() -> None:
        reading = asyncio.ensure_future(bench.read_ahead())
        await together(*(bench.take("a", 0.01, most=500) for _ in range(10)))
        reading.cancel()

    run(main())

    assert 500 <= bench.read <= 600
    assert spill.puts == 0


def test_a_lane_that_nobody_foresaw_gets_its_lines_all_the_same() -> None:
    """Lines may name their model where nobody looked."""
    bench = Bench((row(n, "b" if n % 100 == 99 else "a") for n in range(1000)), ["a"])
    bench.handed["b"] = []

    run(together(bench.read_ahead(), bench.take("a", 0.001), bench.take("b")))

    assert len(bench.handed["a"]) == 990
    assert bench.handed["b"] == list(range(99, 1000, 100))


def test_a_lane_whose_lines_are_far_apart_gets_them_as_soon_as_it_asks() -> None:
    lines = [row(n, "b" if n % 1000 == 999 else "a") for n in range(20_000)]
    bench = Bench(lines, ["a", "b"])

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(bench.read_ahead())
            slow = group.create_task(bench.take("a", 1.0))
            await bench.take("b", 0.001)
            slow.cancel()
            reading.cancel()

    run(main())

    assert len(bench.handed["b"]) == 20
    assert max(bench.times[n] for n in bench.handed["b"]) < 0.1


def test_reading_far_ahead_lets_others_have_their_turn() -> None:
    """Between two turns no more is read than the loop can spare."""
    steps: list[int] = []
    bench = Bench((row(n, "a") for n in range(10_000)), ["a", "unknown"])

    async def main() -> None:
        reading = asyncio.ensure_future(bench.read_ahead())
        while not reading.done():
            before = bench.read
            await asyncio.sleep(0)
            steps.append(bench.read - before)

    run(main())

    assert bench.read == 10_000
    assert max(steps) <= 20


def test_long_lines_are_read_a_few_at_a_time() -> None:
    steps: list[int] = []
    lines = (row(n, "a", 100_000) for n in range(200))
    bench = Bench(lines, ["a", "unknown"])

    async def main() -> None:
        reading = asyncio.ensure_future(bench.read_ahead())
        while not reading.done():
            before = bench.read
            await asyncio.sleep(0)
            steps.append(bench.read - before)

    run(main())

    assert max(steps) <= 3


def test_two_hundred_thousand_lines_wait_and_few_of_them_in_memory(tmp_path: Path) -> None:
    # Given twenty slow lanes, and lines that come out of no file
    lanes = [f"lane-{n}" for n in range(20)]
    lines = (row(n, lanes[n % 19], 200) for n in range(220_000))
    with RealSpill(OsFiles(), str(tmp_path), (), unread, at_once) as real:
        spill = Watched(real)
        bench = Bench(lines, lanes, spill)

        # When the reader runs to the end, and a part is taken
        takers = [bench.take(lane, 0.001, most=500) for lane in lanes[:19]]
        run(together(bench.read_ahead(), *takers))

    # Then
    assert spill.most >= 200_000
    assert 1000 <= spill.most_held <= ALL_ROWS
    assert all(
        handed == sorted(handed) and len(handed) >= 500
        for handed in list(bench.handed.values())[:19]
    )


def test_what_waits_in_memory_is_bounded_in_bytes_too() -> None:
    lanes = ["a", "b", "c", "d"]
    lines = [row(n, lanes[n % 4], 300_000) for n in range(400)]  # 120 MB
    bench = Bench(lines, [*lanes, "unknown"], spill := Watched(Kept()))

    run(together(bench.read_ahead(), *(bench.take(lane, 0.01) for lane in lanes)))

    assert 10_000_000 <= spill.most_held * 300_000 <= ALL_BYTES
    assert bench.handed == expected(lines) | {"unknown": []}


def test_a_line_larger_than_its_share_is_in_memory_only_when_somebody_takes_it() -> None:
    lanes = ["a", "b"]
    lines = [row(n, lanes[n % 2], ALL_BYTES) for n in range(6)]
    bench = Bench(lines, [*lanes, "unknown"], spill := Watched(Kept()))
    held: list[int] = []

    async def main() -> None:
        await bench.read_ahead()
        for lane in (*lanes, *lanes, *lanes):
            held.append(spill.look())
            unit = await bench.feed.take(lane)
            assert unit is not None
            assert len(unit.rows) == 1
            bench.feed.end(lane, unit)

    run(main())

    assert held == [0] * 6


def test_units_are_filled_up_from_the_spill() -> None:
    lines = [row(n, "a" if n < 3000 else "b", pack_key="k") for n in range(3100)]
    bench = Bench(lines, ["a", "b"], width=50)

    run(together(bench.read_ahead(), bench.take("b", 0.1), bench.take("a", 0.01)))

    assert bench.handed == expected(lines)
    assert [len(unit) for unit in bench.units] == [50] * 62


@pytest.mark.parametrize("room", [float("inf"), 0])
def test_a_unit_that_would_take_too_much_memory_is_handed_out_smaller(room: float) -> None:
    lines = [row(n, "a", ALL_BYTES // 4, "k") for n in range(40)]
    bench = Bench(lines, ["a"], Kept(room), width=10)

    run(together(bench.read_ahead(), bench.take("a", 0.01)))

    assert [len(unit) for unit in bench.units] == [4] * 10
    assert bench.handed == expected(lines)


def test_bad_lines_come_up_once_each_and_hold_up_nothing() -> None:
    lines = [bad(n) if n % 3 == 0 else row(n, "ab"[n % 2]) for n in range(3000)]
    bench = Bench(lines, ["a", "b"])

    async def take(lane: str) -> None:
        while lane not in bench.met:
            await asyncio.sleep(0)
        while (unit := await bench.feed.take(lane)) is not None:
            bench.handed[lane] += [one.ordinal for one in unit.rows]
            while bench.feed.bad:
                bench.bad.append(bench.feed.bad.popleft().ordinal)
            await asyncio.sleep(0.001)

    run(together(bench.read_ahead(), take("a"), take("b")))

    assert sorted(bench.bad) == list(range(0, 3000, 3))
    assert bench.handed == expected(line for line in lines if isinstance(line, Row))


@pytest.mark.parametrize("lines", [[], [bad(1), bad(2)], [None, None]])
def test_inputs_without_a_line_to_ask_come_to_an_end(lines: list[BadLine | None]) -> None:
    bench = Bench(lines, ["a"])

    run(bench.read_ahead())

    assert bench.bad == [line.ordinal for line in lines if line is not None]
    assert bench.met == []


def test_lines_of_a_blocked_model_are_counted_and_passed_over() -> None:
    def lane_of(model: str) -> str:
        if model == "nobody's":
            raise Blocked("no key is for it")
        return model

    lines = [row(n, "nobody's" if n % 2 else "a") for n in range(1000)]
    bench = Bench(lines, ["a"], lane_of=lane_of)

    run(together(bench.read_ahead(), bench.take("a")))

    assert bench.feed.blocked == 500
    assert bench.handed["a"] == list(range(0, 1000, 2))


def test_what_waits_is_told_by_lane() -> None:
    lines = [row(n, "a" if n < 5000 else "b") for n in range(5010)]
    bench = Bench(lines, ["a", "b"])

    async def main() -> None:
        await bench.read_ahead()
        await bench.take("a", most=7)

    run(main())

    assert bench.feed.waiting() == {"a": 5000 - 7, "b": 10}


@pytest.mark.parametrize("after", [0.005, 0.5])
def test_a_stop_sends_everybody_home_with_nothing(after: float) -> None:
    """Also those who wait for lines that somebody is just getting back."""
    lines = (row(n, "a") for n in range(9000))
    bench = Bench(lines, ["a", "unknown"], Kept(seconds=1.0))
    taken_at_stop = 0

    async def main() -> None:
        nonlocal taken_at_stop
        await bench.read_ahead()
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(bench.take("a", 0.0001))
            await asyncio.sleep(after)
            bench.feed.stop()
            taken_at_stop = len(bench.handed["a"])

    run(main())

    assert len(bench.handed["a"]) == taken_at_stop
    assert bench.feed.waiting() == {"a": 0}


def test_a_worker_that_is_cancelled_while_it_gets_lines_back_leaves_them_to_the_others() -> None:
    # Given five workers, of whom one gets lines back when the others find nothing any more
    lines = [row(n, "a") for n in range(5000)]
    bench = Bench(lines, ["a", "unknown"], Kept(seconds=1.0))

    async def main() -> None:
        await bench.read_ahead()
        async with asyncio.TaskGroup() as group:
            takers = [group.create_task(bench.take("a")) for _ in range(5)]
            await asyncio.sleep(0.5)
            before = len(bench.handed["a"])

            for taker in takers[:4]:
                taker.cancel()

        assert before == 2000

    run(main())

    assert len(bench.handed["a"]) == 5000


def test_an_input_that_changed_stops_whoever_would_have_got_its_line() -> None:
    spill = Kept(failure=BadData("in.jsonl:7: the line was changed"))
    bench = Bench((row(n, "a") for n in range(9000)), ["a", "unknown"], spill)

    async def main() -> None:
        await bench.read_ahead()
        await bench.take("a")

    with pytest.raises(BadData, match=r"in\.jsonl:7"):
        run(main())


def test_damage_in_the_inputs_reaches_the_reader() -> None:
    def lines() -> Iterator[Row]:
        yield row(1, "a")
        raise BadData("in.jsonl:2: damaged")

    bench = Bench(lines(), ["a", "unknown"])

    with pytest.raises(BadData, match=r"in\.jsonl:2"):
        run(bench.read_ahead())
