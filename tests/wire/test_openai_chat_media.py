"""Chat completions whose answer is a picture, a film or speech: what is kept, and what fetched."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from batch import errors
from batch.records import Answer, Done, FileRef, Reply, Request, Saved, Send, Spliced, Step, Wait
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire._sse import Events
from batch.wire.openai_chat import FORMAT
from batch.wire.openai_chat.media import join_base64

SAMPLES = Path(__file__).parent / "samples" / "chat"
USED = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
TOKENS = {Meter.INPUT: 9, Meter.OUTPUT: 4}
PNG = "data:image/png;base64,iVBORw0KGgo="
GIF = "data:image/gif;base64,R0lGODlhAQ=="
WAV = "UklGRhoAAABXQVZFZm10IA=="
CDN = "https://files.example/cdn"
SIGNED = "https://v.example/assets%2Ftask_1%2Fvideos%2F0.mp4?st=1%3A2&sig=a%2Bb%3D"
BEFORE = '{"prompt": "a heron"}\n\n> 排队中..\n> 进度 **34%**\n'


def asking(model: str, ask: Ask | None = None, **fields: Any) -> Request:
    given = {"model": model, "messages": [{"role": "user", "content": "x"}], **fields}
    body = json.dumps(given, separators=(",", ":")).encode()
    shaped = FORMAT.shape(body, ask or Ask(add_usage=False))
    return Request(
        (1,), ("a",), "chat", model, body, path=shaped.path, makes=shaped.makes, stem="1-ab"
    )


TEXT = asking("gpt-4o")
PICTURE = asking("gpt-4o-image")
FILM = asking("sora_video2")
SPEECH = asking("gpt-4o-audio-preview", modalities=["text", "audio"], audio={"format": "wav"})


def body_of(*messages: Any, finish: Any = "stop", key: str = "message", **more: Any) -> bytes:
    choices = [
        {"index": n, key: message, "finish_reason": finish} for n, message in enumerate(messages)
    ]
    return orjson.dumps({"id": "c1", "choices": choices, "usage": USED} | more)


def said(content: Any) -> bytes:
    return body_of({"role": "assistant", "content": content})


def step(request: Request, body: bytes) -> Step:
    return FORMAT.next(request, None, Reply(200, {"x-oneapi-request-id": "gw-1"}, body))


def answer(request: Request, body: bytes) -> Answer:
    """Return the answer to which a body leads at once: nothing is fetched."""
    done = step(request, body)
    assert isinstance(done, Done), done
    return done.answer


def blobs(request: Request, body: bytes) -> list[str]:
    return [blob.text for blob in answer(request, body).blobs]


def wanted(request: Request, body: bytes) -> list[list[str]]:
    """Return, for each file that is fetched, the addresses that are tried."""
    waits = step(request, body)
    assert isinstance(waits, Wait), waits
    assert waits.seconds == 0
    assert (waits.call.kind, waits.call.origin, waits.call.expect) == ("fetch", "foreign", "file")
    found: list[list[str]] = waits.state["wanted"]
    assert waits.call.path == found[0][0]
    return found


def images(usage: Usage | None) -> int | None:
    return usage.counts.get(Meter.IMAGES) if usage else None


def fetched(request: Request, body: bytes, *files: Saved) -> Answer:
    """Return the answer after all its files came."""
    now = step(request, body)
    for file in files:
        assert isinstance(now, Wait), now
        now = FORMAT.next(request, now.state, Reply(200, {}, file))
    assert isinstance(now, Done), now
    return now.answer


def png(name: str) -> Saved:
    return Saved(name, 9, "0" * 64, "image/png")


# ------------------------------------------------------------------------------------- pictures

HELD = [
    ("beside the text", {"content": "x", "images": [{"image_url": {"url": PNG}}]}, [PNG]),
    ("beside the text, shorter", {"images": [{"image_url": PNG}, {"url": GIF}]}, [PNG, GIF]),
    ("beside no text", {"content": None, "images": [{"image_url": {"url": PNG}}]}, [PNG]),
    ("as a part", {"content": [{"type": "image_url", "image_url": {"url": PNG}}]}, [PNG]),
    ("in the text of a part", {"content": [{"type": "text", "text": f"![]({PNG})"}]}, [PNG]),
    ("shown in the text", {"content": f"Here:\n![image]({PNG})\nand ![image]({GIF})"}, [PNG, GIF]),
    ("as all of the text", {"content": f" {PNG}\n"}, [PNG]),
    ("twice", {"content": f"![]({PNG}) ![]({PNG})", "images": [{"url": PNG}]}, [PNG]),
    ("with a link to it", {"content": f"![]({PNG}) [download](https://h/a.png)"}, [PNG]),
    ("in a message that is called a delta", None, [PNG]),
]


@pytest.mark.parametrize(("where", "message", "held"), HELD, ids=[row[0] for row in HELD])
@pytest.mark.parametrize("request_", [PICTURE, TEXT], ids=["asked for", "of an unknown model"])
def test_pictures_that_the_body_holds_become_files(
    where: str, message: Any, held: list[str], request_: Request
) -> None:
    body = body_of(message) if message else body_of({"content": f"![]({PNG})"}, key="delta")

    got = answer(request_, body)

    assert [blob.text for blob in got.blobs] == held
    assert [blob.name for blob in got.blobs] == [f"1-ab-0-{n}" for n in range(len(held))]
    assert {blob.hint for blob in got.blobs} == {""}
    assert got.body is body  # the engine puts the names in
    assert got.usage == Usage(TOKENS | {Meter.IMAGES: len(held)})


LINKED = [
    ("shown", "![a heron](https://h/a)", [["https://h/a"]]),
    ("linked", "done: [heron](https://h/a.webp?x=1)", [["https://h/a.webp?x=1"]]),
    ("mentioned", "It is at https://h/a.png.", [["https://h/a.png"]]),
    ("two that are shown", "![](https://h/1) ![](https://h/2)", [["https://h/1"], ["https://h/2"]]),
    ("shown twice", "![](https://h/1) ![](https://h/1)", [["https://h/1"]]),
    (
        "shown, with progress before, and a link to the same",
        f"{BEFORE}![{CDN}/1/a.png]({CDN}/1/a.png)\n[下载⏬]({CDN}/download/1/a.png)\n",
        [[f"{CDN}/1/a.png", f"{CDN}/download/1/a.png"]],
    ),
    (
        "two of them, each with a link to the same",
        f"![]({CDN}/1.png) ![]({CDN}/2.png) [1]({CDN}/download/1.png) [2]({CDN}/download/2.png)",
        [[f"{CDN}/{n}.png", f"{CDN}/download/{n}.png"] for n in (1, 2)],
    ),
    (
        "linked to twice, to look at and to have",
        f"[preview]({CDN}/preview/a.png) [download]({CDN}/download/a.png)",
        [[f"{CDN}/preview/a.png", f"{CDN}/download/a.png"]],
    ),
    (
        "shown, and a link elsewhere",
        "![](https://h/a.png) like [this one](https://other/b.png)",
        [["https://h/a.png"]],
    ),
    (
        "shown, after the one that was asked about was mentioned",
        "From https://mine/in.png I made ![](https://h/out.png)",
        [["https://h/out.png"]],
    ),
]


@pytest.mark.parametrize(("how", "text", "files"), LINKED, ids=[row[0] for row in LINKED])
def test_pictures_that_the_text_leads_to_are_fetched(
    how: str, text: str, files: list[list[str]]
) -> None:
    assert wanted(PICTURE, said(text)) == files
    assert wanted(PICTURE, said([{"type": "text", "text": text}])) == files


def test_pictures_beside_the_text_are_surer_than_those_in_it() -> None:
    message = {
        "content": f"![]({CDN}/download/a.png) ![](https://h/b.png)",
        "images": [{"image_url": {"url": f"{CDN}/a.png"}}],
    }

    assert wanted(PICTURE, body_of(message)) == [[f"{CDN}/a.png", f"{CDN}/download/a.png"]]


def test_pictures_of_all_choices_are_fetched_each_once() -> None:
    messages = [{"content": f"![](https://h/{name}.png)"} for name in ("a", "b", "a")]

    assert wanted(PICTURE, body_of(*messages)) == [["https://h/a.png"], ["https://h/b.png"]]


def test_a_fetched_picture_takes_the_place_of_every_address_that_led_to_it() -> None:
    text = f"![{CDN}/1/a.png]({CDN}/1/a.png)\n[下载]({CDN}/download/1/a.png) 图"
    body = said(text)[:-1] + b', "n": 1.10, "big":123456789012345678901}'

    got = fetched(PICTURE, body, png("1-ab-0-0.png"))

    named = "wbatch-file:1-ab-0-0.png"
    shown = text.replace(f"{CDN}/download/1/a.png", named).replace(f"{CDN}/1/a.png", named)
    assert got.body == body.replace(orjson.dumps(text), orjson.dumps(shown))
    assert got.files == (png("1-ab-0-0.png"),)
    assert got.usage == Usage(TOKENS | {Meter.IMAGES: 1})
    assert (got.request_id, got.finish) == ("gw-1", "stop")


def test_where_the_first_address_gives_nothing_the_next_one_is_tried() -> None:
    first = step(PICTURE, said(f"![]({CDN}/a.png) [get]({CDN}/download/a.png)"))
    assert isinstance(first, Wait)

    second = FORMAT.next(PICTURE, first.state, Reply(404, {}, b"gone"))

    assert isinstance(second, Send)
    assert second.call.path == f"{CDN}/download/a.png"
    with pytest.raises(errors.FileGone):
        FORMAT.next(PICTURE, second.state, Reply(404, {}, b"gone"))


def test_what_is_fetched_must_be_what_was_asked_for() -> None:
    first = step(PICTURE, said("![](https://h/a)"))
    assert isinstance(first, Wait)

    with pytest.raises(errors.FileGone):
        FORMAT.next(PICTURE, first.state, Reply(200, {}, Saved("a.mp4", 9, "", "video/mp4")))


def test_after_a_crash_the_fetching_goes_on() -> None:
    first = step(PICTURE, said("![](https://h/1) ![](https://h/2)"))
    assert isinstance(first, Wait)
    second = FORMAT.next(PICTURE, first.state, Reply(200, {}, png("1-ab-0-0.png")))
    assert isinstance(second, Wait)

    again = FORMAT.resume(PICTURE, json.loads(json.dumps(second.state)))

    assert isinstance(again, Send)
    assert again.call.path == "https://h/2"
    assert again.call.save_as == "1-ab-0-1"


def test_of_a_thousand_pictures_a_bounded_number_is_fetched() -> None:
    shown = "".join(f"![](https://h/{n}.png)" for n in range(1000))

    assert len(wanted(PICTURE, said(shown))) < 100


def test_speech_beside_a_picture_has_a_name_of_its_own() -> None:
    message = {"content": "![](https://h/a.png)", "audio": {"data": WAV, "transcript": "Look."}}

    got = fetched(PICTURE, body_of(message), png("1-ab-0-0.png"))

    assert [(blob.text, blob.name) for blob in got.blobs] == [(WAV, "1-ab-0-1")]
    assert images(got.usage) == 1


# ------------------------------------------------------------------- an answer that is a text


@pytest.mark.parametrize(
    "content",
    [
        "![logo](https://h/a.png)",
        "see [the picture](https://h/a.png) and https://h/b.mp4",
        f'<img src="{PNG}"> and ![](https://h/a.png)',
        f"url({GIF})",
        f"Use `{PNG}` here.",
        "no media; ;base64, is a word",
    ],
)
def test_a_text_loses_nothing_and_its_links_are_not_followed(content: str) -> None:
    got = answer(TEXT, said(content))

    assert got.blobs == ()
    assert got.content == content
    assert got.usage == Usage(TOKENS)


def test_addresses_beside_the_text_of_a_model_that_makes_none_are_not_followed() -> None:
    message = {"content": "x", "images": [{"image_url": {"url": "https://h/found.png"}}]}

    assert blobs(TEXT, body_of(message)) == []


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x", "audio": None},
        {"content": "x", "audio": {"id": "a", "data": None, "transcript": "x"}},
        {"content": "x", "audio": {"id": "a", "data": "", "transcript": "x"}},
        {"content": "x", "audio": [], "images": {"url": PNG}},
        {"content": "x", "images": [None, 7, {"image_url": 7}, {"image_url": {"url": 7}}, [PNG]]},
        {"content": [None, 7, {"text": 7}, {"image_url": []}, {"text": "x;base64,"}]},
    ],
)
def test_values_of_another_kind_are_no_media(message: Any) -> None:
    assert blobs(TEXT, body_of(message)) == []


# ---------------------------------------------------------------------------------- no picture


@pytest.mark.parametrize(
    ("request_", "message", "words"),
    [
        (PICTURE, {"content": "I cannot draw that."}, "no image, only the text: I cannot draw"),
        (PICTURE, {"content": "See [our rules](https://h/images)."}, "no image, only"),
        (PICTURE, {"content": None, "refusal": "I will not."}, "no image, only the text: I will"),
        (PICTURE, {"content": ""}, "no image$"),
        (PICTURE, {"content": "a film: https://h/a.mp4"}, "no image"),
        (PICTURE, {"content": None, "audio": {"data": WAV, "transcript": "No."}}, "no image"),
        (FILM, {"content": "failed: [here](https://h/1)"}, "no video, only the text: failed"),
        (FILM, {"content": "![poster](https://h/a.png)"}, "no video"),
        (FILM, {"content": "x", "images": [{"url": PNG}]}, "no video"),
        (SPEECH, {"content": "Hi."}, "no audio, only the text: Hi"),
        (
            SPEECH,
            {"content": "", "audio": {"id": "a", "data": "", "transcript": "Hi."}},
            "no audio",
        ),
    ],
)
def test_an_answer_without_what_was_asked_for_is_none_and_says_why(
    request_: Request, message: Any, words: str
) -> None:
    with pytest.raises(errors.NoMedia, match=words) as caught:
        step(request_, body_of(message))

    assert caught.value.usage == Usage(TOKENS)
    assert caught.value.status == 200
    assert caught.value.request_id == "gw-1"


def test_a_call_of_a_tool_is_an_answer_of_any_model() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]

    got = answer(SPEECH, body_of({"content": None, "tool_calls": calls}, finish="tool_calls"))

    assert (got.finish, got.blobs) == ("tool", ())


@pytest.mark.parametrize(
    ("finish", "kind"), [(None, errors.CutAnswer), ("error", errors.CutAnswer)]
)
def test_pictures_of_an_answer_that_is_none_are_in_its_cost(
    finish: Any, kind: type[errors.CallFailed]
) -> None:
    with pytest.raises(kind) as caught:
        step(PICTURE, body_of({"content": f"![]({PNG})"}, finish=finish))

    assert caught.value.usage == Usage(TOKENS | {Meter.IMAGES: 1})


def test_pictures_are_counted_though_nobody_reports_tokens() -> None:
    got = answer(PICTURE, body_of({"content": f"![]({PNG})"}, usage=None))

    assert got.usage == Usage({Meter.IMAGES: 1})


# --------------------------------------------------------------------------------------- films

FILMS = [
    ("a link", "done, [click here](https://h/x.mp4)", [["https://h/x.mp4"]]),
    ("a link that says so", "[下载视频](https://h/d?id=1)", [["https://h/d?id=1"]]),
    ("bare", "> 100%\nhttps://h/x.webm", [["https://h/x.webm"]]),
    (
        "with a poster",
        f"> 生成完成 ✅\n\n![https://h/p.webp](https://h/p.webp)\n[在线播放▶️]({SIGNED})",
        [[SIGNED]],
    ),
    (
        "to look at and to have",
        f"[▶️]({CDN}/1/a.mp4) | [⏬]({CDN}/download/1/a.mp4)",
        [[f"{CDN}/1/a.mp4", f"{CDN}/download/1/a.mp4"]],
    ),
]


@pytest.mark.parametrize(("how", "text", "files"), FILMS, ids=[row[0] for row in FILMS])
@pytest.mark.parametrize("key", ["message", "delta"])
def test_films_that_the_text_leads_to_are_fetched(
    how: str, text: str, files: list[list[str]], key: str
) -> None:
    assert wanted(FILM, body_of({"role": "assistant", "content": text}, key=key)) == files


def test_a_film_may_be_a_part() -> None:
    part = {"type": "video_url", "video_url": {"url": "https://h/x"}}

    assert wanted(FILM, said([part])) == [["https://h/x"]]


def test_a_film_that_the_body_holds_becomes_a_file() -> None:
    film = "data:video/mp4;base64,AAAAGGZ0eXA="

    got = answer(FILM, said(f"[film]({film})"))

    assert [blob.text for blob in got.blobs] == [film]
    assert images(got.usage) is None


def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + orjson.dumps(head | {"choices": [choice]} | more) + b"\n\n"


def folded(request: Request, stream: bytes) -> bytes:
    events, folder = Events(), FORMAT.folder(request)
    assert folder is not None
    for event in [*events.feed(stream), *events.end()]:
        folder.feed(event)
    return folder.body()


def test_a_film_is_found_behind_the_progress_that_a_stream_tells() -> None:
    lines = [
        "> 排队中..\n",
        "> 进度 10%\n",
        "> 进度 99%\n",
        "[点击",
        "下载](https://h/",
        "x.mp4)\n",
    ]
    stream = chunk({"role": "assistant", "content": ""})
    stream += b"".join(chunk({"content": line}) for line in lines)
    end = chunk({}, "stop") + chunk({}, usage=USED) + b"data: [DONE]\n\n"

    assert wanted(FILM, folded(FILM, stream + end)) == [["https://h/x.mp4"]]
    with pytest.raises(errors.CutAnswer):
        step(FILM, folded(FILM, stream))


def test_pictures_in_a_stream_are_found_beside_the_text() -> None:
    image = {"type": "image_url", "index": 0, "image_url": {"url": PNG}}
    stream = chunk({"role": "assistant", "content": "Here."}) + chunk({"images": [image]})

    got = answer(PICTURE, folded(PICTURE, stream + chunk({}, "stop", usage=USED)))

    assert [blob.text for blob in got.blobs] == [PNG]
    assert got.content == "Here."


# -------------------------------------------------------------------------------------- speech


@pytest.mark.parametrize("content", [None, "", "Hi."])
def test_speech_becomes_a_file_and_its_transcript_is_the_content(content: Any) -> None:
    audio = {"id": "a", "data": WAV, "transcript": "Hi.", "expires_at": 1}

    got = answer(SPEECH, body_of({"content": content, "audio": audio}))

    assert [(blob.text, blob.name) for blob in got.blobs] == [(WAV, "1-ab-0-0")]
    assert got.content == "Hi."
    assert images(got.usage) is None


def test_speech_that_nobody_knew_would_come_becomes_a_file() -> None:
    assert blobs(TEXT, body_of({"content": None, "audio": {"data": WAV}})) == [WAV]


def test_a_link_beside_speech_is_not_followed() -> None:
    message = {"content": "[song](https://h/a.mp3)", "audio": {"data": WAV}}

    assert blobs(SPEECH, body_of(message)) == [WAV]


def test_songs_that_a_text_leads_to_are_fetched_if_the_settings_say_so() -> None:
    request = asking("singer-v3", Ask(makes=(("singer-*", "audio"),)))

    assert wanted(request, said("[listen](https://h/a.mp3)")) == [["https://h/a.mp3"]]


@pytest.mark.parametrize(
    ("audio", "hint"),
    [
        ({"voice": "alloy", "format": "pcm16"}, "pcm"),
        ({"voice": "Tina", "format": "pcm"}, "pcm"),
        ({"voice": "Tina", "format": "wav"}, "pcm"),  # without its header it is nothing else
        ({"voice": "alloy", "format": "mp3"}, ""),
        ({"voice": "pcm16"}, ""),
        ({"format": ["pcm16"]}, ""),
        ("pcm16", ""),
        (None, ""),
    ],
)
def test_samples_without_a_header_are_known_by_what_was_asked(audio: Any, hint: str) -> None:
    request = asking("gpt-4o-audio-preview", modalities=["text", "audio"], audio=audio, stream=True)
    stream = chunk({"role": "assistant"}) + chunk({"audio": {"id": "a", "transcript": "H"}})
    stream += chunk({"audio": {"data": "AQAC"}}) + chunk({"audio": {"transcript": "i"}})
    stream += chunk({"audio": {"data": "AAMA"}}) + chunk({}, "stop")

    got = answer(request, folded(request, stream))

    assert [(blob.text, blob.hint) for blob in got.blobs] == [("AQACAAMA", hint)]
    assert got.content == "Hi"


def test_a_picture_gets_no_hint() -> None:
    request = asking("m", modalities=["audio"], audio={"format": "pcm16"})
    message = {"content": None, "images": [{"url": PNG}], "audio": {"data": WAV}}

    # Of an unknown model, as only then both are looked for.
    unknown = msgspec.structs.replace(request, makes="text")
    assert [blob.hint for blob in answer(unknown, body_of(message)).blobs] == ["pcm", ""]


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([], ""),
        (["AQAC"], "AQAC"),
        (["AQAC", "AAMA"], "AQACAAMA"),
        (["AQ", "ACAA", "=="], "AQACAA=="),  # cut anywhere
        (["AQA=", "", "AgA="], b64encode(b"\1\0\2\0").decode()),  # each by itself
        (["AQA=", "AgA", "="], "AQA=AgA="),  # neither
        (["A===", "!"], "A===!"),
    ],
)
def test_base64_in_pieces_is_joined_however_it_was_cut(pieces: list[str], whole: str) -> None:
    assert join_base64(pieces) == whole


def test_speech_in_padded_pieces_is_one_file() -> None:
    stream = chunk({"role": "assistant"})
    stream += b"".join(chunk({"audio": {"data": piece}}) for piece in ("UklGRg==", "GgAAAA=="))

    (blob,) = answer(SPEECH, folded(SPEECH, stream + chunk({}, "stop"))).blobs

    assert b64decode(blob.text) == b"RIFF\x1a\0\0\0"


def test_the_samples_of_a_streamed_voice_are_what_was_sent() -> None:
    request = msgspec.structs.replace(
        SPEECH, body=(SAMPLES / "request-voice-stream.json").read_bytes()
    )

    got = answer(request, folded(request, (SAMPLES / "200-voice-stream+pcm.txt").read_bytes()))

    (blob,) = got.blobs
    assert b64decode(blob.text) == b"".join(bytes((n % 200, n % 3)) for n in range(24))
    assert (blob.hint, got.content) == ("pcm", "One, two.")
    assert got.usage == Usage({Meter.INPUT: 12, Meter.OUTPUT: 6, Meter.OUTPUT_AUDIO: 24})


# ------------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("model", "fields", "makes", "kind"),
    [
        ("gpt-4o", {}, (), "text"),
        ("gpt-4o-image", {}, (), "image"),
        ("sora_video2", {}, (), "video"),
        ("gpt-4o-audio-preview", {}, (), "text"),
        ("m", {"modalities": ["text", "audio"]}, (), "audio"),
        ("m", {"modalities": ["text", "image"]}, (), "image"),
        ("m", {"modalities": ["text"]}, (), "text"),
        ("m", {"modalities": "audio"}, (), "text"),
        ("m", {"modalities": [["audio"], {}, 7]}, (), "text"),
        ("gpt-4o-image", {"modalities": ["text"]}, (), "image"),
        ("painter-1", {}, (("painter-*", "image"),), "image"),
        ("gpt-4o-image", {}, (("gpt-4o-*", "text"),), "text"),
        ("gpt-4o-image", {"modalities": ["audio"]}, (("gpt-*", "text"),), "audio"),
    ],
)
def test_a_call_that_makes_media_is_made_once_and_takes_long(
    model: str, fields: dict[str, Any], makes: Any, kind: str
) -> None:
    request = asking(model, Ask(makes=makes), **fields)

    begun = FORMAT.start(request)

    assert request.makes == kind
    assert isinstance(begun, Send)
    assert begun.call.repeat == FORMAT.repeat(request) == ("free" if kind == "text" else "once")
    assert begun.call.media == (kind != "text")


@pytest.mark.parametrize("request_", [PICTURE, FILM, SPEECH])
def test_nothing_bounds_what_media_cost(request_: Request) -> None:
    body = request_.body[:-1] + b',"max_tokens":10}'

    assert FORMAT.bound(msgspec.structs.replace(request_, body=body)) is None


PARTS = [
    ({"type": "image_url", "image_url": {"url": "FILE", "detail": "low"}}, "data_uri"),
    ({"type": "image_url", "image_url": "FILE"}, "data_uri"),
    ({"type": "video_url", "video_url": {"url": "FILE"}}, "data_uri"),
    ({"type": "input_audio", "input_audio": {"data": "FILE", "format": "wav"}}, "base64"),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": "FILE"}}, "data_uri"),
]


@pytest.mark.parametrize(("part", "encoding"), PARTS)
def test_a_part_may_name_a_file(part: Any, encoding: Any) -> None:
    text = {"type": "text", "text": "file:a is what I say"}
    request = asking("gpt-4o", messages=[{"role": "user", "content": [text, part]}], seed=10**30)
    before, after = request.body.split(b"FILE")
    request = msgspec.structs.replace(request, body=before + b"file:a.b" + after)

    begun = FORMAT.start(request)

    assert isinstance(begun, Send)
    assert begun.call.payload == Spliced((before, FileRef("file:a.b", encoding), after))


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "file:a.png"}]},
        {"metadata": {"url": "file:a.png", "data": "file:b"}},
        {"tools": [{"type": "function", "function": {"name": "f", "url": "file:a"}}]},
        {"messages": [{"role": "user", "content": [{"image_url": {"url": "https://h/a.png"}}]}]},
        {"messages": [{"role": "user", "content": [{"image_url": {"url": PNG}}]}]},
    ],
)
def test_no_other_text_names_a_file(fields: dict[str, Any]) -> None:
    request = asking("gpt-4o", **fields)

    begun = FORMAT.start(request)

    assert isinstance(begun, Send)
    assert begun.call.payload is request.body
