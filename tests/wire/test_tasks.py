"""Tasks: how far one is by the vendor's word for it, when to ask again, and when one is lost."""

from __future__ import annotations

import json

import pytest

from batch.errors import TaskLost
from batch.records import Call, Reply, State, Wait
from batch.wire._tasks import canonical, unknown, wait

POLL = Call("GET", "/v1/videos/t1", kind="poll")
STATE: State = {"do": "poll", "id": "t1"}


def reply(**headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(200, named, b"{}", started_at=1_795_000_000.0, ms=500)


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        ("pending", ("", "NOT_START", "SUBMITTED", "submitted", "QUEUED", "pending", "created")),
        ("pending", ("unknown", "UNKNOWN", "MODAL")),
        ("running", ("IN_PROGRESS", "processing", "running", "generating", "started")),
        ("succeeded", ("SUCCESS", "succeeded", "succeed", "completed", "Done")),
        ("failed", ("FAILURE", "failed", "fail", "error", "cancelled", "canceled", "CANCEL")),
        ("failed", ("expired", "rejected")),
    ],
)
def test_each_vendors_word_has_its_meaning_however_it_is_spelled(
    progress: str, words: tuple[str, ...]
) -> None:
    for word in words:
        assert canonical(word) == progress, word
        assert canonical(word.swapcase()) == progress, word


def test_a_word_that_nobody_knows_counts_as_running() -> None:
    assert canonical("rendering audio") == "running"


@pytest.mark.parametrize("status", [None, 3, True, ["completed"], {"status": "failed"}])
def test_a_status_that_is_no_word_counts_as_missing(status: object) -> None:
    assert canonical(status) == "pending"


@pytest.mark.parametrize(
    ("headers", "first", "seconds"),
    [
        ({}, True, 10.0),
        ({}, False, 15.0),
        ({"retry_after": "3"}, False, 3.0),
        ({"retry_after_ms": "400"}, True, 0.4),
        ({"retry_after": "0"}, False, 0.25),
        ({"retry_after": "86400"}, False, 60.0),
        ({"retry_after": "soon"}, False, 15.0),
    ],
)
def test_a_task_is_asked_after_at_the_usual_pace_or_as_the_gateway_hints(
    headers: dict[str, str], first: bool, seconds: float
) -> None:
    assert wait(POLL, STATE, reply(**headers), first=first) == Wait(seconds, POLL, STATE)


def test_a_poll_without_news_changes_no_state_so_that_nothing_is_journalled_for_it() -> None:
    assert wait(POLL, STATE, reply()).state == STATE


def test_a_task_that_the_gateway_does_not_know_is_asked_after_a_few_times_and_then_lost() -> None:
    state = STATE

    for _ in range(5):
        state = json.loads(json.dumps(unknown(POLL, state, reply()).state))

    with pytest.raises(TaskLost) as lost:
        unknown(POLL, state, reply())
    assert STATE == {"do": "poll", "id": "t1"}
    assert "accepted task t1 and" in lost.value.message
    assert "wbatch retry --only task_lost" in lost.value.message


def test_who_lost_a_task_is_told_its_name_on_one_line_and_what_the_gateway_said() -> None:
    state = {"do": "poll", "id": "t1\x1b[2J\n" + "9" * 5000, "misses": 5}
    said = Reply(404, {"x-request-id": "r-7"}, b'{"error":"no such task"}')

    with pytest.raises(TaskLost) as lost:
        unknown(POLL, state, said)

    failure = lost.value
    assert failure.message.isprintable()
    assert len(failure.message) < 500
    assert failure.message.startswith("the gateway accepted task t1")
    assert (failure.status, failure.request_id, failure.body) == (404, "r-7", said.body)
