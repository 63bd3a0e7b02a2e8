from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.mock import Ask, Asked, BadAsk, Prepared, twins
from batch.mock.chance import Dice
from batch.mock.dials import Dials
from batch.mock.tasks import Tasks
from batch.mock.videos import TWIN
from tests.mock.kit import asked, plan

SUBMIT = "/v1/videos"
BODY = {"model": "sora-2", "prompt": "a paper boat", "seconds": "8", "size": "1280x720"}
FORM = "multipart/form-data; boundary=cut"
# Whose dice give a film an address on the web, and none.
WITH_ADDRESS, WITHOUT = "3", "0"


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

    def submit(self, flaw: Any = None, luck: str = WITHOUT) -> Prepared:
        ask = TWIN.read(asked(SUBMIT, BODY))
        return TWIN.answer(ask, plan(dice=Dice(0, luck), tasks=self.tasks, flaw=flaw))

    def get(self, path: str, flaw: Any = None) -> Prepared:
        ask = TWIN.read(Asked(method="GET", path=path, content_type="", raw=b""))
        return TWIN.answer(ask, plan(tasks=self.tasks, flaw=flaw))


def told(prepared: Prepared) -> Any:
    return orjson.loads(prepared.render()[0])


def form(**fields: bytes) -> bytes:
    parts = [
        b'--cut\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        % (
            name.encode(),
            b'; filename="a.png"\r\nContent-Type: image/png' if name == "input_reference" else b"",
            value,
        )
        for name, value in fields.items()
    ]
    return b"".join((*parts, b"--cut--\r\n"))


def read_form(**fields: bytes) -> Ask:
    return TWIN.read(Asked(method="POST", path=SUBMIT, content_type=FORM, raw=form(**fields)))


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", SUBMIT)
    assert TWIN.serves("GET", "/v1/videos/t1/content")
    assert not TWIN.serves("GET", SUBMIT)


def test_a_form_is_read_with_its_picture_and_json_too() -> None:
    read = read_form(model=b"sora-2", prompt="é".encode(), input_reference=b"\x89PNG\r\n\x1a\n")

    assert (read.model, read.prompt) == ("sora-2", "é")
    assert read.body["input_reference"]["data"] == b"\x89PNG\r\n\x1a\n"
    assert TWIN.read(asked(SUBMIT, BODY)).prompt == "a paper boat"


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"model": None},
        {"seconds": 8},
        {"seconds": "long"},
        {"size": "1x1"},
        {"input_reference": 7},
    ],
)
def test_what_the_gateway_would_refuse_is_refused(wrong: Any) -> None:
    with pytest.raises(BadAsk):
        TWIN.read(asked(SUBMIT, {**BODY, **wrong}))


def test_the_size_of_other_models_is_their_own_matter() -> None:
    read = TWIN.read(asked(SUBMIT, {**BODY, "model": "veo-3.1", "size": "1x1"}))

    assert read.body["size"] == "1x1"


def test_a_task_goes_from_the_queue_to_its_end_by_the_clock() -> None:
    stand = Stand()
    submitted = told(stand.submit())
    named = submitted["id"]

    seen = []
    for stand.clock.now in (0.1, 1.0, 2.0):
        video = told(stand.get(f"/v1/videos/{named}"))
        seen.append((video["status"], video["progress"]))

    assert submitted == {
        "id": "video_f00_1",
        "object": "video",
        "model": "sora-2",
        "status": "queued",
        "progress": 0,
        "created_at": 1760000000,
        "seconds": "8",
        "size": "1280x720",
    }
    assert seen == [("queued", 5), ("in_progress", 50), ("completed", 100)]


def test_a_task_is_begun_when_its_answer_is_written_and_not_before() -> None:
    stand = Stand()
    prepared = stand.submit()

    assert stand.tasks.find("video_f00_1") is None
    prepared.render()
    assert stand.tasks.find("video_f00_1") is not None


def test_a_task_of_no_time_is_done_in_the_answer_to_its_submit() -> None:
    stand = Stand()
    stand.tasks = Tasks(Dials(task_ms=0), stand.clock)

    assert told(stand.submit())["status"] == "completed"


def test_some_tasks_name_their_film_on_the_web_and_some_leave_it_to_the_gateway() -> None:
    films = []
    for luck in (WITH_ADDRESS, WITHOUT):
        stand = Stand()
        named = told(stand.submit(luck=luck))["id"]
        stand.clock.now = 2.0
        films.append(told(stand.get(f"/v1/videos/{named}")))

    address = f"http://files.example/files/{0xF00}.mp4"
    assert (films[0]["video_url"], films[0]["metadata"]) == (address, {"url": address})
    assert "video_url" not in films[1]


def test_the_gateway_gives_a_film_out_once_it_is_done() -> None:
    stand = Stand(file_bytes=500)
    path = f"/v1/videos/{told(stand.submit())['id']}/content"

    early = stand.get(path)
    stand.clock.now = 2.0
    film = stand.get(path)

    assert early.status == 400
    assert told(early)["error"]["message"].endswith("status: SUBMITTED")
    assert early.headers["retry-after-ms"] == "250"
    assert (film.status, film.headers["Content-Type"]) == (200, "video/mp4")
    assert len(film.render()[0]) == 500
    assert film.render()[0][4:8] == b"ftyp"


def test_a_task_that_nobody_submitted_is_unknown_unless_it_may_be_of_another_day() -> None:
    stand = Stand()

    status = stand.get("/v1/videos/nobody")
    film = stand.get("/v1/videos/nobody/content")

    assert (status.status, told(status)["code"]) == (400, "task_not_exist")
    assert (film.status, "error" in told(film)) == (404, True)
    for named in ("video_5c1d", "task_Ab1", "831"):
        assert told(stand.get(f"/v1/videos/{named}"))["status"] == "completed"
        assert stand.get(f"/v1/videos/{named}/content").status == 200


def test_a_film_is_billed_by_its_seconds_at_the_submit_and_by_nothing_later() -> None:
    stand = Stand()
    submitted = stand.submit()
    named = told(submitted)["id"]

    assert submitted.billed == {
        "input_tokens": 0,
        "input_cached_tokens": 0,
        "output_tokens": 0,
        "output_reasoning_tokens": 0,
        "seconds": 8,
    }
    assert stand.get(f"/v1/videos/{named}").billed is None
    assert stand.get(f"/v1/videos/{named}/content").billed is None


def test_a_task_that_will_fail_costs_nothing_and_says_so_at_its_end() -> None:
    stand = Stand(task_fail=1.0)
    submitted = stand.submit()
    named = told(submitted)["id"]
    stand.clock.now = 2.0

    video = told(stand.get(f"/v1/videos/{named}"))
    film = stand.get(f"/v1/videos/{named}/content")

    assert submitted.billed is not None
    assert set(submitted.billed.values()) == {0}
    assert (video["status"], video["error"]["code"]) == ("failed", "task_failed")
    assert "video_url" not in video
    assert (film.status, "FAILURE" in told(film)["error"]["message"]) == (400, True)


def test_a_task_that_is_done_hints_at_no_further_poll() -> None:
    stand = Stand(task_hint_ms=70)
    submitted = stand.submit()
    path = f"/v1/videos/{told(submitted)['id']}"

    early = stand.get(path).headers
    stand.clock.now = 2.0

    assert submitted.headers["retry-after-ms"] == early["retry-after-ms"] == "70"
    assert "retry-after-ms" not in stand.get(path).headers


@pytest.mark.parametrize(
    ("flaw", "names", "seconds"),
    [("no_finish", False, 8), ("empty_choices", False, None), ("error_200", False, None)],
)
def test_a_flaw_leaves_the_submit_without_an_id(flaw: Any, names: bool, seconds: Any) -> None:
    prepared = Stand().submit(flaw=flaw)

    assert ("id" in told(prepared)) is names
    assert (prepared.billed or {}).get("seconds") == seconds
    assert (prepared.billed is None) == (flaw == "error_200")


@pytest.mark.parametrize(
    ("flaw", "said"),
    [("no_finish", {"code": "success", "data": None}), ("error_200", None)],
)
def test_a_flaw_leaves_a_poll_without_news(flaw: Any, said: Any) -> None:
    got = told(Stand().get("/v1/videos/video_1", flaw=flaw))

    assert got == said or "error" in got
    assert "status" not in got
