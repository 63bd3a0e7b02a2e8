"""Midjourney: its paths and models, its codes, its tasks from the submit to the file."""

from typing import Any

import orjson
import pytest

from batch import errors
from batch.records import (
    Answer,
    Call,
    Done,
    FileRef,
    Reply,
    Request,
    Saved,
    Send,
    Spliced,
    State,
    Step,
    Wait,
)
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire.midjourney import FORMAT

IMAGINE = "/mj/submit/imagine"
TASK = "1731000000000042"
PROMPT = b'{"prompt":"a lighthouse"}'


def asking(url: str = IMAGINE, body: bytes = PROMPT, method: str = "POST") -> Request:
    shaped = FORMAT.shape(body, Ask(method=method, url=url))
    return Request(
        (1,),
        ("a",),
        "midjourney",
        shaped.model,
        shaped.body,
        method=shaped.method,
        path=shaped.path,
        makes=shaped.makes,
        stem="file",
    )


PLAIN = asking()
ACTION = asking("/mj/submit/action", b'{"taskId":"1","customId":"MJ::JOB::upsample::1::u"}')
MODAL = asking("/mj/submit/modal", b'{"taskId":"1"}')
DESCRIBE = asking("/mj/submit/describe", b'{"base64":"data:image/png;base64,AAAA"}')
UPLOAD = asking("/mj/submit/upload-discord-images", b'{"base64Array":["data:image/png;base64,AA"]}')
FETCH = asking(f"/mj/task/{TASK}/fetch", b"{}", "GET")
SEED = asking(f"/mj/task/{TASK}/image-seed", b"{}", "GET")
LIST = asking("/mj/task/list-by-condition", b'{"ids":["1",2]}')


def reply(document: Any, status: int = 200) -> Reply:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Reply(status, {"x-oneapi-request-id": "gw-1"}, body)


def accepted(request: Request = PLAIN, result: Any = TASK, code: int = 1) -> Wait:
    told = {"code": code, "description": "ok", "properties": {}, "result": result}
    step = FORMAT.next(request, None, reply(told))
    assert isinstance(step, Wait)
    return step


def polled(request: Request = PLAIN, **task: Any) -> Step:
    return FORMAT.next(request, accepted(request).state, reply({"id": TASK, **task}))


def first_call(request: Request) -> Call:
    step = FORMAT.start(request)
    assert isinstance(step, Send)
    return step.call


def answer(step: Step) -> Answer:
    assert isinstance(step, Done)
    return step.answer


def next_call(step: Step) -> Call:
    assert isinstance(step, Send | Wait)
    return step.call


def state_of(step: Step) -> State:
    assert isinstance(step, Send | Wait)
    assert step.state is not None
    return step.state


def failure(request: Request, state: State | None, told: Any, status: int = 200) -> Any:
    with pytest.raises(errors.CallFailed) as caught:
        FORMAT.next(request, state, reply(told, status))
    return caught.value


# What is asked


@pytest.mark.parametrize("speed", ["/mj-fast", "/mj-relax", "/mj-turbo", "/mj-turbo-proxy"])
def test_a_speed_before_the_path_goes_along_and_is_no_endpoint_of_its_own(speed: str) -> None:
    shaped = FORMAT.shape(PROMPT, Ask(url=speed + IMAGINE))
    request = asking(speed + IMAGINE)

    assert FORMAT.claims("POST", speed + IMAGINE)
    assert (shaped.path, shaped.endpoint) == (speed + IMAGINE, IMAGINE)
    assert accepted(request).call.path == f"{speed}/mj/task/{TASK}/fetch"


@pytest.mark.parametrize(
    "url", ["/fast/mj/submit/imagine", "/mj-fast/submit/imagine", "/mj/submit/refresh", "/mj", ""]
)
def test_other_paths_are_not_claimed(url: str) -> None:
    assert not FORMAT.claims("POST", url)
    with pytest.raises(errors.BadBody):
        FORMAT.shape(PROMPT, Ask(url=url))


@pytest.mark.parametrize(
    ("button", "model"),
    [
        ("MJ::JOB::upsample::2::u", "mj_upscale"),
        ("MJ::JOB::upsample_v6_2x_subtle::1::u::SOLO", "mj_upscale"),
        ("MJ::JOB::variation::3::u", "mj_variation"),
        ("MJ::JOB::low_variation::1::u::SOLO", "mj_low_variation"),
        ("MJ::JOB::high_variation::1::u::SOLO", "mj_high_variation"),
        ("MJ::JOB::pan_left::1::u::SOLO", "mj_pan"),
        ("MJ::JOB::reroll::0::u::SOLO", "mj_reroll"),
        ("MJ::Outpaint::50::1::u::SOLO", "mj_zoom"),
        ("MJ::CustomZoom::u", "mj_custom_zoom"),
        ("MJ::Inpaint::1::u::SOLO", "mj_inpaint"),
        ("MJ::BOOKMARK::u", "mj_action"),
        ("MJ::JOB", "mj_action"),
        ("nothing", "mj_action"),
    ],
)
def test_an_action_has_the_model_of_its_button(button: str, model: str) -> None:
    body = orjson.dumps({"taskId": "1", "customId": button})

    assert asking("/mj/submit/action", body).model == model


@pytest.mark.parametrize(
    ("url", "body", "model"),
    [
        ("/mj/submit/change", {"taskId": "1", "action": "UPSCALE", "index": 2}, "mj_upscale"),
        ("/mj/submit/change", {"taskId": "1", "action": "VARIATION", "index": 2}, "mj_variation"),
        ("/mj/submit/change", {"taskId": "1", "action": "REROLL"}, "mj_reroll"),
        ("/mj/submit/change", {"taskId": "1", "action": "SPIN"}, "mj_change"),
        ("/mj/submit/simple-change", {"content": "1731 U2"}, "mj_upscale"),
        ("/mj/submit/simple-change", {"content": "1731 v1"}, "mj_variation"),
        ("/mj/submit/simple-change", {"content": "1731 R"}, "mj_reroll"),
        ("/mj/submit/simple-change", {"content": "1731"}, "mj_change"),
    ],
)
def test_a_change_has_the_model_of_what_is_done(url: str, body: Any, model: str) -> None:
    assert asking(url, orjson.dumps(body)).model == model


@pytest.mark.parametrize(
    ("request_", "model", "makes"),
    [
        (asking("/mj/submit/shorten"), "mj_shorten", "text"),
        (asking("/mj/submit/video"), "mj_video", "video"),
        (asking(), "mj_imagine", "image"),
        (MODAL, "mj_modal", "image"),
        (DESCRIBE, "mj_describe", "text"),
        (UPLOAD, "mj_upload", "text"),
        (FETCH, "mj_fetch", "text"),
        (LIST, "mj_list", "text"),
        (SEED, "mj_seed", "text"),
    ],
)
def test_other_models_are_named_by_their_path(request_: Request, model: str, makes: str) -> None:
    assert (request_.model, request_.makes) == (model, makes)


def test_a_model_only_chooses_the_key_and_is_not_sent() -> None:
    body = b'{"model":"mj-group","prompt":"x","seed":12345678901234567890.5}'

    named = FORMAT.shape(body, Ask(url=IMAGINE))
    # In a mixed file, the models of the settings are those of other lines.
    others = FORMAT.shape(PROMPT, Ask(url=IMAGINE, model="gpt-4o", override_model="gpt-4o"))

    assert (named.model, others.model) == ("mj-group", "mj_imagine")
    assert named.body == body
    assert first_call(asking(body=body)).payload == b'{"prompt":"x","seed":12345678901234567890.5}'


@pytest.mark.parametrize(
    ("url", "body", "lacks"),
    [
        (IMAGINE, b'{"prompt":""}', "prompt"),
        ("/mj/submit/blend", b'{"base64Array":[]}', "base64Array"),
        ("/mj/submit/describe", b'{"botType":"MID_JOURNEY"}', "base64"),
        ("/mj/submit/action", b'{"taskId":"1"}', "customId"),
        ("/mj/submit/modal", b'{"prompt":"x"}', "taskId"),
        ("/mj/submit/change", b'{"taskId":"1"}', "action"),
        ("/mj/submit/simple-change", b'{"taskId":"1"}', "content"),
        ("/mj/submit/shorten", b"{}", "prompt"),
        ("/mj/submit/video", b'{"motion":"low"}', '"image" or "taskId" or "prompt"'),
        ("/mj/submit/edits", b'{"image":"x"}', "prompt"),
        ("/mj/insight-face/swap", b'{"sourceBase64":"x"}', "targetBase64"),
        ("/mj/submit/upload-discord-images", b"{}", "base64Array"),
        ("/mj/task/list-by-condition", b'{"ids":[]}', "ids"),
        (IMAGINE, b'{"prompt":7}', "prompt"),
    ],
)
def test_a_body_without_what_its_path_needs_is_no_request(
    url: str, body: bytes, lacks: str
) -> None:
    with pytest.raises(errors.BadBody, match=lacks):
        FORMAT.shape(body, Ask(url=url))


def test_no_body_is_claimed_by_its_shape() -> None:
    assert not FORMAT.mine({"prompt": "x", "botType": "MID_JOURNEY", "base64Array": []})


def test_files_and_addresses_go_out_as_data_uris() -> None:
    body = b'{"base64Array":["file:a.png","https://h.example/b.png","data:image/png;base64,AAAA"]}'

    payload = first_call(asking("/mj/submit/blend", body)).payload

    assert isinstance(payload, Spliced)
    refs = [piece for piece in payload.pieces if isinstance(piece, FileRef)]
    assert refs == [
        FileRef("file:a.png", "data_uri"),
        FileRef("https://h.example/b.png", "data_uri"),
    ]
    assert b"data:image/png;base64,AAAA" in b"".join(p for p in payload.pieces if type(p) is bytes)


def test_a_prompt_keeps_the_addresses_in_it() -> None:
    body = b'{"prompt":"https://h.example/a.png a lighthouse","state":"file:x"}'

    assert first_call(asking(body=body)).payload == body


def test_a_prompt_makes_a_picture_and_takes_no_system_text() -> None:
    assert orjson.loads(FORMAT.build("a lighthouse", None, None)) == {"prompt": "a lighthouse"}
    with pytest.raises(errors.BadBody, match="prompt alone"):
        FORMAT.build("a lighthouse", "be brief", None)


@pytest.mark.parametrize("request_", [asking(), ACTION, MODAL, DESCRIBE, UPLOAD])
def test_what_is_billed_by_the_task_is_submitted_once(request_: Request) -> None:
    assert first_call(request_).repeat == "once"


@pytest.mark.parametrize("request_", [FETCH, LIST, SEED])
def test_questions_may_be_asked_again(request_: Request) -> None:
    assert first_call(request_).repeat == "free"


# Codes


@pytest.mark.parametrize("code", [1, 21, 22])
@pytest.mark.parametrize("result", [TASK, int(TASK)])
def test_an_accepted_task_is_waited_for_by_its_id(code: int, result: Any) -> None:
    step = accepted(result=result, code=code)

    assert step.seconds == 10
    assert step.state == {"do": "poll", "id": TASK}
    assert (step.call.method, step.call.path, step.call.kind) == (
        "GET",
        f"/mj/task/{TASK}/fetch",
        "poll",
    )


@pytest.mark.parametrize("result", [None, "", [], {}, True])
def test_a_task_accepted_without_an_id_is_no_answer(result: Any) -> None:
    told = {"code": 1, "description": "ok", "result": result}

    assert type(failure(asking(), None, told)) is errors.NotAnAnswer


def test_what_names_no_task_is_not_said_to_be_accepted() -> None:
    told = {"code": "23", "description": "full", "result": None}

    got = failure(asking(), None, told)

    assert type(got) is errors.NotAnAnswer
    assert got.message.startswith("the reply names no task")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (3, errors.NoChannel),
        (4, errors.Refused),
        (5, errors.Interrupted),
        (9, errors.ServerTrouble),
        (23, errors.Saturated),
        (24, errors.Refused),
        (25, errors.NoMoney),
        (30, errors.Saturated),
    ],
)
def test_a_code_says_what_failed_whatever_the_status(code: int, kind: type, status: int) -> None:
    told = {"code": code, "description": "no", "type": "upstream_error"}

    got = failure(asking(), None, told, status)

    assert type(got) is kind
    assert (got.status, got.vendor_code, got.request_id) == (status, str(code), "gw-1")


def test_a_saturated_group_under_its_own_status_is_no_limit_of_the_gateway() -> None:
    told = {"code": 30, "description": "busy", "type": "upstream_error"}

    assert type(failure(asking(), None, told, 429)) is errors.Saturated


@pytest.mark.parametrize("status", [200, 400])
def test_an_empty_account_is_told_from_a_bad_request(status: int) -> None:
    told = {"code": 4, "description": "quota_not_enough ", "type": "upstream_error"}

    assert type(failure(asking(), None, told, status)) is errors.NoMoney


def test_a_banned_word_is_named() -> None:
    told = {"code": 24, "description": "no", "properties": {"bannedWord": "gore"}}

    assert "banned word: gore" in failure(asking(), None, told).message


@pytest.mark.parametrize("told", [{"code": 7, "description": "?"}, {"code": 0, "description": "?"}])
def test_a_code_that_nobody_knows_leaves_the_outcome_open(told: Any) -> None:
    got = failure(asking(), None, told)

    assert type(got) is errors.NotAnAnswer
    assert f"code {told['code']}" in got.message


# Tasks


@pytest.mark.parametrize("status", ["", "NOT_START", "SUBMITTED", "IN_PROGRESS", "NEW", None])
def test_an_unfinished_task_is_waited_for_and_its_preview_is_not_fetched(status: Any) -> None:
    step = polled(status=status, progress="45%", imageUrl="https://h.example/p.png?rand=1")

    assert isinstance(step, Wait)
    assert (step.seconds, step.call.kind) == (15, "poll")
    assert step.state == {"do": "poll", "id": TASK}


def test_a_finished_task_has_its_picture_fetched_and_named_in_its_body() -> None:
    url = "https://cdn.example/1.png?ex=1&hm=2"
    step = polled(status="SUCCESS", progress="100%", imageUrl=url, failReason="")

    call = next_call(step)
    assert (call.kind, call.origin, call.path) == ("fetch", "foreign", url)
    saved = Saved("file-0-0.png", 9, "ab" * 32, "image/png")
    got = answer(FORMAT.next(asking(), state_of(step), Reply(200, {}, saved)))
    assert orjson.loads(got.body)["imageUrl"] == "wbatch-file:file-0-0.png"
    assert got.files == (saved,)
    assert got.usage == Usage({Meter.IMAGES: 1})
    assert (got.content, got.finish, got.request_id) == (None, "stop", "gw-1")


def test_the_gateways_own_copy_is_fetched_by_its_path_where_only_a_path_is_told() -> None:
    call = next_call(polled(status="SUCCESS", imageUrl=f"/mj/image/{TASK}"))

    assert (call.origin, call.path) == ("gateway", f"/mj/image/{TASK}")


def test_the_gateways_own_copy_is_asked_for_with_the_key_where_it_is_not_given_to_anybody() -> None:
    step = polled(status="SUCCESS", imageUrl=f"https://gateway.example/mj/image/{TASK}")

    assert next_call(step).origin == "foreign"
    step = FORMAT.next(asking(), state_of(step), reply({"error": "no token"}, 401))
    call = next_call(step)
    assert (call.origin, call.path) == ("gateway", f"/mj/image/{TASK}")


@pytest.mark.parametrize("url", ["", None, 7, "ftp://h/x.png", "/etc/passwd", "data:,"])
def test_a_task_that_succeeded_without_a_picture_has_failed(url: Any) -> None:
    with pytest.raises(errors.NoMedia):
        polled(status="SUCCESS", imageUrl=url)


def test_films_are_fetched_each_once() -> None:
    one, two = "https://cdn.example/1.mp4", "https://cdn.example/2.mp4"

    step = polled(
        status="SUCCESS", imageUrl="", videoUrl=one, videoUrls=[{"url": one}, {"url": two}]
    )

    assert state_of(step)["wanted"] == [[one], [two]]
    assert state_of(step)["kind"] == "video/"


@pytest.mark.parametrize("status", ["FAILURE", "CANCEL"])
def test_a_failed_task_says_why_though_its_progress_is_whole(status: str) -> None:
    with pytest.raises(errors.TaskFailed, match="no upstream"):
        polled(status=status, progress="100%", failReason="no upstream", imageUrl="https://h/x")


def test_a_task_that_was_given_up_and_left_in_its_state_is_not_waited_for() -> None:
    with pytest.raises(errors.TaskFailed, match="moderated"):
        polled(status="IN_PROGRESS", progress="100%", failReason="moderated")


def test_a_task_that_waits_for_its_window_says_what_to_send() -> None:
    told = {"id": TASK, "status": "MODAL", "progress": "0%"}

    got = failure(ACTION, accepted(ACTION, code=21).state, told)

    assert type(got) is errors.Refused
    assert "/mj/submit/modal" in got.message
    assert f'"taskId": "{TASK}"' in got.message


def test_the_line_that_answers_a_window_bears_with_a_gateway_that_has_not_seen_it_close() -> None:
    told = reply({"id": TASK, "status": "MODAL"})
    state = accepted(MODAL).state
    for _ in range(8):
        state = state_of(FORMAT.next(MODAL, state, told))

    with pytest.raises(errors.Refused, match="needs modal"):
        FORMAT.next(MODAL, state, told)


NO_TASK = {"code": 4, "description": "task_no_found ", "type": "upstream_error"}


def test_a_task_may_be_unknown_for_a_moment_after_its_submit_and_no_longer() -> None:
    state: State | None = accepted().state
    for _ in range(5):
        state = state_of(FORMAT.next(asking(), state, reply(NO_TASK, 400)))

    assert type(failure(asking(), state, NO_TASK, 400)) is errors.TaskLost


def test_a_question_about_a_task_that_is_refused_is_asked_again() -> None:
    told = {"code": 4, "description": "get_channel_info_failed ", "type": "upstream_error"}

    assert type(failure(asking(), accepted().state, told, 400)) is errors.ServerTrouble


def test_a_poll_that_shows_no_task_is_no_end_of_it() -> None:
    assert type(failure(asking(), accepted().state, {"success": True})) is errors.NotAnAnswer


def test_a_description_is_a_text_and_its_picture_is_not_fetched() -> None:
    told = {"finalPrompt": "1. a cat\n\n2. a dog"}

    step = polled(DESCRIBE, status="SUCCESS", imageUrl="https://h/in.png", properties=told)

    assert answer(step).content == "1. a cat\n\n2. a dog"
    assert answer(step).usage == Usage()


def test_a_description_may_stand_where_older_gateways_put_it() -> None:
    step = polled(DESCRIBE, status="SUCCESS", properties=None, promptEn="1. a cat", prompt="")

    assert answer(step).content == "1. a cat"


def test_a_description_without_a_text_has_failed() -> None:
    with pytest.raises(errors.Refused, match="text is missing"):
        polled(DESCRIBE, status="SUCCESS", properties={})


def test_what_was_paid_goes_on_after_a_crash() -> None:
    waiting = accepted().state
    fetching = state_of(polled(status="SUCCESS", imageUrl="https://h/x.png"))

    assert next_call(FORMAT.resume(asking(), waiting)) == accepted().call
    assert next_call(FORMAT.resume(asking(), fetching)).path == "https://h/x.png"


@pytest.mark.parametrize(
    "led", ["../../v1/models", "x/../../../v1/models", "%2e%2e/%2e%2e/v1", ".."]
)
def test_no_address_of_a_picture_leads_the_key_to_another_path(led: str) -> None:
    elsewhere = f"https://h.example/mj/image/{led}"

    step = polled(status="SUCCESS", imageUrl=elsewhere)

    assert state_of(step)["wanted"] == [[elsewhere]]
    with pytest.raises(errors.NoMedia):
        polled(status="SUCCESS", imageUrl=f"/mj/image/{led}")


def test_a_preview_s_address_may_have_a_query() -> None:
    address = f"https://h.example/mj/image/{TASK}.webp?rand=3"

    step = polled(status="SUCCESS", imageUrl=address)

    assert state_of(step)["wanted"] == [[address, f"/mj/image/{TASK}.webp?rand=3"]]


# Questions


@pytest.mark.parametrize(
    ("status", "finish"),
    [("IN_PROGRESS", "unknown"), ("", "unknown"), ("MODAL", "unknown"), ("FAILURE", "error")],
)
def test_a_line_that_asks_after_a_task_is_answered_as_it_stands(status: str, finish: str) -> None:
    told = {"id": TASK, "status": status, "imageUrl": "https://h.example/p.png?rand=1"}

    got = answer(FORMAT.next(FETCH, None, reply(told)))

    assert (got.finish, got.usage) == (finish, Usage())
    assert orjson.loads(got.body) == told


def test_a_line_that_asks_after_a_finished_task_has_its_picture_fetched_again() -> None:
    told = {"id": TASK, "status": "SUCCESS", "imageUrl": "https://h.example/p.png"}

    step = FORMAT.next(FETCH, None, reply(told))

    assert next_call(step).path == "https://h.example/p.png"
    assert state_of(step)["answer"]["usage"] == {}  # a usage, and nothing in it


@pytest.mark.parametrize("action", ["DESCRIBE", "SHORTEN"])
def test_a_line_that_asks_after_a_description_has_its_text(action: str) -> None:
    told = {
        "status": "SUCCESS",
        "action": action,
        "imageUrl": "https://h/x",
        "promptEn": "a cat",
    }

    assert answer(FORMAT.next(FETCH, None, reply(told))).content == "a cat"


def test_a_line_that_asks_after_a_task_that_is_unknown_is_refused() -> None:
    assert type(failure(FETCH, None, NO_TASK, 400)) is errors.Refused


def test_a_list_of_tasks_becomes_an_object_with_every_number_as_it_came() -> None:
    told = b'[{"id":"1","status":"SUCCESS","submitTime":1760000000000.50},\n{"id":2}, 7]'

    got = answer(FORMAT.next(LIST, None, reply(told)))

    assert (
        got.body
        == b'{"tasks":[{"id":"1","status":"SUCCESS","submitTime":1760000000000.50},{"id":2}, 7]}'
    )
    assert got.content == "1 SUCCESS\n2"


def test_one_task_in_the_place_of_a_list_is_a_list_of_one() -> None:
    got = answer(FORMAT.next(LIST, None, reply({"id": "1", "status": ""})))

    assert orjson.loads(got.body) == {"tasks": [{"id": "1", "status": ""}]}


@pytest.mark.parametrize("told", [b"{}", b"null", b"7", b"[", b'"x"'])
def test_what_is_no_list_is_no_answer(told: bytes) -> None:
    assert isinstance(failure(LIST, None, told), errors.NotAnAnswer)


@pytest.mark.parametrize("seed", ["2814749767", 2814749767])
def test_a_seed_is_answered_as_text(seed: Any) -> None:
    got = answer(FORMAT.next(SEED, None, reply({"code": 1, "description": "", "result": seed})))

    assert got.content == "2814749767"


def test_a_seed_that_is_missing_is_no_answer() -> None:
    assert type(failure(SEED, None, {"code": 1, "result": ""})) is errors.NotAnAnswer


@pytest.mark.parametrize("result", [["https://h/a.png", "https://h/b.png"], "https://h/a.png"])
def test_an_upload_is_answered_at_once_with_addresses(result: Any) -> None:
    got = answer(FORMAT.next(UPLOAD, None, reply({"code": 1, "description": "", "result": result})))

    assert got.content == ("\n".join(result) if isinstance(result, list) else result)
    assert (got.usage, got.files) == (Usage(), ())


@pytest.mark.parametrize("result", [[], None, [7], {}])
def test_an_upload_without_an_address_is_no_answer(result: Any) -> None:
    told = {"code": 1, "description": "", "result": result}

    assert type(failure(UPLOAD, None, told)) is errors.NotAnAnswer
