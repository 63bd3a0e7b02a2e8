"""Responses: what is asked, what counts as an answer, and what a stream folds into."""

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch import errors
from batch.records import Answer, Done, FileRef, Makes, Reply, Request, Saved, Send, Spliced, Wait
from batch.usage import Meter, Usage
from batch.wire import Ask
from batch.wire._media import decode, sniff
from batch.wire._sse import Events
from batch.wire.openai_responses import FORMAT

SAMPLES = Path(__file__).parent / "samples" / "responses"
PLAIN = b'{"model":"m","input":"Hi"}'


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def asking(body: bytes = PLAIN, makes: Makes | None = None) -> Request:
    shaped = FORMAT.shape(body, Ask())
    return Request(
        ordinals=(1,),
        custom_ids=("a",),
        format="responses",
        model="m",
        body=body,
        path=shaped.path,
        makes=makes or shaped.makes,
        stem="00000001-ab",
    )


def fold(stream: bytes) -> bytes:
    events, folder = Events(), FORMAT.folder(asking())
    assert folder is not None
    for data in [*events.feed(stream), *events.end()]:
        folder.feed(data)
    return folder.body()


def step(body: bytes, makes: Makes | None = None) -> Any:
    return FORMAT.next(asking(makes=makes), None, Reply(200, {"x-oneapi-request-id": "gw-1"}, body))


def answer(body: bytes, makes: Makes | None = None) -> Answer:
    done = step(body, makes)
    assert isinstance(done, Done)
    return done.answer


def failure(body: bytes, makes: Makes | None = None) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        step(body, makes)
    return caught.value


def event(kind: str, **fields: Any) -> bytes:
    data = orjson.dumps({"type": f"response.{kind}", **fields})
    return b"event: response.%b\ndata: %b\n\n" % (kind.encode(), data)


def message(*parts: Any, **more: Any) -> dict[str, Any]:
    content = [said(part) if isinstance(part, str) else part for part in parts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": content} | more


def said(text: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def response(*output: Any, **more: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "model": "m-2", "status": "completed"}
    return head | {"error": None, "output": list(output), "usage": COUNTS} | more


def body_of(*output: Any, **more: Any) -> bytes:
    return orjson.dumps(response(*output, **more))


def meters(**counts: int) -> Usage:
    return Usage({Meter[name.upper()]: count for name, count in counts.items()})


COUNTS = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
USAGE = meters(input=9, output=4)
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": '{"x":1}',
}
REFUSAL = {"type": "refusal", "refusal": "No."}
CREATED = event("created", response=response(status="in_progress", usage=None))


# ---------------------------------------------------------------------------------- the request


def test_it_claims_its_path_with_and_without_version() -> None:
    assert FORMAT.claims("POST", "/v1/responses")
    assert FORMAT.claims("POST", "/responses/")
    assert not FORMAT.claims("GET", "/v1/responses")
    assert not FORMAT.claims("POST", "/v1/responses/resp_1")


@pytest.mark.parametrize(
    ("body", "mine"),
    [
        ({"input": "x", "instructions": "y"}, True),
        ({"input": "x", "max_output_tokens": 5}, True),
        ({"input": "x", "reasoning": {"effort": "low"}}, True),
        ({"input": "x", "text": {"format": {"type": "text"}}}, True),
        ({"input": "x", "tools": [{"type": "web_search"}]}, True),
        ({"input": [{"role": "user", "content": "x"}]}, True),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, True),
        # embeddings
        ({"input": "x"}, False),
        ({"input": ["x", "y"]}, False),
        ({"input": [{"type": "text", "text": "x"}]}, False),
        ({"input": "x", "dimensions": 256, "instructions": "y"}, False),
        # speech
        ({"input": "x", "voice": "alloy", "instructions": "Slowly."}, False),
        # tables of prompts, and others
        ({"input": "x", "text": "y"}, False),
        ({"input": {"prompt": "x"}, "instructions": "y"}, False),
        ({"instructions": "y"}, False),
        ({"messages": [], "input": "x", "reasoning": {}}, False),
    ],
)
def test_a_body_is_known_by_what_stands_beside_its_input(body: dict[str, Any], mine: bool) -> None:
    assert FORMAT.mine(body) is mine


def test_an_untouched_body_is_the_same_object() -> None:
    assert FORMAT.shape(PLAIN, Ask(model="other")).body is PLAIN


def test_a_missing_model_is_filled_in_and_nothing_else_changes() -> None:
    shaped = FORMAT.shape(b'{"input":"x","temperature":0.10,"stream":true}', Ask(model="m"))

    assert shaped.body == b'{"input":"x","temperature":0.10,"stream":true,"model":"m"}'
    assert (shaped.model, shaped.path, shaped.endpoint) == ("m", *["/v1/responses"] * 2)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"input":"x"}', "-m"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":null}', "input"),
        (b'{"model":"m","input":""}', "input"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":["x"]}', "input"),
        (b'{"model":"m","input":{"role":"user"}}', "input"),
        (b'{"model":7,"input":"x"}', "model"),
        (b'{"model":"m","input":"x","stream":"yes"}', "stream"),
        (b'{"model":"m","input":"x","background":true}', "background"),
    ],
)
def test_a_bad_body_is_told_in_words(body: bytes, words: str) -> None:
    with pytest.raises(errors.BadBody, match=words):
        FORMAT.shape(body, Ask())


def test_a_body_is_built_from_prompt_system_and_schema() -> None:
    body = json.loads(FORMAT.build("2+2?", "Be brief.", {"type": "object"}))

    assert (body["input"], body["instructions"]) == ("2+2?", "Be brief.")
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "answer",
        "strict": True,
        "schema": {"type": "object"},
    }
    assert json.loads(FORMAT.build("x", None, None)) == {"input": "x"}


@pytest.mark.parametrize(
    ("more", "makes", "repeat"),
    [
        ({}, "text", "free"),
        ({"tools": [{"type": "web_search"}]}, "text", "free"),
        ({"tools": "image_generation"}, "text", "free"),
        ({"tools": [None, {"type": "web_search"}, {"type": "image_generation"}]}, "image", "once"),
        ({"tools": [{"type": "image_generation"}], "tool_choice": "none"}, "text", "free"),
        ({"model": "gpt-image-1"}, "image", "once"),
    ],
)
def test_what_may_draw_is_asked_once(more: dict[str, Any], makes: str, repeat: str) -> None:
    request = asking(orjson.dumps({"model": "m", "input": "x"} | more))

    sent = FORMAT.start(request)

    assert isinstance(sent, Send)
    assert (request.makes, sent.call.repeat) == (makes, repeat)
    assert sent.call.media is (makes == "image")


@pytest.mark.parametrize(
    ("more", "expect"),
    [(b"", "json"), (b',"stream":false', "json"), (b',"stream":true', "events")],
)
def test_the_body_is_sent_as_it_is(more: bytes, expect: str) -> None:
    body = PLAIN[:-1] + more + b"}"

    sent = FORMAT.start(asking(body))

    assert isinstance(sent, Send)
    assert (sent.call.method, sent.call.path, sent.state) == ("POST", "/v1/responses", None)
    assert sent.call.payload is body
    assert sent.call.expect == expect


def test_files_that_a_body_names_are_put_in_as_data_uris() -> None:
    parts = [
        {"type": "input_text", "text": "file:a.png"},
        {"type": "input_image", "image_url": "file:a.png"},
        {"type": "input_image", "image_url": "https://h.example/b.png"},
        {"type": "input_file", "filename": "file:c.pdf", "file_data": "file:c.pdf"},
    ]
    body = orjson.dumps({"model": "m", "input": [{"role": "user", "content": parts}]})

    sent = FORMAT.start(asking(body))

    assert isinstance(sent, Send)
    assert isinstance(sent.call.payload, Spliced)
    pieces = sent.call.payload.pieces
    assert [one for one in pieces if isinstance(one, FileRef)] == [
        FileRef("file:a.png", "data_uri"),
        FileRef("file:c.pdf", "data_uri"),
    ]
    whole = b"".join(one if isinstance(one, bytes) else one.source.encode() for one in pieces)
    assert json.loads(whole) == json.loads(body)


@pytest.mark.parametrize(
    ("more", "expected", "most"),
    [
        (b"", 256, None),
        (b',"max_output_tokens":10', 10, 10),
        (b',"max_output_tokens":0', 256, None),  # the gateway drops a zero
        (b',"max_output_tokens":"many"', 256, None),
        (b',"max_output_tokens":10,"x":"input_image"', 10, None),
        (b',"max_output_tokens":10,"tools":[{"type":"web_search_preview"}]', 10, None),
        (b',"max_output_tokens":10,"previous_response_id":"r"', 10, None),
    ],
)
def test_a_request_is_sized(more: bytes, expected: int, most: int | None) -> None:
    request = asking(PLAIN[:-1] + more + b"}")

    estimate, bound = FORMAT.estimate(request), FORMAT.bound(request)

    assert estimate.input_tokens == len(request.body) // 3
    assert estimate.output_tokens == expected
    assert bound == (most and meters(input=len(request.body), output=most))


# ----------------------------------------------------------------------------------- the answer


def test_an_answer_is_read() -> None:
    got = answer(sample("200-plain.json"))

    assert (got.content, got.finish, got.model) == ("The Po.", "stop", "gpt-5-2025-08-07")
    assert got.usage == meters(input=21, cached_input=0, cache_write=0, output=4, reasoning=0)
    assert (got.status, got.request_id, got.blobs) == (200, "gw-1", ())
    assert json.loads(got.body) == json.loads(sample("200-plain.json"))


def test_citations_stay_as_flat_as_they_come() -> None:
    got = answer(sample("200-search.json"))

    assert got.content == "A museum of light, on Monday."
    assert got.body == sample("200-search.json")
    annotation = json.loads(got.body)["output"][1]["content"][0]["annotations"][0]
    assert (annotation["type"], annotation["url"]) == ("url_citation", "https://news.example/turin")


@pytest.mark.parametrize(
    ("output", "content"),
    [
        ([message("a", "b")], "ab"),
        ([message("a"), THOUGHT, message("b")], "ab"),
        ([message("")], ""),
        ([message("a", REFUSAL)], "a"),
        ([message(REFUSAL)], None),
        ([CALL], None),
        ([message(said(None), said("a"), {"type": "other", "text": "x"}, 7)], "a"),
        ([THOUGHT | {"content": [{"type": "reasoning_text", "text": "x"}]}, message("a")], "a"),
        ([None, 7, message("a")], "a"),
    ],
)
def test_content_is_all_that_is_said_in_order(output: list[Any], content: str | None) -> None:
    assert answer(body_of(*output)).content == content


def cut_by(reason: Any) -> dict[str, Any]:
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


FINISHES: list[tuple[str, list[Any], dict[str, Any], str]] = [
    ("completed", [message("a")], {}, "stop"),
    ("a limit", [message("a")], cut_by("max_output_tokens"), "length"),
    ("a filter", [message("a")], cut_by("content_filter"), "filter"),
    ("a filter before any output", [], cut_by("content_filter"), "filter"),
    ("another reason", [message("a")], cut_by("max_messages"), "unknown"),
    ("a reason that is none", [message("a")], cut_by([]), "unknown"),
    ("no reason", [message("a")], {"status": "incomplete"}, "length"),
    ("a refusal", [message(REFUSAL)], {}, "filter"),
    ("a call", [THOUGHT, CALL], {}, "tool"),
    ("text and a call", [message("a"), CALL], {}, "tool"),
    ("a free call", [{"type": "custom_tool_call", "input": "x"}], {}, "tool"),
    (
        "a free call of the vendor's own, as xAI searches X",
        [{"type": "custom_tool_call", "call_id": "xs_1", "input": "{}"}, message("a")],
        {},
        "stop",
    ),
    (
        "a shell of the vendor's own",
        [
            {"type": "shell_call", "call_id": "c1"},
            {"type": "shell_call_output", "call_id": "c1"},
            message("a"),
        ],
        {},
        "stop",
    ),
    (
        "a shell of the caller's",
        [message("a"), {"type": "shell_call", "call_id": "c1"}],
        {},
        "tool",
    ),
    (
        "a call among finished ones",
        [
            {"type": "shell_call", "call_id": "c1"},
            {"type": "shell_call_output", "call_id": "c1"},
            CALL,
        ],
        {},
        "tool",
    ),
    (
        "a search for tools by the caller",
        [{"type": "tool_search_call", "execution": "client"}],
        {},
        "tool",
    ),
    (
        "a search for tools by the vendor",
        [{"type": "tool_search_call", "execution": "server"}, message("a")],
        {},
        "stop",
    ),
    ("a cut call", [CALL], cut_by("max_output_tokens"), "length"),
    ("a hosted call", [{"type": "web_search_call"}, message("a")], {}, "stop"),
    ("no status", [message("a")], {"status": None}, "unknown"),
    ("an odd status", [message("a")], {"status": {"x": 1}}, "unknown"),
]


@pytest.mark.parametrize(
    ("name", "output", "more", "finish"), FINISHES, ids=[row[0] for row in FINISHES]
)
def test_a_finish_is_told(name: str, output: list[Any], more: dict[str, Any], finish: str) -> None:
    assert answer(body_of(*output, **more)).finish == finish


NO_ANSWERS: list[tuple[str, bytes, type[errors.CallFailed]]] = [
    ("still at work", body_of(message("a"), status="in_progress"), errors.CutAnswer),
    ("not begun", body_of(status="queued"), errors.CutAnswer),
    ("failed without a word", body_of(message("a"), status="failed"), errors.NotAnAnswer),
    ("cancelled", body_of(message("a"), status="cancelled"), errors.NotAnAnswer),
    ("nothing", body_of(), errors.NotAnAnswer),
    ("only reasoning", body_of(THOUGHT), errors.NotAnAnswer),
    ("a message without parts", body_of(message()), errors.NotAnAnswer),
    ("no output", orjson.dumps({"status": "completed", "usage": COUNTS}), errors.NotAnAnswer),
    ("output of another type", body_of().replace(b"[]", b'"x"'), errors.NotAnAnswer),
    ("a limit before any output", body_of(THOUGHT, **cut_by("max_output_tokens")), errors.Refused),
]


@pytest.mark.parametrize(("name", "body", "kind"), NO_ANSWERS, ids=[row[0] for row in NO_ANSWERS])
def test_what_is_no_answer_is_named_and_its_usage_kept(name: str, body: bytes, kind: type) -> None:
    failed = failure(body)

    assert type(failed) is kind
    assert failed.usage == USAGE


def test_a_limit_amid_a_search_is_no_answer_and_the_search_is_paid() -> None:
    body = body_of(THOUGHT, {"type": "web_search_call"}, **cut_by("max_output_tokens"))

    failed = failure(body)

    assert type(failed) is errors.Refused
    assert failed.usage == meters(input=9, output=4, searches=1)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", errors.ServerTrouble),
        ("rate_limit_exceeded", errors.Saturated),
        ("invalid_prompt", errors.Refused),
        ("image_parse_error", errors.Refused),
        ("image_content_policy_violation", errors.Refused),
        ("invalid_image_url", errors.Refused),
        ("unsupported_image_media_type", errors.Refused),
        ("failed_to_download_image", errors.Refused),
        ("vector_store_timeout", errors.NotAnAnswer),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_that_failed_says_why(code: str, kind: type, streamed: bool) -> None:
    told = response(status="failed", error={"code": code, "message": "no luck"})

    failed = failure(
        fold(CREATED + event("failed", response=told)) if streamed else orjson.dumps(told)
    )

    assert type(failed) is kind
    assert failed.usage == USAGE
    assert "no luck" in failed.message


USAGES: list[tuple[str, Any, Usage | None]] = [
    ("missing", None, None),
    ("not an object", [], None),
    ("empty", {}, None),
    ("all zero", {"input_tokens": 0, "output_tokens": 0}, None),
    ("plain", COUNTS, USAGE),
    ("details null", COUNTS | {"input_tokens_details": None, "output_tokens_details": {}}, USAGE),
    ("floats", {"input_tokens": 9.0, "output_tokens": 4.0}, USAGE),
    ("nonsense", {"input_tokens": "9", "output_tokens": -4}, None),
    ("half nonsense", {"input_tokens": 9, "output_tokens": []}, meters(input=9)),
    ("output zero", {"input_tokens": 9, "output_tokens": 0}, meters(input=9, output=0)),
    ("cached", COUNTS | {"input_tokens_details": {"cached_tokens": 5}},
     meters(input=4, cached_input=5, output=4)),
    ("cached and written",
     COUNTS | {"input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3}},
     meters(input=1, cached_input=5, cache_write=3, output=4)),
    ("reasoning", COUNTS | {"output_tokens_details": {"reasoning_tokens": 3}},
     meters(input=9, output=1, reasoning=3)),
    ("sounds and pictures, where the gateway converts",
     COUNTS | {"input_tokens_details": {"audio_tokens": 2, "image_tokens": 3,
                                        "cached_creation_tokens": 1},
               "output_tokens_details": {"text_tokens": 1, "image_tokens": 3}},
     meters(input=3, cache_write=1, input_audio=2, input_image=3, output=1, output_image=3)),
    ("chat's names beside", COUNTS | {"prompt_tokens": 9, "completion_tokens": 4}, USAGE),
    ("chat's names beside zeros",
     {"input_tokens": 0, "output_tokens": 0, "prompt_tokens": 9, "completion_tokens": 4,
      "prompt_tokens_details": {"cached_tokens": 5},
      "completion_tokens_details": {"reasoning_tokens": 3}},
     meters(input=4, cached_input=5, output=1, reasoning=3)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "told", "usage"), USAGES, ids=[row[0] for row in USAGES])
def test_usage_is_read_in_every_dialect(name: str, told: Any, usage: Usage | None) -> None:
    assert answer(body_of(message("a"), usage=told)).usage == usage


# --------------------------------------------------------------------------------- the pictures


DRAWN = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}


def test_a_picture_leaves_the_body_and_is_counted() -> None:
    got = answer(sample("200-image.json"), "image")

    [blob] = got.blobs
    assert blob.text.encode() in got.body
    assert blob.name == "00000001-ab-0-0"
    assert sniff(decode(blob.text) or b"").content_type == "image/png"
    assert got.usage is not None
    assert got.usage.counts[Meter.IMAGES] == 1
    assert got.content == ""


def test_several_pictures_have_names_of_their_own() -> None:
    got = answer(body_of(DRAWN, DRAWN | {"result": "BBBB"}, usage=None), "image")

    assert [(one.text, one.name[-3:]) for one in got.blobs] == [("AAAA", "0-0"), ("BBBB", "0-1")]
    assert got.usage == meters(images=2)


def test_a_picture_that_nobody_expected_is_one_all_the_same() -> None:
    got = answer(body_of(DRAWN, message("Done. data:image/png;base64,CCCC")), "text")

    assert [one.text for one in got.blobs] == ["AAAA", "data:image/png;base64,CCCC"]
    assert got.usage == USAGE + meters(images=1)


@pytest.mark.parametrize(
    "output",
    [
        [message("I cannot draw that.")],
        [DRAWN | {"status": "failed", "result": None}, message("I cannot draw that.")],
        [DRAWN | {"result": ["AAAA"]}, message("I cannot draw that.")],
    ],
)
def test_a_text_in_the_place_of_a_picture_is_no_answer(output: list[Any]) -> None:
    failed = failure(body_of(*output), "image")

    assert type(failed) is errors.NoMedia
    assert "I cannot draw that." in failed.message
    assert failed.usage == USAGE


def test_a_call_before_any_picture_is_an_answer() -> None:
    assert answer(body_of(CALL), "image").finish == "tool"


@pytest.mark.parametrize(
    "output",
    [
        [message("Here: ![cup](https://h.example/cup.png)")],
        [DRAWN | {"result": "https://h.example/cup.png"}],
    ],
)
def test_a_picture_that_is_linked_is_fetched(output: list[Any]) -> None:
    following = step(body_of(*output), "image")

    assert isinstance(following, Wait)
    assert (following.call.origin, following.call.expect) == ("foreign", "file")
    assert following.call.path == "https://h.example/cup.png"

    saved = Saved("00000001-ab-0-0.png", 4, "0" * 64, "image/png")
    done = FORMAT.next(asking(makes="image"), following.state, Reply(200, {}, saved))

    assert isinstance(done, Done)
    assert b"wbatch-file:00000001-ab-0-0.png" in done.answer.body
    assert done.answer.usage == USAGE + meters(images=1)


def test_a_fetch_goes_on_after_a_crash() -> None:
    following = step(body_of(DRAWN | {"result": "https://h.example/cup.png"}), "image")

    resumed = FORMAT.resume(asking(makes="image"), json.loads(json.dumps(following.state)))

    assert isinstance(resumed, Send)
    assert resumed.call == following.call


# ----------------------------------------------------------------------------------- the stream


def last_response(stream: bytes) -> Any:
    events = Events()
    return orjson.loads([*events.feed(stream), *events.end()][-1])["response"]


STREAMS = ["200-stream.txt", "200-stream+refusal.txt", "200-image+stream.txt"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_folds_to_the_response_at_its_end(name: str) -> None:
    assert json.loads(fold(sample(name))) == last_response(sample(name))


def emptied(stream: bytes) -> bytes:
    """Leave the output of the response at the end empty, as some relays do."""
    *others, last = stream.rstrip().split(b"\n\n")
    head, _, data = last.partition(b"\ndata: ")
    told = orjson.loads(data)
    told["response"]["output"] = []
    return b"\n\n".join([*others, head + b"\ndata: " + orjson.dumps(told)]) + b"\n\n"


@pytest.mark.parametrize("name", STREAMS)
def test_an_empty_output_at_the_end_is_put_together_from_the_pieces(name: str) -> None:
    assert json.loads(fold(emptied(sample(name)))) == last_response(sample(name))


def test_pieces_alone_are_enough() -> None:
    got = answer(fold(sample("200-stream+bare.txt")))

    assert got.content == "Augustus, 28 BC \u2028世界."
    assert (got.finish, got.model) == ("tool", "gpt-5-2025-08-07")
    told = {"input": 58, "cached_input": 32, "cache_write": 0, "output": 36, "reasoning": 24}
    assert got.usage == meters(**told, searches=1)
    thought, search, told, call = json.loads(got.body)["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Look up **Turin**."}]
    assert (search["type"], search["status"]) == ("web_search_call", "completed")
    assert told["content"][0]["annotations"][0]["url"] == "https://atlas.example/turin"
    assert (call["call_id"], call["arguments"]) == ("call_21", '{"city":"Turin"}')
    assert {told["status"], call["status"]} == {"completed"}


def test_a_stream_that_reached_its_limit_says_so() -> None:
    got = answer(fold(sample("200-stream+incomplete.txt")))

    assert (got.content, got.finish) == ("Augustus, in", "length")
    thought, told = json.loads(got.body)["output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "Old town."}]
    assert told["status"] == "incomplete"


def test_pictures_on_their_way_are_passed_over() -> None:
    got = answer(fold(sample("200-image+stream.txt")), "image")

    assert len(got.blobs) == 1
    assert b"partial" not in got.body


def text(delta: str, **at: Any) -> bytes:
    return event("output_text.delta", delta=delta, **at)


def added(item: dict[str, Any], **at: Any) -> bytes:
    return event("output_item.added", item=item, **at)


def end(*output: Any, **more: Any) -> bytes:
    return event("completed", response=response(*output, **more))


AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
EMPTY = message()
SAID = text("H", **AT) + text("i", **AT)

GOOD = [
    ("the whole at the end alone", CREATED + end(message("Hi"))),
    ("the whole at the end outranks the pieces", CREATED + text("x", **AT) + end(message("Hi"))),
    ("pieces without frames", CREATED + SAID + end()),
    ("pieces without places", CREATED + text("H") + text("i") + end()),
    ("pieces without a beginning", SAID + end()),
    ("the text is repeated",
     SAID + event("output_text.done", text="Hi", **AT)
     + event("content_part.done", part=said("Hi"), **AT)
     + event("output_item.done", output_index=0, item=message("Hi")) + end()),
    ("the text comes whole only", event("output_text.done", text="Hi", **AT) + end()),
    ("the item comes whole only",
     event("output_item.done", output_index=0, item=message("Hi")) + end()),
    ("the text begins in its frame",
     event("content_part.added", part=said("H"), **AT) + text("i", **AT) + end()),
    ("empty repetitions",
     SAID + event("output_text.done", text="", **AT)
     + event("content_part.done", part=said(""), **AT)
     + event("output_item.done", output_index=0, item=EMPTY) + end()),
    ("another id in each event",
     added(EMPTY | {"id": "a"}, output_index=0) + text("H", output_index=0, item_id="b")
     + text("i", output_index=0, item_id="c")
     + event("output_item.done", output_index=0, item=EMPTY | {"id": "d"}) + end()),
    ("places that are no numbers",
     text("H", output_index="0", item_id="a") + text("i", output_index=0.0, item_id="a") + end()),
    ("an index beyond reason", text("Hi", output_index=0, content_index=10**12) + end()),
    ("a status that the end contradicts", SAID + end(status="in_progress")),
    ("no response at the end",
     event("created", response=response(status="in_progress")) + SAID + event("completed")),
    ("output null at the end", SAID + event("completed", response=response() | {"output": None})),
    ("an end mark", SAID + end() + b"data: [DONE]\n\n"),
    ("something after the end", SAID + end() + text("x", **AT) + b'{"error":{"message":"x"}}\n'),
    ("events of no type, or of none that is known",
     b"data: {}\n\n" + event("odd") + b'data: {"type":7}\n\ndata: {"type":"keepalive"}\n\n'
     + SAID + end()),
    ("events that are no objects", b"data: null\n\n" + SAID + b'data: "x"\n\n' + end()),
    ("a torn event before the whole", SAID + b'data: {"type":"resp\n\n' + end(message("Hi"))),
    ("the gateway's own retry",
     CREATED + text("Half an", **AT) + CREATED + SAID + end()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), GOOD, ids=[row[0] for row in GOOD])
def test_every_kind_of_stream_gives_its_answer(name: str, stream: bytes) -> None:
    got = answer(fold(stream))

    assert (got.content, got.finish, got.usage) == ("Hi", "stop", USAGE)


CUT = [
    ("nothing", b""),
    ("a beginning", CREATED),
    ("no end", CREATED + SAID),
    ("an end mark proves nothing", CREATED + SAID + b"data: [DONE]\n\n"),
    ("whole items prove nothing",
     CREATED + SAID + event("output_item.done", output_index=0, item=message("Hi"))),
    ("a torn end", CREATED + SAID + end(message("Hi"))[:-20]),
    ("a torn piece", SAID + b'data: {"type":"response.output_text.del\n\n' + end()),
    ("the gateway's own retry, cut", SAID + CREATED + text("H", **AT)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), CUT, ids=[row[0] for row in CUT])
def test_a_stream_without_its_end_is_no_answer(name: str, stream: bytes) -> None:
    assert type(failure(fold(stream))) is errors.CutAnswer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "error", "code": "server_error", "message": "x"}, errors.ServerTrouble),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "x"}, errors.Saturated),
        ({"type": "error", "code": "invalid_prompt", "message": "x"}, errors.Refused),
        ({"type": "error", "code": None, "message": "never seen"}, errors.CutAnswer),
        ({"type": "error", "error": {"type": "overloaded_error"}}, errors.Overloaded),
        ({"error": {"message": "x", "code": "insufficient_user_quota"}}, errors.NoMoney),
        ({"error": "never seen"}, errors.CutAnswer),
    ],
)
@pytest.mark.parametrize("prefix", [b"event: error\ndata: ", b""], ids=["as an event", "bare"])
def test_an_error_within_a_stream_is_named(prefix: bytes, error: Any, kind: type) -> None:
    with pytest.raises(errors.CallFailed) as caught:
        fold(CREATED + SAID + prefix + orjson.dumps(error) + b"\n")

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (event("error", error={"code": "server_error", "message": "x"}), errors.ServerTrouble),
        (event("error", message="x"), errors.NotAnAnswer),
        (event("failed", response={"error": {"code": "server_error"}}), errors.ServerTrouble),
        (event("failed"), errors.NotAnAnswer),
    ],
)
def test_an_end_that_is_a_failure_is_named(told: bytes, kind: type) -> None:
    assert type(failure(fold(CREATED + SAID + told))) is kind


def call(delta: str, **at: Any) -> bytes:
    return event("function_call_arguments.delta", delta=delta, **at)


def opened(call_id: str, **at: Any) -> bytes:
    item = {"type": "function_call", "id": at.pop("id", f"fc_{call_id}"), "call_id": call_id}
    return added(item | {"name": "f", "arguments": "", "status": "in_progress"}, **at)


CALLS = [
    ("in order",
     opened("a", output_index=0) + call('{"x":', output_index=0, item_id="fc_a")
     + call("1}", output_index=0, item_id="fc_a") + opened("b", output_index=1)
     + call("{}", output_index=1, item_id="fc_b")),
    ("interleaved",
     opened("a", output_index=0) + opened("b", output_index=1)
     + call('{"x":', output_index=0) + call("{}", output_index=1) + call("1}", output_index=0)),
    ("all at place 0",
     opened("a", output_index=0) + opened("b", output_index=0)
     + call('{"x":', output_index=0, item_id="fc_a")
     + call("{}", output_index=0, item_id="fc_b") + call("1}", output_index=0, item_id="fc_a")),
    ("by id alone",
     opened("a") + opened("b") + call('{"x":', item_id="fc_a") + call("{}", item_id="fc_b")
     + call("1}", item_id="fc_a")),
    ("by order alone",
     opened("a") + call('{"x":') + call("1}") + opened("b") + call("{}")),
    ("by order alone, without ids",
     opened("a", id=None) + call('{"x":') + call("1}") + opened("b", id=None) + call("{}")),
    ("whole at the end",
     opened("a", output_index=0)
     + event("function_call_arguments.done", arguments='{"x":1}', output_index=0, item_id="fc_a")
     + opened("b", output_index=1) + call("{", output_index=1) + call("}", output_index=1)
     + event("function_call_arguments.done", arguments="{}", output_index=1, item_id="fc_b")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), CALLS, ids=[row[0] for row in CALLS])
def test_pieces_of_arguments_find_their_call(name: str, stream: bytes) -> None:
    got = answer(fold(CREATED + stream + end()))

    assert got.finish == "tool"
    calls = json.loads(got.body)["output"]
    assert [(one["call_id"], one["arguments"]) for one in calls] == [("a", '{"x":1}'), ("b", "{}")]


def test_pieces_of_several_kinds_are_told_apart_without_places() -> None:
    thought = event("reasoning_summary_text.delta", delta="Hm.")

    output = json.loads(fold(CREATED + thought + text("Hi") + call("{}") + end()))["output"]

    assert [one["type"] for one in output] == ["reasoning", "message", "function_call"]
    assert output[0]["summary"] == THOUGHT["summary"]


def test_what_is_rare_is_not_lost() -> None:
    stream = (
        event("reasoning_summary_text.delta", delta="Hm", output_index=0, summary_index=1)
        + event("reasoning_summary_text.delta", delta="First", output_index=0, summary_index=0)
        + event("reasoning_text.delta", delta="Deep", output_index=0, content_index=0)
        + text("a", output_index=1, content_index=0)
        + event("refusal.delta", delta="No", output_index=1, content_index=0)
        + event("refusal.delta", delta=".", output_index=1, content_index=0)
        + event("custom_tool_call_input.delta", delta="x", output_index=2)
        + event("mcp_call_arguments.delta", delta="{}", output_index=3)
        + event("code_interpreter_call_code.delta", delta="1+1", output_index=4)
    )

    output = json.loads(fold(stream + end()))["output"]

    assert output == [
        {
            "type": "reasoning",
            "summary": [
                {"type": "summary_text", "text": "First"},
                {"type": "summary_text", "text": "Hm"},
            ],
            "content": [{"type": "reasoning_text", "text": "Deep"}],
        },
        {
            "role": "assistant",
            "status": "completed",
            "type": "message",
            "content": [said("a"), {"type": "refusal", "refusal": "No."}],
        },
        {"type": "custom_tool_call", "input": "x"},
        {"type": "mcp_call", "arguments": "{}"},
        {"type": "code_interpreter_call", "code": "1+1"},
    ]


def test_a_stream_nested_beyond_reason_is_no_answer() -> None:
    deep = b'data: {"type":"response.completed","response":{"status":"completed","x":%b%b}}\n\n'

    assert type(failure(fold(CREATED + deep % (b"[" * 900, b"]" * 900)))) is errors.CutAnswer


@pytest.mark.parametrize(
    "piece",
    [
        call("0123456789" * 10, output_index=0),
        event("output_text.annotation.added", annotation={"type": "x"}, **AT),
        added(message("x"), output_index=0),
        added({"type": "web_search_call", "id": "same"}),
    ],
    ids=["pieces", "annotations", "frames", "items"],
)
def test_ten_thousand_events_take_no_square_of_time(piece: bytes) -> None:
    started = time.process_time()

    fold(CREATED + piece * 20_000 + end())

    assert time.process_time() - started < 3
