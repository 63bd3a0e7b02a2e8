"""Content generation: what is asked, what counts as an answer, and what a stream folds into."""

import json
import time
from typing import Any

import orjson
import pytest

from batch import errors
from batch.records import Answer, Call, Done, FileRef, Makes, Reply, Request, Send, Spliced, Wait
from batch.usage import Meter, Usage, fields
from batch.wire import Ask, Shaped
from batch.wire._sse import Events
from batch.wire.gemini import FORMAT

MODELS = "/v1beta/models"
PLAIN = b'{"contents":[{"role":"user","parts":[{"text":"Name a river."}]}]}'
SAYS = '"contents":[{"parts":[{"text":"x"}]}]'


def shape(
    body: bytes = PLAIN, url: str | None = f"{MODELS}/g:generateContent", **ask: Any
) -> Shaped:
    return FORMAT.shape(body, Ask(url=url, **ask))


def asking(
    body: bytes = PLAIN, path: str = f"{MODELS}/g:generateContent", makes: Makes = "text"
) -> Request:
    return Request((1,), ("a",), "gemini", "g", body, path=path, makes=makes, stem="s")


def call_of(request: Request) -> Call:
    step = FORMAT.start(request)
    assert isinstance(step, Send)
    return step.call


def step_of(body: Any, makes: Makes = "text", *, streamed: bool = False) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    reply = Reply(200, {"x-oneapi-request-id": "gw-1"}, raw, streamed=streamed)
    return FORMAT.next(asking(makes=makes), None, reply)


def answer(body: Any, makes: Makes = "text", *, streamed: bool = False) -> Answer:
    step = step_of(body, makes, streamed=streamed)
    assert isinstance(step, Done)
    return step.answer


def failure(body: Any, makes: Makes = "text", *, streamed: bool = False) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        step_of(body, makes, streamed=streamed)
    return caught.value


COUNTS = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
USAGE = Usage({Meter.INPUT: 9, Meter.OUTPUT: 4})
TEXT = {"text": "Hi"}
CALL = {"functionCall": {"name": "f", "args": {"q": 1}}}


def candidate(*parts: Any, finish: Any = "STOP", **more: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **more}


def body_of(*parts: Any, finish: Any = "STOP", **more: Any) -> dict[str, Any]:
    return {"candidates": [candidate(*parts, finish=finish)], "usageMetadata": COUNTS, **more}


def meters(**counts: int) -> Usage:
    return Usage({Meter[name.upper()]: count for name, count in counts.items()})


# ---------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("url", "path", "endpoint"),
    [
        (f"{MODELS}/g:generateContent", f"{MODELS}/g:generateContent", "generateContent"),
        (f"{MODELS}/g:generateContent?key=sk-1", f"{MODELS}/g:generateContent", "generateContent"),
        (f"{MODELS}/a%2Fg:generateContent", f"{MODELS}/a%2Fg:generateContent", "generateContent"),
        (
            f"{MODELS}/g:streamGenerateContent",
            f"{MODELS}/g:streamGenerateContent?alt=sse",
            "streamGenerateContent",
        ),
        (
            f"{MODELS}/g:streamGenerateContent?key=sk-1&alt=json",
            f"{MODELS}/g:streamGenerateContent?alt=sse",
            "streamGenerateContent",
        ),
    ],
)
def test_the_path_has_the_model_and_never_a_key(url: str, path: str, endpoint: str) -> None:
    shaped = shape(url=url)

    assert shaped.path == path
    assert shaped.endpoint == f"{MODELS}/{{model}}:{endpoint}"
    assert shaped.body is PLAIN


def test_the_version_of_the_url_is_kept() -> None:
    assert shape(url="/v1/models/g:generateContent").path == "/v1/models/g:generateContent"
    assert not FORMAT.claims("GET", "/v1/models")
    assert not FORMAT.claims("POST", f"{MODELS}/g:countTokens")


URL = f"{MODELS}/of-url:generateContent"


@pytest.mark.parametrize(
    ("url", "named", "ask", "model"),
    [
        (URL, None, {}, "of-url"),
        (URL, "of-body", {}, "of-url"),
        (URL, "of-body", {"model": "of-m", "override_model": "forced"}, "forced"),
        (None, "of-body", {"model": "of-m"}, "of-body"),
        (None, "models/of-body", {}, "of-body"),
        (None, None, {"model": "of-m"}, "of-m"),
        (None, None, {"model": "models/of-m"}, "of-m"),
        (None, "of-body", {"override_model": "forced"}, "forced"),
        (None, "", {"model": "of-m"}, "of-m"),
    ],
)
def test_the_model_stands_in_the_path_and_not_in_the_body(
    url: str | None, named: str | None, ask: dict[str, str], model: str
) -> None:
    said = "" if named is None else f',"model":"{named}"'

    shaped = shape(f"{{{SAYS}{said}}}".encode(), url, **ask)

    assert shaped.model == model
    assert shaped.path == f"{MODELS}/{model}:generateContent"
    assert shaped.body == f"{{{SAYS}}}".encode()


def test_taking_the_model_out_changes_no_other_byte() -> None:
    body = f'{{"model":null,{SAYS},"x":1.10,"big":123456789012345678901}}'.encode()

    assert shape(body).body == body.replace(b'"model":null,', b"")


def test_settings_are_spelled_as_the_gateway_knows_them() -> None:
    body = f'{{"generation_config":{{"top_p":1.0}},{SAYS},"system_instruction":{{}}}}'.encode()

    shaped = shape(body).body

    assert shaped == body.replace(b"generation_config", b"generationConfig")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{}", "contents"),
        ('{"contents":[]}', "contents"),
        ('{"contents":"Hi"}', "contents"),
        ('{"contents":["Hi"]}', "contents"),
        ('{"contents":[{"role":"user"}]}', "parts"),
        ('{"contents":[{"parts":["Hi"]}]}', "parts"),
        (f'{{{SAYS},"model":7}}', "model"),
        (f"{{{SAYS}}}", "-m"),
        (f'{{{SAYS},"model":"models/"}}', "-m"),
    ],
)
def test_a_bad_body_is_told_in_words(body: str, words: str) -> None:
    with pytest.raises(errors.BadBody, match=words):
        shape(body.encode(), None)


@pytest.mark.parametrize(
    ("config", "model", "makes"),
    [
        ("{}", "g", "text"),
        ("{}", "gemini-2.5-flash-image", "image"),
        ('{"responseModalities":["TEXT","IMAGE"]}', "g", "image"),
        ('{"responseModalities":["Image"]}', "g", "image"),
        ('{"response_modalities":["IMAGE"]}', "g", "image"),
        ('{"responseModalities":["AUDIO"]}', "g", "audio"),
        ('{"responseModalities":["TEXT"]}', "gemini-2.5-flash-image", "text"),
        ('{"responseModalities":[]}', "gemini-2.5-flash-image", "image"),
        ('{"responseModalities":[7,null]}', "g", "text"),
        ('{"responseModalities":"IMAGE"}', "g", "text"),
        ("[]", "g", "text"),
    ],
)
@pytest.mark.parametrize("key", ["generationConfig", "generation_config"])
def test_what_is_made_is_told_by_the_body_else_by_the_model(
    key: str, config: str, model: str, makes: str
) -> None:
    body = f'{{{SAYS},"{key}":{config}}}'.encode()

    assert shape(body, f"{MODELS}/{model}:generateContent").makes == makes


def test_a_body_is_built_from_prompt_system_and_schema() -> None:
    schema = {"type": "object", "additionalProperties": False}

    body = json.loads(FORMAT.build("2+2?", "Be brief.", schema))

    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "2+2?"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        },
    }
    assert json.loads(FORMAT.build("x", None, None)) == {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}]
    }


def test_a_stream_is_expected_as_events_and_the_body_sent_as_it_is() -> None:
    plain, stream = shape(), shape(url=f"{MODELS}/g:streamGenerateContent")

    assert call_of(asking(plain.body, plain.path)).expect == "json"
    assert call_of(asking(stream.body, stream.path)).expect == "events"
    assert call_of(asking()).payload is PLAIN


def test_media_are_made_once() -> None:
    assert call_of(asking(makes="image")).repeat == "once"
    assert call_of(asking(makes="image")).media
    assert call_of(asking()).repeat == "free"


URI = "data:image/png;base64,AA=="
FILES = [
    ('{"inlineData":{"data":"file:a.png"}}', "file:a.png",
     '{"inlineData":{"data":"*","mimeType":"type"}}'),
    ('{"inline_data":{"data":"file:a.png"}}', "file:a.png",
     '{"inline_data":{"data":"*","mime_type":"type"}}'),
    ('{"inlineData":{"data":"https://h/a","mimeType":"image/png"}}', "https://h/a",
     '{"inlineData":{"data":"*","mimeType":"image/png"}}'),
    (f'{{"inline_data":{{"mime_type":"image/png","data":"{URI}"}}}}', URI,
     '{"inline_data":{"mime_type":"image/png","data":"*"}}'),
    ('{"inlineData":{"mimeType":"","data":"file:a.png"}}', "file:a.png",
     '{"inlineData":{"data":"*","mimeType":"type"}}'),
]  # fmt: skip


@pytest.mark.parametrize(("part", "source", "sent"), FILES)
def test_a_file_goes_out_bare_with_its_type_beside_it(part: str, source: str, sent: str) -> None:
    payload = call_of(asking(f'{{"contents":[{{"parts":[{part}]}}]}}'.encode())).payload

    assert isinstance(payload, Spliced)
    assert {piece.source for piece in payload.pieces if isinstance(piece, FileRef)} == {source}
    marks = {"base64": b"*", "type": b"type"}
    whole = [marks[one.encoding] if isinstance(one, FileRef) else one for one in payload.pieces]
    assert b"".join(whole) == f'{{"contents":[{{"parts":[{sent}]}}]}}'.encode()


@pytest.mark.parametrize(
    "part",
    [
        '{"inlineData":{"mimeType":"image/png","data":"AAAA"}}',
        '{"fileData":{"fileUri":"https://h/a.mp4"}}',
        '{"functionResponse":{"name":"f","response":{"data":"https://h/a"}}}',
        '{"functionCall":{"name":"f","args":{"data":"file:a.png"}}}',
        '{"text":"file:a.png"}',
    ],
)
def test_what_only_looks_like_a_file_stays(part: str) -> None:
    body = f'{{"contents":[{{"parts":[{part}]}}]}}'.encode()

    assert call_of(asking(body)).payload is body


@pytest.mark.parametrize(
    ("config", "expected", "most"),
    [
        ("{}", 256, None),
        ('{"candidateCount":2}', 512, None),
        ('{"maxOutputTokens":10}', 10, 10),
        ('{"max_output_tokens":10,"candidate_count":3}', 30, 30),
        ('{"maxOutputTokens":0}', 256, None),
        ('{"maxOutputTokens":"many"}', 256, None),
        ('{"maxOutputTokens":5,"x":"inlineData"}', 5, None),
        ('{"maxOutputTokens":5,"x":"googleSearch"}', 5, None),
    ],
)
def test_a_request_is_sized(config: str, expected: int, most: int | None) -> None:
    request = asking(f'{{{SAYS},"generationConfig":{config}}}'.encode())

    estimate, bound = FORMAT.estimate(request), FORMAT.bound(request)

    assert estimate.input_tokens == len(request.body) // 3
    assert estimate.output_tokens == expected
    size = len(request.body)
    assert bound == (None if most is None else Usage({Meter.INPUT: size, Meter.OUTPUT: most}))


def test_the_number_of_pictures_has_no_bound() -> None:
    body = f'{{{SAYS},"generationConfig":{{"maxOutputTokens":10}}}}'.encode()

    assert FORMAT.bound(asking(body, makes="image")) is None


# ----------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([TEXT], "Hi"),
        ([{"text": "hm", "thought": True}, {"text": "H"}, {"text": "i"}], "Hi"),
        ([{"text": "Hi", "thoughtSignature": "AA=="}], "Hi"),
        ([{"text": ""}], ""),
        ([CALL], None),
        ([{"executableCode": {"code": "1"}}, {"text": "Hi"}], "Hi"),
        ([None, 7, {"text": 7}, TEXT], "Hi"),
    ],
)
def test_the_content_is_the_text_without_thoughts(parts: list[Any], content: str | None) -> None:
    got = answer(body_of(*parts, modelVersion="g-1", responseId="r"))

    assert got.content == content
    assert (got.model, got.request_id, got.usage) == ("g-1", "gw-1", USAGE)


@pytest.mark.parametrize(
    ("reason", "parts", "finish"),
    [
        ("STOP", [TEXT], "stop"),
        ("STOP", [TEXT, CALL], "tool"),
        ("STOP", [{"function_call": {"name": "f"}}], "tool"),
        ("MAX_TOKENS", [TEXT], "length"),
        ("MAX_TOKENS", [CALL], "length"),
        ("SAFETY", [], "filter"),
        ("RECITATION", [TEXT], "filter"),
        ("LANGUAGE", [TEXT], "filter"),
        ("BLOCKLIST", [], "filter"),
        ("PROHIBITED_CONTENT", [], "filter"),
        ("SPII", [], "filter"),
        ("IMAGE_SAFETY", [], "filter"),
        ("IMAGE_OTHER", [], "filter"),
        ("OTHER", [TEXT], "error"),
        ("MALFORMED_FUNCTION_CALL", [TEXT], "error"),
        ("UNEXPECTED_TOOL_CALL", [TEXT], "error"),
        ("SOMETHING_NEW", [TEXT], "unknown"),
        ("SOMETHING_NEW", [CALL], "tool"),
        (7, [TEXT], "unknown"),
    ],
)
def test_the_finish_reason_is_told_in_our_words(reason: Any, parts: list[Any], finish: str) -> None:
    assert answer(body_of(*parts, finish=reason)).finish == finish


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": {}}, {"content": []}])
def test_a_filtered_candidate_may_lack_all_content(content: dict[str, Any]) -> None:
    got = answer({"candidates": [{"finishReason": "SAFETY", **content}]})

    assert (got.content, got.finish, got.usage) == (None, "filter", None)


@pytest.mark.parametrize("candidates", [{}, {"candidates": None}, {"candidates": []}])
def test_a_blocked_prompt_is_refused_and_billed(candidates: dict[str, Any]) -> None:
    told = {"promptTokenCount": 9, "totalTokenCount": 9}
    feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []}

    got = failure({**candidates, "promptFeedback": feedback, "usageMetadata": told})

    assert type(got) is errors.Refused
    assert "content policy" in got.message
    assert "PROHIBITED_CONTENT" in got.message
    assert got.usage == meters(input=9, output=0)


NOT_ANSWERS: list[tuple[str, Any, type]] = [
    ("no candidates", {"usageMetadata": COUNTS}, errors.NotAnAnswer),
    ("no candidates, nothing blocked", {"candidates": [], "promptFeedback": {"safetyRatings": []}},
     errors.NotAnAnswer),
    ("candidates of another kind", {"candidates": {"0": {}}}, errors.NotAnAnswer),
    ("a candidate of another kind", {"candidates": [None]}, errors.NotAnAnswer),
    ("no reason", {"candidates": [{"content": {"parts": [TEXT]}}]}, errors.CutAnswer),
    ("a null reason", body_of(TEXT, finish=None), errors.CutAnswer),
    ("an empty reason", body_of(TEXT, finish=""), errors.CutAnswer),
    ("the zero of reasons", body_of(TEXT, finish="FINISH_REASON_UNSPECIFIED"), errors.CutAnswer),
    ("one of two unfinished", {"candidates": [candidate(TEXT), candidate(TEXT, finish=None)]},
     errors.CutAnswer),
    ("used up", {"candidates": [{"finishReason": "MAX_TOKENS", "content": {"role": "model"}}]},
     errors.Refused),
    ("used up by thoughts", body_of({"text": "hm", "thought": True}, finish="MAX_TOKENS"),
     errors.Refused),
    ("nothing at all", {"candidates": [{"finishReason": "STOP", "index": 0}]}, errors.NotAnAnswer),
    ("thoughts alone", body_of({"text": "hm", "thought": True}), errors.NotAnAnswer),
    ("a broken call alone", body_of(finish="MALFORMED_FUNCTION_CALL"), errors.NotAnAnswer),
    ("a broken call and an empty text", body_of({"text": ""}, finish="MALFORMED_FUNCTION_CALL"),
     errors.NotAnAnswer),
    ("the gateway's error", {"error": {"message": "x", "type": "upstream_error", "code": 429}},
     errors.Saturated),
    ("the vendor's error", {"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}},
     errors.ServerTrouble),
    ("a list of chunks", b'[{"candidates":[]}]', errors.NotAnAnswer),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "kind"), NOT_ANSWERS, ids=[row[0] for row in NOT_ANSWERS])
def test_what_is_not_complete_is_no_answer(name: str, body: Any, kind: type) -> None:
    assert type(failure(body)) is kind


def test_a_failed_answer_keeps_what_it_cost() -> None:
    for reason in (None, "MAX_TOKENS"):
        assert failure(body_of(finish=reason)).usage == USAGE
    assert failure({"usageMetadata": COUNTS}).usage == USAGE


def test_an_answer_used_up_before_any_text_says_what_to_do() -> None:
    assert "raise maxOutputTokens" in failure(body_of(finish="MAX_TOKENS")).message


# ------------------------------------------------------------------------------------ the media


PNG, OTHER = "iVBORw0KGgoA", "iVBORw0KGgoB"


def inline(data: Any = PNG, kind: Any = "image/png", **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": data}, **more}


def test_pictures_are_taken_out_and_counted() -> None:
    got = answer(body_of(TEXT, inline(PNG), inline(OTHER)), "image")

    assert [(blob.text, blob.name) for blob in got.blobs] == [(PNG, "s-0-0"), (OTHER, "s-0-1")]
    assert got.content == "Hi"
    assert got.usage == USAGE + meters(images=2)


def test_pictures_of_an_answer_that_is_cut_are_counted_too() -> None:
    got = failure(body_of(inline(), finish=None), "image")

    assert isinstance(got, errors.CutAnswer)
    assert got.usage == USAGE + meters(images=1)


def test_media_that_name_no_type_are_what_was_asked_for() -> None:
    untyped = {"inlineData": {"data": PNG}}

    assert answer(body_of(untyped), "audio").usage == USAGE
    assert answer(body_of(untyped), "image").usage == USAGE + meters(images=1)


@pytest.mark.parametrize(
    "part",
    [
        {"inline_data": {"mime_type": "image/png", "data": PNG}},
        {"inlineData": {"data": PNG}},
        inline(f"data:image/png;base64,{PNG}"),
    ],
)
def test_a_picture_is_known_however_it_is_spelled(part: dict[str, Any]) -> None:
    got = answer(body_of(part), "image")

    assert len(got.blobs) == 1
    assert got.usage == USAGE + meters(images=1)


def test_a_picture_nobody_asked_for_is_taken_out_too() -> None:
    got = answer(body_of(TEXT, inline()))

    assert [blob.text for blob in got.blobs] == [PNG]
    assert got.usage == USAGE + meters(images=1)


def test_a_draft_among_the_thoughts_is_no_picture_of_the_answer() -> None:
    draft = inline(OTHER, thought=True)

    got = answer(body_of(draft, inline(PNG)), "image")

    assert [blob.text for blob in got.blobs] == [PNG, OTHER]
    assert got.usage == USAGE + meters(images=1)
    assert type(failure(body_of(draft), "image")) is errors.NoMedia


def test_speech_without_a_mark_keeps_the_type_that_is_told() -> None:
    got = answer(body_of(inline("AAAA", "audio/L16;codec=pcm;rate=24000")), "audio")

    assert [blob.hint for blob in got.blobs] == ["audio/L16;codec=pcm;rate=24000"]
    assert got.usage == USAGE


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (body_of({"text": "I would rather not."}), "only the text: I would rather not."),
        (body_of(finish="NO_IMAGE"), "NO_IMAGE"),
        (body_of(), "STOP"),
        (body_of(inline("AAAA", "audio/wav")), "STOP"),
        (body_of(inline(7)), "STOP"),
        (
            {
                "candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Try another."}],
                "usageMetadata": COUNTS,
            },
            "IMAGE_SAFETY: Try another.",
        ),
    ],
)
def test_an_answer_without_the_picture_is_none_and_billed(body: Any, words: str) -> None:
    got = failure(body, "image")

    assert type(got) is errors.NoMedia
    assert words in got.message
    assert got.usage == USAGE


def test_a_picture_that_a_relay_wrote_into_the_text_is_found() -> None:
    uri = f"data:image/png;base64,{PNG}"
    text = {"text": f"![image]({uri}) ![image](https://h.example/a.png)"}

    got = answer(body_of(text), "image")

    assert [blob.text for blob in got.blobs] == [uri]
    assert got.usage == USAGE + meters(images=1)


def test_a_picture_that_a_relay_links_to_is_fetched() -> None:
    step = step_of(body_of({"text": "![image](https://h.example/a.png?s=1)"}), "image")

    assert isinstance(step, Wait)
    assert (step.call.kind, step.call.origin) == ("fetch", "foreign")
    assert step.call.path == "https://h.example/a.png?s=1"


def test_a_link_in_an_answer_of_text_is_left_alone() -> None:
    assert answer(body_of({"text": "![image](https://h.example/a.png)"})).blobs == ()


# ------------------------------------------------------------------------------------ the usage


def tokens(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items()]


USAGES: list[tuple[str, Any, Usage | None]] = [
    ("missing", None, None),
    ("not an object", [], None),
    ("empty", {}, None),
    ("all zero", {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}, None),
    ("plain", COUNTS, USAGE),
    ("floats", {"promptTokenCount": 9.0, "candidatesTokenCount": 4.0}, USAGE),
    ("nonsense", {"promptTokenCount": "9", "candidatesTokenCount": -4}, None),
    ("null details", COUNTS | {"promptTokensDetails": None, "cacheTokensDetails": None}, USAGE),
    ("odd details", COUNTS | {"promptTokensDetails": [7, {"modality": []}, {}]}, USAGE),
    ("cached", COUNTS | {"cachedContentTokenCount": 5}, meters(input=4, cached_input=5, output=4)),
    ("thoughts beside the output", COUNTS | {"thoughtsTokenCount": 20, "totalTokenCount": 33},
     meters(input=9, output=4, reasoning=20)),
    ("thoughts and nothing said",
     {"promptTokenCount": 9, "thoughtsTokenCount": 20, "totalTokenCount": 29},
     meters(input=9, output=0, reasoning=20)),
    ("nothing said", {"promptTokenCount": 9, "totalTokenCount": 9}, meters(input=9, output=0)),
    ("no count of the output, and no total", {"promptTokenCount": 9}, meters(input=9)),
    ("what tools brought", COUNTS | {"toolUsePromptTokenCount": 30, "totalTokenCount": 43},
     meters(input=39, output=4)),
    ("what tools brought, and no count of the output",
     {"promptTokenCount": 9, "toolUsePromptTokenCount": 30, "totalTokenCount": 43},
     meters(input=39, output=4)),
    ("a picture read", COUNTS | {"promptTokensDetails": tokens(TEXT=2, IMAGE=7)},
     meters(input=2, input_image=7, output=4)),
    ("a sound read", COUNTS | {"promptTokensDetails": tokens(TEXT=2, AUDIO=7)},
     meters(input=2, input_audio=7, output=4)),
    ("a film and a document are plain input",
     COUNTS | {"promptTokensDetails": tokens(VIDEO=5, DOCUMENT=4)}, USAGE),
    ("a kind told twice", COUNTS | {"promptTokensDetails": tokens(IMAGE=3) + tokens(IMAGE=4)},
     meters(input=2, input_image=7, output=4)),
    ("a picture a tool brought",
     COUNTS | {"toolUsePromptTokenCount": 7, "toolUsePromptTokensDetails": tokens(IMAGE=7)},
     meters(input=9, input_image=7, output=4)),
    ("a sound that is cached in part",
     COUNTS | {"cachedContentTokenCount": 5, "promptTokensDetails": tokens(TEXT=2, AUDIO=7),
               "cacheTokensDetails": tokens(AUDIO=5)},
     meters(input=2, cached_input=5, input_audio=2, output=4)),
    ("a picture made", COUNTS | {"candidatesTokensDetails": tokens(TEXT=1, IMAGE=3)},
     meters(input=9, output=1, output_image=3)),
    ("a sound made", COUNTS | {"candidatesTokensDetails": tokens(AUDIO=4)},
     meters(input=9, output=0, output_audio=4)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "told", "usage"), USAGES, ids=[row[0] for row in USAGES])
def test_a_usage_is_taken_apart(name: str, told: Any, usage: Usage | None) -> None:
    assert answer(body_of(TEXT) | {"usageMetadata": told}).usage == usage


def test_a_usage_stands_in_files_as_the_vendor_counts_it() -> None:
    told = COUNTS | {"toolUsePromptTokenCount": 30, "cachedContentTokenCount": 5}
    body = body_of(TEXT) | {"usageMetadata": told | {"thoughtsTokenCount": 20}}

    used = fields(answer(body).usage)

    assert used == {
        "input_tokens": 39,
        "input_cached_tokens": 5,
        "output_tokens": 24,
        "output_reasoning_tokens": 20,
    }


# ----------------------------------------------------------------------------------- the stream


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(*parts: Any, finish: Any = ..., **more: Any) -> bytes:
    told: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    told |= {} if finish is ... else {"finishReason": finish}
    told |= more.pop("beside", {})
    head = {"modelVersion": "g-1", "responseId": "r1"}
    return event({"candidates": [told], **head, **more})


def fold(stream: bytes) -> bytes:
    events, folder = Events(), FORMAT.folder(asking())
    assert folder is not None
    for data in [*events.feed(stream), *events.end()]:
        folder.feed(data)
    return folder.body()


def parts_of(stream: bytes) -> Any:
    return json.loads(fold(stream))["candidates"][0]["content"]["parts"]


def answer_of(stream: bytes) -> Answer:
    return answer(fold(stream), streamed=True)


ONE, TWO = chunk({"text": "H"}), chunk({"text": "i"})
END = chunk(finish="STOP", usageMetadata=COUNTS)

LAST = {"finish": "STOP", "usageMetadata": COUNTS}
SO_FAR = {"promptTokenCount": 9, "totalTokenCount": 9}
STREAMS = [
    ("the reason with the last text", ONE + chunk({"text": "i"}, **LAST)),
    ("the reason with an empty text", ONE + TWO + chunk({"text": ""}, **LAST)),
    ("the reason with no parts, after null ones",
     chunk({"text": "Hi"}, finish=None) + chunk(finish=None) + END),
    ("the reason without content", ONE + TWO
     + event({"candidates": [{"finishReason": "STOP"}], "usageMetadata": COUNTS})),
    ("usage without candidates",
     ONE + TWO + chunk(finish="STOP") + event({"usageMetadata": COUNTS})),
    ("usage with null candidates", ONE + TWO + chunk(finish="STOP")
     + event({"candidates": None, "usageMetadata": COUNTS})),
    ("usage that grows", chunk({"text": "H"}, usageMetadata=SO_FAR)
     + TWO + END + event({"usageMetadata": {}})),
    ("a reason that is lost again", ONE + TWO + END + chunk(finish=None) + chunk()),
    ("one event with all", chunk({"text": "Hi"}, **LAST)),
    ("events that are no objects", event(None) + event("ping") + ONE + TWO + END),
    ("an end mark, which is none of this format", ONE + TWO + END + b"data: [DONE]\n\n"),
    ("no id", (ONE + TWO + END).replace(b'"responseId":"r1"', b'"x":1')),
    ("an id for every chunk", ONE + TWO.replace(b"r1", b"r2") + END.replace(b"r1", b"r3")),
    ("the gateway's own retry", chunk({"text": "Half an"}) + chunk({"text": " answer"})
     + (ONE + TWO + END).replace(b"r1", b"r2")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), STREAMS, ids=[row[0] for row in STREAMS])
def test_every_kind_of_stream_gives_its_answer(name: str, stream: bytes) -> None:
    got = answer_of(stream)

    assert (got.content, got.finish, got.usage) == ("Hi", "stop", USAGE)
    assert parts_of(stream) == [{"text": "Hi"}]


CUT = [
    ("no reason", ONE + TWO),
    ("a usage proves nothing", ONE + event({"usageMetadata": COUNTS})),
    ("a null reason", ONE + chunk(finish=None)),
    ("a torn event after the reason", ONE + END + b'data: {"candi'),
    ("a torn event alone", b'data: {"candi'),
    ("nothing", b""),
    ("a usage alone", event({"usageMetadata": COUNTS})),
    ("one of two candidates unfinished", ONE + chunk({"text": "x"}, beside={"index": 1}) + END),
]


@pytest.mark.parametrize(("name", "stream"), CUT, ids=[row[0] for row in CUT])
def test_a_stream_that_stops_early_is_no_answer(name: str, stream: bytes) -> None:
    assert isinstance(failure(fold(stream), streamed=True), errors.CutAnswer)


def test_a_stream_of_a_blocked_prompt_is_refused() -> None:
    stream = event({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": COUNTS})

    got = failure(fold(stream), streamed=True)

    assert type(got) is errors.Refused
    assert got.usage == USAGE


def test_a_stream_that_is_answered_by_one_object_is_an_answer() -> None:
    streamed = asking(path=f"{MODELS}/g:streamGenerateContent?alt=sse")

    step = FORMAT.next(streamed, None, Reply(200, {}, orjson.dumps(body_of(TEXT))))

    assert isinstance(step, Done)
    assert step.answer.content == "Hi"


def thought(text: str) -> dict[str, Any]:
    return {"text": text, "thought": True}


def test_texts_of_a_kind_are_joined_and_other_parts_kept_in_their_places() -> None:
    signed = {"functionCall": {"name": "g", "args": {}}, "thoughtSignature": "AA=="}
    first = [thought("h"), thought("m"), {"text": "A"}, {"text": "b"}, CALL, signed]
    then = [inline(), {"text": "C"}, {"text": ""}, {"text": "d"}, thought("x")]

    stream = b"".join(map(chunk, [*first, *then]))

    assert parts_of(stream + END) == [
        thought("hm"),
        {"text": "Ab"},
        CALL,
        signed,
        inline(),
        {"text": "Cd"},
        thought("x"),
    ]


def test_a_signed_text_stays_by_itself() -> None:
    signature = {"text": "", "thoughtSignature": "AA=="}

    stream = b"".join(map(chunk, [{"text": "A"}, signature, {"text": "b"}, {"text": "c"}]))

    assert parts_of(stream + END) == [{"text": "A"}, signature, {"text": "bc"}]


def test_a_function_called_in_a_stream_is_its_finish() -> None:
    stream = chunk(CALL) + chunk({"text": ""}, finish="STOP")

    assert answer_of(stream).finish == "tool"
    assert parts_of(stream) == [CALL]


def test_candidates_that_interleave_are_told_apart() -> None:
    said = [(0, "A"), (1, "B"), (1, "b")]
    stream = b"".join(chunk({"text": text}, beside={"index": index}) for index, text in said)
    ends = chunk(finish="MAX_TOKENS", beside={"index": 1}) + chunk(finish="STOP")

    told = json.loads(fold(stream + ends))["candidates"]

    assert [one["content"]["parts"] for one in told] == [[{"text": "A"}], [{"text": "Bb"}]]
    assert [(one["index"], one["finishReason"]) for one in told] == [(0, "STOP"), (1, "MAX_TOKENS")]


def test_what_stands_beside_the_content_is_kept() -> None:
    sources = {"groundingMetadata": {"webSearchQueries": ["q"]}, "safetyRatings": None}
    stream = ONE + chunk(finish="STOP", beside=sources) + event({"promptFeedback": {"x": 1}})

    body = json.loads(fold(stream))

    assert body == {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "H"}]},
                "finishReason": "STOP",
                "index": 0,
                "groundingMetadata": {"webSearchQueries": ["q"]},
            }
        ],
        "modelVersion": "g-1",
        "responseId": "r1",
        "promptFeedback": {"x": 1},
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}, errors.ServerTrouble),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, errors.Saturated),
        ({"error": {"message": "x", "code": "insufficient_user_quota"}}, errors.NoMoney),
        ({"error": {"message": "never seen"}}, errors.CutAnswer),
    ],
)
@pytest.mark.parametrize("prefix", [b"data: ", b""], ids=["as data", "bare"])
def test_an_error_within_a_stream_is_named(prefix: bytes, error: Any, kind: type) -> None:
    stream = ONE + chunk({"text": "i"}, usageMetadata=COUNTS) + prefix + orjson.dumps(error) + b"\n"

    with pytest.raises(errors.CallFailed) as caught:
        fold(stream)

    assert type(caught.value) is kind
    assert caught.value.usage == USAGE


def test_a_stream_nested_beyond_reason_is_no_answer() -> None:
    nested = b"[" * 900 + b"]" * 900
    deep = b'data: {"candidates":[{"content":{"parts":[{"x":' + nested + b"}]}}]}\n\n"

    assert isinstance(failure(fold(ONE + deep + END), streamed=True), errors.CutAnswer)


def test_a_hundred_thousand_pieces_take_no_square_of_time() -> None:
    started = time.process_time()

    body = json.loads(fold(chunk({"text": "0123456789"}) * 100_000 + END))

    assert len(body["candidates"][0]["content"]["parts"][0]["text"]) == 10**6
    assert time.process_time() - started < 5
