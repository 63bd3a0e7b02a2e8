"""Work that takes its time: submitted once, waited for without a slot, never paid again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from batch.errors import (
    BadKey,
    CallFailed,
    FileGone,
    Refused,
    ServerTrouble,
    TaskFailed,
    Throttled,
    Unreachable,
)
from batch.files import OsFiles
from batch.gate.gate import Gate
from batch.gate.visit import Visit
from batch.halt import Halt
from batch.ledger.recover import recover
from batch.records import Call, Reply, Request, Saved, Send, State, Step
from batch.secret import Secret
from batch.transport import Folding, nobody
from tests.rig import Crashed, Rig, Scripted, json_reply, rows
from tests.toys.formats import TaskToy


class Gateway(Scripted):
    """Tasks that are done at the n-th poll; what comes in between is counted."""

    def __init__(self, polls: int, fetch: Callable[[Call], Reply] | None = None) -> None:
        super().__init__(self._answer)
        self._polls = polls
        self._fetch = fetch or (lambda _: Reply(200, {}, Saved("a.mp4", 3, "00", "video/mp4")))
        self._ids = itertools.count(1)
        self._asked: dict[str, int] = {}

    def _answer(self, call: Call) -> Reply:
        if call.kind == "submit":
            return json_reply({"id": f"t{next(self._ids)}"})
        if call.kind == "fetch":
            return self._fetch(call)
        self._asked[call.path] = self._asked.get(call.path, 0) + 1
        done = self._asked[call.path] >= self._polls
        url = "https://files.example/a" if done else None
        return json_reply({"id": call.path.rpartition("/")[2], "url": url})

    def kinds(self) -> list[str]:
        return [call.kind for call in self.calls]


def patient(folder: Path, seconds: float = 3600.0, toy: TaskToy | None = None) -> Rig:
    rig = Rig(folder, toy or TaskToy())
    rig.policy = msgspec.structs.replace(rig.policy, task_timeout=seconds)
    return rig


def test_polls_that_bring_no_news_write_nothing(tmp_path: Path) -> None:
    rig = patient(tmp_path)

    rig.session(rows(1, "task"), Gateway(polls=50))

    assert len(rig.results()) == 1
    assert [entry["state"] for entry in rig.journal("task")] == [{"id": "t1"}]


def test_what_is_given_up_before_it_was_sent_leaves_no_doubt(tmp_path: Path) -> None:
    halt = Halt()

    class Hurried(Gate):
        def admit(self, *given: Any) -> Visit:
            loop = asyncio.get_running_loop()
            loop.call_later(1, halt.request, "by SIGINT")
            loop.call_later(2, halt.hurry)
            return super().admit(*given)

    rig = patient(tmp_path)
    rig.gate, rig.stall = Hurried, 5.0  # seconds in which the disk takes the intents
    silent = Gateway(polls=1)
    rig.session(rows(3, "task"), silent, halt=halt)

    rig.gate, rig.stall = Gate, 0.0
    rig.session(rows(3, "task"), Gateway(polls=1))

    assert silent.calls == []
    assert len(rig.results()) == 3


class Hanging(Scripted):
    """Calls that hang, while they connect or once they have left; others come to an end there."""

    def __init__(self, halt: Halt, connected: bool) -> None:
        super().__init__(lambda call: json_reply({}))
        self._halt = halt
        self._connected = connected

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        self.calls.append(call)
        loop = asyncio.get_running_loop()
        loop.call_later(1, self._halt.request, "by SIGINT")
        loop.call_later(2, self._halt.hurry)
        if self._connected and leaves is not None:
            leaves()
        await asyncio.sleep(300)
        return self.reply_to(call)


@pytest.mark.parametrize(("connected", "unknown"), [(False, 0), (True, 3)])
def test_only_what_had_left_when_it_was_given_up_is_in_doubt(
    tmp_path: Path, connected: bool, unknown: int
) -> None:
    rig, halt, again = patient(tmp_path), Halt(), Gateway(polls=1)

    # Given: the run is asked to end, and then to end at once
    hanging = Hanging(halt, connected)
    rig.session(rows(3, "task"), hanging, halt=halt)
    rig.session(rows(3, "task"), again)

    assert len(hanging.calls) == len(rig.journal("intent")[:3]) == 3
    classes = [error["x_run"]["class"] for error in rig.errors().values()]
    assert classes == ["outcome_unknown"] * unknown
    assert len(rig.results()) == again.kinds().count("submit") == 3 - unknown


def test_hundreds_of_tasks_wait_at_once_and_hold_no_slot(tmp_path: Path) -> None:
    gateway = Gateway(polls=100)
    rig = patient(tmp_path)  # eight calls at once

    rig.session(rows(300, "task"), gateway)

    # All were submitted before the first of them was done: nothing waited for a slot.
    first_fetch = gateway.kinds().index("fetch")
    assert gateway.kinds()[:first_fetch].count("submit") == 300
    assert len(rig.results()) == 300


def test_polls_that_take_long_keep_no_line_from_being_submitted(tmp_path: Path) -> None:
    class Slow(Gateway):
        async def send(self, call: Call, secret: Secret | None, *more: Any) -> Reply:
            await asyncio.sleep(5 if call.kind == "poll" else 0)
            return await super().send(call, secret, *more)

    gateway = Slow(polls=2)
    rig = patient(tmp_path)  # eight calls of a kind at once

    rig.session(rows(200, "task"), gateway)

    first_fetch = gateway.kinds().index("fetch")
    assert gateway.kinds()[:first_fetch].count("submit") == 200
    assert len(rig.results()) == 200


def test_a_task_that_is_late_is_named_and_a_retry_goes_on_waiting_for_it(tmp_path: Path) -> None:
    rig = patient(tmp_path, seconds=60.0)
    endless = Gateway(polls=10**9)

    rig.session(rows(1, "task"), endless)

    error = rig.errors()[1]
    assert error["x_run"]["class"] == "task_late"
    assert error["x_run"]["unfinished"] == "task t1"
    assert "task t1" in error["error"]["message"]
    assert 5 <= endless.kinds().count("poll") <= 7

    again = Gateway(polls=1)
    rig.session(rows(1, "task"), again, redo=True)

    assert again.kinds() == ["poll", "fetch"]
    assert again.calls[0].path == "/toy/t1"
    assert len(rig.results()) == 1


@pytest.mark.parametrize("hung", ["poll", "fetch"])
def test_a_call_after_a_task_that_hangs_ends_with_the_time_for_the_task(
    tmp_path: Path, hung: str
) -> None:
    class Hanging(Gateway):
        async def send(self, call: Call, secret: Secret | None, *more: Any) -> Reply:
            await asyncio.sleep(3000 if call.kind == hung else 0)
            return await super().send(call, secret, *more)

    rig = patient(tmp_path, seconds=60.0)
    ended: list[float] = []

    class Record(Hanging):
        async def send(self, call: Call, secret: Secret | None, *more: Any) -> Reply:
            try:
                return await super().send(call, secret, *more)
            finally:
                ended.append(asyncio.get_running_loop().time())

    rig.session(rows(1, "task"), Record(polls=1))

    error = rig.errors()[1]
    assert error["x_run"]["class"] == "task_late"
    assert error["x_run"]["unfinished"] == "task t1"
    assert "wbatch retry" in error["error"]["message"]
    assert ended[-1] - ended[0] == pytest.approx(60.0, abs=0.1)

    again = Gateway(polls=1)
    rig.session(rows(1, "task"), again, redo=True)

    assert again.kinds().count("submit") == 0
    assert len(rig.results()) == 1


def test_a_call_that_begins_at_the_very_end_still_has_time_for_its_reply(tmp_path: Path) -> None:
    class Slow(Gateway):
        async def send(self, call: Call, secret: Secret | None, *more: Any) -> Reply:
            await asyncio.sleep(20 if call.kind == "fetch" else 0)
            return await super().send(call, secret, *more)

    rig = patient(tmp_path, seconds=15.0)

    rig.session(rows(1, "task"), Slow(polls=1))

    assert rig.results() == {}
    assert rig.errors()[1]["x_run"]["class"] == "task_late"

    (tmp_path / "b").mkdir()
    rig = patient(tmp_path / "b", seconds=60.0)
    rig.session(rows(1, "task"), Slow(polls=5))

    assert len(rig.results()) == 1


def test_a_line_that_waited_long_to_be_taken_has_the_whole_time_for_its_task(
    tmp_path: Path,
) -> None:
    class Busy(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if reply.status == 429:
                busy = Throttled("later", status=429)
                busy.retry_after = 500.0
                raise busy
            return super().next(request, state, reply)

    tasks = Gateway(polls=60)  # ten minutes
    answers = iter([json_reply({}, 429)] * 3)
    gateway = Scripted(lambda call: next(answers, None) or tasks.reply_to(call))
    rig = patient(tmp_path, seconds=1000.0, toy=Busy())

    rig.session(rows(1, "task"), gateway)

    assert len(rig.results()) == 1


def test_what_is_unfinished_is_known_after_the_checkpoint_is_gone(tmp_path: Path) -> None:
    rig = patient(tmp_path, seconds=60.0)
    rig.session(rows(1, "task"), Gateway(polls=10**9))

    for path in Path(rig.paths.cache).glob("*"):
        path.unlink()
    found = recover(OsFiles(), rig.paths)

    assert found is not None
    assert found.history.open[1].state == {"id": "t1"}
    assert 1 in found.history.failed


@pytest.mark.parametrize("status", [403, 404])
def test_a_download_that_is_refused_is_tried_again_on_a_retry_and_not_paid(
    tmp_path: Path, status: int
) -> None:
    def fetch(_: Call) -> Reply:
        return Reply(status, {}, b"expired")

    class Strict(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if reply.status == status:
                raise ServerTrouble("the download failed", status=status)
            return super().next(request, state, reply)

    rig = patient(tmp_path, toy=Strict())
    first = Gateway(polls=1, fetch=fetch)

    rig.session(rows(1, "task"), first)

    assert rig.errors()[1]["x_run"]["unfinished"] == "task t1"
    assert first.kinds().count("submit") == 1
    assert first.kinds().count("fetch") > 10

    again = Gateway(polls=1)
    rig.session(rows(1, "task"), again, redo=True)

    assert "submit" not in again.kinds()
    assert len(rig.results()) == 1


def test_a_task_that_failed_is_finished_and_a_retry_submits_a_new_one(tmp_path: Path) -> None:
    class Failing(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if isinstance(reply.body, bytes) and orjson.loads(reply.body).get("url"):
                raise TaskFailed("no such place on earth", status=200)
            return super().next(request, state, reply)

    rig = patient(tmp_path, toy=Failing())
    rig.session(rows(1, "task"), Gateway(polls=2))

    assert rig.errors()[1]["x_run"]["class"] == "task_failed"
    assert "unfinished" not in rig.errors()[1]["x_run"]

    rig.wire = TaskToy()
    again = Gateway(polls=1)
    rig.session(rows(1, "task"), again, redo=True)

    assert again.kinds().count("submit") == 1


def test_trouble_of_a_files_host_says_nothing_of_the_gateway(tmp_path: Path) -> None:
    """Else its failures would pause the account, and in the end stop the run."""
    failed = itertools.count()

    def fetch(_: Call) -> Reply:
        if next(failed) < 40:
            return Reply(503, {}, b"busy")
        return Reply(200, {}, Saved("a.mp4", 3, "00", "video/mp4"))

    class Strict(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if reply.status == 503:
                raise ServerTrouble("busy", status=503)
            return super().next(request, state, reply)

    gateway = Gateway(polls=1, fetch=fetch)
    rig = patient(tmp_path, toy=Strict())

    rig.session(rows(30, "task"), gateway)

    assert len(rig.results()) == 30
    assert gateway.kinds().count("submit") == 30


def test_a_crash_while_a_file_is_fetched_fetches_it_again_and_submits_nothing(
    tmp_path: Path,
) -> None:
    rig = patient(tmp_path)
    first = Gateway(polls=1)

    with pytest.raises(Crashed):
        rig.session(rows(1, "task"), first, crash=lambda: "fetch" in first.kinds())
    second = Gateway(polls=1)
    rig.session(rows(1, "task"), second)

    assert first.kinds().count("submit") == 1
    assert "submit" not in second.kinds()
    assert len(rig.results()) == 1


@pytest.mark.parametrize(("kind", "told"), [(Unreachable, 0), (FileGone, 410)])
def test_a_film_whose_host_gives_no_reply_is_fetched_in_another_way(
    tmp_path: Path, kind: type[CallFailed], told: int
) -> None:
    """What will give nothing for good is told apart, so that nobody comes back to it."""

    class Two(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if reply.status == told:
                return Send(Call("GET", "/toy/content", kind="fetch", expect="file"), state)
            return super().next(request, state, reply)

    def dead(call: Call) -> Reply:
        if call.origin == "foreign":
            raise kind("no connection")
        return Reply(200, {}, Saved("a.mp4", 3, "00", "video/mp4"))

    gateway = Gateway(polls=1, fetch=dead)
    rig = patient(tmp_path, toy=Two())

    rig.session(rows(1, "task"), gateway)

    assert len(rig.results()) == 1
    assert gateway.kinds() == ["submit", "poll", "fetch", "fetch"]


def test_a_poll_that_is_refused_leaves_a_line_that_a_retry_goes_on_with(tmp_path: Path) -> None:
    class Walled(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if state is not None:
                raise Refused("a wall", status=403)
            return super().next(request, state, reply)

    rig = patient(tmp_path, toy=Walled())
    rig.session(rows(1, "task"), Gateway(polls=1))

    assert rig.errors()[1]["x_run"]["retryable"]
    assert "unfinished" in rig.errors()[1]["x_run"]

    rig.wire = TaskToy()
    again = Gateway(polls=1)
    rig.session(rows(1, "task"), again, redo=True)

    assert "submit" not in again.kinds()
    assert len(rig.results()) == 1


def test_a_name_as_long_as_a_page_is_shown_short_and_on_one_line(tmp_path: Path) -> None:
    class Wordy(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            return self.resume(request, {"id": "t\r\n1" + "x" * 10_000})

    rig = patient(tmp_path, seconds=20.0, toy=Wordy())

    rig.session(rows(1, "task"), Gateway(polls=1))

    error = rig.errors()[1]
    assert error["x_run"]["class"] == "task_late"
    assert error["x_run"]["unfinished"].startswith("task t  1xxx")
    assert len(error["error"]["message"]) < 400


def test_a_poll_that_only_fails_ends_when_a_task_has_taken_too_long(tmp_path: Path) -> None:
    class Busy(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if state is not None:
                raise Throttled("slow down", status=429)
            return super().next(request, state, reply)

    rig = patient(tmp_path, seconds=60.0, toy=Busy())

    rig.session(rows(1, "task"), Gateway(polls=1))

    error = rig.errors()[1]
    assert error["x_run"]["class"] == "task_late"
    assert error["x_run"]["unfinished"] == "task t1"


def test_a_key_that_is_refused_is_not_used_again_by_who_waited_for_the_disk(
    tmp_path: Path,
) -> None:
    class Expiring(Scripted):
        """Tasks take their time to be accepted, and after twenty of them the key is no good."""

        def __init__(self) -> None:
            super().__init__(lambda _: json_reply({}))
            self.refused = 0
            self.late = 0  # sent after the first refusal had come back

        async def send(self, call: Call, secret: Secret | None, *more: Any) -> Reply:
            self.late += self.refused > 0
            self.calls.append(call)
            number = len(self.calls)
            if number <= 20:
                await asyncio.sleep(0.1 + number % 7 / 50)
                return json_reply({"id": f"t{number}"})
            await asyncio.sleep(0.01)
            self.refused += 1
            return json_reply({}, 401)

    class Keyed(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if reply.status == 401:
                raise BadKey("no such key", status=401)
            return super().next(request, state, reply)

    gateway = Expiring()
    rig = patient(tmp_path, toy=Keyed())
    rig.stall = 0.02

    rig.session(rows(60, "task"), gateway)

    assert gateway.refused >= 1
    assert gateway.late == 0
    # And nothing of those that were not sent is in doubt: with a good key all are asked.
    whole = Gateway(polls=1)
    rig.session(rows(60, "task"), whole)
    assert rig.errors() == {}
    assert len(rig.results()) == 60
    assert whole.kinds().count("submit") == 40
