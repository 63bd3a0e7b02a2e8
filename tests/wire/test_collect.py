"""Fetching an answer's files: addresses in turn, redirects, the gateway's own route, crashes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from batch.errors import BadKey, CallFailed, FileGone, NoMoney, NotAnAnswer, ServerTrouble
from batch.records import Answer, Call, Done, Reply, Request, Saved, Send, State, Step, Wait
from batch.usage import Meter, Usage
from batch.wire._collect import collect, collected, fetched, resumed

REQUEST = Request((1,), ("a",), "videos", "m", b"{}", stem="00000001-ab")
WEB = "https://films.example/one.mp4?a=1&b=2"
OTHER = "https://elsewhere.example/one.mp4"
OWN = "/v1/videos/t1/content"
BODY = b'{"id":"t1","url":"https://films.example/one.mp4?a=1\\u0026b=2"}'
ANSWER = Answer(BODY, None, "stop", Usage({Meter.MILLISECONDS: 4000}), model="m", request_id="r")
FILM = Saved("00000001-ab-0-0.mp4", 9, "ab" * 32, "video/mp4")


def begun(*wanted: list[str], kind: str = "video/", task: str | None = None) -> Wait:
    step = collect(REQUEST, ANSWER, wanted or [[WEB]], kind, task)
    assert isinstance(step, Wait)
    return step


def after(step: Step, reply: Reply) -> Step:
    """Return the step after a reply to what a step sends, its state having been on disk."""
    assert isinstance(step, Send | Wait)
    state = json.loads(json.dumps(step.state))
    assert state == step.state, "a state is plain JSON"
    return collected(REQUEST, state, reply)


def says(status: int, body: bytes = b"", **headers: str) -> Reply:
    return Reply(status, headers, body)


def film(content_type: str = "video/mp4", **headers: str) -> Reply:
    return Reply(200, headers, msgspec.structs.replace(FILM, content_type=content_type))


def call(step: Step) -> Call:
    assert isinstance(step, Send | Wait)
    return step.call


def state_of(step: Step) -> State:
    assert isinstance(step, Send | Wait)
    assert step.state is not None
    return step.state


def failure(step: Step, reply: Reply) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        after(step, reply)
    return caught.value


# ------------------------------------------------------------------------------------ one file


def test_the_answer_is_put_on_record_before_its_first_file_is_fetched() -> None:
    step = begun()

    assert step.seconds == 0.0
    assert step.call == Call(
        "GET",
        WEB,
        kind="fetch",
        origin="foreign",
        expect="file",
        save_as="00000001-ab-0-0",
        media=True,
    )
    assert msgspec.convert(step.state["answer"], Answer) == ANSWER


def test_a_file_ends_it_and_its_name_stands_in_the_body_in_place_of_its_address() -> None:
    step = after(begun([WEB, OWN]), film())

    assert step == Done(
        msgspec.structs.replace(
            ANSWER,
            body=b'{"id":"t1","url":"wbatch-file:00000001-ab-0-0.mp4"}',
            files=(FILM,),
        )
    )


def test_the_task_is_named_where_people_read_what_is_still_missing() -> None:
    assert begun(task="t1").state["id"] == "t1"
    assert "id" not in begun().state


@pytest.mark.parametrize(
    ("content_type", "declared", "is_film"),
    [
        ("video/mp4", "binary/octet-stream", True),
        ("video/webm", "", True),
        ("image/png", "video/mp4", False),
        ("application/octet-stream", "Video/MP2T; charset=x", True),
        ("application/octet-stream", "text/plain", False),
        ("application/octet-stream", "", False),
    ],
)
def test_only_what_is_of_the_wanted_kind_is_the_file(
    content_type: str, declared: str, is_film: bool
) -> None:
    reply = film(content_type, **{"content-type": declared})

    if is_film:
        assert isinstance(after(begun(), reply), Done)
    else:
        assert content_type in str(failure(begun(), reply))


# ---------------------------------------------------------------------------- several addresses


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 410, 416, 451])
def test_an_address_that_gives_nothing_is_followed_by_the_next(status: int) -> None:
    step = after(begun([WEB, OTHER, OWN]), says(status))

    assert isinstance(step, Send)
    assert call(step).path == OTHER
    assert call(after(step, says(status))).path == OWN


def test_the_last_address_that_gives_nothing_ends_it_with_the_hosts_own_words() -> None:
    refused = failure(begun([WEB]), says(403, b"<Error>Request has expired</Error>"))

    assert isinstance(refused, FileGone)
    assert refused.status == 403
    assert refused.body == b"<Error>Request has expired</Error>"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_trouble_of_the_last_host_is_no_end_of_the_file(status: int) -> None:
    trouble = failure(begun(), says(status, **{"retry-after": "7"}))

    assert isinstance(trouble, ServerTrouble)
    assert (trouble.status, trouble.retry_after) == (status, 7.0)


def test_a_host_in_trouble_is_asked_again_when_no_other_address_has_the_file() -> None:
    first = begun([WEB, OTHER])

    second = after(first, says(503))
    third = after(second, says(404))

    assert call(second).path == OTHER
    assert isinstance(third, Wait)
    assert third.seconds > 0
    assert (third.call, third.state) == (first.call, first.state)


def test_the_gateway_is_fetched_from_with_its_key_and_every_other_host_without() -> None:
    step = begun([WEB, OWN])

    assert call(step).origin == "foreign"
    assert call(after(step, says(403))).origin == "gateway"


# ------------------------------------------------------------------------------------ redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("address", "target", "path", "origin"),
    [
        (WEB, "https://cdn.example/x?sig=a%2Fb", "https://cdn.example/x?sig=a%2Fb", "foreign"),
        (WEB, "/two.mp4", "https://films.example/two.mp4", "foreign"),
        (WEB, "//cdn.example/x", "https://cdn.example/x", "foreign"),
        (OWN, "https://cdn.example/x", "https://cdn.example/x", "foreign"),
        (OWN, "/v1/files/x", "/v1/files/x", "gateway"),
    ],
)
def test_a_redirect_is_followed_and_the_key_goes_to_no_other_host(
    status: int, address: str, target: str, path: str, origin: str
) -> None:
    step = after(begun([address]), says(status, location=target))

    assert isinstance(step, Send)
    assert (call(step).path, call(step).origin) == (path, origin)
    assert isinstance(after(step, film()), Done)


@pytest.mark.parametrize("target", ["", "//cdn.example/x", "ftp://cdn.example/x", "http://[x"])
def test_a_redirect_that_leads_nowhere_gives_nothing(target: str) -> None:
    step = after(begun([OWN, WEB]), says(302, location=target))

    assert call(step).path == WEB
    assert isinstance(failure(begun([OWN]), says(302, location=target)), FileGone)


def test_redirects_that_never_end_give_nothing() -> None:
    step: Step = begun([WEB, OTHER])

    for _ in range(5):
        step = after(step, says(302, location=WEB))

    assert call(after(step, says(302, location=WEB))).path == OTHER


def test_what_a_redirect_led_to_is_forgotten_at_the_next_address() -> None:
    step: Step = begun([WEB, OTHER])
    for _ in range(5):
        step = after(step, says(302, location="https://cdn.example/x"))

    step = after(step, says(404))

    assert call(step).path == OTHER
    assert call(after(step, says(302, location="/y"))).path == "https://elsewhere.example/y"


# ------------------------------------------------------------------------ the gateway's own route


@pytest.mark.parametrize("status", [400, 409, 425])
def test_a_film_that_the_gateway_has_not_finished_is_waited_for_without_news(status: int) -> None:
    step = begun([OWN])
    said = b'{"error":{"message":"not completed","type":"server_error"}}'

    early = after(step, says(status, said))

    assert early == Wait(15.0, step.call, step.state)


def test_a_film_that_is_not_finished_is_asked_after_when_the_gateway_hints() -> None:
    early = after(begun([OWN]), says(400, b"{}", **{"retry-after-ms": "250"}))

    assert isinstance(early, Wait)
    assert early.seconds == 0.25


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"message":"x","code":"insufficient_user_quota"}}', NoMoney),
        (401, b'{"error":{"message":"x","type":"new_api_error"}}', BadKey),
        (500, b'{"error":{"message":"x","type":"server_error"}}', ServerTrouble),
        (502, b"<html>", ServerTrouble),
        (200, b'{"error":{"message":"x","type":"server_error"}}', NotAnAnswer),
        (200, b"", NotAnAnswer),
    ],
)
def test_other_trouble_of_the_gateway_is_named_as_everywhere(
    status: int, body: bytes, kind: type[CallFailed]
) -> None:
    assert type(failure(begun([OWN]), says(status, body))) is kind
    assert call(after(begun([OWN, WEB]), says(status, body))).path == WEB


@pytest.mark.parametrize("body", [b'{"error":{"message":"Task not found"}}', b"404 page not found"])
def test_a_film_that_the_gateway_does_not_know_is_asked_for_a_few_times(body: bytes) -> None:
    step: Step = begun([OWN, WEB])

    for _ in range(5):
        step = after(step, says(404, body))
        assert isinstance(step, Wait)
        assert call(step).path == OWN
    step = after(step, says(404, body))

    assert call(step).path == WEB
    assert isinstance(failure(step, says(404)), FileGone)


@pytest.mark.parametrize("status", [405, 410, 403])
def test_a_gateway_without_such_a_route_is_no_wrong_gateway(status: int) -> None:
    gone = failure(begun([OWN]), says(status, b'{"detail":"no"}'))

    assert isinstance(gone, FileGone)


def test_an_unfinished_film_sends_back_to_an_address_that_was_in_trouble() -> None:
    first = begun([WEB, OWN])

    step = after(after(first, says(503)), says(400, b"{}"))

    assert isinstance(step, Wait)
    assert (step.call, step.state) == (first.call, first.state)


# -------------------------------------------------------------------------------- several files


def test_each_file_is_put_on_record_before_the_next_is_fetched() -> None:
    first = begun([WEB], [OTHER])

    step = after(first, film())

    assert isinstance(step, Wait)
    assert (step.seconds, step.call.path, step.call.save_as) == (0.0, OTHER, "00000001-ab-0-1")
    assert [one["name"] for one in state_of(step)["files"]] == [FILM.name]


def test_a_large_answer_is_put_on_record_once_and_not_again_after_each_file() -> None:
    large = msgspec.structs.replace(ANSWER, body=b'{"text":"%b"}' % (b"x" * 100_000))

    first = collect(REQUEST, large, [[WEB], [OTHER]])
    step = after(first, film())

    assert isinstance(first, Wait)
    assert isinstance(step, Send)
    assert (step.call.path, step.call.save_as) == (OTHER, "00000001-ab-0-1")


def test_trouble_with_one_file_is_not_counted_against_the_next() -> None:
    step: Step = begun([OWN, WEB], [OWN])
    for _ in range(3):
        step = after(step, says(404))
    step = after(step, says(302, location=OTHER))

    step = after(step, film())

    assert state_of(step).keys() == begun().state.keys()
    assert state_of(step)["tried"] == 0


def test_a_crash_fetches_no_file_twice_and_submits_nothing() -> None:
    states: list[tuple[dict[str, Any], int]] = []
    step: Step = begun([WEB, OWN], [OTHER])
    for reply in (says(503), says(404), film()):
        states.append((state_of(step), 0))
        step = after(step, reply)
    states.append((state_of(step), 1))

    for state, place in states:
        again = resumed(REQUEST, json.loads(json.dumps(state)))

        assert isinstance(again, Send)
        assert again.call.kind == "fetch"
        assert again.call.save_as == f"00000001-ab-0-{place}"


def test_files_fetched_before_and_after_a_crash_are_all_in_the_answer() -> None:
    step = after(begun([WEB], [OTHER]), film())
    again = resumed(REQUEST, json.loads(json.dumps(state_of(step))))

    second = msgspec.structs.replace(FILM, name="00000001-ab-0-1.mp4")
    done = after(again, Reply(200, {}, second))

    assert isinstance(done, Done)
    assert done.answer.files == (FILM, second)
    assert done.answer.usage == ANSWER.usage


# ----------------------------------------------------------------- a line that asks for the file


def asked_for(reply: Reply) -> Step:
    answer = Answer(b'{"file":"/v1/videos/t1/content"}', None, "stop", None)
    return fetched(REQUEST, answer, OWN, "video/", reply)


def test_a_line_that_asks_for_a_file_is_answered_with_its_name() -> None:
    step = asked_for(film())

    assert isinstance(step, Done)
    assert step.answer.body == b'{"file":"wbatch-file:00000001-ab-0-0.mp4"}'
    assert step.answer.files == (FILM,)


def test_a_line_that_asks_for_a_file_follows_a_redirect_and_waits_for_what_is_not_finished() -> (
    None
):
    moved = asked_for(says(302, location=OTHER))
    early = asked_for(says(400, b'{"error":{"message":"not completed"}}'))

    assert call(moved).path == OTHER
    assert isinstance(early, Wait)
    assert (early.call.path, early.call.kind) == (OWN, "fetch")
    assert isinstance(after(early, film()), Done)


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b'{"error":{"message":"Task not found"}}'), (500, b"{}"), (401, b"{}"), (200, b"{}")],
)
def test_a_line_that_asks_for_a_file_in_vain_says_why(status: int, body: bytes) -> None:
    with pytest.raises(CallFailed) as caught:
        asked_for(says(status, body))

    assert caught.value.status == status
    assert not isinstance(caught.value, FileGone)


def test_a_line_that_asks_for_a_film_and_gets_a_picture_has_no_file() -> None:
    with pytest.raises(FileGone, match="image/png"):
        asked_for(film("image/png"))
