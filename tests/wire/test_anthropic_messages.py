"""Messages: what is asked, what counts as an answer, and what a stream folds into."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch import errors
from batch.records import Answer, Done, FileRef, Reply, Request, Send, Spliced, Wait
from batch.usage import Meter, Usage
from batch.wire import Ask, formats
from batch.wire._sse import Events
from batch.wire.anthropic_messages import FORMAT

SAMPLES = Path(__file__).parent / "samples" / "messages"
PLAIN = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def body_with(**more: Any) -> bytes:
    return orjson.dumps(json.loads(PLAIN) | more)


def asking(body: bytes = PLAIN, model: str = "m") -> Request:
    shaped = FORMAT.shape(body, Ask(override_model=model))
    return Request(
        (1,), ("a",), "messages", model, body, path=shaped.path, makes=shaped.makes, stem="0001-ab"
    )


def fold(stream: bytes, *cuts: int) -> bytes:
    events, folder = Events(), FORMAT.folder(asking())
    assert folder is not None
    edges = [0, *sorted(cuts), len(stream)]
    for start, stop in pairwise(edges):
        for event in events.feed(stream[start:stop]):
            folder.feed(event)
    for event in events.end():
        folder.feed(event)
    return folder.body()


def step_of(body: bytes, request: Request | None = None) -> Any:
    reply = Reply(200, {"x-oneapi-request-id": "gw-1"}, body)
    return FORMAT.next(request or asking(), None, reply)


def answer(body: bytes, request: Request | None = None) -> Answer:
    step = step_of(body, request)
    assert isinstance(step, Done)
    return step.answer


def failure(body: bytes) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        step_of(body)
    return caught.value


def text(said: str = "Hi") -> dict[str, Any]:
    return {"type": "text", "text": said}


def message(content: Any, reason: Any = "end_turn", **more: Any) -> bytes:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    return orjson.dumps(head | {"content": content, "stop_reason": reason} | more)


def meters(**counts: int) -> Usage:
    return Usage({Meter[name.upper()]: count for name, count in counts.items()})


def event(value: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), orjson.dumps(value))


def begun(index: int, **block: Any) -> bytes:
    return event({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, kind: str, **more: Any) -> bytes:
    told = {"type": "content_block_delta", "index": index, "delta": {"type": kind} | more}
    return event(told)


def ended(index: int) -> bytes:
    return event({"type": "content_block_stop", "index": index})


def turned(reason: Any = "end_turn", **usage: Any) -> bytes:
    end = {"stop_reason": reason, "stop_sequence": None}
    return event({"type": "message_delta", "delta": end, "usage": {"output_tokens": 4} | usage})


def started(name: str = "msg_1", **usage: Any) -> bytes:
    counts = {"input_tokens": 9, "output_tokens": 1} | usage
    head = {"id": name, "type": "message", "role": "assistant", "model": "m", "content": []}
    end = {"stop_reason": None, "stop_sequence": None, "usage": counts}
    return event({"type": "message_start", "message": head | end})


STOP = event({"type": "message_stop"})
COUNTS = {"input_tokens": 9, "output_tokens": 4}
USAGE = meters(input=9, output=4)
SAID = started() + begun(0, **text("")) + delta(0, "text_delta", text="Hi") + ended(0)


# ---------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("body", "mine", "chat"),
    [
        ({}, False, True),
        ({"system": "x"}, True, False),
        ({"system": [text("x")]}, True, False),
        ({"anthropic_version": "bedrock-2023-05-31"}, True, False),
        ({"stop_sequences": ["x"]}, True, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}, True, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, False, True),
        ({"thinking": {"type": "enabled"}, "max_tokens": 2000}, False, True),
        ({"max_tokens": 2000}, False, True),
        ({"tools": [{"name": "f", "input_schema": {}}]}, True, False),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True, False),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, False, True),
        ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, False, True),
        ({"tools": "x", "thinking": 7}, False, True),
        ({"system": "x", "response_format": {"type": "json_object"}}, False, False),
    ],
)
def test_a_body_is_known_by_what_stands_in_it(body: Any, mine: bool, chat: bool) -> None:
    whole = {"messages": [{"role": "user", "content": "Hi"}]} | body

    assert FORMAT.mine(whole) is mine
    assert formats()["chat"].mine(whole) is chat


@pytest.mark.parametrize(
    ("content", "mine"),
    [
        ([text()], False),
        ([{"type": "tool_result", "tool_use_id": "t"}], True),
        ([{"type": "tool_use", "id": "t", "name": "f", "input": {}}], True),
        ([text(), {"type": "thinking", "thinking": "hm", "signature": "s"}], True),
        ([{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}], True),
        ([{"type": "image"}], False),
        ([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}], False),
        ([{"type": ["image"]}, "x", None], False),
        ("text", False),
    ],
)
def test_a_body_is_known_by_the_blocks_of_its_messages(content: Any, mine: bool) -> None:
    body = {"messages": [{"role": "user", "content": content}]}

    assert FORMAT.mine(body) is mine
    assert formats()["chat"].mine(body) is not mine


@pytest.mark.parametrize("role", ["system", "developer", "tool"])
def test_a_budget_for_thinking_among_roles_of_chat_is_chat(role: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body = {"messages": [{"role": role, "content": "x"}], "thinking": thinking, "max_tokens": 2000}

    assert not FORMAT.mine(body)
    assert formats()["chat"].mine(body)


@pytest.mark.parametrize("messages", [None, {}, "x", [None], [[]], [{"content": [[]]}]])
def test_no_body_is_too_odd_to_be_judged(messages: Any) -> None:
    assert FORMAT.mine({"messages": messages}) is False


def test_a_body_that_needs_nothing_is_the_same_object() -> None:
    assert FORMAT.shape(PLAIN, Ask(model="other")).body is PLAIN


def test_a_stream_is_left_as_it_is_because_it_tells_its_usage_unasked() -> None:
    body = PLAIN[:-1] + b',"stream":true}'

    assert FORMAT.shape(body, Ask()).body is body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"max_tokens":9,"messages":[{"role":"user"}]}', "-m"),
        (b'{"model":"m","max_tokens":9}', "messages"),
        (b'{"model":"m","messages":[]}', "max_tokens"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "role"),
        (b'{"model":"m","messages":[{"role":"user"}],"stream":"yes"}', "stream"),
    ],
)
def test_a_bad_body_is_told_in_words(body: bytes, words: str) -> None:
    with pytest.raises(errors.BadBody, match=words):
        FORMAT.shape(body, Ask())


def test_the_version_is_the_only_header_of_a_call() -> None:
    step = FORMAT.start(asking())

    assert isinstance(step, Send)
    assert step.call.headers == (("anthropic-version", "2023-06-01"),)
    assert (step.call.method, step.call.path) == ("POST", "/v1/messages")


@pytest.mark.parametrize(
    ("body", "expect"),
    [(PLAIN, "json"), (body_with(stream=False), "json"), (body_with(stream=True), "events")],
)
def test_the_body_is_sent_as_it_is(body: bytes, expect: str) -> None:
    step = FORMAT.start(asking(body))

    assert isinstance(step, Send)
    assert step.call.payload is body
    assert step.call.expect == expect


def source(**fields: Any) -> bytes:
    image = {"type": "image", "source": fields}
    return body_with(messages=[{"role": "user", "content": [image]}])


@pytest.mark.parametrize(
    "data", ["file:cat.png", "https://x/cat.png", "data:image/png;base64,AA=="]
)
@pytest.mark.parametrize("typed", [{}, {"media_type": ""}, {"media_type": None}])
def test_a_picture_is_attached_bare_with_its_type(data: str, typed: Any) -> None:
    step = FORMAT.start(asking(source(type="base64", **typed, data=data)))

    assert isinstance(step, Send)
    assert isinstance(step.call.payload, Spliced)
    refs = [piece for piece in step.call.payload.pieces if isinstance(piece, FileRef)]
    assert refs == [FileRef(data, "base64"), FileRef(data, "type")]
    written = b"".join(p if isinstance(p, bytes) else b"?" for p in step.call.payload.pieces)
    sent = json.loads(written)["messages"][0]["content"][0]["source"]
    assert sent == {"type": "base64", "data": "?", "media_type": "?"}


def test_a_type_that_is_told_stays() -> None:
    body = source(type="base64", media_type="image/webp", data="file:cat.webp")

    step = FORMAT.start(asking(body))

    assert isinstance(step, Send)
    assert isinstance(step.call.payload, Spliced)
    assert [p for p in step.call.payload.pieces if isinstance(p, FileRef)] == [
        FileRef("file:cat.webp", "base64")
    ]


@pytest.mark.parametrize(
    "body",
    [
        source(type="base64", media_type="image/png", data="AA=="),
        source(type="url", url="https://x/cat.png"),
        source(type="text", media_type="text/plain", data="https://x is where it began"),
        body_with(
            messages=[
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "t", "name": "f", "input": {"data": "https://x"}}
                    ],
                }
            ]
        ),
        body_with(messages=[{"role": "user", "content": "file:cat.png"}]),
    ],
    ids=["base64", "an address", "a text", "a tool's own word", "a prompt"],
)
def test_what_names_no_file_is_sent_as_it_is(body: bytes) -> None:
    step = FORMAT.start(asking(body))

    assert isinstance(step, Send)
    assert step.call.payload is body


def test_a_body_is_built_from_prompt_and_system() -> None:
    body = json.loads(FORMAT.build("2+2?", "Be brief.", None))

    assert body == {
        "max_tokens": 4096,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "2+2?"}],
    }
    assert "system" not in json.loads(FORMAT.build("2+2?", None, None))


def test_a_schema_becomes_a_tool_that_must_be_called() -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}

    body = json.loads(FORMAT.build("2+2?", None, schema))

    (tool,) = body["tools"]
    assert (tool["name"], tool["input_schema"]) == ("answer", schema)
    assert body["tool_choice"] == {"type": "tool", "name": "answer"}


@pytest.mark.parametrize(
    ("more", "expected", "most"),
    [
        ({}, 9, meters(input=0, output=9)),
        ({"max_tokens": 0}, 256, None),
        ({"max_tokens": "many"}, 256, None),
        ({"max_tokens": 50, "tools": [{"name": "f", "input_schema": {}}]}, 50,
         meters(input=1024, output=50)),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, 9, None),
        ({"mcp_servers": []}, 9, None),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, 9, None),
        ({"system": [text() | {"cache_control": {"type": "ephemeral"}}]}, 9,
         meters(cache_write=0, output=9)),
    ],
)  # fmt: skip
def test_a_request_is_sized(more: Any, expected: int, most: Usage | None) -> None:
    request = asking(body_with(**more))

    estimate, bound = FORMAT.estimate(request), FORMAT.bound(request)

    size = len(request.body)
    assert (estimate.input_tokens, estimate.output_tokens) == (size // 3, expected)
    if most is not None:
        read = next(meter for meter in most.counts if meter is not Meter.OUTPUT)
        most = most + Usage({read: size})
    assert bound == most


def test_the_limit_that_the_gateway_raises_is_bounded_as_it_raises_it() -> None:
    bound = FORMAT.bound(asking(model="claude-sonnet-4-thinking"))

    assert bound is not None
    assert bound.counts[Meter.OUTPUT] == 1280


# ----------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([text()], "Hi"),
        ([text("a"), {"type": "tool_use", "id": "t", "name": "f", "input": {}}, text("b")], "ab"),
        ([{"type": "thinking", "thinking": "hm", "signature": "s"}, text()], "Hi"),
        ([{"type": "something_new", "text": "no"}, text()], "Hi"),
        ([text("")], ""),
        ([{"type": "text", "text": 7}, None, "x"], None),
        ([], None),
    ],
)
def test_the_content_is_all_the_text(content: Any, said: str | None) -> None:
    assert answer(message(content)).content == said


def test_a_body_on_one_line_is_kept_as_it_came() -> None:
    body = message([text()])[:-1] + b', "n":1.10, "big":123456789012345678901}'

    assert answer(body).body is body


TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


@pytest.mark.parametrize(
    ("reason", "content", "finish"),
    [
        ("end_turn", [text()], "stop"),
        ("stop_sequence", [text()], "stop"),
        ("max_tokens", [text()], "length"),
        ("model_context_window_exceeded", [text()], "length"),
        ("tool_use", [TOOL], "tool"),
        ("refusal", [], "filter"),
        ("content_filter", [text("")], "filter"),
        ("pause_turn", [text()], "paused"),
        ("compaction", [{"type": "compaction", "content": "So far: hi."}], "paused"),
        ("something_new", [text()], "unknown"),
        ("", [text()], "unknown"),
        (7, [text()], "unknown"),
        (["end_turn"], [text()], "unknown"),
        ("end_turn", [TOOL], "tool"),
        ("max_tokens", [TOOL], "length"),
        ("end_turn", [], "stop"),
    ],
)
def test_the_stop_reason_is_told_in_our_words(reason: Any, content: Any, finish: str) -> None:
    assert answer(message(content, reason)).finish == finish


THOUGHT = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
]
NOT_ANSWERS = [
    ("no content", b'{"type":"message","stop_reason":"end_turn"}', errors.NotAnAnswer),
    ("content of another kind", message("Hi"), errors.NotAnAnswer),
    ("a chat completion", b'{"choices":[{"message":{"content":"x"}}]}', errors.NotAnAnswer),
    ("neither content nor reason", message([], ""), errors.NotAnAnswer),
    ("no stop_reason", b'{"content":[{"type":"text","text":"x"}]}', errors.CutAnswer),
    ("a null stop_reason", message([text()], None), errors.CutAnswer),
    ("ended by an error", message([text()], "error"), errors.CutAnswer),
    ("used up by thinking", message(THOUGHT, "max_tokens"), errors.Refused),
    ("used up before anything", message([text("")], "max_tokens"), errors.Refused),
    ("no room left", message([], "model_context_window_exceeded"), errors.Refused),
    ("an error", b'{"type":"error","error":{"type":"overloaded_error"}}', errors.Overloaded),
    ("HTML", b"<html></html>", errors.WebPage),
    ("cut JSON", message([text()])[:-5], errors.CutAnswer),
]


@pytest.mark.parametrize(("name", "body", "kind"), NOT_ANSWERS, ids=[row[0] for row in NOT_ANSWERS])
def test_what_is_not_complete_is_no_answer(name: str, body: bytes, kind: type) -> None:
    assert type(failure(body)) is kind


def test_a_failed_answer_keeps_what_it_cost() -> None:
    assert failure(message([text()], None, usage=COUNTS)).usage == USAGE
    assert failure(message(THOUGHT, "max_tokens", usage=COUNTS)).usage == USAGE
    assert "raise max_tokens" in failure(message(THOUGHT, "max_tokens")).message


SCHEMA_REQUEST = asking(
    body_with(
        tools=[{"name": "answer", "input_schema": {}}],
        tool_choice={"type": "tool", "name": "answer"},
    )
)
GIVEN = b'{"sum": 4, "big":123456789012345678901}'


def called(name: str, given: bytes) -> bytes:
    call = b'{"type":"tool_use","id":"t","name":"%b","input":%b}' % (name.encode(), given)
    return message([text("So:"), None], "tool_use").replace(b"null", call, 1)


def test_the_answer_to_a_schema_is_what_its_tool_was_given() -> None:
    got = answer(called("answer", GIVEN), SCHEMA_REQUEST)

    assert got.content == GIVEN.decode()
    assert got.finish == "stop"


@pytest.mark.parametrize(
    ("body", "request_", "content", "finish"),
    [
        (called("answer", GIVEN), asking(), "So:", "tool"),
        (called("other", GIVEN), SCHEMA_REQUEST, "So:", "tool"),
        (called("answer", b'"{\\"sum\\""'), SCHEMA_REQUEST, '{"sum"', "stop"),
        (message([text("No."), 7], "refusal"), SCHEMA_REQUEST, "No.", "filter"),
    ],
    ids=["not asked for", "another tool", "half of it", "refused"],
)
def test_other_answers_are_what_they_say(
    body: bytes, request_: Request, content: str, finish: str
) -> None:
    got = answer(body, request_)

    assert (got.content, got.finish) == (content, finish)


def test_pictures_of_converted_models_become_files() -> None:
    request = asking(model="gemini-3-image")
    inline = "![a cat](data:image/png;base64,iVBORw0KGgo=)"

    got = answer(message([text(inline)], usage=COUNTS), request)
    step = step_of(message([text("![a cat](https://x.example/cat.png)")]), request)

    assert [blob.text for blob in got.blobs] == ["data:image/png;base64,iVBORw0KGgo="]
    assert got.usage == USAGE + meters(images=1)
    assert isinstance(step, Wait)
    assert step.call.path == "https://x.example/cat.png"
    assert answer(message([TOOL], "tool_use"), request).finish == "tool"
    with pytest.raises(errors.NoMedia, match="Sorry"):
        step_of(message([text("Sorry.")]), request)


def test_no_answer_has_files_without_end() -> None:
    many = " ".join(f"![x](https://x.example/{number}.png)" for number in range(100))

    step = step_of(message([text(many)]), asking(model="gemini-3-image"))

    assert isinstance(step, Wait)
    assert len(step.state["wanted"]) == 64


def test_a_block_with_a_picture_is_one() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo="}}

    assert [blob.text for blob in answer(message([text(), image])).blobs] == ["iVBORw0KGgo="]


ROUTE_FAILURES = [
    (400, "invalid_request_error", errors.Refused),
    (401, "authentication_error", errors.UpstreamAccount),
    (402, "billing_error", errors.UpstreamAccount),
    (403, "permission_error", errors.Refused),
    (404, "not_found_error", errors.Refused),
    (413, "request_too_large", errors.Refused),
    (429, "rate_limit_error", errors.Saturated),
    (500, "api_error", errors.ServerTrouble),
    (504, "timeout_error", errors.Interrupted),
    (529, "overloaded_error", errors.Overloaded),
    (400, "<nil>", errors.Refused),
    (500, "<nil>", errors.ServerTrouble),
    (529, "<nil>", errors.Overloaded),
    (500, "do_request_failed", errors.ChannelTrouble),
    (502, "bad_response_status_code", errors.ServerTrouble),
    (429, "rate_limit_exceeded", errors.Saturated),
    (400, "context_length_exceeded", errors.Refused),
    (429, "insufficient_quota", errors.UpstreamAccount),
    (503, "model_not_found", errors.UnknownModel),
]


@pytest.mark.parametrize(("status", "word", "kind"), ROUTE_FAILURES)
def test_an_error_in_this_manner_is_named(status: int, word: str, kind: type) -> None:
    body = orjson.dumps({"type": "error", "error": {"type": word, "message": "no"}})

    with pytest.raises(errors.CallFailed) as caught:
        FORMAT.next(asking(), None, Reply(status, {}, body))

    assert type(caught.value) is kind


# ------------------------------------------------------------------------------------ the usage

USAGES: list[tuple[str, Any, Usage | None]] = [
    ("missing", None, None),
    ("not an object", [], None),
    ("all zero", {"input_tokens": 0, "output_tokens": 0}, None),
    ("plain", COUNTS, USAGE),
    ("nulls", COUNTS | {"cache_read_input_tokens": None, "cache_creation": None}, USAGE),
    ("read", COUNTS | {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 0},
     meters(input=9, cached_input=100, cache_write=0, output=4)),
    ("little read", COUNTS | {"cache_read_input_tokens": 5},
     meters(input=9, cached_input=5, output=4)),
    ("written", COUNTS | {"cache_creation_input_tokens": 50},
     meters(input=9, cache_write=50, output=4)),
    ("both", COUNTS | {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 50},
     meters(input=9, cached_input=100, cache_write=50, output=4)),
    ("all cached", {"input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 4},
     meters(input=0, cached_input=100, output=4)),
    ("written, by how long",
     COUNTS | {"cache_creation": {"ephemeral_5m_input_tokens": 20,
                                  "ephemeral_1h_input_tokens": 30}},
     meters(input=9, cache_write=20, cache_write_1h=30, output=4)),
    ("written for an hour, and nothing else",
     COUNTS | {"cache_creation_input_tokens": 50,
               "cache_creation": {"ephemeral_1h_input_tokens": 50}},
     meters(input=9, cache_write=0, cache_write_1h=50, output=4)),
    ("written by its length only, beside a count that is padding",
     COUNTS | {"cache_creation_input_tokens": 0,
               "cache_creation": {"ephemeral_5m_input_tokens": 50}},
     meters(input=9, cache_write=50, output=4)),
    ("searches", COUNTS | {"server_tool_use": {"web_search_requests": 3}},
     meters(input=9, output=4, searches=3)),
    ("no searches", COUNTS | {"server_tool_use": {"web_search_requests": 0}}, USAGE),
    ("a talk summed up, and what that kept",
     COUNTS | {"cache_creation_input_tokens": 5,
               "cache_creation": {"ephemeral_1h_input_tokens": 5},
               "iterations": [
         {"type": "compaction", "input_tokens": 100, "output_tokens": 20,
          "cache_creation_input_tokens": 70,
          "cache_creation": {"ephemeral_1h_input_tokens": 40,
                             "ephemeral_5m_input_tokens": 30}}]},
     meters(input=109, cache_write=30, cache_write_1h=45, output=24)),
    ("written, told twice",
     COUNTS | {"cache_creation_input_tokens": 50,
               "cache_creation": {"ephemeral_5m_input_tokens": 50}},
     meters(input=9, cache_write=50, output=4)),
    ("thinking", COUNTS | {"output_tokens_details": {"thinking_tokens": 3}},
     meters(input=9, output=1, reasoning=3)),
    ("a talk summed up, which the totals leave out",
     COUNTS | {"iterations": [
         {"type": "compaction", "input_tokens": 60385, "output_tokens": 592,
          "cache_read_input_tokens": 7},
         {"type": "message", "input_tokens": 9, "output_tokens": 4}]},
     meters(input=60394, cached_input=7, output=596)),
    ("steps that the totals hold",
     COUNTS | {"iterations": [{"type": "message", "input_tokens": 9, "output_tokens": 4}, 7]},
     USAGE),
    ("no input", {"output_tokens": 4, "cache_read_input_tokens": 5}, meters(output=4)),
    ("no output", {"input_tokens": 9}, meters(input=9)),
    ("nonsense", {"input_tokens": "9", "output_tokens": -4, "cache_creation": 7}, None),
    ("floats", {"input_tokens": 9.0, "output_tokens": 4.0}, USAGE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "told", "usage"), USAGES, ids=[row[0] for row in USAGES])
def test_usage_counts_the_cache_beside_the_input(name: str, told: Any, usage: Any) -> None:
    assert answer(message([text()], usage=told)).usage == usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"cache_read_input_tokens": 5}, meters(input=4, cached_input=5, output=4)),
        ({"cache_read_input_tokens": 100}, meters(input=9, cached_input=100, output=4)),
        ({"cache_read_input_tokens": 5, "cache_creation_input_tokens": 2},
         meters(input=9, cached_input=5, cache_write=2, output=4)),
    ],
    ids=["inside", "too much to be inside", "written too"],
)  # fmt: skip
def test_a_converted_answer_counts_the_cache_inside_the_input(told: Any, usage: Any) -> None:
    body = message([text()], usage=COUNTS | told, id="chatcmpl-1")

    assert answer(body).usage == usage


# ----------------------------------------------------------------------------------- the stream

WHOLE = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-20250514",
    "stop_sequence": None,
}
FOLDED: list[tuple[str, dict[str, Any]]] = [
    ("200-stream.txt", {
        "content": [text("Hello, 世界\u2028!")],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 14, "cache_creation_input_tokens": 0,
                  "cache_read_input_tokens": 0, "output_tokens": 9},
    }),
    ("200-thinking+stream.txt", {
        "content": [
            {"type": "thinking", "thinking": "17 times 20 is 340.", "signature": "c2lnbmVk"},
            {"type": "redacted_thinking", "data": "aGlkZGVu"},
            text("391"),
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 20, "output_tokens": 60, "cache_creation_input_tokens": 0,
                  "cache_read_input_tokens": 0, "output_tokens_details": {"thinking_tokens": 50}},
    }),
    ("200-tools+stream.txt", {
        "content": [
            text("Let me see."),
            {"type": "tool_use", "id": "toolu_2", "name": "look_up",
             "input": {"word": "wallaby", "most": 12345678901234567890123}},
            {"type": "tool_use", "id": "toolu_3", "name": "now", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 300, "output_tokens": 44},
    }),
    ("200-search.txt", {
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
             "input": {"query": "who won"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
             "content": [{"type": "web_search_result", "url": "https://example.com/final",
                          "title": "The final", "encrypted_content": "ZW5j", "page_age": None}]},
            text("The reds won") | {"citations": [
                {"type": "web_search_result_location", "url": "https://example.com/final",
                 "title": "The final", "cited_text": "The reds won.", "encrypted_index": "aWR4"}]},
            text("."),
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1200, "cache_creation_input_tokens": 0,
                  "cache_read_input_tokens": 0, "output_tokens": 50,
                  "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}},
    }),
]  # fmt: skip


@pytest.mark.parametrize(("name", "whole"), FOLDED, ids=[row[0] for row in FOLDED])
def test_a_stream_folds_to_exactly_the_unstreamed_body(name: str, whole: Any) -> None:
    assert json.loads(fold(sample(name))) == WHOLE | whole


@settings(deadline=None)
@given(st.data())
def test_a_stream_folds_to_the_same_however_it_is_cut(data: st.DataObject) -> None:
    stream = sample("200-stream.txt")
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))

    assert json.loads(fold(stream, *cuts)) == WHOLE | FOLDED[0][1]


STREAMS = [
    ("plain", SAID + turned() + STOP),
    ("pings anywhere", event({"type": "ping"}) + SAID + event({"type": "ping"}) + turned() + STOP),
    ("comments and three line breaks",
     b": PING\n\n" + (SAID + turned() + STOP).replace(b"\n\n", b"\n\n\n")),
    ("no names of events", (SAID + turned() + STOP).replace(b"event: ", b"x: ")),
    ("no ends of blocks", (SAID + turned() + STOP).replace(ended(0), b"")),
    ("events that mean nothing", SAID + event({"type": "new", "success": True}) + turned() + STOP),
    ("several words on the end", SAID + turned(None) + turned() + STOP),
    ("a text that has begun", started() + begun(0, **text("H")) + delta(0, "text_delta", text="i")
     + turned() + STOP),
    ("no beginning of a block",
     started() + delta(0, "text_delta", text="H") + delta(0, "text_delta", text="i")
     + turned() + STOP),
    ("a text within thinking, unannounced",
     started() + begun(0, type="thinking", thinking="", signature="")
     + delta(0, "thinking_delta", thinking="hm") + delta(0, "text_delta", text="Hi")
     + turned() + STOP),
    ("a whole message in one event",
     event(json.loads(message([text()], usage=COUNTS)))),
    ("the gateway's own retry",
     started("msg_0", input_tokens=77, cache_read_input_tokens=7) + begun(0, **text("Half an ans"))
     + SAID + turned() + STOP),
    ("a retry after an end", SAID + turned("max_tokens", input_tokens=77) + STOP
     + SAID + turned() + STOP),
    ("counts that are told later", started(input_tokens=0)
     + begun(0, **text("")) + delta(0, "text_delta", text="Hi")
     + turned(input_tokens=9, cache_read_input_tokens=None) + STOP),
    ("padding behind the counts", SAID + turned(input_tokens=0) + STOP),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), STREAMS, ids=[row[0] for row in STREAMS])
def test_every_kind_of_stream_gives_its_answer(name: str, stream: bytes) -> None:
    got = answer(fold(stream))

    assert (got.content, got.finish, got.usage) == ("Hi", "stop", USAGE)


CUT = [
    ("nothing", b""),
    ("only a beginning", started()),
    ("no word on the end", SAID),
    ("no end", SAID + turned()),
    ("an end without a reason", SAID + turned(None) + STOP),
    ("an end with an empty reason", SAID + turned("") + STOP),
    ("an end mark of another dialect", SAID + b"data: [DONE]\n\n"),
    ("a torn event", SAID + turned() + b'event: message_stop\ndata: {"type":"mess'),
    ("a torn event within", SAID + b"data: {\n\n" + turned() + STOP),
]


@pytest.mark.parametrize(("name", "stream"), CUT, ids=[row[0] for row in CUT])
def test_a_stream_that_stops_early_is_no_answer(name: str, stream: bytes) -> None:
    assert type(failure(fold(stream))) is errors.CutAnswer


def test_a_count_that_is_told_once_stays() -> None:
    told = {"cache_read_input_tokens": 7, "cache_creation_input_tokens": 0}
    nothing = dict.fromkeys([*told, "service_tier"])

    body = json.loads(fold(started(**told) + begun(0, **text()) + turned(**nothing) + STOP))

    assert body["usage"] == COUNTS | told | {"service_tier": None}


def test_a_count_within_the_counts_stays_too() -> None:
    kept = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 7}
    nothing = {"cache_creation_input_tokens": 0, "cache_creation": dict.fromkeys(kept, 0)}
    told = {"cache_creation_input_tokens": 7, "cache_creation": kept}
    searched = {"server_tool_use": {"web_search_requests": 2}}

    stream = started(**told) + begun(0, **text("Hi")) + turned(**nothing, **searched) + STOP

    assert json.loads(fold(stream))["usage"] == COUNTS | told | searched
    used = meters(input=9, cache_write=0, cache_write_1h=7, output=4, searches=2)
    assert answer(fold(stream)).usage == used


def test_what_only_the_end_tells_is_told_though_it_is_nothing() -> None:
    end = {"stop_reason": "end_turn", "stop_sequence": None, "model": None}
    stream = SAID.replace(b'"stop_sequence":null,', b"")
    stream += event({"type": "message_delta", "delta": end, "usage": COUNTS})

    body = json.loads(fold(stream + STOP))

    assert (body["stop_sequence"], body["model"]) == (None, "m")


def test_a_cut_stream_knows_what_was_read_but_not_what_was_written() -> None:
    assert failure(fold(SAID)).usage == meters(input=9)
    assert failure(fold(SAID + turned())).usage == USAGE


def test_a_converted_stream_that_is_cut_knows_nothing() -> None:
    assert failure(fold(SAID.replace(b"msg_1", b"chatcmpl-1"))).usage is None


def test_a_converted_stream_may_end_without_a_word_on_why() -> None:
    got = answer(fold(SAID.replace(b"msg_1", b"chatcmpl-1") + STOP))

    assert (got.content, got.finish, got.usage) == ("Hi", "unknown", None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, errors.Overloaded),
        ({"type": "error", "error": {"type": "rate_limit_error"}}, errors.Saturated),
        ({"type": "error", "error": {"type": "api_error", "message": "x"}}, errors.ServerTrouble),
        ({"type": "error", "error": {"type": "<nil>", "message": "x"}}, errors.CutAnswer),
        ({"type": "error"}, errors.CutAnswer),
        ({"error": {"message": "x", "code": "insufficient_user_quota"}}, errors.NoMoney),
    ],
)
@pytest.mark.parametrize("prefix", [b"event: error\ndata: ", b"data: ", b"\n"])
def test_an_error_within_a_stream_is_named(prefix: bytes, error: Any, kind: type) -> None:
    with pytest.raises(errors.CallFailed) as caught:
        fold(SAID + prefix + orjson.dumps(error) + b"\n\n")

    assert type(caught.value) is kind
    assert caught.value.usage is None  # the gateway gives back what it held


def test_an_error_behind_the_count_keeps_it() -> None:
    with pytest.raises(errors.Overloaded) as caught:
        fold(SAID + turned() + event({"type": "error", "error": {"type": "overloaded_error"}}))

    assert caught.value.usage == USAGE


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ([""], {}),
        ([], {}),
        (['{"a":', "", ' [1, "x"]}'], {"a": [1, "x"]}),
        (['{"a": "\\ud83d', '\\ude00"}'], {"a": "😀"}),
        (['{"a": "b'], '{"a": "b'),
        (["[1]"], [1]),
        (["  "], {}),
    ],
)
def test_the_pieces_of_an_input_are_one_object(pieces: list[str], given: Any) -> None:
    stream = started() + begun(0, type="tool_use", id="t", name="f", input={})
    stream += b"".join(delta(0, "input_json_delta", partial_json=piece) for piece in pieces)

    body = json.loads(fold(stream + ended(0) + turned("tool_use") + STOP))

    assert body["content"] == [{"type": "tool_use", "id": "t", "name": "f", "input": given}]


def test_calls_with_the_same_index_stay_apart() -> None:
    stream = started()
    for name in ("a", "b"):
        stream += begun(0, type="tool_use", id=name, name=name, input={})
        stream += delta(0, "input_json_delta", partial_json=f'{{"x":"{name}"}}')

    body = json.loads(fold(stream + turned("tool_use") + STOP))

    assert [(b["id"], b["input"]) for b in body["content"]] == [
        ("a", {"x": "a"}),
        ("b", {"x": "b"}),
    ]


def test_blocks_that_interleave_are_told_apart() -> None:
    stream = started() + begun(1, type="tool_use", id="b", name="g", input={})
    stream += begun(0, type="tool_use", id="a", name="f", input={})
    stream += delta(1, "input_json_delta", partial_json='{"y":')
    stream += delta(0, "input_json_delta", partial_json='{"x":1}')
    stream += delta(1, "input_json_delta", partial_json="2}")

    body = json.loads(fold(stream + turned("tool_use") + STOP))

    assert [block["input"] for block in body["content"]] == [{"x": 1}, {"y": 2}]


def test_what_is_new_is_not_lost() -> None:
    stream = started() + begun(0, type="compaction", content="", deep={"a": [1]})
    stream += delta(0, "compaction_delta", content="so ") + delta(
        0, "compaction_delta", content="far"
    )
    end = {"stop_reason": "refusal", "stop_sequence": "#", "stop_details": {"type": "refusal"}}
    stream += event({"type": "message_delta", "delta": end, "usage": {}, "context_management": {}})

    body = json.loads(fold(stream + STOP))

    assert body["content"] == [{"type": "compaction", "content": "so far", "deep": {"a": [1]}}]
    assert (body["stop_sequence"], body["stop_details"]) == ("#", {"type": "refusal"})
    assert (body["stop_reason"], body["context_management"]) == ("refusal", {})


def test_a_stream_nested_beyond_reason_is_no_answer() -> None:
    deep = orjson.dumps("#").replace(b'"#"', b"[" * 900 + b"]" * 900)
    odd = begun(1, type="odd", deep="#").replace(b'"#"', deep)

    assert type(failure(fold(SAID + odd + turned() + STOP))) is errors.CutAnswer


def test_ten_thousand_pieces_and_citations_take_no_square_of_time() -> None:
    pieces = delta(0, "input_json_delta", partial_json="0123456789" * 10) * 10_000
    cited = delta(1, "citations_delta", citation={"cited_text": "x"}) * 10_000
    began = time.process_time()

    body = json.loads(
        fold(started() + begun(0, type="tool_use", input={}) + pieces + cited + turned() + STOP)
    )

    assert len(body["content"][0]["input"]) == 10**6
    assert len(body["content"][1]["citations"]) == 10_000
    assert time.process_time() - began < 3
