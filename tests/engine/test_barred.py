"""A way to the gateway that is barred: a certificate, a proxy or a redirect at every try."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batch.errors import CallFailed, ProxyRefuses, Redirected, Untrusted
from batch.records import Call, Reply
from tests.rig import Rig, Scripted, json_reply, rows
from tests.toys.formats import TaskToy, Toy

GOOD = json_reply({"say": "yes", "in": 5, "out": 2})
KINDS = pytest.mark.parametrize(
    "kind", [Untrusted, ProxyRefuses, Redirected], ids=lambda kind: kind.__name__
)
LINES = 500


def now() -> float:
    return asyncio.get_running_loop().time()


@KINDS
def test_a_way_that_was_never_open_is_tried_a_handful_of_times_and_fails_no_line(
    tmp_path: Path, kind: type[CallFailed]
) -> None:
    def reply_to(_: Call) -> Reply:
        raise kind("barred")

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy(), concurrency=64, keys=["toy", "*"])

    rig.session(rows(LINES, "toy"), gateway)

    assert len(gateway.calls) <= 8
    assert rig.results() == rig.errors() == {}


@KINDS
def test_a_way_that_closes_later_is_tried_for_a_minute_at_most_and_fails_no_line(
    tmp_path: Path, kind: type[CallFailed]
) -> None:
    ended = 0.0
    answered = 0

    def reply_to(_: Call) -> Reply:
        nonlocal ended, answered
        ended = now()
        if answered == 100:
            raise kind("barred")
        answered += 1
        return GOOD

    gateway = Scripted(reply_to)
    rig = Rig(tmp_path, Toy(), concurrency=64)

    rig.session(rows(LINES, "toy"), gateway)

    assert len(rig.results()) == 100
    assert rig.errors() == {}
    assert len(gateway.calls) <= 100 + 2 * 64
    assert ended < 60


@KINDS
def test_one_server_of_five_ends_no_run(tmp_path: Path, kind: type[CallFailed]) -> None:
    calls = 0

    def reply_to(_: Call) -> Reply:
        nonlocal calls
        calls += 1
        if calls % 5 == 0:
            raise kind("barred")
        return GOOD

    rig = Rig(tmp_path, Toy())

    rig.session(rows(LINES, "toy"), Scripted(reply_to))

    assert len(rig.results()) == LINES


def test_tasks_that_are_paid_are_asked_after_when_the_way_is_open_again(tmp_path: Path) -> None:
    barred = True
    submitted = 0

    def reply_to(call: Call) -> Reply:
        nonlocal submitted
        if call.kind == "submit":
            submitted += 1
            return json_reply({"id": "t"})
        if barred:
            raise Untrusted("expired")
        return GOOD

    class Polled(TaskToy):
        """Done with the first poll that is answered."""

        def next(self, request, state, reply):  # type: ignore[no-untyped-def]
            if state is None:
                return self.resume(request, {"id": "t"})
            return Toy.next(self, request, None, reply)

    rig = Rig(tmp_path, Polled())

    # Given tasks that were submitted just before the way closed
    rig.session(rows(5, "task"), Scripted(reply_to))
    assert rig.results() == rig.errors() == {}

    # When the same command runs once more, too early, and again
    rig.session(rows(5, "task"), Scripted(reply_to))
    assert rig.results() == rig.errors() == {}
    barred = False
    rig.session(rows(5, "task"), Scripted(reply_to))

    assert len(rig.results()) == 5
    assert submitted == 5
