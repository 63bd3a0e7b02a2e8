from __future__ import annotations

from base64 import b64decode
from typing import Any

import orjson
import pytest

from batch.errors import CallFailed, ChannelTrouble, CutAnswer, NotAnAnswer, Refused
from batch.mock import Ask, BadAsk, Prepared, twins
from batch.mock.chance import Dice
from batch.mock.openai_responses import TWIN
from batch.records import Answer, Done, Reply, Request
from batch.usage import fields as named
from batch.wire._media import sniff
from batch.wire._sse import Events
from batch.wire.openai_responses import FORMAT
from tests.mock.kit import asked, plan

PATH = "/v1/responses"
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["good", "bad"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
}
TOOLS = [
    {"type": "function", "name": "other", "parameters": {"type": "object"}},
    {"type": "function", "name": "judge", "parameters": SCHEMA},
]
DRAW = [{"type": "image_generation", "size": "1024x1024"}]
ALL = [*TOOLS, *DRAW, {"type": "web_search_preview"}]
JUDGE = {"type": "function", "name": "judge"}


def read(**fields: Any) -> Ask:
    return TWIN.read(asked(PATH, {"model": "m", "input": "a red apple", **fields}))


def prepare(flaw: Any = None, pings: bool = False, **fields: Any) -> Prepared:
    return TWIN.answer(read(**fields), plan(pings=pings, flaw=flaw))


def answer(flaw: Any = None, **fields: Any) -> Any:
    return orjson.loads(prepare(flaw, **fields).render()[0])


def told(flaw: Any = None, **fields: Any) -> list[Any]:
    """Return the events of a stream."""
    events = Events()
    stream = b"".join(prepare(flaw, stream=True, **fields).render())
    return [orjson.loads(one) for one in [*events.feed(stream), *events.end()]]


def folded(happened: list[Any]) -> bytes:
    folder = FORMAT.folder(Request((1,), ("a",), "responses", "m", b"{}"))
    assert folder is not None
    for one in happened:
        folder.feed(orjson.dumps(one))
    return folder.body()


def taken(body: bytes) -> Answer:
    """Return what our own side makes of an answer."""
    request = Request((1,), ("a",), "responses", "m", b"{}", stem="x")
    step = FORMAT.next(request, None, Reply(200, {}, body))
    assert isinstance(step, Done)
    return step.answer


def item(got: Any, kind: str) -> Any:
    return next(one for one in got["output"] if one["type"] == kind)


def text(got: Any) -> str:
    said: str = item(got, "message")["content"][0]["text"]
    return said


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", PATH)
    assert not TWIN.serves("GET", PATH)
    assert not TWIN.serves("POST", "/v1/chat/completions")


def test_an_answer_repeats_the_words_of_the_prompt() -> None:
    got = answer()

    assert "a red apple" in text(got)
    assert len(text(got).split()) == 12
    assert (got["status"], got["model"], got["error"]) == ("completed", "m", None)


def test_the_same_request_gets_the_same_bytes() -> None:
    assert prepare(tools=ALL).render() == prepare(tools=ALL).render()
    assert told(tools=ALL) == told(tools=ALL)


def test_the_last_text_of_the_user_is_the_prompt() -> None:
    parts = [
        {"type": "input_text", "text": "what is"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_text", "text": "this?"},
    ]
    conversation = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "wait"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]

    assert read(input=conversation).prompt == "what is this?"
    assert read(input=conversation[3:]).prompt == "x"


def test_longer_prompts_and_pictures_and_tools_weigh_more() -> None:
    def weight(content: Any, **fields: Any) -> int:
        used: int = answer(input=[{"role": "user", "content": content}], **fields)["usage"][
            "input_tokens"
        ]
        return used

    assert weight("x" * 400) - weight("") == 100
    assert weight([{"type": "input_image", "image_url": "u"}]) == weight("") + 85
    assert weight("", tools=TOOLS, tool_choice="none") > weight("")
    assert weight("", instructions="x" * 400) - weight("") == 100
    assert answer(input="x" * 400)["usage"]["input_tokens"] == weight("x" * 400)


def test_a_maximum_cuts_the_answer() -> None:
    got = answer(max_output_tokens=3)

    assert got["status"] == item(got, "message")["status"] == "incomplete"
    assert got["incomplete_details"] == {"reason": "max_output_tokens"}
    assert got["usage"]["output_tokens"] == 3


def test_a_maximum_of_nothing_is_no_maximum() -> None:
    assert answer(max_output_tokens=0)["status"] == "completed"


def test_reasoning_may_leave_nothing_of_the_maximum_for_the_answer() -> None:
    got = answer(reasoning={"effort": "high"}, max_output_tokens=10)

    assert [one["type"] for one in got["output"]] == ["reasoning"]
    assert got["usage"]["output_tokens_details"]["reasoning_tokens"] == 10
    assert got["usage"]["output_tokens"] == 10
    with pytest.raises(Refused):
        taken(orjson.dumps(got))


def test_a_call_has_arguments_that_its_schema_allows() -> None:
    got = answer(tools=TOOLS, tool_choice=JUDGE)

    [call] = got["output"]
    arguments = orjson.loads(call["arguments"])
    assert (call["type"], call["name"], call["status"]) == ("function_call", "judge", "completed")
    assert arguments["label"] in ("good", "bad")
    assert isinstance(arguments["sure"], bool)


USER = {"role": "user", "content": "x"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "y"}


@pytest.mark.parametrize(
    ("choice", "last", "called"),
    [
        (None, USER, True),
        ("auto", USER, True),
        ("none", USER, False),
        ("auto", RESULT, False),
        ("required", RESULT, True),
        ({"type": "web_search_preview"}, USER, False),
    ],
)
def test_functions_are_called_unless_forbidden_or_answered(
    choice: Any, last: dict[str, Any], called: bool
) -> None:
    got = answer(tools=TOOLS, tool_choice=choice, input=[USER, last])

    assert any(one["type"] == "function_call" for one in got["output"]) is called


def test_a_schema_is_answered_by_an_instance_of_it() -> None:
    shape = {"type": "json_schema", "name": "x", "strict": True, "schema": SCHEMA}

    assert set(orjson.loads(text(answer(text={"format": shape})))) == {"label", "sure"}


def test_a_json_object_is_answered_by_one() -> None:
    got = answer(text={"format": {"type": "json_object"}})

    assert "a red apple" in orjson.loads(text(got))["answer"]


@pytest.mark.parametrize(
    "fields", [{"reasoning": {"effort": "medium"}}, {"reasoning": {}}, {"model": "x-thinking"}]
)
def test_reasoning_is_counted_inside_the_output(fields: dict[str, Any]) -> None:
    got = answer(**fields)

    assert got["usage"]["output_tokens_details"]["reasoning_tokens"] == 64
    assert got["usage"]["output_tokens"] > 64
    assert item(got, "reasoning")["summary"] == []


def test_reasoning_is_shown_if_its_summary_is_asked_for() -> None:
    got = answer(reasoning={"effort": "low", "summary": "auto"})

    assert len(item(got, "reasoning")["summary"][0]["text"].split()) == 16


def test_reasoning_is_sealed_if_so_asked_for() -> None:
    got = answer(reasoning={}, include=["reasoning.encrypted_content"])

    assert item(got, "reasoning")["encrypted_content"]


def test_other_requests_are_not_reasoned_about() -> None:
    got = answer(reasoning={"effort": "none"})

    assert got["usage"]["output_tokens_details"]["reasoning_tokens"] == 0
    assert [one["type"] for one in got["output"]] == ["message"]


@pytest.mark.parametrize("kind", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_a_web_search_cites(kind: str) -> None:
    got = answer(tools=[{"type": kind}])

    citation = item(got, "message")["content"][0]["annotations"][0]
    assert item(got, "web_search_call")["action"]["query"] == "a red apple"
    assert (citation["type"], citation["end_index"]) == ("url_citation", len(text(got)))


def test_a_picture_is_drawn_and_billed() -> None:
    got = answer(tools=DRAW)

    drawn = b64decode(item(got, "image_generation_call")["result"])
    assert sniff(drawn).content_type == "image/png"
    billed = prepare(tools=DRAW).billed
    assert billed is not None
    assert billed["images"] == 1


@pytest.mark.parametrize(
    ("choice", "kinds"),
    [
        ("none", ["message"]),
        (JUDGE, ["function_call"]),
        ({"type": "image_generation"}, ["image_generation_call", "message"]),
        ({"type": "web_search_preview"}, ["web_search_call", "message"]),
    ],
)
def test_only_the_tools_that_were_chosen_are_used(choice: Any, kinds: list[str]) -> None:
    got = answer(tools=ALL, tool_choice=choice)

    assert [one["type"] for one in got["output"]] == kinds


def test_a_preview_is_sent_if_it_is_asked_for() -> None:
    kinds = [one["type"] for one in told(tools=[{**DRAW[0], "partial_images": 1}])]

    assert "response.image_generation_call.partial_image" in kinds
    assert not any("partial" in one["type"] for one in told(tools=DRAW))


def test_cached_tokens_come_now_and_then() -> None:
    shares = []
    for number in range(200):
        billed = TWIN.answer(read(), plan(dice=Dice(number, "f00"), words=3)).billed
        assert billed is not None
        shares.append(billed["input_cached_tokens"] / billed["input_tokens"])

    assert 20 < sum(share > 0 for share in shares) < 80
    assert max(shares) <= 0.5


ASKS: list[dict[str, Any]] = [
    {},
    {"max_output_tokens": 2},
    {"reasoning": {"effort": "low", "summary": "auto"}},
    {"reasoning": {"effort": "low"}, "max_output_tokens": 16},
    {"tools": [{"type": "web_search"}]},
    {"tools": [{**DRAW[0], "partial_images": 1}]},
    {"tools": TOOLS, "tool_choice": JUDGE},
    {"tools": ALL},
    {"text": {"format": {"type": "json_object"}}},
]


@pytest.mark.parametrize("fields", ASKS)
def test_a_stream_says_the_same_as_the_whole_answer(fields: dict[str, Any]) -> None:
    whole, happened = answer(**fields), told(**fields)

    assert orjson.loads(folded(happened)) == whole
    assert [one["sequence_number"] for one in happened] == list(range(len(happened)))
    assert happened[0]["type"] == "response.created"
    assert happened[-1] == {
        "type": f"response.{whole['status']}",
        "response": whole,
        "sequence_number": len(happened) - 1,
    }


@pytest.mark.parametrize("fields", ASKS)
def test_the_pieces_of_a_stream_say_it_too(fields: dict[str, Any]) -> None:
    whole, happened = answer(**fields), told(**fields)
    happened[-1] = {**happened[-1], "response": {**whole, "output": []}}

    assert orjson.loads(folded(happened)) == whole


def test_events_are_named_and_nothing_says_that_they_are_done() -> None:
    stream = b"".join(prepare(stream=True).render())

    assert stream.startswith(b'event: response.created\ndata: {"type":"response.created"')
    assert b"[DONE]" not in stream


def test_keep_alives_stand_between_the_events() -> None:
    stream = b"".join(prepare(pings=True, stream=True).render())

    assert b"\n\n: PING\n\n" in stream


def test_an_answer_that_does_not_say_that_it_is_whole() -> None:
    whole, happened = answer("no_finish"), told("no_finish")

    assert text(whole)
    assert whole["usage"]["output_tokens"] > 0
    assert happened[-1]["type"] == "response.output_item.done"
    for body in (orjson.dumps(whole), folded(happened)):
        with pytest.raises(CutAnswer):
            taken(body)


def test_an_answer_without_output_bills_its_input() -> None:
    whole, happened = prepare("empty_choices"), told("empty_choices", reasoning={})

    assert whole.billed is not None
    assert whole.billed["input_tokens"] > 0
    assert whole.billed["output_tokens"] == 0
    for body in (whole.render()[0], folded(happened)):
        with pytest.raises(NotAnAnswer):
            taken(body)


def test_an_error_instead_of_an_answer_bills_nothing() -> None:
    whole, happened = prepare("error_200"), told("error_200")

    assert whole.billed is None
    assert any(one["type"] == "response.output_text.delta" for one in happened)
    assert (happened[-1]["type"], happened[-1]["code"]) == ("error", "empty_response")
    with pytest.raises(ChannelTrouble):
        taken(whole.render()[0])
    with pytest.raises(CallFailed):
        folded(happened)


def test_what_is_billed_is_what_is_reported_and_what_is_read() -> None:
    fields: dict[str, Any] = {"reasoning": {"effort": "low"}, "tools": DRAW}

    billed, got = prepare(**fields).billed, answer(**fields)

    used = got["usage"]
    assert billed == {
        "input_tokens": used["input_tokens"],
        "input_cached_tokens": used["input_tokens_details"]["cached_tokens"],
        "output_tokens": used["output_tokens"],
        "output_reasoning_tokens": used["output_tokens_details"]["reasoning_tokens"],
        "images": 1,
    }
    assert used["total_tokens"] == used["input_tokens"] + used["output_tokens"]
    assert named(taken(orjson.dumps(got)).usage) == {**billed, "input_cache_write_tokens": 0}


def test_an_answer_holds_back_its_maximum() -> None:
    used = answer()["usage"]["input_tokens"]

    assert prepare(max_output_tokens=40).reserve == used + 40
    assert prepare().reserve == used + 500


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b'{"input":"x"}', "bad_request"),
        (b'{"model":7,"input":"x"}', "bad_json"),
        (b'{"model":"m"}', "bad_request"),
        (b'{"model":"m","input":[]}', "bad_request"),
        (b'{"model":"m","input":{}}', "bad_json"),
        (b'{"model":"m","input":["hello"]}', "bad_json"),
        (b'{"model":"m","input":"x","max_output_tokens":true}', "bad_json"),
        (b'{"model":"m","input":"x","tools":{}}', "bad_json"),
        (b'{"model":"m","input":"x","tools":["web_search"]}', "bad_json"),
        (b'{"model":"m","input":"x","text":"json"}', "bad_json"),
        (b'{"model":"m","input":"x","reasoning":"high"}', "bad_json"),
    ],
)
def test_a_body_that_is_none_is_refused(raw: bytes, fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        TWIN.read(asked(PATH, raw))

    assert bad.value.fate == fate
