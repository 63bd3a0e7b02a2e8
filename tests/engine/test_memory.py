"""What is in flight is bounded in bytes, and who waits for memory holds up nobody's measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batch.errors import Refused, ServerTrouble
from batch.gate.gate import Gate
from batch.gate.settings import KeyLimits
from batch.halt import Halt
from batch.media import MediaFolder
from batch.records import (
    Answer,
    Blob,
    Call,
    Done,
    FileRef,
    Reply,
    Request,
    Row,
    Send,
    Spliced,
    State,
    Step,
)
from batch.transport import nobody
from tests.rig import Rig, Scripted, json_reply, rows
from tests.toys.formats import TaskToy, Toy, read

MB = 1 << 20
GOOD = json_reply({"say": "yes", "in": 5, "out": 2})
SECONDS = 10.0  # that an answer takes


class Large(Toy):
    """Its answers hold so many bytes."""

    def __init__(self, size: int = 0, media: bool = False) -> None:
        self.size = size
        self.media = media

    def start(self, request: Request) -> Step:
        return Send(Call("POST", "/toy", request.body, media=self.media))

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        read(reply)
        return Done(Answer(b'"%b"' % (b"x" * self.size), None, "stop", None))


class Filed(Toy):
    """Its calls name a local file, and so take a megabyte each."""

    def start(self, request: Request) -> Step:
        file = FileRef("file:a.png", "base64")
        return Send(Call("POST", "/toy", Spliced((request.body, file))))


class Counted(Scripted):
    """A gateway that counts how many calls are on the wire."""

    def __init__(self, reply_to: Callable[[Call], Reply] = lambda call: GOOD, grows: int = 0):
        super().__init__(reply_to)
        self.grows = grows
        self.out: list[Call] = []
        self.counts: list[int] = []

    async def send(
        self,
        call: Call,
        secret: Any,
        folder: Any = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        self.out.append(call)
        self.counts.append(len(self.out))
        try:
            if self.grows:
                grew(self.grows)
            await asyncio.sleep(SECONDS)
            return await super().send(call, secret, folder, grew, leaves)
        finally:
            self.out.remove(call)


def heavy(count: int, size: int = MB) -> list[Row]:
    """Lines with bodies of so many bytes."""
    body = b'{"line":%d,"toy":"%b"}'
    return [
        msgspec.structs.replace(row, body=body % (row.ordinal, b"x" * size))
        for row in rows(count, "toy")
    ]


def test_no_more_is_sent_at_once_than_there_is_memory_for(tmp_path: Path) -> None:
    gateway, rig = Counted(), Rig(tmp_path, Filed())
    rig.inflight = 3 * MB + 1000

    rig.session(rows(20, "toy"), gateway)

    assert len(rig.results()) == 20
    assert max(gateway.counts) == 3
    assert rig.memory.taken == 0


def test_lines_in_work_have_no_more_bytes_than_half_of_what_there_is(tmp_path: Path) -> None:
    gateway, rig = Counted(), Rig(tmp_path, Toy())
    rig.inflight = 6 * MB + 2000

    rig.session(heavy(20), gateway)

    assert len(rig.results()) == 20
    assert max(gateway.counts) == 3
    assert rig.memory.carried == 0


def test_small_lines_behind_a_large_one_that_waited_all_go_at_once(tmp_path: Path) -> None:
    gateway, rig = Counted(), Rig(tmp_path, Toy())
    rig.inflight = 2 * MB + 2000
    large, small = heavy(2), rows(9, "toy")[2:]

    rig.session([*large, *small], gateway)

    assert len(rig.results()) == 9
    # The second large one waits for the first, and the small ones behind it.
    assert gateway.counts == [1, *range(1, 9)]


def test_who_waits_for_a_large_line_to_end_is_let_go_when_the_run_ends(tmp_path: Path) -> None:
    halt = Halt()

    class Stopping(Counted):
        async def send(self, *args: Any, **more: Any) -> Reply:
            asyncio.get_running_loop().call_later(1, halt.request, "by SIGINT")
            return await super().send(*args, **more)

    gateway, rig = Stopping(), Rig(tmp_path, Toy())
    rig.inflight = 2 * MB + 2000

    rig.session(heavy(9), gateway, halt=halt)

    assert len(rig.results()) == 1


def test_a_slow_keys_lines_leave_memory_for_the_lines_of_another(tmp_path: Path) -> None:
    def reply_to(call: Call) -> Reply:
        if b"slow" in bytes(call.payload or b""):  # type: ignore[arg-type]
            times["slow"] = asyncio.get_running_loop().time()
        else:
            times["fast"] = asyncio.get_running_loop().time()
        return GOOD

    times: dict[str, float] = {}
    mixed = [
        msgspec.structs.replace(row, model=model, body=row.body + model.encode())
        for row, model in zip(heavy(40), ["slow", "fast"] * 20, strict=True)
    ]
    gateway, rig = Counted(reply_to), Rig(tmp_path, Toy(), keys=["slow", "fast"])
    rig.limits = (KeyLimits(match="slow", rpm=1),)
    rig.inflight = 8 * MB + 2000

    rig.session(mixed, gateway)

    assert len(rig.results()) == 40
    assert times["fast"] < 11 * SECONDS
    assert times["slow"] > 18 * 60


def test_small_bodies_are_not_counted(tmp_path: Path) -> None:
    gateway, rig = Counted(), Rig(tmp_path, Toy())
    rig.inflight = 1

    rig.session(heavy(20, 1000), gateway)

    assert max(gateway.counts) == 8


def test_once_answers_are_known_to_be_large_fewer_calls_are_sent_at_once(tmp_path: Path) -> None:
    gateway, rig = Counted(), Rig(tmp_path, Large(2 * MB))
    rig.inflight = 6 * MB + 1000

    rig.session(rows(40, "toy"), gateway)

    assert len(rig.results()) == 40
    assert max(gateway.counts[:8]) == 8  # nobody knew
    assert max(gateway.counts[16:]) == 3
    assert rig.memory.taken == 0


@pytest.mark.parametrize("inflight", [64 * MB, 1024 * MB])
def test_before_anything_is_known_of_answers_with_media_few_are_asked_for_at_once(
    tmp_path: Path, inflight: int
) -> None:
    gateway, rig = Counted(), Rig(tmp_path, Large(MB, media=True))
    rig.inflight = inflight

    rig.session(rows(30, "toy"), gateway)

    assert max(gateway.counts[:3]) == 2
    assert max(gateway.counts) == 8


def test_a_task_that_is_submitted_shows_that_its_answer_is_small(tmp_path: Path) -> None:
    class Film(TaskToy):
        def start(self, request: Request) -> Step:
            return Send(Call("POST", "/toy", request.body, media=True))

    def reply_to(call: Call) -> Reply:
        if call.kind == "submit":
            return json_reply({"id": "7"})
        raise Refused("no such film", status=400)

    gateway, rig = Counted(reply_to), Rig(tmp_path, Film())
    rig.inflight = 64 * MB

    rig.session(rows(30, "task"), gateway)

    assert max(gateway.counts[:3]) == 2
    assert max(gateway.counts) >= 8
    assert rig.memory.taken == 0


def test_what_an_answer_takes_beyond_its_reserve_keeps_the_next_waiting(tmp_path: Path) -> None:
    gateway, rig = Counted(grows=4 * MB), Rig(tmp_path, Filed(), concurrency=2)
    rig.inflight = 3 * MB

    rig.session(rows(10, "toy"), gateway)

    assert len(rig.results()) == 10
    assert max(gateway.counts) == 1


def test_the_wait_for_memory_is_no_part_of_the_time_that_an_answer_took(tmp_path: Path) -> None:
    trips: list[float] = []

    class Timed(Gate):
        def answered(self, *args: Any, **more: Any) -> None:
            trips.extend(one for one in args if isinstance(one, float))
            super().answered(*args, **more)

    gateway, rig = Counted(), Rig(tmp_path, Filed())
    rig.inflight = MB + 1000
    rig.gate = Timed

    rig.session(rows(8, "toy"), gateway)

    took = [record["x_run"]["ms"] for record in rig.results().values()]
    assert max(gateway.counts) == 1
    assert max(took) < 1100 * SECONDS
    assert max(trips) < 1.1 * SECONDS


def test_nothing_is_held_while_a_line_waits_to_be_asked_again(tmp_path: Path) -> None:
    def reply_to(call: Call) -> Reply:
        if len(gateway.calls) == 1:
            raise ServerTrouble("for a while", status=500)
        return GOOD

    gateway, rig = Counted(reply_to), Rig(tmp_path, Filed(), concurrency=1)
    rig.inflight = MB + 1000

    rig.session(rows(5, "toy"), gateway)

    asked = [call.payload for call in gateway.calls]
    assert asked[0] != asked[1]
    assert len(rig.results()) == 5
    assert rig.memory.taken == 0


def test_lines_that_wait_for_memory_stay_pending_when_the_run_ends(tmp_path: Path) -> None:
    halt = Halt()
    ended: list[float] = []

    def reply_to(call: Call) -> Reply:
        halt.request("by SIGINT")
        ended.append(asyncio.get_running_loop().time())
        return GOOD

    gateway, rig = Counted(reply_to), Rig(tmp_path, Filed())
    rig.inflight = MB + 1000

    rig.session(rows(8, "toy"), gateway, halt=halt)

    assert len(gateway.calls) == len(rig.results()) == 1
    assert rig.errors() == {}
    assert ended[-1] < 1.1 * SECONDS


def test_the_memory_of_an_answer_is_held_until_its_media_are_files(tmp_path: Path) -> None:
    taken: list[int] = []

    class Pictures(Large):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            step = super().next(request, state, reply)
            assert isinstance(step, Done)
            blob = Blob("A" * MB, request.file_name())
            return Done(msgspec.structs.replace(step.answer, blobs=(blob,)))

    class Watched(MediaFolder):
        async def keep(self, answer: Answer) -> Answer:
            taken.append(rig.memory.taken)
            return await super().keep(answer)

    rig = Rig(tmp_path, Pictures(3 * MB), concurrency=1)
    rig.media = Watched

    rig.session(rows(3, "toy"), Counted())

    assert taken == [pytest.approx(4 * MB, abs=1000)] * 3
    assert rig.memory.taken == 0
