from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.mock import Ask, BadAsk, Prepared, twins
from batch.mock._text import pieces
from batch.mock.anthropic_messages import TWIN
from batch.mock.chance import Dice
from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from batch.records import Request
from batch.usage import fields
from batch.wire._sse import Events
from batch.wire.anthropic_messages import FORMAT
from batch.wire.anthropic_messages.usage import read_usage
from tests.mock.client import Client, against
from tests.mock.kit import asked, plan

PATH = "/v1/messages"
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["good", "bad"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
}
TOOLS = [
    {"name": "other", "input_schema": {"type": "object"}},
    {"name": "judge", "input_schema": SCHEMA},
]
JUDGE = {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "judge"}}
SEARCH = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
CACHE = {"system": [{"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral"}}]}


def body(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "a red apple"}]
    return {"model": "m", "max_tokens": 500, "messages": messages, **more}


def read(**more: Any) -> Ask:
    return TWIN.read(asked(PATH, body(**more)))


def prepare(flaw: Any = None, seed: int = 0, pings: bool = False, **more: Any) -> Prepared:
    return TWIN.answer(read(**more), plan(flaw=flaw, pings=pings, dice=Dice(seed, "f00")))


def answer(flaw: Any = None, **more: Any) -> Any:
    return orjson.loads(prepare(flaw, **more).render()[0])


def stream(flaw: Any = None, **more: Any) -> bytes:
    return b"".join(prepare(flaw, stream=True, **more).render())


def events(flaw: Any = None, **more: Any) -> list[Any]:
    return [orjson.loads(data) for data in Events().feed(stream(flaw, **more))]


def folded(flaw: Any = None, **more: Any) -> Any:
    raw = orjson.dumps(body(**more))
    folder = FORMAT.folder(Request((1,), ("a",), "messages", "m", raw))
    assert folder is not None
    for event in Events().feed(stream(flaw, **more)):
        folder.feed(event)
    return orjson.loads(folder.body())


def kinds(got: Any) -> list[str]:
    return [block["type"] for block in got["content"]]


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", PATH)
    assert not TWIN.serves("GET", PATH)
    assert not TWIN.serves("POST", "/v1/chat/completions")


def test_an_answer_repeats_the_words_of_the_prompt() -> None:
    got = answer()

    assert kinds(got) == ["text"]
    assert "a red apple" in got["content"][0]["text"]
    assert len(got["content"][0]["text"].split()) == 12
    assert (got["stop_reason"], got["stop_sequence"], got["model"]) == ("end_turn", None, "m")


def test_the_same_request_gets_the_same_bytes() -> None:
    assert answer() == answer()
    assert stream(**THINKING) == stream(**THINKING)


def test_the_last_text_of_the_user_is_the_prompt() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "wait"},
        {"role": "user", "content": [{"type": "text", "text": "what is"}, image]},
        {"role": "assistant", "content": "It is"},
    ]

    assert read(messages=messages).prompt == "what is"


def test_longer_prompts_and_pictures_and_tools_weigh_more() -> None:
    def weight(content: Any, **more: Any) -> int:
        usage = answer(messages=[{"role": "user", "content": content}], **more)["usage"]
        count: int = usage["input_tokens"]
        return count

    assert weight("x" * 400) - weight("") == 100
    assert weight("", system="x" * 400) - weight("") == 100
    assert weight([{"type": "image", "source": {}}]) - weight("") == 200
    assert weight([{"type": "tool_result", "content": "x" * 400}]) > weight("") + 100
    assert weight("", tools=TOOLS, tool_choice={"type": "none"}) > weight("")


def test_a_maximum_cuts_the_answer() -> None:
    got = answer(max_tokens=3)

    assert got["stop_reason"] == "max_tokens"
    assert got["usage"]["output_tokens"] == 3
    assert answer(max_tokens=0)["stop_reason"] == "end_turn"


@pytest.mark.parametrize("stops", [["red"], ["never", "red", "apple"]])
def test_a_stop_ends_the_answer_before_it_and_is_told(stops: list[str]) -> None:
    got = answer(stop_sequences=stops)

    assert got["content"][0]["text"].endswith(" a ")
    assert (got["stop_reason"], got["stop_sequence"]) == ("stop_sequence", "red")


def test_thinking_is_shown_signed_and_counted_inside_the_output() -> None:
    got = answer(**THINKING)

    thought = got["content"][0]
    assert kinds(got) == ["thinking", "text"]
    assert len(thought["thinking"].split()) == 64
    assert thought["signature"]
    assert got["usage"]["output_tokens_details"]["thinking_tokens"] == 64
    assert got["usage"]["output_tokens"] > 64
    assert kinds(answer(model="m-thinking")) == ["thinking", "text"]


@pytest.mark.parametrize("more", [{}, {"model": "m-thinking"}])
def test_others_do_not_think(more: Any) -> None:
    got = answer(thinking={"type": "disabled"}, **more)

    assert kinds(got) == ["text"]
    assert got["usage"]["output_tokens_details"]["thinking_tokens"] == 0


def test_thinking_may_leave_nothing_of_the_maximum_for_the_answer() -> None:
    got = answer(max_tokens=10, **THINKING)

    assert kinds(got) == ["thinking"]
    assert (got["stop_reason"], got["usage"]["output_tokens"]) == ("max_tokens", 10)


def test_a_tool_is_given_what_its_schema_allows() -> None:
    got = answer(**JUDGE)

    (call,) = got["content"]
    assert (call["type"], call["name"], got["stop_reason"]) == ("tool_use", "judge", "tool_use")
    assert call["input"]["label"] in ("good", "bad")
    assert isinstance(call["input"]["sure"], bool)


def test_a_flawed_label_is_said_instead_of_given_to_the_tool() -> None:
    answers = [answer("label", seed=seed, **JUDGE) for seed in range(40)]

    ways = {got["content"][0]["text"] for got in answers}
    assert {(len(got["content"]), got["stop_reason"]) for got in answers} == {(1, "end_turn")}
    assert any(way.startswith("```json") for way in ways)
    assert "I am not able to decide that." in ways
    assert all(
        got["usage"]["output_tokens"] == len(pieces(got["content"][0]["text"])) for got in answers
    )


def test_a_flawed_label_is_cut_by_the_output_limit_too() -> None:
    got = answer("label", seed=1, max_tokens=2, **JUDGE)

    assert (got["stop_reason"], got["usage"]["output_tokens"]) == ("max_tokens", 2)
    assert len(pieces(got["content"][0]["text"])) == 2


def test_a_tool_that_is_no_schema_for_the_answer_is_called_all_the_same() -> None:
    got = answer("label", tools=TOOLS, tool_choice={"type": "any"})

    assert got["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (None, "tool_use"),
        ({"type": "auto"}, "tool_use"),
        ({"type": "any"}, "tool_use"),
        ({"type": "none"}, "text"),
        ({"type": "tool", "name": "unheard-of"}, "text"),
    ],
)
def test_a_tool_is_called_if_it_may_be(choice: Any, kind: str) -> None:
    assert kinds(answer(tools=TOOLS, tool_choice=choice)) == [kind]


def test_a_result_of_a_tool_is_answered_in_text() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    messages = [{"role": "user", "content": [result]}]

    assert kinds(answer(messages=messages, tools=TOOLS)) == ["text"]
    assert kinds(answer(messages=messages, tools=TOOLS, tool_choice={"type": "any"})) == [
        "tool_use"
    ]


def test_a_call_that_the_maximum_cuts_is_given_nothing() -> None:
    got = answer(max_tokens=1, **JUDGE)

    assert (got["content"][0]["input"], got["stop_reason"]) == ({}, "max_tokens")


def test_a_web_search_cites_what_it_found() -> None:
    got = answer(**SEARCH)

    assert kinds(got) == ["server_tool_use", "web_search_tool_result", "text"]
    assert got["content"][0]["input"] == {"query": "a red apple"}
    (result,) = got["content"][1]["content"]
    (citation,) = got["content"][2]["citations"]
    assert result["url"] == citation["url"]
    assert got["usage"]["server_tool_use"]["web_search_requests"] == 1


def test_a_cache_is_read_or_written_only_where_it_is_asked_for() -> None:
    told = [orjson.loads(prepare(seed=n, **CACHE).render()[0])["usage"] for n in range(100)]
    read_, written = "cache_read_input_tokens", "cache_creation_input_tokens"

    assert 20 < sum(usage[read_] > 0 for usage in told) < 80
    assert all((usage[read_] > 0) != (usage[written] > 0) for usage in told)
    assert len({usage["input_tokens"] + usage[read_] + usage[written] for usage in told}) == 1
    assert answer()["usage"][read_] == answer()["usage"][written] == 0


CASES = [{}, {"max_tokens": 2}, THINKING, JUDGE, SEARCH, CACHE, {"stop_sequences": ["red"]}]


@pytest.mark.parametrize("more", CASES)
def test_a_stream_says_the_same_as_the_whole_answer(more: Any) -> None:
    assert folded(**more) == answer(**more)


@pytest.mark.parametrize("more", CASES)
def test_what_is_billed_is_what_is_reported(more: Any) -> None:
    billed = prepare(**more).billed

    assert billed == fields(read_usage(answer(**more)))


def test_a_stream_is_as_the_gateway_prints_it() -> None:
    lines = stream()

    assert lines.startswith(b"event: message_start\ndata: {")
    assert lines.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n\n')
    assert b": PING" not in lines
    assert b"\n\n: PING\n\n" in b"".join(prepare(pings=True, stream=True).render())
    assert events()[0]["message"]["usage"]["output_tokens"] == 1
    assert {"type": "ping"} in events()


def test_a_streamed_input_comes_in_pieces_behind_an_empty_one() -> None:
    deltas = [
        event["delta"] for event in events(**JUDGE) if "partial_json" in event.get("delta", ())
    ]

    assert deltas[0] == {"type": "input_json_delta", "partial_json": ""}
    assert len(deltas) > 3


def test_an_answer_that_does_not_say_that_it_is_whole() -> None:
    told = events("no_finish")

    assert answer("no_finish")["stop_reason"] is None
    assert told[-1]["type"] == "message_delta"
    assert told[-1]["delta"]["stop_reason"] is None
    assert told[-1]["usage"]["output_tokens"] > 0


def test_an_answer_without_content_bills_its_input() -> None:
    prepared = prepare("empty_choices")

    assert "content" not in answer("empty_choices")
    assert [event["type"] for event in events("empty_choices")] == [
        "message_start",
        "ping",
        "message_stop",
    ]
    assert prepared.billed is not None
    assert prepared.billed["input_tokens"] > 0
    assert prepared.billed["output_tokens"] == 0


def test_an_error_instead_of_an_answer_bills_nothing() -> None:
    said = stream("error_200").strip().rpartition(b"\n")[2]

    for error in (answer("error_200"), orjson.loads(said)):
        assert error["type"] == "error"
        assert error["error"]["type"] == "empty_response"
    assert b"text_delta" in stream("error_200")
    assert prepare("error_200").billed is None
    assert prepare("error_200", stream=True).billed is None


def test_an_answer_holds_back_its_maximum() -> None:
    used = answer()["usage"]["input_tokens"]

    assert prepare(max_tokens=40).reserve == used + 40
    assert prepare(max_tokens=None).reserve == used + 8192


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b'{"messages":[{}]}', "bad_request"),
        (b'{"model":"m"}', "bad_request"),
        (b'{"model":"m","messages":[]}', "bad_request"),
        (b'{"model":7,"messages":[{}]}', "bad_json"),
        (b'{"model":"m","messages":["hello"]}', "bad_json"),
        (b'{"model":"m","messages":[{}],"max_tokens":"9"}', "bad_json"),
        (b'{"model":"m","messages":[{}],"system":{}}', "bad_json"),
        (b'{"model":"m","messages":[{}],"thinking":true}', "bad_json"),
    ],
)
def test_a_body_that_is_none_is_refused(raw: bytes, fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        TWIN.read(asked(PATH, raw))

    assert bad.value.fate == fate


def test_it_fails_in_its_vendors_manner() -> None:
    async def scene(gateway: Gateway, client: Client) -> Any:
        return await client.post(orjson.dumps(body()), path=PATH)

    answered, failed = against(Dials(), scene), against(Dials(fail_500=1), scene)

    assert (answered.status, answered.json()["type"]) == (200, "message")
    assert (failed.status, failed.json()["type"]) == (500, "error")
    assert failed.json()["error"]["type"] == "do_request_failed"
