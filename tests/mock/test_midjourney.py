from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.mock import BadAsk, Plan, Prepared, _errors, twins
from batch.mock.chance import Dice
from batch.mock.dials import Dials
from batch.mock.midjourney import TWIN
from batch.mock.tasks import Tasks
from tests.mock.kit import asked, plan

IMAGINE = "/mj/submit/imagine"
ZOOM = {"taskId": "1730000000000001", "customId": "MJ::CustomZoom::u"}


class Clock:
    """Tasks take half a second of it."""

    def __init__(self, **dials: Any) -> None:
        self.now = 0.0
        self.tasks = Tasks(Dials(**dials), lambda: self.now)


def ask(path: str, body: Any = None, method: str = "POST", **how: Any) -> Prepared:
    return TWIN.answer(TWIN.read(asked(path, body, method)), plan(**how))


def told(prepared: Prepared) -> Any:
    return orjson.loads(prepared.render()[0])


def submit(clock: Clock, path: str = IMAGINE, body: Any = None, **how: Any) -> str:
    """Submit, and return the id of the task."""
    body = {"prompt": "a lighthouse"} if body is None else body
    return str(told(ask(path, body, tasks=clock.tasks, **how))["result"])


def look(clock: Clock, task_id: str, **how: Any) -> Any:
    return told(ask(f"/mj/task/{task_id}/fetch", method="GET", tasks=clock.tasks, **how))


def test_the_twin_is_found_and_serves_every_speed_and_its_own_pictures() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", IMAGINE)
    assert TWIN.serves("POST", "/mj-fast/mj/submit/imagine")
    assert TWIN.serves("GET", "/mj/image/17")
    assert not TWIN.serves("GET", IMAGINE)


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        (IMAGINE, {"prompt": "x"}, "mj_imagine"),
        ("/mj-turbo/mj/submit/blend", {"base64Array": ["x"]}, "mj_blend"),
        ("/mj/insight-face/swap", {"sourceBase64": "x", "targetBase64": "y"}, "swap_face"),
        ("/mj/submit/upload-discord-images", {"base64Array": ["x"]}, "mj_upload"),
        ("/mj/submit/action", ZOOM, "mj_custom_zoom"),
        ("/mj/submit/change", {"taskId": "1", "action": "REROLL"}, "mj_reroll"),
        ("/mj/submit/simple-change", {"content": "1 V2"}, "mj_variation"),
        ("/mj/submit/video", {"image": "x"}, "mj_video"),
        ("/mj/task/list-by-condition", {"ids": []}, ""),
    ],
)
def test_what_is_asked_is_known_by_its_path(path: str, body: Any, model: str) -> None:
    assert TWIN.read(asked(path, body)).model == model


@pytest.mark.parametrize(
    ("path", "body", "fate"),
    [
        (IMAGINE, {}, "bad_request"),
        (IMAGINE, {"prompt": ["x"]}, "bad_json"),
        ("/mj/submit/action", {"taskId": 1, "customId": "MJ::CustomZoom::u"}, "bad_json"),
        ("/mj/submit/action", {"taskId": "1", "customId": "MJ::BOOKMARK::u"}, "bad_request"),
        ("/mj/submit/modal", {"prompt": "x"}, "bad_request"),
    ],
)
def test_a_body_that_new_api_refuses_is_refused(path: str, body: Any, fate: str) -> None:
    with pytest.raises(BadAsk) as caught:
        TWIN.read(asked(path, body))

    assert caught.value.fate == fate


def test_a_task_goes_from_nothing_over_a_preview_to_its_picture() -> None:
    clock = Clock()
    task_id = submit(clock)

    seen = []
    for now in (0.0, 0.2, 0.4, 0.5):
        clock.now = now
        seen.append(look(clock, task_id))

    assert [(one["status"], one["progress"], bool(one["imageUrl"])) for one in seen] == [
        ("", "0%", False),
        ("SUBMITTED", "40%", True),
        ("IN_PROGRESS", "80%", True),
        ("SUCCESS", "100%", True),
    ]
    assert "?rand=" in seen[2]["imageUrl"]
    assert "?rand=" not in seen[3]["imageUrl"]
    assert seen[3]["buttons"][0]["customId"] == f"MJ::JOB::upsample::1::{task_id}"


def test_ids_come_as_texts_and_as_numbers_and_fit_into_63_bits() -> None:
    results = [
        told(ask(IMAGINE, {"prompt": "x"}, id="f" * 16, dice=Dice(seed, "")))["result"]
        for seed in range(20)
    ]

    assert {type(result) for result in results} == {str, int}
    assert len({str(result) for result in results}) == 1
    assert int(results[0]) < 2**63


def test_each_attempt_is_a_task_of_its_own() -> None:
    clock = Clock()

    assert submit(clock, attempt=1) != submit(clock, attempt=2)


def test_pictures_are_named_at_another_host_or_kept_by_the_gateway() -> None:
    clock = Clock()
    tasks = [submit(clock, id=f"{number:x}00") for number in range(2)]
    clock.now = 1.0

    urls = [look(clock, task_id)["imageUrl"] for task_id in tasks]

    own = next(url for url in urls if url.startswith("/mj/image/"))
    other = next(url for url in urls if url.startswith("http://files.example/"))
    assert other.endswith(".png")
    picture = ask(own, method="GET", tasks=clock.tasks)
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.render()[0].startswith(b"\x89PNG")


def test_a_picture_is_billed_at_the_submit_and_a_question_never() -> None:
    clock = Clock()
    submitted = ask(IMAGINE, {"prompt": "x"}, tasks=clock.tasks)
    task_id = str(told(submitted)["result"])

    assert submitted.billed is not None
    assert submitted.billed["images"] == 1
    assert ask(f"/mj/task/{task_id}/fetch", method="GET", tasks=clock.tasks).billed is None


def test_a_task_that_will_fail_bills_nothing_and_says_why() -> None:
    clock = Clock(task_fail=1.0)
    submitted = ask(IMAGINE, {"prompt": "x"}, tasks=clock.tasks)
    task_id = str(told(submitted)["result"])
    clock.now = 1.0

    assert set((submitted.billed or {}).values()) == {0}
    task = look(clock, task_id)
    assert (task["status"], task["progress"], task["imageUrl"]) == ("FAILURE", "100%", "")
    assert task["failReason"]


def test_a_description_is_four_numbered_lines_and_no_picture_is_billed() -> None:
    clock = Clock()
    submitted = ask("/mj/submit/describe", {"base64": "x"}, tasks=clock.tasks)
    task_id = str(told(submitted)["result"])
    clock.now = 1.0

    lines = look(clock, task_id)["properties"]["finalPrompt"].split("\n\n")
    assert [line[:2] for line in lines] == ["1.", "2.", "3.", "4."]
    assert "images" not in (submitted.billed or {})


def test_a_film_of_a_picture_is_four_films_and_no_picture_is_billed() -> None:
    clock = Clock()
    submitted = ask("/mj/submit/video", {"image": "x"}, tasks=clock.tasks)
    task_id = str(told(submitted)["result"])
    clock.now = 1.0

    task = look(clock, task_id)

    assert (task["action"], task["imageUrl"], len(task["videoUrls"])) == ("VIDEO", "", 4)
    assert task["videoUrl"] == task["videoUrls"][0]["url"]
    assert "images" not in (submitted.billed or {})


@pytest.mark.parametrize(
    ("path", "body", "action"),
    [
        ("/mj/submit/change", {"action": "UPSCALE", "taskId": "1730000000000001"}, "UPSCALE"),
        ("/mj/submit/simple-change", {"content": "1730000000000001 u1"}, "UPSCALE"),
        ("/mj/submit/shorten", {"prompt": "x"}, "SHORTEN"),
    ],
)
def test_other_submits_are_tasks_of_their_action(path: str, body: Any, action: str) -> None:
    clock = Clock()
    task_id = submit(clock, path, body)
    clock.now = 1.0

    assert look(clock, task_id)["action"] == action


def test_a_zoom_waits_for_its_window_and_goes_on_when_it_is_answered() -> None:
    clock = Clock()
    opened = told(ask("/mj/submit/action", ZOOM, tasks=clock.tasks))
    task_id = str(opened["result"])
    clock.now = 1.0
    waiting = look(clock, task_id)

    body = {"taskId": task_id, "prompt": "wider"}
    answered = submit(clock, "/mj/submit/modal", body, id="b0000")
    clock.now = 2.0

    assert opened["code"] == 21
    assert waiting["status"] == "MODAL"
    assert answered == task_id
    assert look(clock, task_id)["status"] == "SUCCESS"


def test_a_button_of_an_unfinished_task_cannot_be_pressed() -> None:
    clock = Clock()
    body = {**ZOOM, "taskId": submit(clock)}

    refused = ask("/mj/submit/action", body, tasks=clock.tasks)

    assert refused.status == 400
    assert told(refused) == {
        "code": 4,
        "description": "task_status_not_success ",
        "type": "upstream_error",
    }


def test_an_id_of_digits_is_taken_for_a_task_of_another_day() -> None:
    assert look(Clock(), "1730000000000003")["status"] == "SUCCESS"


@pytest.mark.parametrize("path", ["/mj/task/none/fetch", "/mj/task/none/image-seed"])
def test_a_task_that_cannot_be_is_not_found(path: str) -> None:
    refused = ask(path, method="GET")

    assert (refused.status, told(refused)["description"]) == (400, "task_no_found ")


def test_a_picture_of_no_task_is_not_found() -> None:
    refused = ask("/mj/image/none", method="GET")

    assert (refused.status, told(refused)) == (400, {"error": "midjourney_task_not_found"})


def test_a_list_has_the_tasks_that_there_are() -> None:
    body = {"ids": ["1730000000000003", "none", 17]}

    assert [task["id"] for task in told(ask("/mj/task/list-by-condition", body))] == [
        "1730000000000003",
        "17",
    ]


def test_a_finished_task_has_a_seed() -> None:
    clock = Clock()
    path = f"/mj/task/{submit(clock)}/image-seed"

    early = told(ask(path, method="GET", tasks=clock.tasks))
    clock.now = 1.0
    got = told(ask(path, method="GET", tasks=clock.tasks))

    assert early["code"] == 4
    assert (got["code"], got["result"].isdecimal()) == (1, True)


def test_an_upload_is_answered_with_an_address_for_each_picture() -> None:
    got = told(ask("/mj/submit/upload-discord-images", {"base64Array": ["x", "y"]}))

    assert len(set(got["result"])) == 2


def test_a_task_says_when_to_ask_again_until_it_is_done() -> None:
    clock = Clock()
    submitted = ask(IMAGINE, {"prompt": "x"}, tasks=clock.tasks)
    path = f"/mj/task/{told(submitted)['result']}/fetch"
    early = ask(path, method="GET", tasks=clock.tasks)
    clock.now = 1.0

    assert submitted.headers["retry-after-ms"] == early.headers["retry-after-ms"] == "250"
    assert "retry-after-ms" not in ask(path, method="GET", tasks=clock.tasks).headers


def test_a_full_queue_is_an_error_under_a_good_status_that_bills_nothing() -> None:
    clock = Clock()

    got = ask(IMAGINE, {"prompt": "x"}, flaw="error_200", tasks=clock.tasks)

    assert (got.status, got.billed, told(got)["code"]) == (200, None, 23)


def test_a_submit_whose_answer_lacks_the_id_is_billed() -> None:
    got = ask(IMAGINE, {"prompt": "x"}, flaw="no_finish")

    assert told(got)["result"] == ""
    assert got.billed is not None
    assert got.billed["images"] == 1


def test_the_same_request_gets_the_same_bytes() -> None:
    def render(given: Plan) -> list[bytes]:
        return TWIN.answer(TWIN.read(asked(IMAGINE, {"prompt": "x"})), given).render()

    assert render(plan()) == render(plan())


@pytest.mark.parametrize(
    ("fate", "status", "code"),
    [("capacity", 429, 30), ("fail_500", 400, 5), ("money", 400, 4), ("bad_request", 400, 4)],
)
def test_what_an_upstream_did_is_told_apart_from_what_was_asked_wrongly(
    fate: str, status: int, code: int
) -> None:
    said = orjson.loads(_errors.words(fate, "r1", manner="midjourney"))

    assert (_errors.status(fate, "midjourney"), said["code"]) == (status, code)
