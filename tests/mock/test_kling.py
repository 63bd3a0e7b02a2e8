from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.mock import Asked, BadAsk, Plan, Prepared, twins, videos
from batch.mock.chance import Dice
from batch.mock.dials import Dials
from batch.mock.kling import TWIN
from batch.mock.tasks import Tasks
from tests.mock.kit import asked, plan

TEXT = "/kling/v1/videos/text2video"
PICTURE = "/kling/v1/videos/image2video"
BODY = {"model_name": "kling-v1-6", "prompt": "a boat", "duration": "10"}
# Whose dice give Kling's own envelope, and new-api's.
AS_IT_IS, WRAPPED = "3", "0"
FILM = f"http://files.example/files/{0xF00}.mp4"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Stand:
    """A twin with tasks of its own that take two seconds."""

    def __init__(self, **dials: Any) -> None:
        self.clock = Clock()
        self.tasks = Tasks(Dials(task_ms=2000, **dials), self.clock)

    def submit(self, luck: str, path: str = TEXT, **fields: Any) -> Prepared:
        ask = TWIN.read(asked(path, {**BODY, **fields}))
        return TWIN.answer(ask, self.plan(luck))

    def get(self, path: str, twin: Any = TWIN) -> Any:
        ask = twin.read(Asked(method="GET", path=path, content_type="", raw=b""))
        return told(twin.answer(ask, self.plan(WRAPPED)))

    def plan(self, luck: str) -> Plan:
        return plan(dice=Dice(0, luck), tasks=self.tasks)


def told(prepared: Prepared) -> Any:
    return orjson.loads(prepared.render()[0])


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", TEXT)
    assert TWIN.serves("GET", f"{PICTURE}/831")
    assert not TWIN.serves("GET", TEXT)


@pytest.mark.parametrize(
    ("fields", "model"),
    [({}, "kling-v1-6"), ({"model_name": None, "model": "m"}, "m"), ({"model": "m"}, "kling-v1-6")],
)
def test_the_model_is_looked_for_under_both_its_names(fields: Any, model: str) -> None:
    read = TWIN.read(asked(TEXT, {**BODY, **fields}))

    assert (read.model, read.prompt) == (model, "a boat")


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"model_name": ""},
        {"duration": 5},
        {"duration": "long"},
        {"image": "data:image/png;base64,AAAA"},
        {"image_tail": "file:a.png"},
        {"image": ["AAAA"]},
    ],
)
def test_what_the_gateway_or_kling_would_refuse_is_refused(wrong: Any) -> None:
    with pytest.raises(BadAsk):
        TWIN.read(asked(PICTURE, {**BODY, **wrong}))


@pytest.mark.parametrize("image", ["https://h.example/a.png", "iVBORw0KGgo="])
def test_an_address_and_bare_base64_are_pictures(image: str) -> None:
    assert TWIN.read(asked(PICTURE, {**BODY, "image": image})).body["image"] == image


def test_new_apis_words_are_a_video_without_a_status_and_then_a_row_with_klings_words() -> None:
    stand = Stand()
    submitted = told(stand.submit(WRAPPED, PICTURE, image="iVBORw0KGgo="))
    named = submitted["task_id"]

    stand.clock.now = 1.0
    running = stand.get(f"{PICTURE}/{named}")
    stand.clock.now = 2.0
    done = stand.get(f"{PICTURE}/{named}")

    assert submitted["id"] == named == "task_f00_1"
    assert (submitted["object"], submitted["status"]) == ("video", "")
    assert (running["code"], running["data"]["status"]) == ("success", "IN_PROGRESS")
    assert (running["data"]["progress"], running["data"]["action"]) == ("50%", "generate")
    assert running["data"]["data"]["data"]["task_status"] == "processing"
    assert (done["data"]["status"], done["data"]["fail_reason"]) == ("SUCCESS", FILM)
    video = done["data"]["data"]["data"]["task_result"]["videos"][0]
    assert (video["url"], video["duration"]) == (FILM, "10.0")


def test_klings_own_words_have_an_id_of_digits_and_a_status_of_their_own() -> None:
    stand = Stand()
    submitted = told(stand.submit(AS_IT_IS))
    named = submitted["data"]["task_id"]

    words = [submitted["data"]["task_status"]]
    for stand.clock.now in (1.0, 2.0):
        last = stand.get(f"{TEXT}/{named}")
        words.append(last["data"]["task_status"])

    assert named.isdecimal()
    assert words == ["submitted", "processing", "succeed"]
    assert (last["code"], last["data"]["task_result"]["videos"][0]["url"]) == (0, FILM)


@pytest.mark.parametrize("luck", [AS_IT_IS, WRAPPED])
def test_a_task_can_be_asked_after_where_all_films_are(luck: str) -> None:
    stand = Stand()
    submitted = told(stand.submit(luck))
    named = (submitted.get("data") or submitted)["task_id"]
    stand.clock.now = 2.0

    video = stand.get(f"/v1/videos/{named}", videos.TWIN)

    assert (video["id"], video["status"], video["video_url"]) == (named, "completed", FILM)


@pytest.mark.parametrize("luck", [AS_IT_IS, WRAPPED])
def test_a_task_that_will_fail_costs_nothing_and_says_why(luck: str) -> None:
    stand = Stand(task_fail=1.0)
    submitted = stand.submit(luck)
    answer = told(submitted)
    named = (answer.get("data") or answer)["task_id"]
    stand.clock.now = 2.0

    failed = stand.get(f"{TEXT}/{named}")

    assert submitted.billed is not None
    assert set(submitted.billed.values()) == {0}
    inner = failed["data"] if luck == AS_IT_IS else failed["data"]["data"]["data"]
    assert (inner["task_status"], inner["task_status_msg"]) == (
        "failed",
        "the mock gave this task up",
    )
    assert "task_result" not in inner
    if luck == WRAPPED:
        assert failed["data"]["fail_reason"] == "the mock gave this task up"


def test_a_film_is_billed_by_its_length_at_the_submit() -> None:
    billed = Stand().submit(WRAPPED).billed

    assert billed is not None
    assert billed["seconds"] == 10


def test_a_task_of_another_day_is_told_of_in_the_words_that_its_id_belongs_to() -> None:
    stand = Stand()

    assert stand.get(f"{TEXT}/831")["data"]["task_status"] == "succeed"
    assert stand.get(f"{TEXT}/task_Ab1")["data"]["status"] == "SUCCESS"
    assert stand.get(f"{TEXT}/nobody")["code"] == "task_not_exist"
