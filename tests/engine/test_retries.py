"""What is promised of asking again, for a whole run in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from batch.errors import (
    CallFailed,
    ChannelTrouble,
    Overloaded,
    ServerTrouble,
    Throttled,
    UpstreamAccount,
    WrongUrl,
)
from batch.gate.retry_budget import FIRST, PER_ANSWER, PER_SECOND
from batch.records import Call, Reply
from tests.rig import Rig, Scripted, json_reply, rows
from tests.toys.formats import TaskToy, Toy

GOOD = json_reply({"say": "yes", "in": 5, "out": 2})


def now() -> float:
    return asyncio.get_running_loop().time()


def number(call: Call) -> int:
    assert isinstance(call.payload, bytes)
    return int(orjson.loads(call.payload)["line"])


@pytest.mark.parametrize(
    "kind", [Overloaded, ServerTrouble, Throttled], ids=lambda kind: kind.__name__
)
def test_a_stream_that_reports_trouble_after_it_began_is_sent_twice_and_said_to_be_billed(
    tmp_path: Path, kind: type[CallFailed]
) -> None:
    def reply_to(call: Call) -> Reply:
        if number(call) != 1:
            return GOOD
        failure = kind("in the middle")
        failure.begun = True
        raise failure

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy())

    rig.session(rows(100, "toy"), gateway)

    assert [number(call) for call in gateway.calls].count(1) == 2
    assert rig.errors()[1]["x_run"]["maybe_billed"] == 2
    assert len(rig.results()) == 99


def test_retries_are_a_tenth_of_the_answers_and_what_time_allows(tmp_path: Path) -> None:
    """Every line fails twice at first: nobody else keeps them from being sent 20,000 times."""
    failed: dict[int, int] = {}
    answers = 0
    worst = 0.0

    def reply_to(call: Call) -> Reply:
        nonlocal answers, worst
        line = number(call)
        if failed.setdefault(line, 0) < 2:
            failed[line] += 1
            raise ChannelTrouble("once more", status=500)
        answers += 1
        retries = len(gateway.calls) - len(failed)
        worst = max(worst, retries - (FIRST + PER_ANSWER * answers + PER_SECOND * now()))
        return GOOD

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy(), concurrency=16)

    rig.session(rows(300, "toy"), gateway)

    assert len(rig.results()) == 300
    assert worst <= 1


def test_a_retry_passes_the_gate_again_and_keeps_its_pause(tmp_path: Path) -> None:
    # Given: a line that has to be asked again in half a second, and a pause of 30 s meanwhile
    sent: dict[int, list[float]] = {}

    def reply_to(call: Call) -> Reply:
        sent.setdefault(number(call), []).append(now())
        if len(sent[number(call)]) > 1:
            return GOOD
        if number(call) == 1:
            raise ServerTrouble("once", status=500)
        failure = Throttled("slow down")
        failure.retry_after = 30
        raise failure

    rig = Rig(tmp_path, Toy(), concurrency=2)

    rig.session(rows(2, "toy"), Scripted(reply_to))

    assert sent[1][1] >= 30
    assert len(rig.results()) == 2


def test_nothing_is_held_while_lines_wait_to_be_asked_again(tmp_path: Path) -> None:
    # Given: two slots, and more lines than that which rest for seconds
    done: dict[int, float] = {}
    tried: set[int] = set()

    def reply_to(call: Call) -> Reply:
        line = number(call)
        if line <= 8 and line not in tried:
            tried.add(line)
            raise Overloaded("in 5 s at the earliest", status=529)
        done[line] = now()
        return GOOD

    rig = Rig(tmp_path, Toy(), concurrency=2)

    rig.session(rows(200, "toy"), Scripted(reply_to))

    fresh = [at for line, at in done.items() if line > 8]
    assert len(fresh) == 192
    assert max(fresh) < 5


@pytest.mark.parametrize(
    "failure",
    [
        lambda: WrongUrl("a proxy's page", status=404),
        lambda: UpstreamAccount("for a moment", status=401),
    ],
    ids=["wrong url", "upstream"],
)
def test_a_poll_that_meets_another_servers_page_is_asked_again_and_stops_nobody(
    tmp_path: Path, failure: Callable[[], CallFailed]
) -> None:
    polls = 0

    def reply_to(call: Call) -> Reply:
        nonlocal polls
        if call.kind == "submit":
            return json_reply({"id": "t"})
        polls += 1
        if polls <= 10:
            raise failure()
        return GOOD

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, _Polled())

    rig.session(rows(5, "task"), gateway)

    assert len(rig.results()) == 5
    assert len([call for call in gateway.calls if call.kind == "submit"]) == 5


class _Polled(TaskToy):
    """Done with the first poll that is answered."""

    def next(self, request, state, reply):  # type: ignore[no-untyped-def]
        if state is None:
            return self.resume(request, {"id": "t"})
        return Toy.next(self, request, None, reply)
