"""Half a character in an answer: what is paid and can be read is kept."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import CallFailed
from batch.records import Done, Reply, Request
from batch.wire import Ask, Folder, formats
from batch.wire._halves import dumps, loads, understood, without_halves

CHAT = formats()["chat"]


def request() -> Request:
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    shaped = CHAT.shape(body, Ask())
    return Request((1,), ("a",), CHAT.name, shaped.model, shaped.body, path=shaped.path)


def answer(spelled: bytes) -> bytes:
    return (
        b'{"id":"c","choices":[{"index":0,"finish_reason":"length","message":'
        b'{"role":"assistant","content":"%s"}}],"x":1.00}' % spelled
    )


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        (rb"well \ud83d", "well \ufffd"),
        (rb"\ude00 well", "\ufffd well"),
        (rb"\uD83D\u0041", "\ufffdA"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (rb"\ud83d\n\/", "\ufffd\n/"),
    ],
)
def test_an_answer_with_half_a_character_is_kept(spelled: bytes, text: str) -> None:
    step = understood(CHAT, request(), None, Reply(200, {}, answer(spelled)))

    assert isinstance(step, Done)
    assert step.answer.content == text
    assert orjson.loads(step.answer.body)["choices"][0]["message"]["content"] == text
    assert b'"x":1.00' in step.answer.body  # nothing else is spelled anew


@pytest.mark.parametrize("body", [b'{"a":"\\ud83d', b'{"a":"\\ud83d"}', b'{"a":"\xff"}', b"{}"])
def test_what_is_wrong_besides_stays_a_failure(body: bytes) -> None:
    with pytest.raises(CallFailed):
        understood(CHAT, request(), None, Reply(200, {}, body))


@given(st.text(), st.booleans())
def test_nothing_changes_in_what_is_whole(text: str, ascii_only: bool) -> None:
    body = orjson.dumps(text)
    if ascii_only:
        body = b'"%s"' % b"".join(b"\\u%04x" % unit for unit in units(text))

    assert without_halves(body) == body
    assert loads(body) == orjson.loads(body)


def units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


@given(st.text(), st.data())
def test_halves_that_come_one_after_the_other_are_a_character_again(
    text: str, data: st.DataObject
) -> None:
    several = units(text)
    cuts = data.draw(st.lists(st.integers(0, len(several)), max_size=4))
    edges = sorted({0, *cuts, len(several)})
    pieces = [several[start:stop] for start, stop in pairwise(edges)]

    told = [loads(b'"%s"' % b"".join(b"\\u%04x" % unit for unit in one)) for one in pieces]

    assert orjson.loads(dumps({"text": ["".join(told)]})) == {"text": [text]}


def chat_events(piece: bytes) -> bytes:
    return b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}' % piece


def claude_events(piece: bytes) -> bytes:
    delta = b'{"type":"text_delta","text":"%s"}' % piece
    return b'{"type":"content_block_delta","index":0,"delta":%s}' % delta


def gemini_events(piece: bytes) -> bytes:
    return b'{"candidates":[{"content":{"parts":[{"text":"%s"}]}}]}' % piece


def response_events(piece: bytes) -> bytes:
    return b'{"type":"response.output_text.delta","item_id":"i","delta":"%s"}' % piece


def spoken_events(piece: bytes) -> bytes:
    return b'{"type":"transcript.text.delta","delta":"%s"}' % piece


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("chat", chat_events),
        ("messages", claude_events),
        ("gemini", gemini_events),
        ("responses", response_events),
        ("transcription", spoken_events),
    ],
)
def test_a_stream_may_be_cut_between_the_halves(name: str, event: object) -> None:
    assert callable(event)
    folder = folder_of(name)

    for piece in (b"so ", rb"\ud83d", rb"\ude00", rb" and \ud83d", b"!"):
        folder.feed(event(piece))

    assert "so \U0001f600 and \ufffd!" in folder.body().decode()


def folder_of(name: str) -> Folder:
    folder = formats()[name].folder(request())
    assert folder is not None
    return folder


@pytest.mark.parametrize(
    "event", [rb'"\ud83d', b"[" * 2000 + rb'"\ud83d"' + b"]" * 2000, b"\xff", b"", rb"\ud83d"]
)
def test_an_event_that_is_no_json_besides_is_refused(event: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(event)


def test_an_event_that_only_orjson_can_read_is_read_by_it() -> None:
    nested = b"[" * 1010 + rb'"\ud83d"' + b"]" * 1010

    told = loads(nested)
    while isinstance(told, list):
        [told] = told

    assert told == "\ufffd"
