"""Kling's films: its pictures, both envelopes, its codes, and the path at which a task is found."""

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
    Call,
    Done,
    FileRef,
    Reply,
    Request,
    Row,
    Saved,
    Send,
    Spliced,
    State,
    Step,
    Wait,
)
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire.kling import FORMAT
from tests.rig import Rig, Scripted, json_reply

TEXT = "/kling/v1/videos/text2video"
PICTURE = "/kling/v1/videos/image2video"
OWN = {"do": "poll", "id": "831", "at": f"{TEXT}/{{id}}"}
FALLBACK = {"do": "poll", "id": "831", "at": "/v1/videos/{id}"}
BODY = {"model_name": "kling-v1-6", "prompt": "A boat."}
FILM = Saved("film.mp4", 9, "ab" * 32, "video/mp4")
NO_ROUTE = b"404 page not found"
NO_TASK = {"error": {"message": "no such task", "type": "invalid_request_error"}}


def asking(body: Any = BODY, url: str = TEXT, method: str = "POST") -> Request:
    shaped = FORMAT.shape(orjson.dumps(body), Ask(method=method, url=url))
    return Request(
        (1,),
        ("a",),
        "kling",
        shaped.model,
        shaped.body,
        method=shaped.method,
        path=shaped.path,
        makes=shaped.makes,
        stem="00000001-ab",
    )


def payload(**fields: Any) -> Any:
    step = FORMAT.start(asking({**BODY, **fields}, PICTURE))
    assert isinstance(step, Send)
    return step.call.payload


def says(value: Any, status: int = 200) -> Reply:
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Reply(status, {"x-oneapi-request-id": "gw-1"}, body)


def submitted(value: Any, status: int = 200) -> Step:
    return FORMAT.next(asking(), None, says(value, status))


def polled(value: Any, status: int = 200, state: State = OWN) -> Step:
    return FORMAT.next(asking(), json.loads(json.dumps(state)), says(value, status))


def failure(step: Any, *told: Any) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        step(*told)
    return caught.value


# ---------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("body", "mine"),
    [
        ({"prompt": "x", "model_name": "kling-v1"}, True),
        ({"prompt": "x", "model": "kling-v1"}, False),
        ({"model_name": "kling-v1"}, False),
    ],
)
def test_a_body_is_known_by_klings_name_for_the_model(body: Any, mine: bool) -> None:
    assert FORMAT.mine(body) is mine


@pytest.mark.parametrize(
    ("body", "ask", "model", "sent"),
    [
        ({"model_name": "a"}, {}, "a", {"model_name": "a"}),
        ({"model": "a"}, {}, "a", {"model": "a"}),
        ({}, {"model": "m"}, "m", {"model_name": "m"}),
        ({"model_name": "a"}, {"model": "m"}, "a", {"model_name": "a"}),
        ({"model_name": "a", "model": "b"}, {}, "a", {"model_name": "a", "model": "b"}),
        ({"model_name": "a"}, {"override_model": "o"}, "o", {"model_name": "o"}),
        ({"model": "a"}, {"override_model": "o"}, "o", {"model": "a", "model_name": "o"}),
        ({"model_name": "", "model": "a"}, {}, "a", {"model_name": "", "model": "a"}),
    ],
)
def test_the_model_is_set_under_the_name_that_the_gateway_looks_for_first(
    body: Any, ask: Any, model: str, sent: Any
) -> None:
    shaped = FORMAT.shape(orjson.dumps({"prompt": "x", **body}), Ask(url=TEXT, **ask))

    assert shaped.model == model
    assert orjson.loads(shaped.body) == {"prompt": "x", **sent}
    assert shaped.makes == "video"


def test_a_body_without_any_model_is_refused() -> None:
    with pytest.raises(errors.BadBody, match="model"):
        FORMAT.shape(b'{"prompt":"x"}', Ask(url=TEXT))


@pytest.mark.parametrize(
    ("body", "url", "path"),
    [
        ({}, None, TEXT),
        ({"image": "https://h.example/a.jpg"}, None, PICTURE),
        ({"image_tail": "https://h.example/a.jpg"}, None, PICTURE),
        ({"image": ""}, None, TEXT),
        ({"image": "https://h.example/a.jpg"}, TEXT, TEXT),
        ({}, PICTURE, PICTURE),
    ],
)
def test_a_body_without_a_url_goes_where_its_picture_belongs(
    body: Any, url: str | None, path: str
) -> None:
    shaped = FORMAT.shape(orjson.dumps({**BODY, **body}), Ask(url=url))

    assert (shaped.path, shaped.endpoint) == (path, path)


@pytest.mark.parametrize("key", ["image", "image_tail", "static_mask"])
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://h.example/a.jpg", "https://h.example/a.jpg"),
        ("iVBORw0KGgo=", "iVBORw0KGgo="),
        ("data:image/png;base64,iVBORw0KGgo=", "iVBORw0KGgo="),
        ("data:image/svg+xml;charset=utf-8;base64,PHN2Zz4=", "PHN2Zz4="),
        ("data:text/plain,hello", "data:text/plain,hello"),
    ],
)
def test_a_picture_goes_out_as_an_address_or_as_bare_base64(
    key: str, given: str, sent: str
) -> None:
    assert orjson.loads(payload(**{key: given})) == {**BODY, key: sent}


def test_a_picture_within_a_mask_goes_out_bare_too() -> None:
    masks = [{"mask": "data:image/png;base64,AAAA", "trajectories": [{"x": 1, "y": 2}]}]

    sent = orjson.loads(payload(dynamic_masks=masks))

    assert sent["dynamic_masks"] == [{"mask": "AAAA", "trajectories": [{"x": 1, "y": 2}]}]


def test_a_slash_that_is_escaped_is_no_hindrance() -> None:
    body = b'{"model_name":"k","prompt":"x","image" : "data:image\\/png;base64,iVBO"}'
    request = msgspec.structs.replace(asking(), body=body)

    step = FORMAT.start(request)

    assert isinstance(step, Send)
    assert step.call.payload == b'{"model_name":"k","prompt":"x","image" : "iVBO"}'


def test_a_prompt_that_quotes_a_body_stays_as_it_is() -> None:
    prompt = 'Write {"image":"data:image/png;base64,AAAA"} on a wall.'

    assert orjson.loads(payload(prompt=prompt))["prompt"] == prompt


def test_a_picture_of_this_machine_is_read_when_it_is_sent() -> None:
    sent = payload(image="file:a.png", image_tail="https://h.example/b.jpg")

    assert isinstance(sent, Spliced)
    assert [one for one in sent.pieces if isinstance(one, FileRef)] == [
        FileRef("file:a.png", "base64")
    ]
    whole = b"".join(b"AAAA" if isinstance(one, FileRef) else one for one in sent.pieces)
    assert orjson.loads(whole) == {**BODY, "image": "AAAA", "image_tail": "https://h.example/b.jpg"}


def test_a_film_is_work_that_is_submitted_once() -> None:
    step = FORMAT.start(asking())

    assert isinstance(step, Send)
    assert (step.call.path, step.call.repeat, step.call.media) == (TEXT, "once", True)


# ----------------------------------------------------------------------------------- the submit


@pytest.mark.parametrize(
    "told",
    [
        {"id": "831", "task_id": "831", "object": "video", "status": "", "progress": 0},
        {"code": 0, "message": "SUCCEED", "data": {"task_id": "831", "task_status": "submitted"}},
        {"code": 200, "message": "SUCCEED", "data": {"task_id": 831, "task_status": "submitted"}},
    ],
)
def test_a_task_is_asked_after_in_the_family_that_it_was_submitted_to(told: Any) -> None:
    assert submitted(told) == Wait(10.0, Call("GET", f"{TEXT}/831", kind="poll"), OWN)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, errors.UpstreamAccount),
        (1102, errors.UpstreamAccount),
        (1201, errors.Refused),
        ("1201", errors.Refused),
        (1301, errors.Refused),
        (1302, errors.Saturated),
        (1303, errors.Saturated),
        (5000, errors.ServerTrouble),
        (5001, errors.Overloaded),
        (9999, errors.NotAnAnswer),
        (12, errors.NotAnAnswer),
    ],
)
def test_a_code_of_klings_own_says_what_is_wrong_under_a_good_status(
    code: Any, kind: type[errors.CallFailed]
) -> None:
    failed = failure(submitted, {"code": code, "message": "Bad mode.", "request_id": "r"})

    assert type(failed) is kind
    assert failed.status == 200
    assert "Bad mode." in failed.message
    assert failed.vendor_code == str(code)


def test_what_kling_refuses_before_any_work_may_be_sent_again() -> None:
    assert failure(submitted, {"code": 1303, "message": "busy"}).before_work
    assert not failure(submitted, {"code": 5000, "message": "broken"}).before_work


def test_a_submit_without_an_id_is_no_answer() -> None:
    assert type(failure(submitted, {"code": 0, "data": None})) is errors.NotAnAnswer


# ------------------------------------------------------------------------------------ the polls


WRAPPED = {
    "code": "success",
    "message": "",
    "data": {
        "task_id": "831",
        "status": "SUCCESS",
        "progress": "100%",
        "fail_reason": "https://h.example/v.mp4",
        "data": {
            "code": 0,
            "data": {
                "task_status": "succeed",
                "task_result": {"videos": [{"url": "https://h.example/v.mp4", "duration": "5.1"}]},
            },
        },
    },
}
AS_IT_IS = {
    "code": 0,
    "message": "SUCCEED",
    "data": {
        "task_id": "831",
        "task_status": "succeed",
        "task_result": {"videos": [{"url": "https://h.example/v.mp4", "duration": "5.1"}]},
    },
}
AS_VIDEO = {
    "id": "831",
    "status": "completed",
    "seconds": "5.1",
    "metadata": {"url": "https://h.example/v.mp4"},
}


@pytest.mark.parametrize("told", [WRAPPED, AS_IT_IS, AS_VIDEO])
def test_each_envelope_tells_of_the_same_film(told: Any) -> None:
    step = polled(told)

    assert isinstance(step, Wait)
    assert step.state["wanted"] == [["https://h.example/v.mp4", "/v1/videos/831/content"]]
    done = FORMAT.next(asking(), step.state, Reply(200, {}, FILM))
    assert isinstance(done, Done)
    assert done.answer.usage == Usage({Meter.MILLISECONDS: 5100})
    assert b"https://" not in done.answer.body
    assert b"wbatch-file:film.mp4" in done.answer.body


def test_a_task_that_is_not_done_is_asked_after_without_news() -> None:
    told = {"code": 0, "data": {"task_id": "831", "task_status": "processing"}}

    assert polled(told) == Wait(15.0, Call("GET", f"{TEXT}/831", kind="poll"), OWN)


def test_a_failed_task_says_why() -> None:
    told = {"code": 0, "data": {"task_status": "failed", "task_status_msg": "Too small."}}

    failed = failure(polled, told)

    assert isinstance(failed, errors.TaskFailed)
    assert "Too small." in failed.message


# -------------------------------------------------------------------------- where a task is found


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("body", [NO_ROUTE, NO_TASK])
def test_a_task_that_its_family_does_not_know_is_asked_for_where_all_films_are(
    status: int, body: Any
) -> None:
    step = polled(body, status)

    assert isinstance(step, Send)
    assert step.call == Call("GET", "/v1/videos/831", kind="poll")


def test_the_path_that_works_is_kept() -> None:
    there = polled(NO_ROUTE, 404)
    assert isinstance(there, Send)
    assert there.state is not None

    step = polled({"status": "in_progress"}, 200, there.state)

    assert isinstance(step, Wait)
    assert (step.call, step.state) == (there.call, there.state)
    again = FORMAT.resume(asking(), json.loads(json.dumps(step.state)))
    assert again == Send(there.call, there.state)


def test_a_gateway_with_no_path_for_tasks_is_the_wrong_one_so_that_no_more_films_are_paid() -> None:
    there = polled(NO_ROUTE, 404)
    assert isinstance(there, Send)
    assert there.state is not None

    assert isinstance(failure(polled, NO_ROUTE, 404, there.state), errors.WrongUrl)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((NO_TASK, 404), (NO_ROUTE, 404)),
        ((NO_ROUTE, 404), (NO_TASK, 404)),
        ((NO_ROUTE, 404), ({"code": "task_not_exist", "message": "x", "data": None}, 400)),
    ],
)
def test_a_task_that_neither_path_knows_is_asked_for_in_its_family_again_and_lost_at_last(
    first: tuple[Any, int], second: tuple[Any, int]
) -> None:
    state: State = OWN

    for _ in range(5):
        there = polled(*first, state)
        assert isinstance(there, Send)
        assert there.state is not None
        back = polled(*second, there.state)
        assert isinstance(back, Wait)
        assert back.call.path == f"{TEXT}/831"
        state = back.state
    there = polled(*first, state)

    assert isinstance(there, Send)
    assert isinstance(failure(polled, *second, there.state), errors.TaskLost)


def test_a_task_that_new_api_has_not_written_down_yet_is_asked_for_in_its_family_alone() -> None:
    step = polled({"code": "task_not_exist", "message": "x", "data": None}, 400)

    assert isinstance(step, Wait)
    assert step.call.path == f"{TEXT}/831"


@pytest.mark.parametrize("state", [OWN, FALLBACK])
def test_other_trouble_is_a_failed_call(state: State) -> None:
    assert isinstance(failure(polled, b"<html>", 502, state), errors.ServerTrouble)


# ----------------------------------------------------------------------------- lines that only ask


@pytest.mark.parametrize(("told", "word"), [(WRAPPED, "SUCCESS"), (AS_IT_IS, "succeed")])
def test_a_line_can_ask_once_how_a_task_is(told: Any, word: str) -> None:
    request = asking({}, f"{PICTURE}/831", "GET")

    step = FORMAT.next(request, None, says(told))

    assert FORMAT.start(request) == Send(Call("GET", f"{PICTURE}/831"))
    assert request.model == "kling"
    assert isinstance(step, Done)
    assert (step.answer.content, step.answer.usage) == (word, Usage())


def test_a_line_that_asks_for_what_kling_does_not_know_says_why() -> None:
    request = asking({}, f"{PICTURE}/831", "GET")
    told = {"code": 1203, "message": "no such task", "request_id": "r"}

    assert type(failure(FORMAT.next, request, None, says(told))) is errors.Refused


# ----------------------------------------------------------------------------------- a whole life


def test_a_film_is_made_though_its_family_has_no_path_for_tasks(tmp_path: Path) -> None:
    polls = itertools.count(1)

    def answer(call: Call) -> Reply:
        if call.kind == "submit":
            return json_reply({"code": 0, "data": {"task_id": "831", "task_status": "submitted"}})
        if call.path.startswith("/kling"):
            return Reply(404, {}, NO_ROUTE)
        if call.kind == "poll":
            return json_reply(AS_VIDEO if next(polls) > 3 else {"status": "in_progress"})
        return Reply(200, {}, FILM)

    asked = Scripted(answer)
    rig = Rig(tmp_path, FORMAT)
    request = asking()
    row = Row(
        1,
        1_000_003,
        "row-1",
        "kling",
        request.model,
        request.body,
        "films.jsonl",
        1,
        path=TEXT,
        endpoint=TEXT,
        makes="video",
    )

    rig.session([row], asked)

    assert [call.path for call in asked.calls] == [
        TEXT,
        f"{TEXT}/831",
        *["/v1/videos/831"] * 4,
        "https://h.example/v.mp4",
    ]
    assert rig.results()[1]["x_run"]["usage"]["seconds"] == 5.1
    assert len(rig.journal("task")) == 3
