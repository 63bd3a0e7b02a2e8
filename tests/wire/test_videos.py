"""Films: the form that is sent, all ways of saying how a task is, and whole lives with a crash."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from batch import errors
from batch.records import (
    Blob,
    Call,
    Done,
    Field,
    FileRef,
    Form,
    Reply,
    Request,
    Row,
    Saved,
    Send,
    State,
    Step,
    Wait,
)
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire.videos import FORMAT
from tests.rig import Crashed, Rig, Scripted, json_reply

URL = "/v1/videos"
BODY = {"model": "sora-2", "prompt": "A boat.", "seconds": "8"}
FILM = Saved("film.mp4", 9, "ab" * 32, "video/mp4")


def asking(body: Any = BODY, url: str = URL, method: str = "POST") -> Request:
    shaped = FORMAT.shape(orjson.dumps(body), Ask(method=method, url=url))
    return Request(
        (1,),
        ("a",),
        "videos",
        shaped.model,
        shaped.body,
        method=shaped.method,
        path=shaped.path,
        makes=shaped.makes,
        stem="00000001-ab",
    )


def question(url: str) -> Request:
    return asking({}, url, "GET")


def form(body: Any) -> dict[str, Any]:
    step = FORMAT.start(asking(body))
    assert isinstance(step, Send)
    assert isinstance(step.call.payload, Form)
    return {field.name: field.value for field in step.call.payload.fields}


def says(value: Any, status: int = 200, **headers: str) -> Reply:
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Reply(status, {"x-oneapi-request-id": "gw-1", **headers}, body)


def submitted(value: Any, status: int = 200, **headers: str) -> Step:
    return FORMAT.next(asking(), None, says(value, status, **headers))


def polled(value: Any, status: int = 200, state: State | None = None) -> Step:
    state = state or {"do": "poll", "id": "t1"}
    return FORMAT.next(asking(), state, says(value, status))


def failure(step: Any, *told: Any) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        step(*told)
    return caught.value


def wanted(step: Step) -> list[str]:
    assert isinstance(step, Wait)
    assert step.state["do"] == "fetch"
    addresses: list[str] = step.state["wanted"][0]
    return addresses


def usage(step: Step) -> Usage | None:
    """Return the usage of an answer once its film is there."""
    assert isinstance(step, Wait)
    done = FORMAT.next(asking(), step.state, Reply(200, {}, FILM))
    assert isinstance(done, Done)
    return done.answer.usage


# ---------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("body", "mine"),
    [
        ({"prompt": "x", "seconds": "4"}, True),
        ({"prompt": "x"}, False),
        ({"seconds": "4"}, False),
        ({"prompt": "x", "seconds": "4", "model_name": "kling-v1"}, False),
    ],
)
def test_a_body_is_known_by_its_prompt_and_its_seconds(body: Any, mine: bool) -> None:
    assert FORMAT.mine(body) is mine


def test_a_film_is_work_that_is_submitted_once_and_counts_in_no_tokens() -> None:
    request = asking()
    step = FORMAT.start(request)

    assert isinstance(step, Send)
    assert (step.call.method, step.call.path) == ("POST", URL)
    assert (step.call.repeat, step.call.media) == ("once", True)
    assert FORMAT.estimate(request).input_tokens == 0


def test_a_body_goes_out_as_a_form_of_texts() -> None:
    body = {
        "model": "veo-3.1",
        "prompt": 'Say "hé"\n',
        "seconds": 8,
        "size": "1280x720",
        "loop": True,
        "guidance": 0.50,
        "metadata": {"aspectRatio": "16:9", "seed": 12345678901234567890},
        "tags": ["a", "b"],
        "nothing": None,
    }

    assert form(body) == {
        "model": "veo-3.1",
        "prompt": 'Say "hé"\n',
        "seconds": "8",
        "size": "1280x720",
        "loop": "true",
        "guidance": "0.5",
        "metadata": '{"aspectRatio":"16:9","seed":12345678901234567890}',
        "tags": '["a","b"]',
    }


@pytest.mark.parametrize(
    "source",
    ["file:first.png", "https://pictures.example/first.png", "data:image/png;base64,iVBO", "iVBO"],
)
def test_the_picture_that_a_film_begins_with_is_read_when_it_is_sent(source: str) -> None:
    sent = form({**BODY, "input_reference": source})

    assert sent["input_reference"] == FileRef(source, name="input_reference")


def test_a_picture_that_is_named_by_an_object_is_no_file() -> None:
    sent = form({**BODY, "input_reference": {"file_id": "f1"}})

    assert sent["input_reference"] == '{"file_id":"f1"}'


def test_a_model_that_is_filled_in_goes_out_too() -> None:
    shaped = FORMAT.shape(b'{"prompt":"x"}', Ask(url=URL, model="sora-2"))
    request = msgspec.structs.replace(asking(), body=shaped.body)
    step = FORMAT.start(request)

    assert isinstance(step, Send)
    assert isinstance(step.call.payload, Form)
    assert Field("model", "sora-2") in step.call.payload.fields


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"model":"m"}', "prompt"),
        (b'{"model":"m","prompt":7}', "prompt"),
        (b'{"model":"m","prompt":"x","a\\r\\nb":"y"}', "field"),
        (b'{"model":"m","prompt":"x","a\\"b":"y"}', "field"),
        (b'{"model":"m","prompt":"x","":"y"}', "field"),
        ('{"model":"m","prompt":"x","größe":"y"}'.encode(), "field"),
        (b'{"prompt":"x"}', "model"),
    ],
)
def test_what_no_form_can_hold_is_refused_before_anything_is_sent(body: bytes, words: str) -> None:
    with pytest.raises(errors.BadBody, match=words):
        FORMAT.shape(body, Ask(url=URL))


@pytest.mark.parametrize(("system", "schema"), [("Be brief.", None), (None, {"type": "object"})])
def test_a_prompt_alone_makes_a_film_and_nothing_else_does(system: Any, schema: Any) -> None:
    assert FORMAT.build("A boat.", None, None) == b'{"prompt":"A boat."}'
    with pytest.raises(errors.BadBody):
        FORMAT.build("A boat.", system, schema)


# ----------------------------------------------------------------------------------- the submit


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"id": "video_1", "task_id": "t2", "status": "queued"}, "video_1"),
        ({"id": "", "task_id": "t2"}, "t2"),
        ({"code": "success", "data": {"task_id": "t3", "id": 9}}, "t3"),
        ({"code": 0, "message": "SUCCEED", "data": {"id": "t4"}}, "t4"),
        ({"id": 17650001}, "17650001"),
        ({"id": None, "task_id": ["x"], "data": {"task_id": "t5"}}, "t5"),
    ],
)
def test_a_task_is_known_by_the_first_id_that_its_submit_is_answered_with(
    told: Any, named: str
) -> None:
    step = submitted(told)

    assert step == Wait(
        10.0,
        Call("GET", f"/v1/videos/{named}", kind="poll"),
        {"do": "poll", "id": named},
    )


def test_an_id_is_one_piece_of_a_path_whatever_stands_in_it() -> None:
    step = submitted({"id": "projects/p:x_1/operations?7"})

    assert isinstance(step, Wait)
    assert step.call.path == "/v1/videos/projects%2Fp:x_1%2Foperations%3F7"


@pytest.mark.parametrize("told", [{}, {"id": ""}, {"object": "video", "status": "queued"}])
def test_a_submit_that_is_answered_without_an_id_is_no_answer(told: Any) -> None:
    assert type(failure(submitted, told)) is errors.NotAnAnswer


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}, "id": "r1"}, errors.Saturated),
        ({"error": {"message": "x", "code": "insufficient_user_quota"}}, errors.NoMoney),
        ({"success": False, "message": "x", "id": "r1"}, errors.NotAnAnswer),
    ],
)
def test_an_id_beside_an_error_names_no_task(told: Any, kind: type[errors.CallFailed]) -> None:
    assert type(failure(submitted, told)) is kind


def test_a_task_that_failed_at_once_is_a_failed_task() -> None:
    told = {"id": "t1", "status": "failed", "error": {"code": "moderation", "message": "Blocked."}}

    failed = failure(submitted, told)

    assert isinstance(failed, errors.TaskFailed)
    assert failed.vendor_code == "moderation"


def test_a_film_that_is_there_at_once_is_fetched_without_a_wait() -> None:
    step = submitted({"id": "t1", "status": "completed", "video_url": "https://h.example/v.mp4"})

    assert isinstance(step, Wait)
    assert (step.seconds, step.call.kind) == (0.0, "fetch")
    assert step.state["id"] == "t1"


# ------------------------------------------------------------------------------------ the polls


@pytest.mark.parametrize(
    "told",
    [
        {"id": "t1", "status": "queued", "progress": 0},
        {"id": "t1", "status": "unknown", "progress": 100},
        {"id": "t1", "status": "", "progress": 0},
        {"code": "success", "message": "", "data": {"status": "IN_PROGRESS", "progress": "50%"}},
        {"code": "success", "data": {"status": "NOT_START", "fail_reason": "https://h.example/v"}},
        {"code": "success", "data": None},
        {"code": 0, "data": {"task_status": "processing"}},
        {"id": "t1", "status": "rendering audio", "error": None},
        {},
    ],
)
def test_a_task_that_is_not_done_is_asked_after_again_without_news(told: Any) -> None:
    step = polled(told)

    assert step == Wait(15.0, Call("GET", "/v1/videos/t1", kind="poll"), {"do": "poll", "id": "t1"})


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"status": "failed", "error": {"code": "c", "message": "Too dark."}}, "Too dark."),
        ({"status": "failed", "error": "Too dark."}, "Too dark."),
        ({"status": "cancelled", "message": "Too dark."}, "Too dark."),
        (
            {"code": "success", "message": "", "data": {"status": "FAILURE", "fail_reason": "No."}},
            "No.",
        ),
        (
            {
                "code": "success",
                "data": {
                    "status": "FAILURE",
                    "fail_reason": "",
                    "data": {"code": 0, "data": {"task_status_msg": "Too small."}},
                },
            },
            "Too small.",
        ),
        (
            {
                "code": 0,
                "message": "SUCCEED",
                "data": {"task_status": "failed", "task_status_msg": "Too small."},
            },
            "Too small.",
        ),
        ({"code": 0, "message": "SUCCEED", "data": {"task_status": "failed"}}, "no more"),
        ({"status": "expired"}, "no more"),
    ],
)
def test_a_failed_task_fails_with_the_vendors_reason(told: Any, reason: str) -> None:
    failed = failure(polled, told)

    assert isinstance(failed, errors.TaskFailed)
    assert failed.message.endswith(reason)
    assert "t1" in failed.message
    assert failed.usage is None


@pytest.mark.parametrize(
    ("told", "addresses"),
    [
        ({"status": "completed", "video_url": "https://a.example/1"}, ["https://a.example/1"]),
        ({"status": "completed", "url": "https://a.example/1"}, ["https://a.example/1"]),
        ({"status": "done", "metadata": {"url": "https://a.example/1"}}, ["https://a.example/1"]),
        ({"status": "done", "meta_data": {"url": "https://a.example/1"}}, ["https://a.example/1"]),
        ({"status": "SUCCESS", "result_url": "https://a.example/1"}, ["https://a.example/1"]),
        ({"data": {"status": "succeeded", "url": "http://a.example/1"}}, ["http://a.example/1"]),
        (
            {"data": {"status": "SUCCESS", "fail_reason": "https://a.example/1"}},
            ["https://a.example/1"],
        ),
        ({"data": {"status": "SUCCESS", "fail_reason": "upscaled"}}, []),
        (
            {
                "data": {
                    "status": "SUCCESS",
                    "result_url": "https://a.example/1",
                    "fail_reason": "https://a.example/2",
                    "data": {"data": {"task_result": {"videos": [{"url": "https://a.example/3"}]}}},
                }
            },
            ["https://a.example/1", "https://a.example/3", "https://a.example/2"],
        ),
        (
            {
                "status": "completed",
                "url": "https://a.example/2",
                "video_url": "https://a.example/1",
                "metadata": {"url": "https://a.example/1"},
            },
            ["https://a.example/1", "https://a.example/2"],
        ),
        ({"task_id": "t1", "status": "SUCCESS", "platform": "1", "fail_reason": ""}, []),
        ({"status": "completed", "video_url": "/v1/files/1", "url": 7, "metadata": []}, []),
    ],
)
def test_a_film_is_fetched_where_the_answer_says_and_at_last_from_the_gateway(
    told: Any, addresses: list[str]
) -> None:
    assert wanted(polled(told)) == [*addresses, "/v1/videos/t1/content"]


def test_the_gateways_own_route_is_asked_with_the_key_before_its_whole_address_without() -> None:
    whole = "https://gateway.example/v1/videos/t1/content"

    step = polled({"status": "completed", "metadata": {"url": whole}})

    assert wanted(step) == ["/v1/videos/t1/content", whole]


def test_a_film_that_stands_in_the_answer_itself_becomes_a_file() -> None:
    inside = "data:video/mp4;base64,AAAA"

    step = polled({"status": "completed", "metadata": {"url": inside}, "seconds": "8"})

    assert isinstance(step, Done)
    assert step.answer.blobs == (Blob(inside, "00000001-ab-0-0"),)
    assert step.answer.usage == Usage({Meter.MILLISECONDS: 8000})


@pytest.mark.parametrize("where", [(), ("data",), ("data", "data"), ("data", "data", "data")])
def test_a_film_that_is_billed_by_tokens_tells_them_and_reads_none(where: tuple[str, ...]) -> None:
    told: Any = {"usage": {"completion_tokens": 246840, "total_tokens": 246840}}
    for name in reversed(where):
        told = {name: told}

    step = polled({"status": "completed", "seconds": "5"} | told)

    # Without a count of what was read the usage would be half of one, and the cost unknown.
    counts = {Meter.MILLISECONDS: 5000, Meter.INPUT: 0, Meter.OUTPUT: 246840}
    assert usage(step) == Usage(counts)


@pytest.mark.parametrize(
    ("told", "milliseconds"),
    [
        ({"seconds": "8"}, 8000),
        ({"seconds": 8}, 8000),
        ({"seconds": 5.1}, 5100),
        ({"data": {"task_result": {"videos": [{"duration": "5.1"}]}}}, 5100),
        ({"data": {"data": {"data": {"task_result": {"videos": [{"duration": "10"}]}}}}}, 10000),
        ({"seconds": "", "data": {"seconds": "4"}}, 4000),
        ({}, None),
        ({"seconds": "long"}, None),
        ({"seconds": "0"}, None),
        ({"seconds": "-4"}, None),
        ({"seconds": "nan"}, None),
        ({"seconds": "inf"}, None),
        ({"seconds": "1e300"}, None),
        ({"seconds": True}, None),
        ({"seconds": [8]}, None),
    ],
)
def test_the_length_of_a_film_is_what_it_used(told: Any, milliseconds: int | None) -> None:
    used = usage(polled({"status": "completed", **told}))

    assert used == (None if milliseconds is None else Usage({Meter.MILLISECONDS: milliseconds}))


def test_the_answer_is_the_last_state_of_the_task_in_one_line() -> None:
    told = b'{\n "id": "t1",\r\n "model": "sora-2-pro", "status": "completed", "seconds": "8"}'

    step = polled(told)
    assert isinstance(step, Wait)
    done = FORMAT.next(asking(), step.state, Reply(200, {}, FILM))

    assert isinstance(done, Done)
    assert done.answer.body == told.translate(None, b"\r\n")
    assert done.answer.model == "sora-2-pro"
    assert (done.answer.finish, done.answer.content) == ("stop", None)
    assert (done.answer.status, done.answer.request_id) == (200, "gw-1")
    assert done.answer.files == (FILM,)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (500, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (200, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
        (404, {"error": {"message": "Video not found", "type": "invalid_request_error"}}),
    ],
)
def test_a_task_that_is_not_known_right_after_its_submit_may_yet_be_then_it_is_lost(
    status: int, told: Any
) -> None:
    state: State = {"do": "poll", "id": "t1"}

    for _ in range(5):
        step = polled(told, status, state)
        assert isinstance(step, Wait)
        state = json.loads(json.dumps(step.state))

    assert isinstance(failure(polled, told, status, state), errors.TaskLost)
    assert isinstance(polled({"status": "queued"}, 200, state), Wait)


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (500, {"code": "get_task_failed", "message": "x", "data": None}, errors.ServerTrouble),
        (429, b"", errors.Throttled),
        (502, b"<html>", errors.ServerTrouble),
        (404, b"404 page not found", errors.WrongUrl),
        (404, {"error": {"message": "Invalid URL (GET /v1/videos/t1)"}}, errors.WrongUrl),
        (200, {"error": {"message": "x", "type": "server_error"}}, errors.ServerTrouble),
        (200, b"<html>", errors.WebPage),
        (200, b'["completed"]', errors.NotAnAnswer),
    ],
)
def test_a_poll_that_fails_is_a_failed_call_and_no_failed_task(
    status: int, told: Any, kind: type[errors.CallFailed]
) -> None:
    assert type(failure(polled, told, status)) is kind


# ----------------------------------------------------------------------------- lines that only ask


@pytest.mark.parametrize("word", ["queued", "failed", "completed"])
def test_a_line_can_ask_once_how_a_task_is(word: str) -> None:
    request = question("/v1/videos/t1")
    told = {"id": "t1", "status": word, "model": "sora-2", "seconds": "8", "error": None}
    if word == "failed":
        told["error"] = {"code": "c", "message": "Too dark."}

    step = FORMAT.next(request, None, says(told))

    assert FORMAT.start(request) == Send(Call("GET", "/v1/videos/t1"))
    assert isinstance(step, Done)
    assert step.answer.content == word
    assert step.answer.body == orjson.dumps(told)
    assert step.answer.usage == Usage(), "the film is counted where it was asked for"


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (400, {"code": "task_not_exist", "message": "x", "data": None}, errors.Refused),
        (200, {"code": "success", "data": None}, errors.NotAnAnswer),
        (200, {"error": {"message": "x", "type": "server_error"}}, errors.ServerTrouble),
    ],
)
def test_a_line_that_asks_for_what_nobody_tells_says_why(
    status: int, told: Any, kind: type[errors.CallFailed]
) -> None:
    request = question("/v1/videos/t1")

    assert type(failure(FORMAT.next, request, None, says(told, status))) is kind


def test_a_line_can_fetch_a_film() -> None:
    request = question("/v1/videos/t1/content?variant=video")
    step = FORMAT.start(request)

    done = FORMAT.next(request, None, Reply(200, {"x-oneapi-request-id": "gw-2"}, FILM))

    assert isinstance(step, Send)
    assert (step.call.path, step.call.expect, step.call.repeat, step.call.save_as) == (
        "/v1/videos/t1/content",
        "file",
        "free",
        "00000001-ab-0-0",
    )
    assert step.call.media
    assert isinstance(done, Done)
    assert done.answer.body == b'{"video":"wbatch-file:film.mp4"}'
    assert (done.answer.files, done.answer.request_id) == ((FILM,), "gw-2")


def test_a_line_that_fetches_a_film_waits_for_it_but_not_for_one_that_failed() -> None:
    request = question("/v1/videos/t1/content")
    said = {"error": {"message": "Task is not completed yet, current status: QUEUED"}}
    over = {"error": {"message": "Task is not completed yet, current status: FAILURE"}}

    step = FORMAT.next(request, None, says(said, 400))

    assert isinstance(step, Wait)
    again = FORMAT.resume(request, json.loads(json.dumps(step.state)))
    assert isinstance(again, Send)
    assert again.call.kind == "fetch"
    assert isinstance(FORMAT.next(request, step.state, Reply(200, {}, FILM)), Done)
    for state in (None, step.state):
        failed = failure(FORMAT.next, request, state, says(over, 400))
        assert isinstance(failed, errors.TaskFailed)


@pytest.mark.parametrize(
    ("body", "ask", "model"),
    [
        ({"model": "sora-2"}, {"model": "m"}, "sora-2"),
        ({}, {"model": "m", "override_model": "o"}, "videos"),  # those are other lines' models
        ({}, {}, "videos"),
    ],
)
def test_a_line_that_only_asks_needs_no_model(body: Any, ask: Any, model: str) -> None:
    shaped = FORMAT.shape(orjson.dumps(body), Ask(method="GET", url="/v1/videos/t%2F1", **ask))

    assert (shaped.model, shaped.body) == (model, b"")
    assert (shaped.path, shaped.endpoint) == ("/v1/videos/t%2F1", "/v1/videos/{id}")


# ------------------------------------------------------------------------------------ whole lives


def rows(count: int) -> list[Row]:
    """Return so many lines that ask for a film."""
    found = []
    for n in range(1, count + 1):
        body = orjson.dumps({**BODY, "prompt": f"A boat, and {n} gulls."})
        shaped = FORMAT.shape(body, Ask(url=URL))
        found.append(
            Row(
                n,
                n * 1_000_003,
                f"row-{n}",
                "videos",
                shaped.model,
                shaped.body,
                "films.jsonl",
                n,
                path=shaped.path,
                endpoint=shaped.endpoint,
                makes=shaped.makes,
            )
        )
    return found


def gateway(polls: int, hosts: dict[str, int] | None = None) -> Scripted:
    """Return a gateway whose tasks are done at the n-th poll; ``hosts``: statuses of films."""
    asked: dict[str, int] = {}
    ids = itertools.count(1)

    def answer(call: Call) -> Reply:
        if call.kind == "submit":
            return json_reply({"id": f"t{next(ids)}", "status": "queued"})
        if call.kind == "poll":
            asked[call.path] = asked.get(call.path, 0) + 1
            named = call.path.rpartition("/")[2]
            told = {"id": named, "status": "in_progress", "model": "sora-2-0926"}
            if asked[call.path] >= polls:
                told |= {"status": "completed", "seconds": "8"}
                told["video_url"] = f"https://films.example/{named}.mp4"
            return json_reply(told)
        status = (hosts or {}).get(call.origin, 200)
        if status != 200:
            return json_reply({}, status)
        return Reply(200, {}, Saved(f"{call.save_as}.mp4", 9, "ab" * 32, "video/mp4"))

    return Scripted(answer)


def count(gateway: Scripted, kind: str) -> int:
    return [call.kind for call in gateway.calls].count(kind)


def test_a_film_is_submitted_once_asked_after_and_fetched_without_the_key(tmp_path: Path) -> None:
    asked = gateway(polls=4)
    rig = Rig(tmp_path, FORMAT)

    rig.session(rows(3), asked)

    assert [count(asked, kind) for kind in ("submit", "poll", "fetch")] == [3, 12, 3]
    assert {
        call.kind for call, key in zip(asked.calls, asked.keys, strict=True) if key is None
    } == {"fetch"}
    record = rig.results()[1]
    named = record["x_run"]["files"][0]["path"]
    assert record["response"]["body"]["video_url"] == f"wbatch-file:{named}"
    assert record["x_run"]["usage"]["seconds"] == 8.0
    assert record["x_run"]["model_answered"] == "sora-2-0926"
    assert record["x_run"]["attempts"] == 1
    states = [entry["state"]["do"] for entry in rig.journal("task") if entry["line"] == 1]
    assert states == ["poll", "fetch"], "polls without news are not journalled"


def test_a_crash_between_submit_and_fetch_pays_for_no_film_twice(tmp_path: Path) -> None:
    first = gateway(polls=3)
    rig = Rig(tmp_path, FORMAT)

    with pytest.raises(Crashed):
        rig.session(rows(3), first, crash=lambda: count(first, "poll") >= 4)
    between = gateway(polls=1, hosts={"foreign": 503, "gateway": 400})
    with pytest.raises(Crashed):
        rig.session(rows(3), between, crash=lambda: count(between, "fetch") >= 9)
    last = gateway(polls=1, hosts={"foreign": 403})
    rig.session(rows(3), last)

    assert [count(one, "submit") for one in (first, between, last)] == [3, 0, 0]
    assert {call.path for call in between.calls if call.kind == "poll"} == {
        "/v1/videos/t1",
        "/v1/videos/t2",
        "/v1/videos/t3",
    }
    assert count(last, "poll") == 0, "an answer that is on record is not asked for again"
    assert {call.path for call in last.calls if call.origin == "gateway"} == {
        "/v1/videos/t1/content",
        "/v1/videos/t2/content",
        "/v1/videos/t3/content",
    }
    assert rig.results().keys() == {1, 2, 3}
    assert rig.totals()["seconds"] == 24.0
    assert rig.totals()["num_model_requests"] == 3


def test_a_film_that_cannot_be_fetched_is_named_by_its_task_and_fetched_another_day(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, FORMAT)

    rig.session(rows(1), gateway(polls=1, hosts={"foreign": 403, "gateway": 410}))

    error = rig.errors()[1]
    assert error["x_run"]["class"] == "file_gone"
    assert error["x_run"]["unfinished"] == "task t1"
