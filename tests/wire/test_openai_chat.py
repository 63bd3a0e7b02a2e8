"""Chat completions: what is asked, what counts as an answer, and what a stream folds into."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch import errors
from batch.records import Answer, Done, Reply, Request, Send
from batch.usage import Meter, Usage, fields
from batch.wire import Ask
from batch.wire._sse import Events
from batch.wire.openai_chat import FORMAT

SAMPLES = Path(__file__).parent / "samples" / "chat"
PLAIN = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def asking(body: bytes = PLAIN) -> Request:
    shaped = FORMAT.shape(body, Ask(add_usage=False))
    return Request(
        (1,), ("a",), "chat", "m", body, path=shaped.path, makes=shaped.makes, stem="00000001-ab"
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


def answer(body: bytes, *, streamed: bool = False) -> Answer:
    reply = Reply(200, {"x-oneapi-request-id": "gw-1"}, body, streamed=streamed)
    step = FORMAT.next(asking(), None, reply)
    assert isinstance(step, Done)
    return step.answer


def answer_of(stream: bytes) -> Answer:
    return answer(fold(stream), streamed=True)


def failure(body: bytes) -> errors.CallFailed:
    with pytest.raises(errors.CallFailed) as caught:
        answer(body)
    return caught.value


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": more.pop("index", 0), "delta": delta, "finish_reason": finish}
    choice |= more.pop("beside", {})
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return event(head | {"choices": [choice]} | more)


def body_of(message: Any, finish: Any = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return orjson.dumps({"id": "c1", "model": "m", "choices": [choice]} | more)


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")
COUNTS = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
USAGE = Usage({Meter.INPUT: 9, Meter.OUTPUT: 4})
DONE = b"data: [DONE]\n\n"


# ---------------------------------------------------------------------------------- the request


@pytest.mark.parametrize("url", ["/v1/chat/completions", "/chat/completions/"])
def test_it_claims_the_endpoint_with_and_without_version(url: str) -> None:
    assert FORMAT.claims("POST", url)


@pytest.mark.parametrize("url", ["/v1/completions", "/v1/messages", "chat", "/v1/chat"])
def test_it_claims_nothing_else(url: str) -> None:
    assert not FORMAT.claims("POST", url)


@pytest.mark.parametrize(
    ("body", "mine"),
    [
        ({"messages": []}, True),
        ({"messages": [], "system": [{"type": "text", "text": "x"}]}, False),
        ({"messages": [], "system": "x"}, False),
        ({"messages": [], "anthropic_version": "x"}, False),
        ({"input": "x"}, False),
        ({"contents": []}, False),
    ],
)
def test_a_body_is_known_by_its_keys(body: dict[str, Any], mine: bool) -> None:
    assert FORMAT.mine(body) is mine


def test_an_untouched_body_is_the_same_object() -> None:
    assert FORMAT.shape(PLAIN, Ask(model="other")).body is PLAIN


def test_a_missing_model_is_filled_in_and_nothing_else_changes() -> None:
    body = b'{"messages":[{"role":"user","content":"x"}],"seed":123456789012345678901234567890}'

    shaped = FORMAT.shape(body, Ask(model="m"))

    assert shaped.model == "m"
    assert shaped.body == body[:-1] + b',"model":"m"}'


@pytest.mark.parametrize("model", [b"null", b'""', b'"old"'])
def test_an_override_replaces_any_model_in_its_place(model: bytes) -> None:
    body = b'{"model":' + model + b',"messages":[{"role":"user"}],"x":1.10}'

    shaped = FORMAT.shape(body, Ask(override_model="new", model="no"))

    assert shaped.body == b'{"model":"new","messages":[{"role":"user"}],"x":1.10}'


STREAMED = b'{"model":"m","messages":[{"role":"user"}],"stream":true'


@pytest.mark.parametrize(
    ("body", "shaped"),
    [
        (b"}", b',"stream_options":{"include_usage":true}}'),
        (b',"stream_options":null}', b',"stream_options":{"include_usage":true}}'),
        (
            b',"stream_options":{"include_usage":false,"x":1.0}}',
            b',"stream_options":{"include_usage":true,"x":1.0}}',
        ),
        (
            b',"stream_options":{"include_usage": true}}',
            b',"stream_options":{"include_usage": true}}',
        ),
    ],
)
def test_a_stream_is_asked_for_its_usage(body: bytes, shaped: bytes) -> None:
    assert FORMAT.shape(STREAMED + body, Ask()).body == STREAMED + shaped


def test_a_stream_is_left_alone_if_so_told() -> None:
    body = STREAMED + b',"stream_options":{"include_usage":false}}'

    assert FORMAT.shape(body, Ask(add_usage=False)).body is body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"messages":[{"role":"user"}]}', "-m"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":"hi"}', "messages"),
        (b'{"model":"m","messages":["hi"]}', "messages"),
        (b'{"model":"m","messages":[{"content":"hi"}]}', "role"),
        (b'{"model":7,"messages":[{"role":"user"}]}', "model"),
        (b'{"model":"m","messages":[{"role":"user"}],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', "utf-8"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', "JSON|truncated"),
        (b'{"model":"m","messages":[{"role":"user"}],"x":' + b"[" * 5000, "recursion"),
    ],
)
def test_a_bad_body_is_told_in_words(body: bytes, words: str) -> None:
    with pytest.raises(errors.BadBody, match=words):
        FORMAT.shape(body, Ask())


def test_a_body_is_built_from_prompt_system_and_schema() -> None:
    schema = {"type": "object"}

    body = json.loads(FORMAT.build("2+2?", "Be brief.", schema))

    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2+2?"},
    ]
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert json.loads(FORMAT.build("x", None, None)) == {
        "messages": [{"role": "user", "content": "x"}]
    }


@pytest.mark.parametrize(
    ("extra", "repeat"),
    [
        (b"", "free"),
        (b',"modalities":["text"]', "free"),
        (b',"modalities":["text","audio"]', "once"),
        (b',"modalities":["image"]', "once"),
        (b',"modalities":"audio"', "free"),
    ],
)
def test_media_are_made_once(extra: bytes, repeat: str) -> None:
    request = asking(PLAIN[:-1] + extra + b"}")

    step = FORMAT.start(request)

    assert isinstance(step, Send)
    assert (FORMAT.repeat(request), step.call.repeat) == (repeat, repeat)


@pytest.mark.parametrize(
    ("extra", "expect"),
    [(b"", "json"), (b',"stream":false', "json"), (b',"stream":true', "events")],
)
def test_the_body_is_sent_as_it_is(extra: bytes, expect: str) -> None:
    body = PLAIN[:-1] + extra + b"}"

    step = FORMAT.start(asking(body))

    assert isinstance(step, Send)
    assert step.state is None
    assert (step.call.method, step.call.path) == ("POST", "/v1/chat/completions")
    assert step.call.payload is body
    assert step.call.expect == expect


@pytest.mark.parametrize(
    ("extra", "expected", "most"),
    [
        (b"", 256, None),
        (b',"n":2', 512, None),
        (b',"max_tokens":10', 10, 10),
        (b',"max_tokens":10,"n":3', 30, 30),
        (b',"max_tokens":10,"max_completion_tokens":20', 20, 20),
        (b',"max_tokens":20,"max_completion_tokens":10', 20, 20),
        (b',"max_tokens":"many","n":"x"', 256, None),
        (b',"max_tokens":0', 256, None),  # the gateway drops a zero
        (b',"max_tokens":5,"x":"image_url"', 5, None),
    ],
)
def test_a_request_is_sized(extra: bytes, expected: int, most: int | None) -> None:
    request = asking(PLAIN[:-1] + extra + b"}")

    estimate, bound = FORMAT.estimate(request), FORMAT.bound(request)

    assert estimate.input_tokens == len(request.body) // 3
    assert estimate.output_tokens == expected
    size = len(request.body)
    assert bound == (None if most is None else Usage({Meter.INPUT: size, Meter.OUTPUT: most}))


def test_a_bound_holds_for_what_the_gateway_makes_of_a_chat_for_another_vendor() -> None:
    plain = asking(PLAIN[:-1] + b',"max_tokens":10}')
    tools = asking(PLAIN[:-1] + b',"max_tokens":10,"tools":[]}')
    thinking = msgspec.structs.replace(plain, model="claude-sonnet-4-thinking")

    assert FORMAT.bound(tools) == Usage({Meter.INPUT: len(tools.body) + 1024, Meter.OUTPUT: 10})
    assert FORMAT.bound(thinking) == Usage({Meter.INPUT: len(plain.body), Meter.OUTPUT: 1280})


# ----------------------------------------------------------------------------------- the answer


def test_the_sample_of_the_tools_page_is_an_answer() -> None:
    got = answer(sample("response-tools.json"))

    assert (got.content, got.finish, got.model) == (None, "tool", "gpt-4o-2024-08-06")
    assert got.request_id == "gw-1"
    assert b"\n" not in got.body
    assert json.loads(got.body) == json.loads(sample("response-tools.json"))
    assert fields(got.usage) == {
        "input_tokens": 80,
        "input_cached_tokens": 0,
        "input_audio_tokens": 0,
        "output_tokens": 23,
        "output_reasoning_tokens": 0,
        "output_audio_tokens": 0,
    }


def test_a_body_on_one_line_is_kept_as_it_came() -> None:
    body = body_of({"content": "Hi"})[:-1] + b', "n":1.10, "big":123456789012345678901}'

    assert answer(body).body is body


def test_a_body_over_several_lines_loses_no_digit() -> None:
    body = body_of({"content": "a\nb"})[:-1] + b',\r\n"n": 1.10,\n"big": 123456789012345678901\n}'

    got = answer(b"\xef\xbb\xbf" + body)

    assert got.body == body.replace(b"\r\n", b"").replace(b"\n", b"")
    assert got.content == "a\nb"


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": "Hi"}, "Hi"),
        ({"content": ""}, ""),
        ({"content": None}, None),
        ({}, None),
        ({"content": "<think>\nhm\n</think>\nHi"}, "<think>\nhm\n</think>\nHi"),
        ({"content": "Hi", "reasoning_content": "hm", "reasoning": "hm"}, "Hi"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]}, "ab"),
        ({"content": None, "audio": {"id": "x", "data": "AA", "transcript": "Hi."}}, "Hi."),
        ({"content": 7}, None),
        ({"content": None, "refusal": "I will not."}, None),
    ],
)
def test_the_content_is_the_text(message: Any, content: str | None) -> None:
    assert answer(body_of(message)).content == content


CALLS = {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": ""}}]}


@pytest.mark.parametrize(
    ("reason", "message", "finish"),
    [
        ("stop", {}, "stop"),
        ("length", {"content": "x"}, "length"),
        ("max_tokens", {"content": "x"}, "length"),
        ("tool_calls", CALLS, "tool"),
        ("function_call", {"function_call": {"name": "f"}}, "tool"),
        ("content_filter", {}, "filter"),
        ("refusal", {}, "filter"),
        ("pause_turn", {}, "paused"),
        ("model_length", {"content": "x"}, "length"),
        ("model_context_window_exceeded", {"content": "x"}, "length"),
        ("sensitive", {}, "filter"),
        ("stop", {"content": None, "refusal": "I will not."}, "filter"),
        ("stop", {"content": "x", "refusal": ""}, "stop"),
        ("", {"content": "x"}, "unknown"),
        ("something_new", {}, "unknown"),
        (7, {}, "unknown"),
        ("stop", CALLS, "tool"),
        ("stop", {"tool_calls": []}, "stop"),
        ("length", CALLS, "length"),
    ],
)
def test_the_finish_reason_is_told_in_our_words(reason: Any, message: Any, finish: str) -> None:
    assert answer(body_of(message, reason)).finish == finish


NOT_ANSWERS = [
    ("no choices", b'{"id":"x"}', errors.NotAnAnswer),
    ("empty choices", b'{"choices":[]}', errors.NotAnAnswer),
    ("choices of another kind", b'{"choices":{"a":1}}', errors.NotAnAnswer),
    ("a choice of another kind", b'{"choices":[null]}', errors.NotAnAnswer),
    ("no message", b'{"choices":[{"finish_reason":"stop"}]}', errors.NotAnAnswer),
    ("no finish_reason", b'{"choices":[{"message":{"content":"x"}}]}', errors.CutAnswer),
    ("a null finish_reason", body_of({"content": "x"}, None), errors.CutAnswer),
    ("broken off, Zhipu", body_of({"content": "x"}, "network_error"), errors.CutAnswer),
    ("broken off, DeepSeek", body_of({"content": "x"}, "insufficient_system_resource"),
     errors.CutAnswer),
    ("broken off, vLLM", body_of({"content": "x"}, "abort"), errors.CutAnswer),
    ("ended by an error", body_of({"content": "x"}, "error"), errors.CutAnswer),
    ("one of two unfinished",
     b'{"choices":[{"message":{"content":"x"},"finish_reason":"stop"},{"message":{}}]}',
     errors.CutAnswer),
    ("used up", body_of({"content": ""}, "length"), errors.Refused),
    ("used up by reasoning",
     body_of({"content": None, "reasoning_content": "hm"}, "length"), errors.Refused),
    ("an error", b'{"error":{"message":"x","code":"model_not_found"}}', errors.UnknownModel),
    ("HTML", b"<html></html>", errors.WebPage),
    ("cut JSON", body_of({"content": "x"})[:-5], errors.CutAnswer),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "kind"), NOT_ANSWERS, ids=[row[0] for row in NOT_ANSWERS])
def test_what_is_not_complete_is_no_answer(name: str, body: bytes, kind: type) -> None:
    assert type(failure(body)) is kind


def test_a_failed_answer_keeps_what_it_cost() -> None:
    for message, reason in (({"content": "x"}, None), ({"content": ""}, "length")):
        assert failure(body_of(message, reason, usage=COUNTS)).usage == USAGE
    assert failure(orjson.dumps({"choices": [], "usage": COUNTS})).usage == USAGE


def test_an_answer_used_up_before_any_text_says_what_to_do() -> None:
    assert "raise max_tokens" in failure(body_of({"content": ""}, "length")).message
    full = failure(body_of({"content": ""}, "model_context_window_exceeded"))
    assert "ask with less text" in full.message


def test_a_bad_status_is_named() -> None:
    with pytest.raises(errors.Throttled):
        FORMAT.next(asking(), None, Reply(429, {}, b""))


# ------------------------------------------------------------------------------------ the usage


@pytest.mark.parametrize("beside", [{}, {"citations": ["c"]}], ids=["plain", "any"])
@pytest.mark.parametrize("first", [None, "auto"])
def test_a_stream_was_served_at_the_tier_that_its_last_chunk_names(
    first: str | None, beside: dict[str, Any]
) -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 1}
    pieces = [
        chunk({"role": "assistant", "content": "H"}, service_tier=first),
        chunk({"content": "i"}, service_tier=first),
        chunk({"content": ""}, "stop", usage=counts, service_tier="flex", **beside),
    ]

    got = answer_of(b"".join(pieces))

    assert got.usage is not None
    assert got.usage.tier == "flex"


def meters(**counts: int) -> Usage:
    return Usage({Meter[name.upper()]: count for name, count in counts.items()})


USAGES: list[tuple[str, Any, Usage | None]] = [
    ("missing", None, None),
    ("not an object", [], None),
    ("empty", {}, None),
    ("all zero", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
    ("plain", COUNTS, USAGE),
    ("padding beside", COUNTS | {"input_tokens": 0, "output_tokens": 0}, USAGE),
    ("both pairs", COUNTS | {"input_tokens": 9, "output_tokens": 4}, USAGE),
    ("the other pair", {"prompt_tokens": 0, "input_tokens": 9, "output_tokens": 4}, USAGE),
    ("details empty", COUNTS | {"prompt_tokens_details": {}, "completion_tokens_details": {}},
     USAGE),
    ("details null", COUNTS | {"prompt_tokens_details": None, "input_tokens_details": None}, USAGE),
    ("details of nulls", COUNTS | {"prompt_tokens_details": {"cached_tokens": None}}, USAGE),
    ("floats", {"prompt_tokens": 9.0, "completion_tokens": 4.0}, USAGE),
    ("nonsense", {"prompt_tokens": "9", "completion_tokens": -4}, None),
    ("beyond numbers", {"prompt_tokens": 2**60, "completion_tokens": 4}, meters(output=4)),
    ("input alone", {"prompt_tokens": 9}, meters(input=9)),
    ("output zero", {"prompt_tokens": 9, "completion_tokens": 0}, meters(input=9, output=0)),
    ("cached", COUNTS | {"prompt_tokens_details": {"cached_tokens": 5}},
     meters(input=4, cached_input=5, output=4)),
    ("cached, DeepSeek", COUNTS | {"prompt_cache_hit_tokens": 5},
     meters(input=4, cached_input=5, output=4)),
    ("cached, top level", COUNTS | {"cached_tokens": 5},
     meters(input=4, cached_input=5, output=4)),
    ("written", COUNTS | {"prompt_tokens_details": {"cached_creation_tokens": 5}},
     meters(input=4, cache_write=5, output=4)),
    ("reasoning", COUNTS | {"completion_tokens_details": {"reasoning_tokens": 3}},
     meters(input=9, output=1, reasoning=3)),
    ("reasoning outside",
     {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 16,
      "completion_tokens_details": {"reasoning_tokens": 3}},
     meters(input=9, output=4, reasoning=3)),
    ("audio and images",
     {"prompt_tokens": 9, "completion_tokens": 4,
      "prompt_tokens_details": {"audio_tokens": 2, "image_tokens": 3},
      "completion_tokens_details": {"audio_tokens": 3}},
     meters(input=4, input_audio=2, input_image=3, output=1, output_audio=3)),
    ("a picture that was made",
     {"prompt_tokens": 9, "completion_tokens": 1300, "total_tokens": 1309,
      "completion_tokens_details": {"text_tokens": 10, "image_tokens": 1290, "audio_tokens": 0}},
     meters(input=9, output=10, output_audio=0, output_image=1290)),
    ("read and written at once, by OpenRouter",
     {"prompt_tokens": 2168, "completion_tokens": 100, "total_tokens": 2268,
      "prompt_tokens_details": {"cached_tokens": 2161, "cache_write_tokens": 2161}},
     meters(input=7, cached_input=2161, output=100)),
    ("cached outside, each of them less than the rest",
     {"prompt_tokens": 100, "completion_tokens": 4,
      "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 60}},
     meters(input=100, cached_input=80, cache_write=60, output=4)),
    ("thoughts in the total alone, by Google",
     {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
     meters(input=35, output=74)),
    ("a total that what is cached may explain",
     COUNTS | {"total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 5}},
     meters(input=4, cached_input=5, output=4)),
    ("cached outside, by their size",
     COUNTS | {"prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 10}},
     meters(input=9, cached_input=100, cache_write=10, output=4)),
    ("cached outside, by its mark",
     COUNTS | {"usage_semantic": "anthropic", "prompt_tokens_details": {"cached_tokens": 5}},
     meters(input=9, cached_input=5, output=4)),
    ("cached inside, by its mark",
     COUNTS | {"usage_semantic": "openai", "prompt_tokens_details": {"cached_tokens": 5}},
     meters(input=4, cached_input=5, output=4)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "told", "usage"), USAGES, ids=[row[0] for row in USAGES])
def test_usage_is_read_in_every_dialect(name: str, told: Any, usage: Usage | None) -> None:
    assert answer(body_of({"content": "x"}, usage=told)).usage == usage


# ----------------------------------------------------------------------------------- the stream


def test_the_sample_of_the_stream_page_folds_to_its_sentence() -> None:
    got = answer_of(sample("response-stream.txt"))

    assert got.content == "Hello! How can I assist you today?"
    assert (got.finish, got.model) == ("stop", "gpt-3.5-turbo")
    assert got.usage == meters(input=9, output=9)
    body = json.loads(got.body)
    assert (body["id"], body["object"], body["created"]) == (
        "chatcmpl-89CCzsNNdHMTOQBSZWBQeTDCSQGBN",
        "chat.completion",
        1752460970,
    )


UNSTREAMED = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello, 世界\u2028!"},
            "finish_reason": "stop",
        }
    ],
    "usage": COUNTS,
}


@settings(deadline=None)
@given(st.data())
def test_a_stream_folds_to_the_unstreamed_body_however_it_is_cut(data: st.DataObject) -> None:
    stream = sample("200-stream.txt")
    if data.draw(st.booleans()):
        stream = stream.replace(b"\n", b"\r\n")
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))

    assert json.loads(fold(stream, *cuts)) == UNSTREAMED


SAID = ROLE + chunk({"content": "Hi"})

STREAMS = [
    ("usage with a choice", SAID + STOP + chunk({}, usage=COUNTS) + DONE),
    ("usage without a choice", SAID + STOP + event({"choices": [], "usage": COUNTS}) + DONE),
    ("usage on the last content chunk", ROLE + chunk({"content": "Hi"}, "stop", usage=COUNTS)),
    ("usage within the choice, as Moonshot tells it",
     SAID + chunk({}, "stop", beside={"usage": COUNTS}) + DONE),
    ("the whole message once more after its pieces, as MiniMax sends it",
     chunk({"role": "assistant", "content": "H"}) + chunk({"content": "i"})
     + event({"id": "c1", "object": "chat.completion", "usage": COUNTS,
              "choices": [{"index": 0, "finish_reason": "stop",
                           "message": {"role": "assistant", "content": "Hi"}}]})),
    ("an empty message after the pieces",
     SAID + event({"id": "c1", "usage": COUNTS,
                   "choices": [{"index": 0, "finish_reason": "stop",
                                "message": {"role": "assistant", "content": ""}}]})),
    ("pieces that are called messages",
     event({"id": "c1", "choices": [{"index": 0, "message": {"content": "H"}}]})
     + event({"id": "c1", "choices": [{"index": 0, "message": {"content": "i"},
                                       "finish_reason": "stop"}], "usage": COUNTS})),
    ("usage on every chunk, growing",
     chunk({"role": "assistant"}, usage={"prompt_tokens": 9})
     + chunk({"content": "Hi"}, usage={"prompt_tokens": 9, "completion_tokens": 1})
     + chunk({}, "stop", usage=COUNTS) + chunk({}, usage=None)),
    ("no end mark", SAID + STOP + event({"choices": [], "usage": COUNTS})),
    ("no role", chunk({"content": "Hi"}) + chunk({}, "stop", usage=COUNTS)),
    ("a role in every chunk",
     chunk({"role": "assistant", "content": "H"}) + chunk({"role": "assistant", "content": "i"})
     + chunk({"role": "assistant"}, "stop", usage=COUNTS)),
    ("an id for every chunk",
     chunk({"role": "assistant", "content": "H"}, id="x1")
     + chunk({"role": "assistant", "content": "i"}, id="x2")
     + chunk({"role": "assistant"}, "stop", usage=COUNTS, id="x3")),
    ("empty finish reasons",
     chunk({"content": "H"}, "") + chunk({"content": "i"}, "")
     + chunk({"content": ""}, "stop", usage=COUNTS)),
    ("finish reason lost again", SAID + STOP + event({"choices": [{"index": 0, "delta": {}}]})
     + event({"choices": [], "usage": COUNTS})),
    ("an opening chunk of a filter", event({"id": "", "model": "", "created": 0, "choices": []})
     + SAID + STOP + event({"choices": [], "usage": COUNTS})),
    ("nulls everywhere",
     chunk({"role": "assistant", "content": None, "refusal": None, "tool_calls": None})
     + chunk({"content": "Hi", "refusal": None, "tool_calls": None, "audio": None,
              "reasoning_content": None, "function_call": None})
     + chunk({"content": None}, "stop", usage=COUNTS)),
    ("keys to ignore",
     SAID.replace(b'"model"', b'"obfuscation":"x","model"')
     + chunk({}, "stop", usage=COUNTS, beside={"native_finish_reason": "x"})),
    ("a whole message in an event",
     event({"id": "c1", "choices": [{"index": 0, "message": {"content": "Hi"},
                                     "finish_reason": "stop"}], "usage": COUNTS})),
    ("events that are no objects", event(None) + event("ping") + SAID
     + chunk({}, "stop", usage=COUNTS)),
    ("the gateway's own retry",
     chunk({"role": "assistant", "content": ""}) + chunk({"content": "Half an ans"})
     + chunk({"role": "assistant", "content": ""}, id="c2") + chunk({"content": "Hi"}, id="c2")
     + chunk({}, "stop", id="c2", usage=COUNTS)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), STREAMS, ids=[row[0] for row in STREAMS])
def test_every_kind_of_stream_gives_its_answer(name: str, stream: bytes) -> None:
    got = answer_of(stream)

    assert (got.content, got.finish, got.usage) == ("Hi", "stop", USAGE)


CUT = [
    ("no finish_reason", SAID + DONE),
    ("a usage and an end mark prove nothing",
     SAID + event({"choices": [], "usage": COUNTS}) + DONE),
    ("a torn event", SAID + STOP + b'data: {"id":"c1","choi'),
    ("a torn event alone", b'data: {"id":"c1","choi'),
    ("one of two choices unfinished", SAID + chunk({"content": "x"}, index=1) + STOP + DONE),
    ("only empty finish reasons", chunk({"content": "x"}, "") + DONE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), CUT, ids=[row[0] for row in CUT])
def test_a_stream_that_stops_early_is_no_answer(name: str, stream: bytes) -> None:
    assert isinstance(failure(fold(stream)), errors.CutAnswer)


def test_a_stream_cut_after_its_usage_keeps_it() -> None:
    cut = SAID + event({"choices": [], "usage": COUNTS}) + b"data: {"

    assert failure(fold(cut)).usage == USAGE


def test_a_stream_without_choices_is_no_answer() -> None:
    assert type(failure(fold(event({"choices": [], "usage": COUNTS}) + DONE))) is errors.NotAnAnswer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"message": "x", "type": "overloaded_error"}}, errors.Overloaded),
        ({"type": "error", "error": {"type": "overloaded_error"}}, errors.Overloaded),
        ({"error": {"message": "x", "code": "insufficient_user_quota"}}, errors.NoMoney),
        ({"error": {"message": "x", "type": "server_error"}}, errors.ServerTrouble),
        ({"error": {"message": "never seen"}}, errors.CutAnswer),
        ({"error": "never seen"}, errors.CutAnswer),
    ],
)
@pytest.mark.parametrize("prefix", [b"data: ", b""], ids=["as data", "bare"])
def test_an_error_within_a_stream_is_named(prefix: bytes, error: Any, kind: type) -> None:
    stream = SAID + chunk({}, usage=COUNTS) + prefix + orjson.dumps(error) + b"\n"

    with pytest.raises(errors.CallFailed) as caught:
        fold(stream)

    assert type(caught.value) is kind
    assert caught.value.usage == USAGE


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b'{"message":"no GPU left","type":"server_error"}', errors.ServerTrouble, "no GPU left"),
        (b'{"message":"never seen"}', errors.CutAnswer, "never seen"),
        (b'{"code":"5","msg":"never seen"}', errors.CutAnswer, "never seen"),
        (b'{"error":"never seen"}', errors.CutAnswer, "never seen"),
        (b"upstream timed out", errors.CutAnswer, "upstream timed out"),
    ],
)
def test_an_event_that_is_named_an_error_keeps_its_message(
    data: bytes, kind: type, words: str
) -> None:
    stream = SAID + chunk({}, usage=COUNTS) + b"event: error\ndata: " + data + b"\n\n" + DONE

    with pytest.raises(errors.CallFailed, match=f": {words}$") as caught:
        fold(stream)

    assert type(caught.value) is kind
    assert caught.value.usage == USAGE


def test_choices_that_interleave_are_told_apart() -> None:
    stream = b"".join(
        chunk(delta, index=index)
        for index, delta in [
            (0, {"role": "assistant"}),
            (1, {"role": "assistant"}),
            (1, {"content": "B"}),
            (0, {"content": "A"}),
            (1, {"content": "b"}),
        ]
    )

    body = json.loads(fold(stream + chunk({}, "stop", index=1) + chunk({}, "length")))

    assert [c["message"]["content"] for c in body["choices"]] == ["A", "Bb"]
    assert [c["finish_reason"] for c in body["choices"]] == ["length", "stop"]


def test_reasoning_is_kept_under_the_names_it_came_with() -> None:
    pieces = [{"reasoning": t, "reasoning_content": t} for t in ("h", "m")]

    body = json.loads(fold(ROLE + b"".join(map(chunk, pieces)) + chunk({"content": "Hi"}) + STOP))

    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hi",
        "reasoning": "hm",
        "reasoning_content": "hm",
    }


def call(index: Any = None, **more: Any) -> bytes:
    function = {key: more[key] for key in ("name", "arguments") if key in more}
    piece = {"index": index, "id": more.get("id"), "type": "function", "function": function}
    return chunk({"tool_calls": [{k: v for k, v in piece.items() if v is not None}]})


TOOLS = [
    ("in order",
     call(0, id="a", name="f", arguments="") + call(0, arguments='{"x":') + call(0, arguments="1}")
     + call(1, id="b", name="g", arguments="") + call(1, arguments="{}")),
    ("interleaved",
     call(0, id="a", name="f") + call(1, id="b", name="g") + call(0, arguments='{"x":')
     + call(1, arguments="{}") + call(0, arguments="1}")),
    ("all at index 0",
     call(0, id="a", name="f", arguments='{"x":1}') + call(0, id="b", name="g", arguments="{}")),
    ("all at index 0, in pieces",
     call(0, id="a", name="f") + call(0, arguments='{"x":1}') + call(0, id="b", name="g")
     + call(0, arguments="{}")),
    ("without index",
     call(id="a", name="f", arguments='{"x":1}') + call(id="b", name="g", arguments="{")
     + call(arguments="}")),
    ("once more as a whole message",
     call(0, id="a", name="f", arguments='{"x":1}') + call(1, id="b", name="g", arguments="{}")
     + event({"id": "c1", "choices": [{"index": 0, "message": {"tool_calls": [
         {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
         {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]}}]})),
    ("the id in every piece",
     call(0, id="a", name="f", arguments='{"x":') + call(0, id="a", name="f", arguments="1}")
     + call(1, id="b", name="g", arguments="{}")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), TOOLS, ids=[row[0] for row in TOOLS])
def test_pieces_of_tool_calls_find_their_call(name: str, stream: bytes) -> None:
    got = answer_of(ROLE + stream + STOP)

    assert got.finish == "tool"
    assert json.loads(got.body)["choices"][0]["message"]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_what_is_rare_is_not_lost() -> None:
    token = {"token": "H", "logprob": -0.1}
    stream = (
        chunk({"role": "assistant", "content": "H"}, beside={"logprobs": {"content": [token]}})
        + chunk({"content": "i", "refusal": "no"}, beside={"logprobs": {"content": [token]}})
        + chunk({"refusal": "pe", "function_call": {"name": "f", "arguments": "{"}})
        + chunk({"function_call": {"arguments": "}"}, "annotations": [1], "images": ["a"]})
        + chunk({"annotations": [2], "images": ["b"], "odd": {"deep": "x"}})
        + chunk({"audio": {"id": "a1", "data": "AA", "transcript": "H", "expires_at": 1}})
        + chunk({"audio": {"data": "BB", "transcript": "i", "expires_at": 2}})
        + chunk({}, "stop", service_tier="flex", citations=["c"], beside={"stop_reason": 7})
    )

    body = json.loads(fold(stream))

    assert (body["service_tier"], body["citations"]) == ("flex", ["c"])
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "refusal": "nope",
                "function_call": {"name": "f", "arguments": "{}"},
                "annotations": [1, 2],
                "images": ["a", "b"],
                "odd": {"deep": "x"},
                "audio": {"id": "a1", "data": "AABB", "transcript": "Hi", "expires_at": 2},
            },
            "logprobs": {"content": [token, token]},
            "stop_reason": 7,
            "finish_reason": "stop",
        }
    ]


def thinks(text: str) -> bytes:
    return chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]})


def says(text: str) -> bytes:
    return chunk({"content": [{"type": "text", "text": text}]})


PARTS = [
    ("texts after thoughts", ROLE + thinks("h") + thinks("m") + chunk({"content": "H"})
     + chunk({"content": "i"}) + chunk({"content": ""}, "stop")),
    ("parts after thoughts", ROLE + thinks("h") + thinks("m") + says("H") + says("i")
     + chunk({"content": ""}, "stop")),
    ("with empty texts between", ROLE + thinks("h") + chunk({"content": ""}) + thinks("m")
     + says("H") + chunk({"content": ""}) + says("i") + STOP),
]  # fmt: skip


@pytest.mark.parametrize(("name", "stream"), PARTS, ids=[row[0] for row in PARTS])
def test_parts_and_texts_of_a_content_do_not_take_each_other_s_place(
    name: str, stream: bytes
) -> None:
    got = answer_of(stream)

    assert got.content == "Hi"
    assert json.loads(got.body)["choices"][0]["message"]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hi"},
    ]


def test_a_text_before_other_parts_stays_and_pictures_are_parts_of_their_own() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    named = {"type": "image_url", "image_url": "https://h.example/a.png"}
    others = [picture, picture, named, named, 7, {"odd": 1}]
    stream = chunk({"content": "H"}) + chunk({"content": others})

    body = json.loads(fold(stream + says("i") + STOP))

    assert body["choices"][0]["message"]["content"] == [
        {"type": "text", "text": "H"},
        *others,
        {"type": "text", "text": "i"},
    ]


def test_what_a_vendor_adds_to_a_late_chunk_of_text_is_not_lost() -> None:
    stream = ROLE + chunk({"content": "Hi"}, citations=["c"]) + STOP

    assert json.loads(fold(stream))["citations"] == ["c"]


def test_a_spoken_stream_has_its_transcript_as_content() -> None:
    pieces = chunk({"audio": {"id": "a", "transcript": "H"}}) + chunk(
        {"audio": {"transcript": "i"}}
    )

    assert answer_of(chunk({"role": "assistant"}) + pieces + STOP).content == "Hi"


def test_a_stream_nested_beyond_reason_is_no_answer() -> None:
    deep = b'data: {"choices":[{"index":0,"delta":{"odd":' + b"[" * 900 + b"]" * 900 + b"}}]}\n\n"

    assert isinstance(failure(fold(ROLE + deep + STOP)), errors.CutAnswer)


def test_a_whole_message_in_a_stream_nested_beyond_reason_is_no_answer() -> None:
    part, end = b'[{"type":"thinking","thinking":', b"}]"
    deep = part * 505 + b'"x"' + end * 505
    message = b'{"role":"assistant","content":' + deep + b"}"
    stream = b'data: {"choices":[{"index":0,"message":' + message + b"}]}\n\n"

    assert isinstance(failure(fold(stream + STOP)), errors.CutAnswer)


def test_a_line_of_five_megabytes_is_one_piece() -> None:
    text = "x" * (5 << 20)

    assert answer_of(ROLE + chunk({"content": text}) + STOP).content == text


def test_ten_thousand_pieces_of_arguments_take_no_square_of_time() -> None:
    pieces = call(0, arguments="0123456789" * 10) * 10_000
    started = time.process_time()

    body = json.loads(fold(call(0, id="a", name="f") + pieces + STOP))

    assert len(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) == 10**6
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ([{"message": {"content": "a"}}, {"message": {"content": None}}], "a"),
        ([{"message": {"content": "a"}}, {"message": {"content": "b"}}], "a"),
        ([{"message": {"content": ""}, "delta": {"content": "b"}}], ""),
        ([{"message": {}, "delta": {"content": "b"}}], "b"),
        ([{"message": {"content": "", "audio": {"transcript": "said"}}}], "said"),
        ([{"message": {"content": [{"text": "a"}, {"text": "b"}]}}], "ab"),
        ([{"message": None}], None),
        ([], None),
    ],
)
def test_the_text_is_that_of_the_first_choice_wherever_it_stands(choices, text):
    assert FORMAT.text(json.dumps({"choices": choices, "usage": {}}).encode()) == text
