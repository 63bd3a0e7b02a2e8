"""Speech: a file of sound, pieces of it, and what is neither."""

from base64 import b64encode
from typing import Any

import orjson
import pytest

from batch import errors
from batch.mock._samples import mp3, pcm, wav
from batch.records import Answer, Blob, Done, Reply, Request, Saved, Send
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire.speech import FORMAT

TEXT = "Ebb, then flöd."


def asking(**fields: Any) -> Request:
    body = orjson.dumps({"model": "tts-1", "input": TEXT, "voice": "alloy", **fields})
    shaped = FORMAT.shape(body, Ask())
    return Request(
        (1,),
        ("a",),
        "speech",
        shaped.model,
        shaped.body,
        path=shaped.path,
        makes=shaped.makes,
        stem="file",
    )


PLAIN = asking()
PCM = asking(response_format="pcm")
STREAM = asking(stream_format="sse")


def reply(body: bytes | Saved, kind: str = "audio/mpeg", **how: Any) -> Reply:
    return Reply(how.pop("status", 200), {"content-type": kind}, body, **how)


def saved(content_type: str, name: str = "file-0-0.mp3") -> Saved:
    return Saved(name, 9, "ab" * 32, content_type)


def answer(request: Request, got: Reply) -> Answer:
    step = FORMAT.next(request, None, got)
    assert isinstance(step, Done)
    return step.answer


def failure(request: Request, got: Reply) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        FORMAT.next(request, None, got)
    return caught.value


def fold(*events: Any, request: Request = STREAM) -> Reply:
    folder = FORMAT.folder(request)
    assert folder is not None
    for event in events:
        folder.feed(event if isinstance(event, bytes) else orjson.dumps(event))
    return Reply(200, {}, folder.body(), streamed=True)


def delta(sound: bytes) -> dict[str, str]:
    return {"type": "speech.audio.delta", "audio": b64encode(sound).decode()}


DONE = {"type": "speech.audio.done", "usage": {"input_tokens": 4, "output_tokens": 90}}


def test_speech_is_a_file_that_may_be_asked_for_again() -> None:
    step = FORMAT.start(PLAIN)

    assert isinstance(step, Send)
    assert (step.call.expect, step.call.save_as, step.call.media) == ("file", "file-0-0", True)
    assert step.call.repeat == "free"
    assert PLAIN.makes == "audio"


def test_a_text_with_a_voice_is_to_be_spoken() -> None:
    assert FORMAT.mine({"input": "x", "voice": "alloy"})
    assert not FORMAT.mine({"input": "x"})


def test_a_model_is_set_and_nothing_else_is_changed() -> None:
    body = b'{"input":"x","voice":"alloy","speed":1.00}'

    shaped = FORMAT.shape(body, Ask(model="tts-1"))

    assert shaped.body == b'{"input":"x","voice":"alloy","speed":1.00,"model":"tts-1"}'


@pytest.mark.parametrize("body", [b'{"voice":"alloy"}', b'{"input":["x"]}', b'{"input":null}'])
def test_a_body_without_a_text_is_no_request(body: bytes) -> None:
    with pytest.raises(errors.BadBody, match="input"):
        FORMAT.shape(body, Ask(model="tts-1"))


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/wav", "audio/ogg", "video/webm"])
def test_a_file_of_sound_is_the_answer_and_its_text_is_what_was_used(kind: str) -> None:
    got = answer(PLAIN, reply(saved(kind)))

    assert orjson.loads(got.body) == {"audio": "wbatch-file:file-0-0.mp3", "content_type": kind}
    assert got.files == (saved(kind),)
    assert got.usage == Usage({Meter.CHARACTERS: 15})
    assert (got.content, got.finish) == (None, "stop")


def test_a_file_without_a_mark_is_sound_if_it_is_declared_or_was_asked_for_so() -> None:
    unknown = saved("application/octet-stream", "file-0-0.bin")

    assert answer(PLAIN, reply(unknown, "audio/basic")).files == (unknown,)
    assert answer(PCM, reply(unknown, "application/octet-stream")).files == (unknown,)
    assert type(failure(PLAIN, reply(unknown, "text/plain"))) is errors.NotAnAnswer


@pytest.mark.parametrize("kind", ["image/png", "application/pdf"])
def test_a_file_of_another_kind_is_no_answer(kind: str) -> None:
    assert type(failure(PLAIN, reply(saved(kind)))) is errors.NotAnAnswer


@pytest.mark.parametrize("kind", ["application/json", "audio/mpeg"])
@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (b'{"error":{"message":"no","type":"new_api_error","code":"empty_response"}}', "Channel"),
        (b'{"url":"https://h.example/a.mp3"}', "NotAnAnswer"),
        (b"<html>Welcome</html>", "WebPage"),
        (b"", "CutAnswer"),
    ],
)
def test_json_a_page_and_nothing_are_no_sound(body: bytes, failed: str, kind: str) -> None:
    for request in (PLAIN, PCM, STREAM):
        assert type(failure(request, reply(body, kind))).__name__.startswith(failed)


def test_a_refusal_keeps_its_status() -> None:
    body = b'{"error":{"message":"no such voice","type":"invalid_request_error"}}'

    got = failure(PLAIN, reply(body, "application/json", status=400))

    assert (type(got), got.status) == (errors.Refused, 400)


@pytest.mark.parametrize("sound", [b"{" + pcm(2), b" <" + pcm(2), b'{"a":\xff' + pcm(2)])
def test_pcm_that_begins_as_other_answers_do_is_sound(sound: bytes) -> None:
    got = answer(PCM, reply(sound, "audio/pcm"))

    text = b64encode(sound).decode()
    assert got.blobs == (Blob(text, "file-0-0", "pcm"),)
    assert orjson.loads(got.body) == {"audio": text, "content_type": "audio/pcm"}
    assert got.usage == Usage({Meter.CHARACTERS: 15})


# Streams


def test_a_stream_is_asked_for_by_its_format_alone() -> None:
    step = FORMAT.start(STREAM)

    assert isinstance(step, Send)
    assert (step.call.expect, step.call.repeat) == ("events", "free")
    assert FORMAT.folder(PLAIN) is None
    assert FORMAT.folder(asking(stream_format="audio")) is None
    assert FORMAT.folder(asking(instructions='"stream_format":"sse"')) is None


def test_pieces_of_sound_are_put_together_byte_by_byte() -> None:
    sound = wav(1)

    got = answer(STREAM, fold(delta(sound[:7]), delta(sound[7:8]), delta(sound[8:]), DONE))

    text = b64encode(sound).decode()
    assert got.blobs == (Blob(text, "file-0-0", ""),)
    assert orjson.loads(got.body) == {
        "audio": text,
        "content_type": "audio/wav",
        "usage": {"input_tokens": 4, "output_tokens": 90},
    }
    assert got.usage == Usage({Meter.CHARACTERS: 15, Meter.INPUT: 4, Meter.OUTPUT_AUDIO: 90})


def test_a_stream_of_pcm_is_known_by_what_was_asked_for() -> None:
    request = asking(stream_format="sse", response_format="pcm")

    got = answer(request, fold(delta(pcm(1)), DONE, request=request))

    assert got.blobs[0].hint == "pcm"
    assert orjson.loads(got.body)["content_type"] == "audio/pcm"


@pytest.mark.parametrize(
    "events",
    [
        [],
        [DONE],
        [delta(mp3(1))],
        [delta(mp3(1)), b'{"type":"speech.au'],
        [b"{", delta(mp3(1)), DONE],
        [{"type": "speech.audio.delta", "audio": "no base64!"}, delta(mp3(1)), DONE],
        [delta(mp3(1)), b'{"type":"speech.audio.done","usage":' + b"[" * 900 + b"]" * 900 + b"}"],
    ],
)
def test_a_stream_without_its_end_or_its_sound_is_cut(events: list[Any]) -> None:
    assert type(failure(STREAM, fold(*events))) is errors.CutAnswer


def test_an_error_within_a_stream_is_named() -> None:
    error = {"error": {"message": "busy", "type": "overloaded_error"}}

    with pytest.raises(errors.Overloaded):
        fold(delta(mp3(1)), error)


def test_a_gateway_that_knows_no_streams_sends_the_sound_whole() -> None:
    got = answer(STREAM, reply(mp3(1), ""))

    assert got.blobs == (Blob(b64encode(mp3(1)).decode(), "file-0-0", ""),)
