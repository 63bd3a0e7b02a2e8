"""The contract of formats and scripts, proven on four toys over the real engine and ledger."""

from __future__ import annotations

import itertools
from pathlib import Path

import orjson
import pytest

from batch.errors import Interrupted, NotAnAnswer, Throttled
from batch.records import Call, Form, Reply, Request, Saved, State, Step
from batch.script import Pack
from tests.rig import Crashed, Rig, Scripted, json_reply, rows
from tests.toys.formats import AskThrice, FormToy, PackToy, TaskToy, Toy


def task_gateway(polls: int = 2) -> Scripted:
    """Return a gateway whose tasks are done at the n-th poll."""
    asked: dict[str, int] = {}
    ids = itertools.count(1)

    def answer(call: Call) -> Reply:
        if call.kind == "submit":
            return json_reply({"id": f"t{next(ids)}"})
        if call.kind == "fetch":
            return Reply(200, {}, Saved("clip.bin", 3, "ab" * 32, "video/toy"))
        asked[call.path] = asked.get(call.path, 0) + 1
        done = asked[call.path] >= polls
        url = "https://files.example/clip" if done else None
        return json_reply({"id": call.path.rpartition("/")[2], "url": url})

    return Scripted(answer)


def test_a_task_is_submitted_polled_and_fetched_from_a_foreign_host_without_the_key(
    tmp_path: Path,
) -> None:
    gateway = task_gateway()
    rig = Rig(tmp_path, TaskToy())

    rig.session(rows(3, "task"), gateway)

    kinds = [call.kind for call in gateway.calls]
    assert [kinds.count(kind) for kind in ("submit", "poll", "fetch")] == [3, 6, 3]
    keys = dict(zip(kinds, gateway.keys, strict=True))
    assert keys["fetch"] is None
    assert keys["poll"] is not None
    record = rig.results()[1]
    assert record["x_run"]["files"] == [
        {"path": "clip.bin", "bytes": 3, "sha256": "ab" * 32, "type": "video/toy"}
    ]
    assert record["x_run"]["usage"]["seconds"] == 4.0
    assert record["x_run"]["attempts"] == 1  # polls are no attempts


def test_a_task_that_was_submitted_before_a_crash_is_waited_for_and_not_submitted_again(
    tmp_path: Path,
) -> None:
    first = task_gateway(polls=10**9)
    rig = Rig(tmp_path, TaskToy())
    polled = lambda: any(call.kind == "poll" for call in first.calls)  # noqa: E731

    with pytest.raises(Crashed):
        rig.session(rows(3, "task"), first, crash=polled)
    second = task_gateway()
    rig.session(rows(3, "task"), second)

    assert [call.kind for call in first.calls].count("submit") == 3
    assert [call.kind for call in second.calls].count("submit") == 0
    assert {call.path for call in second.calls if call.kind == "poll"} == {
        "/toy/t1",
        "/toy/t2",
        "/toy/t3",
    }
    assert len(rig.results()) == 3


def test_a_submit_that_was_on_its_way_at_a_crash_ends_as_outcome_unknown(tmp_path: Path) -> None:
    silent = Scripted(lambda call: pytest.fail("not reached before the crash"))
    rig = Rig(tmp_path, TaskToy())

    with pytest.raises(Crashed):
        rig.session(rows(2, "task"), silent, crash=lambda: len(silent.calls) == 2)
    second = task_gateway()
    rig.session(rows(2, "task"), second)

    assert second.calls == []
    assert {error["error"]["code"] for error in rig.errors().values()} == {"outcome_unknown"}
    assert len(rig.journal("intent")) == 2


@pytest.mark.parametrize(
    ("status", "submits", "left"),
    [(429, 2, "results"), (400, 1, "errors"), (503, 1, "errors")],
)
def test_paid_work_is_sent_again_only_after_a_failure_that_came_before_it(
    tmp_path: Path, status: int, submits: int, left: str
) -> None:
    done = task_gateway(polls=1)

    class Busy(TaskToy):
        def next(self, request: Request, state: State | None, reply: Reply) -> Step:
            if reply.status == 429:
                raise Throttled("busy", status=429)
            return super().next(request, state, reply)

    def answer(call: Call) -> Reply:
        if call.kind == "submit" and len(gateway.calls) == 1:
            return json_reply({}, status)
        return done.reply_to(call)

    gateway = Scripted(answer)
    rig = Rig(tmp_path, Busy())

    rig.session(rows(1, "task"), gateway)

    assert [call.kind for call in gateway.calls].count("submit") == submits
    assert len(getattr(rig, left)()) == 1


def test_a_form_is_built_anew_for_every_attempt(tmp_path: Path) -> None:
    def answer(call: Call) -> Reply:
        assert isinstance(call.payload, Form)
        if len(gateway.calls) == 1:
            return json_reply({}, 500)
        return json_reply({"say": "heard", "in": 1, "out": 1})

    gateway = Scripted(answer)
    rig = Rig(tmp_path, FormToy())

    rig.session(rows(1, "form"), gateway)

    assert len(gateway.calls) == 2
    assert rig.results()[1]["x_run"]["attempts"] == 2


def thrice_gateway(says: list[str]) -> Scripted:
    said = iter(says)
    return Scripted(lambda call: json_reply({"say": next(said), "in": 5, "out": 2}))


def test_a_script_that_asks_three_times_has_one_record_and_each_call_counted_once(
    tmp_path: Path,
) -> None:
    gateway = thrice_gateway(["yes", "no", "yes"])
    rig = Rig(tmp_path, Toy(), AskThrice())

    rig.session(rows(1, "toy"), gateway)

    assert rig.results()[1]["response"]["body"]["say"] == "yes"
    assert rig.results()[1]["x_run"]["attempts"] == 3
    assert [part.get("part", 0) for part in rig.journal("part")] == [0, 1]
    totals = rig.totals()
    assert (totals["num_model_requests"], totals["input_tokens"], totals["output_tokens"]) == (
        3,
        15,
        6,
    )


def test_a_verdict_that_no_answer_is_good_keeps_the_last_and_bills_it_in_the_journal(
    tmp_path: Path,
) -> None:
    gateway = thrice_gateway(["a", "b", "c"])
    rig = Rig(tmp_path, Toy(), AskThrice())

    rig.session(rows(1, "toy"), gateway)

    error = rig.errors()[1]
    assert error["error"]["code"] == "no_majority"
    assert error["response"]["body"]["say"] == "c"
    assert rig.totals()["input_tokens"] == 15


def test_requests_answered_before_a_crash_are_not_paid_again(tmp_path: Path) -> None:
    first = thrice_gateway(["yes", "no", "yes"])
    rig = Rig(tmp_path, Toy(), AskThrice())

    with pytest.raises(Crashed):
        rig.session(rows(1, "toy"), first, crash=lambda: len(first.calls) == 3)
    second = thrice_gateway(["no"])
    rig.session(rows(1, "toy"), second)

    assert len(second.calls) == 1
    assert rig.results()[1]["response"]["body"]["say"] == "no"
    assert rig.results()[1]["x_run"]["attempts"] == 3
    assert rig.totals()["num_model_requests"] == 3


def packing(folder: Path, width: int) -> Rig:
    toy = PackToy()
    return Rig(folder, toy, Pack(width, lambda _, bodies: toy.pack(bodies)), concurrency=1)


def pack_gateway(most: int) -> Scripted:
    """Return a gateway that takes so many lines at once and bills odd numbers."""

    def answer(call: Call) -> Reply:
        assert isinstance(call.payload, bytes)
        asked = orjson.loads(call.payload)
        lines = asked if isinstance(asked, list) else [asked]
        if len(lines) > most or (len(lines) > 1 and any(line["line"] == 6 for line in lines)):
            return json_reply({"error": "too long"}, 400)
        if lines[0]["line"] == 6:
            return json_reply({"error": "never"}, 400)
        says = [f"said {line['line']}" for line in lines]
        return json_reply({"says": says, "in": 10 * len(lines) + 1, "out": 7})

    return Scripted(answer)


def test_a_pack_has_a_record_a_line_and_its_usage_adds_up_exactly(tmp_path: Path) -> None:
    gateway = pack_gateway(most=4)
    rig = packing(tmp_path, 4)

    rig.session(rows(5, "pack", pack_key="any"), gateway)

    records = rig.results()
    assert [records[n]["response"]["body"]["say"] for n in range(1, 6)] == [
        f"said {n}" for n in range(1, 6)
    ]
    assert [records[n]["x_run"]["pack"] for n in range(1, 5)] == [[0, 4], [1, 4], [2, 4], [3, 4]]
    assert [records[n]["x_run"]["usage"]["input_tokens"] for n in range(1, 5)] == [11, 10, 10, 10]
    totals = rig.totals()
    assert totals["num_model_requests"] == 2
    assert totals["num_succeeded"] == 5
    assert (totals["input_tokens"], totals["output_tokens"]) == (41 + 11, 14)


def test_a_refused_pack_is_halved_until_the_line_to_blame_stands_alone(tmp_path: Path) -> None:
    gateway = pack_gateway(most=8)
    rig = packing(tmp_path, 8)

    rig.session(rows(8, "pack", pack_key="any"), gateway)

    assert set(rig.results()) == {1, 2, 3, 4, 5, 7, 8}
    assert set(rig.errors()) == {6}
    assert rig.errors()[6]["x_run"]["class"] == "refused"


def test_a_pack_that_a_crash_cut_in_the_log_is_asked_again_as_a_whole(tmp_path: Path) -> None:
    rig = packing(tmp_path, 4)
    rig.session(rows(4, "pack", pack_key="any"), pack_gateway(most=4))
    whole = Path(rig.paths.results).read_bytes()
    lines = whole.splitlines(keepends=True)
    Path(rig.paths.results).write_bytes(b"".join(lines[:2]) + lines[2][:40])

    again = pack_gateway(most=4)
    rig.session(rows(4, "pack", pack_key="any"), again)

    assert len(again.calls) == 1
    assert set(rig.results()) == {1, 2, 3, 4}
    assert rig.totals()["input_tokens"] == 41


def test_an_answer_that_is_none_costs_the_neighbours_of_a_line_nothing(tmp_path: Path) -> None:
    def answer(call: Call) -> Reply:
        assert isinstance(call.payload, bytes)
        if b'"line":3' in call.payload:
            raise NotAnAnswer("one vector is missing", status=200)
        return pack_gateway(most=8).reply_to(call)

    gateway = Scripted(answer)
    rig = packing(tmp_path, 8)

    rig.session(rows(8, "pack", pack_key="any"), gateway)

    assert set(rig.results()) == {1, 2, 4, 5, 6, 7, 8} - {6}
    assert set(rig.errors()) == {3, 6}  # the sixth is refused by every gateway of this kind


@pytest.mark.parametrize("most", [4, 2], ids=["whole", "halved"])
def test_a_call_of_a_pack_that_was_cut_counts_once_as_maybe_billed(
    tmp_path: Path, most: int
) -> None:
    gateway = pack_gateway(most)
    answer, cut = gateway.reply_to, iter([Interrupted("reset")])

    def once_cut(call: Call) -> Reply:
        if failure := next(cut, None):
            raise failure
        return answer(call)

    gateway.reply_to = once_cut
    rig = packing(tmp_path, 4)

    rig.session(rows(4, "pack", pack_key="any"), gateway)

    assert len(rig.results()) == 4
    told = [record["x_run"].get("maybe_billed", 0) for record in rig.results().values()]
    assert sorted(told) == [0, 0, 0, 1]
