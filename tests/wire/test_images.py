"""Pictures: what is asked as JSON and as a form, what counts as an answer, what a stream means."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from batch import errors
from batch.mock._samples import png
from batch.records import (
    Answer,
    Done,
    Field,
    FileRef,
    Form,
    Reply,
    Request,
    Saved,
    Send,
    Spliced,
    Step,
    Wait,
)
from batch.usage import Meter, fields
from batch.wire import Ask
from batch.wire._sse import Events
from batch.wire.images import FORMAT

DRAW, EDIT = "/v1/images/generations", "/v1/images/edits"
PLAIN: dict[str, Any] = {"model": "m", "prompt": "a cup"}
ONE, TWO = (b64encode(png(seed, 2)).decode() for seed in (1, 2))
HERE = "https://pictures.example/1.png?sig=a%2Fb"
THERE = "https://pictures.example/2.png"


def asking(body: Mapping[str, Any] | bytes = PLAIN, url: str = DRAW) -> Request:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    shaped = FORMAT.shape(raw, Ask(url=url, model="m"))
    return Request(
        (1,),
        ("a",),
        "images",
        shaped.model,
        shaped.body,
        path=shaped.path,
        makes=shaped.makes,
        stem="00000001-ab",
    )


def step_after(body: Any, *, streamed: bool = False) -> Step:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    reply = Reply(200, {"x-oneapi-request-id": "gw-1"}, raw, streamed=streamed)
    return FORMAT.next(asking(), None, reply)


def answer(body: Any, *, streamed: bool = False) -> Answer:
    step = step_after(body, streamed=streamed)
    assert isinstance(step, Done)
    return step.answer


def failure(body: Any, *, streamed: bool = False) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        step_after(body, streamed=streamed)
    return caught.value


def fold(*events: Any) -> bytes:
    folder = FORMAT.folder(asking())
    assert folder is not None
    stream = b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events)
    for event in Events().feed(stream):
        folder.feed(event)
    return folder.body()


def form(body: Mapping[str, Any] | bytes) -> tuple[Field, ...]:
    step = FORMAT.start(asking(body, EDIT))
    assert isinstance(step, Send)
    assert isinstance(step.call.payload, Form)
    return step.call.payload.fields


@pytest.mark.parametrize("url", [DRAW, EDIT])
def test_pictures_are_dear_large_and_made_once(url: str) -> None:
    request = asking({**PLAIN, "image": "file:a.png"}, url)

    step = FORMAT.start(request)

    assert isinstance(step, Send)
    assert (request.makes, step.call.repeat, step.call.media) == ("image", "once", True)
    assert (step.call.path, step.call.expect) == (url, "json")


@pytest.mark.parametrize("url", [DRAW, EDIT])
def test_a_stream_is_expected_where_one_is_asked_for(url: str) -> None:
    for told, expect in ((True, "events"), (False, "json"), (None, "json"), ("true", "json")):
        step = FORMAT.start(asking({**PLAIN, "image": "file:a.png", "stream": told}, url))

        assert isinstance(step, Send)
        assert step.call.expect == expect


@pytest.mark.parametrize(
    ("body", "url", "says"),
    [
        ({"model": "m"}, DRAW, "prompt"),
        ({"model": "m", "prompt": None}, DRAW, "prompt"),
        ({**PLAIN, "size": "1024\u00d71024"}, DRAW, '"1024x1024"'),
        ({**PLAIN, "size": "1024\u00d71024", "image": "file:a.png"}, EDIT, '"1024x1024"'),
        (PLAIN, EDIT, "image"),
        ({**PLAIN, "image": None}, EDIT, "image"),
        ({**PLAIN, "image": ""}, EDIT, "image"),
        ({**PLAIN, "image": []}, EDIT, "image"),
        ({**PLAIN, "image": ["file:a.png", None]}, EDIT, "image"),
        ({**PLAIN, "image": {"url": "https://a.example/b.png"}}, EDIT, "image"),
        ({**PLAIN, "image": "file:a.png", "image[]": "file:b.png"}, EDIT, "once"),
        ({**PLAIN, "image": "file:a.png", "mask": ["file:b.png"]}, EDIT, "mask"),
        ({**PLAIN, "image": "file:a.png", "style": {"a": 1}}, EDIT, '"style"'),
        ({**PLAIN, "image": "file:a.png", "tags": ["a"]}, EDIT, '"tags"'),
    ],
)
def test_a_body_that_cannot_be_sent_is_refused_in_words(
    body: Mapping[str, Any], url: str, says: str
) -> None:
    with pytest.raises(errors.BadBody, match=says):
        asking(body, url)


def test_a_body_without_a_url_is_a_generation() -> None:
    shaped = FORMAT.shape(orjson.dumps({**PLAIN, "image": "file:a.png"}), Ask())

    assert (shaped.path, shaped.endpoint) == (DRAW, DRAW)


def test_a_generation_may_begin_with_pictures() -> None:
    plain, begun = asking(), asking({**PLAIN, "image": ["file:a.png", HERE], "watermark": False})

    steps = [FORMAT.start(request) for request in (plain, begun)]

    sent = [step.call.payload for step in steps if isinstance(step, Send)]
    assert sent[0] == orjson.dumps(PLAIN)
    assert isinstance(sent[1], Spliced)
    head, file, tail = sent[1].pieces
    assert file == FileRef("file:a.png", "data_uri")
    assert isinstance(head, bytes)
    assert isinstance(tail, bytes)
    assert orjson.loads(head + b"A" + tail)["image"] == ["A", HERE]


def test_an_edit_is_a_form_with_its_values_as_json_writes_them() -> None:
    body = (
        b'{"prompt":"caf\\u00e9","n":2,"stream":true,"partial_images":0,"moderation":false,'
        b'"seed":123456789012345678901234567890,"strength":0.50,"user":null,"size":"1024x1024",'
        b'"image":"file:a.png","mask":"file:b.png"}'
    )

    assert form(body) == (
        Field("prompt", "café"),
        Field("n", "2"),
        Field("stream", "true"),
        Field("partial_images", "0"),
        Field("moderation", "false"),
        Field("seed", "123456789012345678901234567890"),
        Field("strength", "0.50"),
        Field("size", "1024x1024"),
        Field("image", FileRef("file:a.png", name="image")),
        Field("mask", FileRef("file:b.png", name="mask")),
        Field("model", "m"),
    )


@pytest.mark.parametrize(
    ("key", "asked", "parts"),
    [
        ("image", "file:a.png", [("image", "file:a.png", "image")]),
        ("image", ["file:a.png"], [("image", "file:a.png", "image")]),
        ("image[]", "file:a.png", [("image[]", "file:a.png", "image")]),
        (
            "image",
            ["file:a.png", HERE],
            [("image[]", "file:a.png", "image-1"), ("image[]", HERE, "image-2")],
        ),
        (
            "image[]",
            [ONE, f"data:image/png;base64,{TWO}"],
            [
                ("image[]", ONE, "image-1"),
                ("image[]", f"data:image/png;base64,{TWO}", "image-2"),
            ],
        ),
    ],
)
def test_one_picture_keeps_its_name_and_several_share_one(
    key: str, asked: Any, parts: list[tuple[str, str, str]]
) -> None:
    files = [part for part in form({**PLAIN, key: asked}) if isinstance(part.value, FileRef)]

    assert files == [Field(name, FileRef(source, "raw", called)) for name, source, called in parts]


@pytest.mark.parametrize(
    ("body", "mine"),
    [
        ({**PLAIN, "quality": "low"}, True),
        ({**PLAIN, "response_format": "url"}, True),
        ({**PLAIN, "style": "vivid"}, True),
        ({**PLAIN, "background": "opaque", "output_format": "png"}, True),
        ({**PLAIN, "n": 1, "size": "1024x1024"}, True),
        (PLAIN, False),
        ({**PLAIN, "size": "720x1280"}, False),
        ({**PLAIN, "n": 2, "max_tokens": 5}, False),
        ({"quality": "low"}, False),
        ({"prompt": ["a"], "quality": "low"}, False),
        ({**PLAIN, "n": 1, "size": "720x1280", "seconds": "4"}, False),
        ({**PLAIN, "quality": "low", "botType": "MID_JOURNEY"}, False),
        ({"prompt": "a", "model_name": "kling-v1", "n": 1, "size": "1:1"}, False),
        ({**PLAIN, "file": "file:a.mp3", "response_format": "json"}, False),
        ({**PLAIN, "image": "file:a.png", "quality": "low"}, False),
        ({**PLAIN, "messages": [], "response_format": {}}, False),
    ],
)
def test_a_body_is_known_by_its_shape(body: Mapping[str, Any], mine: bool) -> None:
    assert FORMAT.mine(body) is mine


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"b64_json": ONE}, ONE),
        ({"b64_json": ONE, "url": "", "revised_prompt": ""}, ONE),
        ({"b64_json": ONE, "url": HERE}, ONE),
        ({"b64_json": f"data:image/png;base64,{ONE}"}, f"data:image/png;base64,{ONE}"),
        ({"url": f"data:image/png;base64,{ONE}", "b64_json": ""}, f"data:image/png;base64,{ONE}"),
    ],
)
def test_pictures_in_the_body_become_files(item: Mapping[str, Any], text: str) -> None:
    got = answer({"created": 1, "data": [item]})

    assert [(blob.text, blob.name) for blob in got.blobs] == [(text, "00000001-ab-0-0")]
    assert (got.content, got.finish, got.request_id) == (None, "stop", "gw-1")


def test_each_picture_has_a_name_of_its_own_and_the_same_one_is_kept_once() -> None:
    got = answer(
        {"model": "m-1", "data": [{"b64_json": ONE}, {"b64_json": TWO}, {"b64_json": ONE}]}
    )

    assert [(blob.text, blob.name) for blob in got.blobs] == [
        (ONE, "00000001-ab-0-0"),
        (TWO, "00000001-ab-0-1"),
    ]
    assert got.usage is not None
    assert got.usage.counts == {Meter.IMAGES: 3}
    assert got.model == "m-1"


@pytest.mark.parametrize("key", ["url", "b64_json"])
def test_pictures_at_addresses_are_fetched_one_after_the_other(key: str) -> None:
    request = asking({**PLAIN, "n": 2})
    body = {"created": 1, "data": [{key: HERE, "revised_prompt": "A cup."}, {"url": THERE}]}

    step = step_after(body)
    asked_for = []
    while isinstance(step, Wait):
        asked_for.append((step.call.path, step.call.origin, step.call.save_as, step.call.expect))
        saved = Saved(f"{step.call.save_as}.png", 3, "ab", "image/png")
        step = FORMAT.next(request, step.state, Reply(200, {}, saved))

    assert asked_for == [
        (HERE, "foreign", "00000001-ab-0-0", "file"),
        (THERE, "foreign", "00000001-ab-0-1", "file"),
    ]
    assert isinstance(step, Done)
    assert [file.name for file in step.answer.files] == [
        "00000001-ab-0-0.png",
        "00000001-ab-0-1.png",
    ]
    assert orjson.loads(step.answer.body)["data"] == [
        {key: "wbatch-file:00000001-ab-0-0.png", "revised_prompt": "A cup."},
        {"url": "wbatch-file:00000001-ab-0-1.png"},
    ]
    assert step.answer.usage is not None
    assert step.answer.usage.counts == {Meter.IMAGES: 2}


def test_what_is_no_picture_is_not_kept_as_one() -> None:
    step = step_after({"data": [{"url": HERE}]})
    assert isinstance(step, Wait)

    with pytest.raises(errors.FileGone):
        FORMAT.next(asking(), step.state, Reply(200, {}, Saved("a.mp4", 3, "ab", "video/mp4")))


def test_fetched_and_held_pictures_of_one_answer_have_different_names() -> None:
    step = step_after({"data": [{"b64_json": ONE}, {"url": HERE}]})
    assert isinstance(step, Wait)
    assert step.call.save_as == "00000001-ab-0-0"

    saved = Saved("00000001-ab-0-0.png", 3, "ab", "image/png")
    step = FORMAT.next(asking(), step.state, Reply(200, {}, saved))

    assert isinstance(step, Done)
    assert [blob.name for blob in step.answer.blobs] == ["00000001-ab-0-1"]


def test_a_kept_state_goes_on_with_the_file_and_draws_nothing_again() -> None:
    step = step_after({"data": [{"url": HERE}]})
    assert isinstance(step, Wait)

    again = FORMAT.resume(asking(), orjson.loads(orjson.dumps(step.state)))

    assert isinstance(again, Send)
    assert (again.call.kind, again.call.path) == ("fetch", HERE)


def test_fewer_pictures_than_asked_for_are_an_answer() -> None:
    held_back = {"error": {"code": "Sensitive", "message": "held back"}}

    got = answer({"data": [held_back, {"b64_json": ONE}, {"url": "", "b64_json": ""}, None, 7]})

    assert len(got.blobs) == 1
    assert got.usage is not None
    assert got.usage.counts == {Meter.IMAGES: 1}


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        ([], errors.NoMedia, "no picture"),
        (None, errors.NoMedia, "no picture"),
        ([{"url": "", "b64_json": ""}], errors.NoMedia, "no picture"),
        ([{"url": "ftp://a.example/b.png"}], errors.NoMedia, "no picture"),
        ([{"url": 7, "b64_json": ["a"]}], errors.NoMedia, "no picture"),
        ([{"error": {"code": "Sensitive", "message": "held back"}}], errors.NoMedia, "held back"),
        ([{"error": {"code": "Sensitive"}}], errors.NoMedia, "Sensitive"),
        ({"url": HERE}, errors.NotAnAnswer, "no list"),
        ("a", errors.NotAnAnswer, "no list"),
    ],
)
def test_an_answer_without_a_picture_is_none_but_may_be_paid(
    data: Any, kind: type[errors.CallFailed], says: str
) -> None:
    caught = failure({"created": 1, "data": data, "usage": {"input_tokens": 5}})

    assert type(caught) is kind
    assert says in caught.message
    assert caught.usage is not None
    assert caught.usage.counts == {Meter.INPUT: 5}


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (
            {"input_tokens": 330, "input_tokens_details": {"text_tokens": 7, "image_tokens": 323}},
            {"input_tokens": 330, "input_image_tokens": 323, "output_tokens": None},
        ),
        (
            {
                "input_tokens": 12,
                "output_tokens": 300,
                "output_tokens_details": {"image_tokens": 272, "text_tokens": 28},
            },
            {"input_tokens": 12, "output_tokens": 300, "output_image_tokens": 272},
        ),
        (
            {"input_tokens": 12, "output_tokens": 272, "input_tokens_details": None},
            {"input_tokens": 12, "output_tokens": 272, "output_image_tokens": 272},
        ),
        (
            {"input_tokens": 9, "input_tokens_details": {"image_tokens": 20}},
            {"input_tokens": 9, "input_image_tokens": 9, "output_tokens": None},
        ),
        (
            {"prompt_tokens": 12, "completion_tokens": 272, "input_tokens": 0, "output_tokens": 0},
            {"input_tokens": 12, "output_tokens": 272, "output_image_tokens": 272},
        ),
        (
            {"generated_images": 1, "output_tokens": 4096, "total_tokens": 4096},
            {"input_tokens": None, "output_tokens": 4096, "output_image_tokens": 4096},
        ),
        (
            {
                "input_tokens": 12,
                "output_tokens": 272,
                "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            },
            {"input_tokens": 12, "output_tokens": 272, "output_image_tokens": 272},
        ),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, {}),
        ({"input_tokens": 0, "prompt_tokens": 0, "completion_tokens": 0, "output_tokens": 0}, {}),
        ({"input_tokens": "12", "output_tokens": -1, "input_tokens_details": 7}, {}),
        ({}, {}),
        (None, {}),
        ([1], {}),
    ],
)
def test_tokens_are_counted_where_told_and_pictures_always(
    told: Any, counts: Mapping[str, int | None]
) -> None:
    used = fields(answer({"data": [{"b64_json": ONE}], "usage": told}).usage)

    unknown = dict.fromkeys(
        ("input_tokens", "input_cached_tokens", "output_tokens", "output_reasoning_tokens")
    )
    assert used == {**unknown, **counts, "images": 1}


# Streams.

LOOK = {"created_at": 5, "size": "1024x1024", "quality": "low", "output_format": "png"}
USAGE = {"input_tokens": 5, "output_tokens": 544}
TOOK = {Meter.INPUT: 5, Meter.OUTPUT: 0, Meter.OUTPUT_IMAGE: 544}


def preview(index: int = 0) -> dict[str, Any]:
    told = {"b64_json": "AAAA", "partial_image_index": index}
    return {"type": "image_generation.partial_image", **told, **LOOK}


def completed(text: str, kind: str = "image_generation", **more: Any) -> dict[str, Any]:
    return {"type": f"{kind}.completed", "b64_json": text, **LOOK, "usage": USAGE, **more}


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_a_stream_folds_into_the_body_of_the_unstreamed_call(kind: str) -> None:
    body = fold(preview(0), preview(1), completed(ONE, kind, sequence_number=3))

    assert orjson.loads(body) == {
        "created": 5,
        "size": "1024x1024",
        "quality": "low",
        "output_format": "png",
        "data": [{"b64_json": ONE}],
        "usage": USAGE,
    }
    assert [blob.text for blob in answer(body, streamed=True).blobs] == [ONE]


def test_several_pictures_of_a_stream_are_all_kept_and_the_call_is_counted_once() -> None:
    got = answer(fold(preview(), completed(ONE), preview(), completed(TWO)), streamed=True)

    assert [blob.text for blob in got.blobs] == [ONE, TWO]
    assert got.usage is not None
    assert got.usage.counts == {**TOOK, Meter.IMAGES: 2}


def test_an_address_in_a_stream_is_fetched() -> None:
    body = fold({"type": "image_generation.completed", "url": HERE, "b64_json": ""})

    step = step_after(body, streamed=True)

    assert orjson.loads(body)["data"] == [{"url": HERE}]
    assert isinstance(step, Wait)
    assert step.call.path == HERE


def test_a_stream_of_seedream_folds_into_its_unstreamed_body() -> None:
    held_back = {"code": "Sensitive", "message": "held back"}
    head = {"model": "seedream", "created": 5}
    end = {"generated_images": 1, "output_tokens": 4096}

    body = fold(
        {"type": "image_generation.partial_succeeded", "image_index": 0, "url": HERE, **head},
        {"type": "image_generation.partial_failed", "image_index": 1, "error": held_back, **head},
        {"type": "image_generation.completed", "usage": end, **head},
    )

    assert orjson.loads(body) == {
        **head,
        "data": [{"url": HERE}, {"error": held_back}],
        "usage": end,
    }


def test_a_stream_of_which_every_picture_failed_says_why() -> None:
    error = {"code": "Sensitive", "message": "held back"}
    body = fold(
        {"type": "image_generation.partial_failed", "error": error},
        {"type": "image_generation.completed"},
    )

    caught = failure(body, streamed=True)

    assert type(caught) is errors.NoMedia
    assert "held back" in caught.message


def test_a_whole_answer_as_one_event_is_the_answer() -> None:
    body = fold({"created": 5, "data": [{"b64_json": ONE}], "usage": USAGE})

    got = answer(body, streamed=True)

    assert [blob.text for blob in got.blobs] == [ONE]
    assert got.usage is not None
    assert got.usage.counts[Meter.INPUT] == 5


@pytest.mark.parametrize(
    "events",
    [
        [],
        [preview()],
        [{"type": "image_generation.in_progress"}],
        [completed(ONE), preview()],
        [{"type": "image_generation.partial_succeeded", "url": HERE}],
    ],
)
def test_a_stream_without_its_end_is_a_cut_answer(events: list[Any]) -> None:
    assert type(failure(fold(*events), streamed=True)) is errors.CutAnswer


def test_what_a_cut_stream_took_is_known_if_it_was_told() -> None:
    caught = failure(fold(completed(ONE), preview()), streamed=True)

    assert caught.usage is not None
    assert caught.usage.counts == TOOK


@pytest.mark.parametrize("torn", [b"{", b'{"type":"image_gen', b"[" * 2000])
def test_half_an_event_leaves_no_answer(torn: bytes) -> None:
    for before, after in (([completed(ONE)], []), ([], [completed(ONE)])):
        folder = FORMAT.folder(asking())
        assert folder is not None
        for event in before:
            folder.feed(orjson.dumps(event))
        folder.feed(torn)
        for event in after:
            folder.feed(orjson.dumps(event))

        assert type(failure(folder.body(), streamed=True)) is errors.CutAnswer


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (
            {"type": "error", "error": {"type": "server_error", "message": "no"}},
            errors.ServerTrouble,
        ),
        ({"error": {"message": "no", "type": "upstream_error"}}, errors.CutAnswer),
        ({"error": {"code": "content_policy_violation"}}, errors.Refused),
        ({"error": "no"}, errors.CutAnswer),
    ],
)
def test_an_error_in_a_stream_is_raised_with_what_was_told_before(
    event: Any, kind: type[errors.CallFailed]
) -> None:
    with pytest.raises(errors.CallFailed) as caught:
        fold(completed(ONE), event)

    assert type(caught.value) is kind
    assert caught.value.usage is not None
    assert caught.value.usage.counts == TOOK


def test_an_event_nested_deeper_than_any_real_one_leaves_no_answer() -> None:
    folder = FORMAT.folder(asking())
    assert folder is not None
    deep = b"[" * 400 + b"]" * 400

    folder.feed(b'{"type":"image_generation.completed","b64_json":"AAAA","look":%b}' % deep)

    assert type(failure(folder.body(), streamed=True)) is errors.CutAnswer


def test_a_prompt_becomes_a_body() -> None:
    assert orjson.loads(FORMAT.build("a cup", None, None)) == {"prompt": "a cup"}
    for system, schema in (("Be bold.", None), (None, {"type": "object"})):
        with pytest.raises(errors.BadBody):
            FORMAT.build("a cup", system, schema)


def test_pictures_in_a_body_do_not_count_as_text() -> None:
    image = "A" * 30_000

    estimate = FORMAT.estimate(asking({**PLAIN, "prompt": "é" * 30, "image": image}, EDIT))

    assert (estimate.input_tokens, estimate.output_tokens) == (20, 0)
