from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from batch.mock import Asked, BadAsk, Prepared, twins
from batch.mock.transcription import TWIN
from tests.mock.client import chunks
from tests.mock.kit import asked, plan

PATH = "/v1/audio/transcriptions"
TRANSLATIONS = "/v1/audio/translations"


def form(fields: Sequence[tuple[str, str]], sound: bytes | None, path: str = PATH) -> Asked:
    lines = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    if sound is not None:
        head = 'Content-Disposition: form-data; name="file"; filename="audio.wav"'
        lines.append(f"--edge\r\n{head}\r\nContent-Type: audio/wav\r\n\r\n".encode())
        lines.append(sound + b"\r\n")
    raw = b"".join([*lines, b"--edge--\r\n"])
    return Asked(
        method="POST", path=path, content_type="multipart/form-data; boundary=edge", raw=raw
    )


def hear(
    *more: tuple[str, str],
    model: str = "whisper-1",
    sound: bytes = b"RIFF",
    path: str = PATH,
    **how: Any,
) -> Prepared:
    read = TWIN.read(form([("model", model), *more], sound, path))
    return TWIN.answer(read, plan(**how))


def told(prepared: Prepared) -> Any:
    return orjson.loads(prepared.render()[0])


def test_the_twin_is_found_and_serves_both_endpoints() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", PATH)
    assert TWIN.serves("POST", TRANSLATIONS)


def test_model_and_hint_are_read_from_the_form() -> None:
    read = TWIN.read(form([("model", "whisper-1"), ("prompt", "a harbor")], b"x"))

    assert (read.model, read.prompt) == ("whisper-1", "a harbor")


@pytest.mark.parametrize(
    "request_",
    [
        form([("model", "whisper-1")], None),
        form([("model", "whisper-1")], b""),
        form([("model", "whisper-1"), ("file", "no file")], None),
        form([("language", "en")], b"x"),
        asked(PATH, {"model": "whisper-1", "file": "x"}),
    ],
)
def test_what_is_no_form_with_a_model_and_a_file_is_refused(request_: Asked) -> None:
    with pytest.raises(BadAsk):
        TWIN.read(request_)


def test_an_older_model_counts_the_time() -> None:
    got = hear(sound=b"x" * 40_000)

    assert told(got)["usage"] == {"type": "duration", "seconds": 3}
    assert (got.billed or {})["seconds"] == 3
    assert len(told(got)["text"].split()) == 12


def test_a_newer_model_counts_tokens_and_those_of_the_sound_among_them() -> None:
    got = hear(("prompt", "a harbor"), model="gpt-4o-transcribe")

    usage = told(got)["usage"]
    assert usage["type"] == "tokens"
    assert usage["input_token_details"] == {"text_tokens": 2, "audio_tokens": 10}
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    billed = got.billed or {}
    assert (billed["input_tokens"], billed["input_audio_tokens"]) == (12, 10)
    assert billed["output_tokens"] == usage["output_tokens"]


@pytest.mark.parametrize(
    ("shape", "start"), [("text", ""), ("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT\n\n")]
)
def test_plain_texts_are_no_json_and_tell_no_usage(shape: str, start: str) -> None:
    got = hear(("response_format", shape))
    body = got.render()[0].decode()

    assert body.startswith(start)
    assert body.endswith("\n")
    assert got.headers["Content-Type"].startswith("text/plain")
    assert set((got.billed or {}).values()) == {0}


def test_a_verbose_answer_has_its_duration_as_a_number_and_words_if_they_are_asked_for() -> None:
    shape = ("response_format", "verbose_json")
    words = ("timestamp_granularities[]", "word")

    plain = told(hear(shape))
    both = told(hear(shape, words, ("timestamp_granularities[]", "segment"), path=TRANSLATIONS))

    assert (plain["task"], plain["duration"]) == ("transcribe", 1.0)
    assert told(hear(shape, model="gpt-4o-transcribe"))["usage"]["type"] == "duration"
    assert plain["segments"][0]["text"] == plain["text"]
    assert "words" not in plain
    assert both["task"] == "translate"
    assert len(both["words"]) == 12


def test_a_newer_model_streams_pieces_that_join_to_the_text() -> None:
    got = hear(("stream", "true"), model="gpt-4o-transcribe", pings=True)
    body = b"".join(got.render())
    events = chunks(body)

    assert got.streamed
    assert b": PING\n\n" in body
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"]
    assert events[-1]["usage"]["output_tokens"] == (got.billed or {})["output_tokens"]


def test_speakers_are_told_apart_whole_and_in_events() -> None:
    model, shape = "gpt-4o-transcribe-diarize", ("response_format", "diarized_json")

    whole = told(hear(shape, model=model))
    events = chunks(b"".join(hear(shape, ("stream", "true"), model=model).render()))

    assert [one["speaker"] for one in whole["segments"]] == ["A", "B"]
    assert " ".join(one["text"] for one in whole["segments"]) == whole["text"]
    assert [one for one in events if one["type"] == "transcript.text.segment"] == whole["segments"]


def test_an_older_model_does_not_stream() -> None:
    assert not hear(("stream", "true")).streamed


@pytest.mark.parametrize("flaw", ["no_finish", "empty_choices"])
def test_an_answer_without_a_text_is_billed(flaw: Any) -> None:
    got = hear(flaw=flaw)

    assert told(got) == {"usage": {"type": "duration", "seconds": 1}}
    assert (got.billed or {})["seconds"] == 1
    assert hear(("response_format", "srt"), flaw=flaw).render() == [b""]


def test_an_error_under_a_good_status_bills_nothing() -> None:
    got = hear(flaw="error_200")

    assert (got.status, got.billed) == (200, None)
    assert told(got)["error"]["code"] == "empty_response"


def test_flaws_of_a_stream_show_in_its_events() -> None:
    def stream(flaw: Any) -> list[Any]:
        streamed = hear(("stream", "true"), model="gpt-4o-transcribe", flaw=flaw)
        return chunks(b"".join(streamed.render()))

    assert stream("no_finish")[-1]["type"] == "transcript.text.delta"
    assert "error" in stream("error_200")[-1]
    assert stream("empty_choices") == []
