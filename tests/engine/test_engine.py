"""What the engine promises about waiting, failing and ending, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from batch.errors import (
    BadData,
    BadKey,
    CallFailed,
    Interrupted,
    NotAnAnswer,
    Refused,
    ServerTrouble,
    Unreachable,
)
from batch.halt import Halt
from batch.pipeline import DRAIN_SECONDS
from batch.records import Call, Reply
from tests.rig import Crashed, Rig, Scripted, json_reply, rows
from tests.toys.formats import Toy
from tests.virtual import run

GOOD = json_reply({"say": "yes", "in": 5, "out": 2})


def failing(failure: Callable[[], CallFailed], times: int) -> Scripted:
    """Return a gateway that fails so often, then answers."""

    def reply_to(call: Call) -> Reply:
        if len(gateway.calls) <= times:
            raise failure()
        return GOOD

    gateway = Scripted(reply_to)
    return gateway


def test_a_gateway_that_is_down_for_an_hour_fails_no_line(tmp_path: Path) -> None:
    began: list[float] = []

    def reply_to(call: Call) -> Reply:
        now = asyncio.get_running_loop().time()
        began.append(now)
        if now < 3600:
            raise Unreachable("connection refused")
        return GOOD

    rig = Rig(tmp_path, Toy())

    rig.session(rows(30, "toy"), Scripted(reply_to))

    assert len(rig.results()) == 30
    assert rig.errors() == {}
    assert len([at for at in began if at < 3600]) < 400  # probed, not hammered


def test_a_line_that_keeps_failing_while_others_are_answered_ends_as_an_error(
    tmp_path: Path,
) -> None:
    def reply_to(call: Call) -> Reply:
        if call.payload == b'{"line":1}':
            raise ServerTrouble("broken for this one", status=500)
        return GOOD

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy(), concurrency=2)

    rig.session(rows(4000, "toy"), gateway)

    assert len(rig.results()) == 3999
    assert rig.errors()[1]["x_run"]["attempts"] >= 6
    assert rig.errors()[1]["x_run"]["retryable"] is True


def test_while_a_line_rests_another_takes_its_place(tmp_path: Path) -> None:
    def reply_to(call: Call) -> Reply:
        if call.payload == b'{"line":1}' and len(gateway.calls) == 1:
            raise ServerTrouble("once", status=500)
        return GOOD

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy(), concurrency=1)

    rig.session(rows(3, "toy"), gateway)

    order = [call.payload for call in gateway.calls]
    assert order[0] == b'{"line":1}'
    assert set(order[1:3]) == {b'{"line":2}', b'{"line":3}'}
    assert order[3] == b'{"line":1}'


@pytest.mark.parametrize(
    ("failure", "sent"),
    [
        (lambda: Interrupted("reset"), 2),  # ambiguous: once more, then an error
        (lambda: Refused("no"), 1),
    ],
)
def test_how_often_a_failing_line_is_sent(
    tmp_path: Path, failure: Callable[[], CallFailed], sent: int
) -> None:
    gateway = failing(failure, times=100)
    rig = Rig(tmp_path, Toy())

    rig.session(rows(1, "toy"), gateway)

    assert len(gateway.calls) == sent
    assert len(rig.errors()) == 1


def test_an_ambiguous_attempt_is_said_in_the_record(tmp_path: Path) -> None:
    rig = Rig(tmp_path, Toy())

    rig.session(rows(1, "toy"), failing(lambda: Interrupted("reset"), times=1))

    assert rig.results()[1]["x_run"]["maybe_billed"] == 1


def test_a_bad_key_stops_after_a_handful_of_requests_and_leaves_every_line_pending(
    tmp_path: Path,
) -> None:
    gateway = failing(lambda: BadKey("token invalid", status=401), times=1000)
    rig = Rig(tmp_path, Toy(), concurrency=50)

    rig.session(rows(500, "toy"), gateway)

    assert len(gateway.calls) <= 10
    assert rig.results() == {}
    assert rig.errors() == {}


def test_a_bug_stops_the_run_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    class Buggy(Toy):
        def next(self, request, state, reply):  # type: ignore[no-untyped-def]
            if request.ordinals == (40,):
                raise KeyError("a bug")
            return super().next(request, state, reply)

    rig = Rig(tmp_path, Buggy(), concurrency=2)

    with pytest.raises(KeyError):
        rig.session(rows(50, "toy"), Scripted(lambda call: GOOD))
    rig.wire = Toy()
    rig.session(rows(50, "toy"), Scripted(lambda call: GOOD))

    assert len(rig.results()) == 50


def test_asked_to_end_the_run_sends_no_more_and_keeps_what_was_under_way(tmp_path: Path) -> None:
    halt = Halt()

    def reply_to(call: Call) -> Reply:
        if len(gateway.calls) == 20:
            halt.request("by SIGINT")
        return GOOD

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy(), concurrency=4)

    rig.session(rows(500, "toy"), gateway, halt=halt)

    assert 20 <= len(gateway.calls) <= 24
    assert len(rig.results()) == len(gateway.calls)


@pytest.mark.parametrize(("hurry", "most"), [(False, DRAIN_SECONDS + 1), (True, 1.0)])
def test_answers_under_way_are_waited_for_only_so_long(
    tmp_path: Path, hurry: bool, most: float
) -> None:
    halt = Halt()
    ended: list[float] = []

    class Slow(Scripted):
        async def send(self, call, secret, folder=None, grew=None, leaves=None):  # type: ignore[no-untyped-def]
            self.calls.append(call)
            halt.request("by SIGINT")
            if hurry:
                halt.hurry()
            try:
                await asyncio.sleep(300)
            finally:
                ended.append(asyncio.get_running_loop().time())

    rig = Rig(tmp_path, Toy(), concurrency=4)

    rig.session(rows(10, "toy"), Slow(lambda call: GOOD), halt=halt)

    assert rig.results() == {}
    assert max(ended) <= most


def test_at_a_limit_of_the_runs_own_all_that_was_sent_is_answered_however_long_it_takes(
    tmp_path: Path,
) -> None:
    halt = Halt()

    class Slow(Scripted):
        async def send(self, call, secret, folder=None, grew=None, leaves=None):  # type: ignore[no-untyped-def]
            self.calls.append(call)
            if len(self.calls) == 4:
                halt.request("--max-duration is over", patient=True)
            await asyncio.sleep(300)
            return GOOD

    rig = Rig(tmp_path, Toy(), concurrency=4)

    rig.session(rows(10, "toy"), Slow(lambda call: GOOD), halt=halt)

    assert len(rig.results()) == 4


def test_inputs_that_break_off_end_the_run_and_what_was_sent_is_answered_all_the_same(
    tmp_path: Path,
) -> None:
    class Slow(Scripted):
        async def send(self, call, secret, folder=None, grew=None, leaves=None):  # type: ignore[no-untyped-def]
            self.calls.append(call)
            await asyncio.sleep(300 + len(self.calls))
            return GOOD

    rig = Rig(tmp_path, Toy(), concurrency=4)
    rig.broken = BadData("the file was cut while the run was reading it.")

    slow = Slow(lambda call: GOOD)
    with pytest.raises(BadData, match="was cut"):
        rig.session(rows(23, "toy"), slow)

    # What was read together with the break was not sent any more.
    assert len(rig.results()) == len(slow.calls) == 20


def test_whoever_then_asks_for_the_end_waits_only_so_long(tmp_path: Path) -> None:
    halt = Halt()
    ended: list[float] = []

    class Slow(Scripted):
        async def send(self, call, secret, folder=None, grew=None, leaves=None):  # type: ignore[no-untyped-def]
            halt.request("--max-duration is over", patient=True)
            asyncio.get_running_loop().call_later(100, halt.request, "by SIGINT")
            try:
                await asyncio.sleep(300)
            finally:
                ended.append(asyncio.get_running_loop().time())

    rig = Rig(tmp_path, Toy(), concurrency=4)

    rig.session(rows(10, "toy"), Slow(lambda call: GOOD), halt=halt)

    assert rig.results() == {}
    assert 100 < max(ended) <= 101 + DRAIN_SECONDS


def test_a_sleep_ends_at_once_when_the_run_does() -> None:
    async def main() -> float:
        halt = Halt()
        loop = asyncio.get_running_loop()
        loop.call_later(5, halt.request, "done")
        with pytest.raises(Exception, match="done"):
            await halt.sleep(3600)
        return loop.time()

    assert 5 <= run(main()) < 5.1


def test_lines_of_a_blocked_model_do_not_hold_up_the_others(tmp_path: Path) -> None:
    def reply_to(call: Call) -> Reply:
        if call.headers:
            raise BadKey("not this one", status=401)
        return GOOD

    mixed = [
        msgspec.structs.replace(row, model="bad" if n % 2 else "good")
        for n, row in enumerate(rows(200, "toy"), 1)
    ]

    class Marked(Toy):
        def start(self, request):  # type: ignore[no-untyped-def]
            step = super().start(request)
            if request.model == "bad":
                call = Call("POST", "/toy", request.body, headers=(("x-bad", "1"),))
                step = type(step)(call)
            return step

    rig = Rig(tmp_path, Marked(), keys=["bad", "good"])

    rig.session(mixed, Scripted(reply_to))

    assert len(rig.results()) == 100
    assert rig.errors() == {}


def test_while_the_disk_stalls_replies_wait_for_it_and_are_never_more_than_twice_the_width(
    tmp_path: Path,
) -> None:
    """Each line rests once, so that many more lines than workers are on their way."""
    width = 4
    asked: dict[object, int] = {}
    answered: list[Call] = []

    def reply_to(call: Call) -> Reply:
        asked[call.payload] = asked.get(call.payload, 0) + 1
        if asked[call.payload] == 1:
            raise NotAnAnswer("rest first", status=200)
        answered.append(call)
        return GOOD

    rig = Rig(tmp_path, Toy(), concurrency=width)
    rig.stall = 3600.0

    with pytest.raises(Crashed):
        rig.session(
            rows(400, "toy"),
            Scripted(reply_to),
            crash=lambda: asyncio.get_running_loop().time() > 60,
        )

    assert width <= len(answered) <= 2 * width


def test_lines_that_wait_for_the_retry_budget_do_not_hold_up_fresh_ones(tmp_path: Path) -> None:
    """The budget grants about one repeat a second, and the workers are few."""

    def reply_to(call: Call) -> Reply:
        assert isinstance(call.payload, bytes)
        if int(call.payload[8:-1]) <= 50 and asyncio.get_running_loop().time() < 2:
            raise NotAnAnswer("at first none of these", status=200)
        done.append(asyncio.get_running_loop().time())
        return GOOD

    done: list[float] = []
    rig = Rig(tmp_path, Toy(), concurrency=2)

    rig.session(rows(300, "toy"), Scripted(reply_to))

    assert sorted(done)[200] < 5
