"""Transcriptions and translations: the form that goes out, and the texts that come back."""

from typing import Any

import orjson
import pytest

from batch import errors
from batch.records import Answer, Done, Field, FileRef, Form, Reply, Request, Send
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire.transcription import FORMAT

TRANSLATIONS = "/v1/audio/translations"
DATA = "data:audio/wav;base64,UklGRg=="


def asking(url: str | None = None, **fields: Any) -> Request:
    return request_of(orjson.dumps({"model": "whisper-1", "file": DATA, **fields}), url)


def request_of(body: bytes, url: str | None = None) -> Request:
    shaped = FORMAT.shape(body, Ask(url=url, model="whisper-1"))
    return Request((1,), ("a",), "transcription", shaped.model, shaped.body, path=shaped.path)


def form(request: Request) -> tuple[Field, ...]:
    step = FORMAT.start(request)
    assert isinstance(step, Send)
    assert isinstance(step.call.payload, Form)
    return step.call.payload.fields


def parts(**fields: Any) -> list[tuple[str, Any]]:
    return [(one.name, one.value) for one in form(asking(**fields))[1:-1]]


def answer(request: Request, body: Any, *, streamed: bool = False) -> Answer:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    step = FORMAT.next(request, None, Reply(200, {}, raw, streamed=streamed))
    assert isinstance(step, Done)
    return step.answer


def failure(request: Request, body: Any, status: int = 200, **how: Any) -> errors.CallFailed:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    with pytest.raises(errors.CallFailed) as caught:
        FORMAT.next(request, None, Reply(status, {}, raw, **how))
    return caught.value


def fold(*events: Any) -> bytes:
    folder = FORMAT.folder(asking(stream=True))
    assert folder is not None
    for event in events:
        folder.feed(event if isinstance(event, bytes) else orjson.dumps(event))
    return folder.body()


# The form


@pytest.mark.parametrize(
    "source",
    ["file:talks/a.m4a", "https://h.example/a.mp3", DATA, "UklGRg=="],
)
@pytest.mark.parametrize("key", ["file", "file_url"])
def test_a_file_is_read_when_it_is_sent_and_goes_out_last(source: str, key: str) -> None:
    request = request_of(orjson.dumps({key: source, "model": "whisper-1"}))

    assert form(request) == (
        Field("model", "whisper-1"),
        Field("file", FileRef(source, name="audio")),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("en", [("x", "en")]),
        ('a "quote" \u00fc\n', [("x", 'a "quote" \u00fc\n')]),
        (0, [("x", "0")]),
        (True, [("x", "true")]),
        (None, []),
        (["word", "segment"], [("x[]", "word"), ("x[]", "segment")]),
        ([], []),
        ({"type": "server_vad", "n": 1}, [("x[type]", "server_vad"), ("x[n]", "1")]),
    ],
)
def test_values_go_out_as_official_clients_write_them(value: Any, expected: Any) -> None:
    assert parts(x=value) == expected


def test_a_name_that_says_it_comes_several_times_is_left_so() -> None:
    assert parts(**{"timestamp_granularities[]": ["word"]}) == [
        ("timestamp_granularities[]", "word")
    ]


def test_numbers_are_sent_as_they_are_written() -> None:
    request = request_of(b'{ "file" : "UklGRg==" , "temperature" : 0.20 , "x" : [ 1.0 , "a" ] }')

    told = [(one.name, one.value) for one in form(request)]

    assert told[:3] == [("temperature", "0.20"), ("x[]", "1.0"), ("x[]", "a")]
    assert told[3] == ("model", "whisper-1")


def test_both_endpoints_are_served_and_a_body_alone_is_to_be_transcribed() -> None:
    assert asking().path == "/v1/audio/transcriptions"
    assert asking(TRANSLATIONS).path == TRANSLATIONS
    assert FORMAT.mine({"file": "file:a.wav"})
    assert FORMAT.mine({"file_url": "https://h.example/a.wav"})
    assert not FORMAT.mine({"file": "x", "messages": []})


@pytest.mark.parametrize("body", [b"{}", b'{"file":""}', b'{"file":{}}', b'{"file_url":null}'])
def test_a_body_without_a_file_is_no_request(body: bytes) -> None:
    with pytest.raises(errors.BadBody, match="file"):
        FORMAT.shape(body, Ask(model="whisper-1"))


def test_what_was_heard_may_be_heard_again() -> None:
    step = FORMAT.start(asking())

    assert isinstance(step, Send)
    assert (step.call.repeat, step.call.expect, step.call.media) == ("free", "json", True)
    assert FORMAT.folder(asking()) is None


def test_a_file_within_the_body_is_no_text_to_be_estimated() -> None:
    assert FORMAT.estimate(asking(file="A" * 100_000)) == FORMAT.estimate(asking())


# The texts


def test_a_text_in_json_is_the_content() -> None:
    got = answer(asking(), b'{"text": "Ebb.",\n "logprobs": null}')

    assert (got.content, got.finish, got.usage) == ("Ebb.", "stop", None)
    assert got.body == b'{"text": "Ebb.", "logprobs": null}'


def test_silence_is_an_answer() -> None:
    assert answer(asking(), {"text": ""}).content == ""
    assert answer(asking(response_format="text"), b"\n").content == "\n"


@pytest.mark.parametrize("shape", ["text", "srt", "vtt"])
@pytest.mark.parametrize("text", ["Ebb \u00fc.\n", "WEBVTT\n\n", "data: it said", "[1]", "7"])
def test_a_plain_text_becomes_a_body_with_the_text(shape: str, text: str) -> None:
    got = answer(asking(response_format=shape), text.encode())

    assert orjson.loads(got.body) == {"text": text}
    assert (got.content, got.usage) == (text, None)


def test_a_byte_order_mark_is_no_part_of_a_plain_text() -> None:
    assert answer(asking(response_format="srt"), b"\xef\xbb\xbf1\n").content == "1\n"


def test_json_in_the_place_of_a_plain_text_is_read_as_json() -> None:
    told = {"text": "Ebb.", "usage": {"type": "duration", "seconds": 2}}

    got = answer(asking(response_format="text"), told)

    assert (got.content, got.usage) == ("Ebb.", Usage({Meter.MILLISECONDS: 2000}))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", errors.NotAnAnswer),
        (b"\xff\xfe", errors.NotAnAnswer),
        (b" <!DOCTYPE html><p>", errors.WebPage),
        (b"<html>", errors.WebPage),
        (b'{"error":{"message":"no","type":"overloaded_error"}}', errors.Overloaded),
    ],
)
def test_what_is_no_plain_text_is_no_answer(body: bytes, kind: type) -> None:
    assert type(failure(asking(response_format="vtt"), body)) is kind


def test_a_plain_text_under_a_bad_status_is_a_failure() -> None:
    got = failure(asking(response_format="text"), b"upstream gone", 502)

    assert (type(got), got.status) == (errors.ServerTrouble, 502)


@pytest.mark.parametrize("told", [{}, {"text": None}, {"text": 7}])
def test_json_without_a_text_is_no_answer_and_what_it_took_is_known(told: Any) -> None:
    got = failure(asking(), {**told, "usage": {"seconds": 1}})

    assert type(got) is errors.NotAnAnswer
    assert got.usage == Usage({Meter.MILLISECONDS: 1000})


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            {"usage": {"input_tokens": 14, "output_tokens": 9, "total_tokens": 23}},
            {Meter.INPUT: 14, Meter.OUTPUT: 9},
        ),
        (
            {
                "usage": {
                    "input_tokens": 14,
                    "input_token_details": {"text_tokens": 2, "audio_tokens": 12},
                    "output_tokens": 9,
                }
            },
            {Meter.INPUT: 2, Meter.INPUT_AUDIO: 12, Meter.OUTPUT: 9},
        ),
        (
            {"usage": {"input_tokens": 14, "input_tokens_details": {"audio_tokens": 14}}},
            {Meter.INPUT: 0, Meter.INPUT_AUDIO: 14},
        ),
        ({"usage": {"input_tokens": 14, "seconds": 7}, "duration": 7}, {Meter.INPUT: 14}),
        ({"usage": {"type": "duration", "seconds": 7}}, {Meter.MILLISECONDS: 7000}),
        ({"usage": {"seconds": 7.25}, "duration": 9}, {Meter.MILLISECONDS: 7250}),
        (
            {
                "usage": {
                    "prompt_audio_seconds": 36,
                    "prompt_tokens": 13,
                    "completion_tokens": 151,
                    "total_tokens": 164,
                }
            },
            {Meter.INPUT: 13, Meter.OUTPUT: 151, Meter.MILLISECONDS: 36000},
        ),
        ({"duration": 7.2504}, {Meter.MILLISECONDS: 7250}),
        ({"duration": "7.25"}, {Meter.MILLISECONDS: 7250}),
        ({"usage": {}, "duration": 0}, {Meter.MILLISECONDS: 0}),
    ],
)
def test_tokens_are_metered_if_they_are_told_and_else_the_time(told: Any, expected: Any) -> None:
    assert answer(asking(), {"text": "x", **told}).usage == Usage(expected)


@pytest.mark.parametrize(
    "duration",
    [
        *(b"null", b"true", b'"long"', b'""', b'"nan"', b'"inf"', b'"1e999"', b"-1", b"[7]", b"{}"),
        *(b"1e308", b"9" * 30, b'"%b"' % (b"1" * 5000)),
    ],
)
def test_a_time_that_is_none_is_unknown(duration: bytes) -> None:
    assert answer(asking(), b'{"text":"x","duration":%b}' % duration).usage is None


# Streams

DELTA = {"type": "transcript.text.delta", "delta": "Ebb"}
DONE = {"type": "transcript.text.done", "text": "Ebb.", "usage": {"input_tokens": 3}}


def test_a_stream_is_expected_where_it_is_asked_for() -> None:
    step = FORMAT.start(asking(stream=True))

    assert isinstance(step, Send)
    assert step.call.expect == "events"
    assert ("stream", "true") in parts(stream=True)


def test_a_stream_folds_into_the_body_of_the_whole_answer() -> None:
    got = answer(asking(stream=True), fold(DELTA, {**DELTA, "delta": "."}, DONE), streamed=True)

    assert orjson.loads(got.body) == {"text": "Ebb.", "usage": {"input_tokens": 3}}
    assert (got.content, got.usage) == ("Ebb.", Usage({Meter.INPUT: 3}))


SEGMENT = {"type": "transcript.text.segment", "id": "seg_0", "speaker": "A", "text": "Ebb."}


def test_a_stream_keeps_who_said_what_as_the_whole_answer_has_it() -> None:
    second = {**SEGMENT, "id": "seg_1", "speaker": "B"}

    got = answer(asking(stream=True), fold(DELTA, SEGMENT, second, DONE), streamed=True)

    assert orjson.loads(got.body)["segments"] == [SEGMENT, second]
    assert got.content == "Ebb."


def test_half_a_segment_leaves_no_answer_since_nothing_repeats_it() -> None:
    got = failure(asking(stream=True), fold(SEGMENT, b'{"type":"trans', DONE), streamed=True)

    assert type(got) is errors.CutAnswer


def test_an_end_that_does_not_repeat_the_text_leaves_the_pieces() -> None:
    body = fold(DELTA, b"{", {"type": "transcript.text.done"})

    assert answer(asking(stream=True), body, streamed=True).content == "Ebb"


@pytest.mark.parametrize("events", [[], [DELTA], [DELTA, b'{"type":"transcript.text.do']])
def test_a_stream_without_its_end_is_cut(events: list[Any]) -> None:
    got = failure(asking(stream=True), fold(*events), streamed=True)

    assert type(got) is errors.CutAnswer


def test_an_end_nested_deeper_than_any_real_one_is_no_end() -> None:
    deep = b'{"type":"transcript.text.done","text":"x","usage":' + b"[" * 900 + b"]" * 900 + b"}"

    got = failure(asking(stream=True), fold(DELTA, deep), streamed=True)

    assert type(got) is errors.CutAnswer


def test_an_error_within_a_stream_is_named() -> None:
    with pytest.raises(errors.Overloaded):
        fold(DELTA, {"error": {"message": "busy", "type": "overloaded_error"}})


def test_a_model_that_knows_no_streams_answers_as_a_whole() -> None:
    assert answer(asking(stream=True), {"text": "Ebb."}).content == "Ebb."


def test_a_streamed_text_is_json_whatever_format_was_asked_for() -> None:
    request = asking(stream=True, response_format="text")

    assert answer(request, fold(DELTA, DONE), streamed=True).content == "Ebb."
