from __future__ import annotations

from base64 import b64decode
from typing import Any

import orjson
import pytest

from batch.mock import BadAsk, Prepared, twins
from batch.mock._samples import mp3, pcm, wav
from batch.mock.speech import TWIN
from tests.mock.client import chunks
from tests.mock.kit import asked, plan

PATH = "/v1/audio/speech"
TEXT = "Ebb, then flöd."


def speak(flaw: Any = None, pings: bool = False, **fields: Any) -> Prepared:
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy", **fields}
    return TWIN.answer(TWIN.read(asked(PATH, body)), plan(flaw=flaw, pings=pings))


def stream(flaw: Any = None, **how: Any) -> bytes:
    return b"".join(speak(flaw, stream_format="sse", **how).render())


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", PATH)
    assert not TWIN.serves("GET", PATH)


@pytest.mark.parametrize(
    ("shape", "content_type", "sound"),
    [
        (None, "audio/mpeg", mp3(0xF00)),
        ("mp3", "audio/mpeg", mp3(0xF00)),
        ("wav", "audio/wav", wav(100)),
        ("pcm", "audio/pcm", pcm(100)),
        ("opus", "audio/mpeg", mp3(0xF00)),
    ],
)
def test_sound_comes_in_the_format_that_is_asked_for(
    shape: str | None, content_type: str, sound: bytes
) -> None:
    got = speak(response_format=shape)

    assert got.headers["Content-Type"] == content_type
    assert got.render() == [sound]


def test_the_characters_of_the_text_are_billed() -> None:
    assert speak().billed == {
        "input_tokens": 0,
        "input_cached_tokens": 0,
        "output_tokens": 0,
        "output_reasoning_tokens": 0,
        "characters": 15,
    }


@pytest.mark.parametrize("fields", [{"input": ""}, {"input": ["x"]}, {"model": None}])
def test_a_body_without_a_text_or_a_model_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadAsk):
        speak(**fields)


def test_a_stream_is_pieces_of_the_same_sound_and_what_it_took() -> None:
    events = chunks(stream())

    pieces = [event["audio"] for event in events if event["type"] == "speech.audio.delta"]
    assert b"".join(map(b64decode, pieces)) == mp3(0xF00)
    assert len(pieces) > 1
    assert events[-1] == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 4, "output_tokens": 5, "total_tokens": 9},
    }
    billed = speak(stream_format="sse").billed or {}
    assert (billed["input_tokens"], billed["output_tokens"], billed["characters"]) == (4, 5, 15)


def test_keep_alive_comments_stand_between_the_events() -> None:
    assert b": PING\n\n" in stream(pings=True)


@pytest.mark.parametrize("flaw", ["no_finish", "empty_choices"])
def test_sound_that_did_not_come_is_nothing_under_a_good_status_and_billed(flaw: str) -> None:
    got = speak(flaw)

    assert (got.status, got.render(), got.billed) == (200, [b""], speak().billed)


def test_an_error_under_a_good_status_is_json_and_bills_nothing() -> None:
    got = speak("error_200")

    assert orjson.loads(got.render()[0])["error"]["code"] == "empty_response"
    assert got.headers["Content-Type"].startswith("application/json")
    assert got.billed is None


def test_flaws_of_a_stream_show_in_its_events() -> None:
    assert chunks(stream("no_finish"))[-1]["type"] == "speech.audio.delta"
    assert "error" in chunks(stream("error_200"))[-1]
    assert speak("error_200", stream_format="sse").billed is None
    assert [event["type"] for event in chunks(stream("empty_choices"))] == ["speech.audio.done"]
