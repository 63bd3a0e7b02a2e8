"""How many bytes calls and answers are said to take while they are in flight."""

from __future__ import annotations

import pytest

from batch.records import Answer, Blob, Call, Field, FileRef, Form, Spliced
from batch.weights import LIGHT, of_answer, of_call, of_unknown

MB = 1 << 20
LINE = b"x" * 10 * MB
INSIDE = "data:image/png;base64," + "A" * MB


def submit(payload: bytes | Form | Spliced | None, **more: object) -> Call:
    return Call("POST", "/v1/x", payload, **more)  # type: ignore[arg-type]


def spliced(*sources: str) -> Call:
    return submit(Spliced((b'{"a":"', *(FileRef(one, "base64") for one in sources), b'"}')))


def form(*sources: str) -> Call:
    files = (Field("image", FileRef(one)) for one in sources)
    return submit(Form((Field("prompt", "a cat"), *files)))


@pytest.mark.parametrize(
    ("call", "least", "most"),
    [
        (submit(None), 0, 0),
        (submit(b"x" * (LIGHT - 1)), 0, 0),
        (submit(b"x" * LIGHT), LIGHT, LIGHT),
        (submit(b"x" * 10 * MB), 10 * MB, 10 * MB),
        (submit(b"{}", expect="file", media=True), LIGHT, MB),  # speech
        (submit(LINE), 0, 0),  # it is there, whether it is sent or not
        # A slice of a local file at a time, however many there are and however large.
        (spliced("file:a.png"), MB, 1.1 * MB),
        (spliced("file:a.png", "file:b.png", "file:a.png"), MB, 1.1 * MB),
        (form("file:a.png", "file:b.png"), MB, 1.1 * MB),
        # What stands in the line: as a text of its own, and as what that says.
        (spliced(INSIDE), 1.75 * MB, 1.8 * MB),
        (spliced(INSIDE, INSIDE), 1.75 * MB, 1.8 * MB),
        (form(INSIDE), 1.75 * MB, 1.8 * MB),
        (spliced("https://a.example/a.png"), 0, 0),  # nobody knows
        (submit(Form((Field("prompt", "a" * MB),))), MB, MB),
        (submit(None, kind="fetch", expect="file", media=True), LIGHT, MB),
    ],
)
def test_a_call_weighs_what_is_held_to_send_it(call: Call, least: float, most: float) -> None:
    assert least <= of_call(call, LINE) <= most


@pytest.mark.parametrize(
    ("call", "megabytes"),
    [
        (submit(b"{}"), 0),
        (submit(b"{}", media=True), 32),
        (submit(None, kind="fetch", expect="file", media=True), 0),  # goes to disk as it comes
        (spliced("https://a.example/a.png", "https://a.example/b.png", "file:c.png"), 16),
        (form("https://a.example/a.png", "https://a.example/a.png"), 8),
    ],
)
def test_room_is_made_for_what_nobody_knows_before(call: Call, megabytes: int) -> None:
    assert of_unknown(call) == megabytes * MB


def test_an_answer_weighs_its_body_and_all_that_was_taken_out_of_it() -> None:
    body, text = b"x" * 3 * MB, "A" * MB
    answer = Answer(body, text, "stop", None, blobs=(Blob(text, "a"), Blob(text, "b")))
    share = Answer(b"y" * MB, None, "stop", None)

    assert of_answer(answer) == 6 * MB
    assert of_answer(Answer(body, None, "stop", None, shares=(share, share))) == 5 * MB
    assert of_answer(Answer(b"x" * (LIGHT - 1), "x" * (LIGHT - 9), "stop", None)) == 0
