from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

import orjson
import pytest

from batch.mock import Ask, BadAsk, Prepared, twins
from batch.mock.chance import Dice
from batch.mock.openai_chat import TWIN
from tests.mock.client import CHAT, chunks, events
from tests.mock.kit import asked, plan

SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["good", "bad"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
}
TOOLS = [
    {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "judge", "parameters": SCHEMA}},
]


def read(**fields: Any) -> Ask:
    messages = [{"role": "user", "content": "a red apple"}]
    return TWIN.read(asked(CHAT, {"model": "m", "messages": messages, **fields}))


def prepare(flaw: Any = None, pings: bool = False, **fields: Any) -> Prepared:
    return TWIN.answer(read(**fields), plan(pings=pings, flaw=flaw))


def answer(flaw: Any = None, **fields: Any) -> Any:
    return orjson.loads(prepare(flaw, **fields).render()[0])


def stream(flaw: Any = None, **fields: Any) -> bytes:
    return b"".join(prepare(flaw, stream=True, **fields).render())


def folded(body: bytes, name: str, index: int = 0) -> str:
    choices = [choice for chunk in chunks(body) for choice in chunk.get("choices", ())]
    return "".join(c["delta"].get(name) or "" for c in choices if c["index"] == index)


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", CHAT)
    assert not TWIN.serves("GET", CHAT)
    assert not TWIN.serves("POST", "/v1/embeddings")


def test_an_answer_repeats_the_words_of_the_prompt() -> None:
    got = answer()

    choice = got["choices"][0]
    assert "a red apple" in choice["message"]["content"]
    assert len(choice["message"]["content"].split()) == 12
    assert choice["finish_reason"] == "stop"
    assert got["model"] == "m"


def test_the_same_request_gets_the_same_bytes() -> None:
    assert prepare().render() == prepare().render()
    assert stream() == stream()


def test_the_last_text_of_the_user_is_the_prompt() -> None:
    parts = [
        {"type": "text", "text": "what is"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "text", "text": "this?"},
    ]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "wait"},
    ]

    assert read(messages=messages).prompt == "what is this?"


def test_longer_prompts_and_pictures_and_tools_weigh_more() -> None:
    def weight(content: Any, **fields: Any) -> int:
        messages = [{"role": "user", "content": content}]
        used: int = answer(messages=messages, **fields)["usage"]["prompt_tokens"]
        return used

    assert weight("x" * 400) - weight("") == 100
    assert weight("é" * 400) - weight("") == 200
    assert weight([{"type": "image_url", "image_url": {"url": "u"}}]) == weight("") + 85
    assert weight("", tools=TOOLS, tool_choice="none") > weight("")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_maximum_cuts_the_answer(name: str) -> None:
    got = answer(**{name: 3})

    assert got["choices"][0]["finish_reason"] == "length"
    assert got["usage"]["completion_tokens"] == 3


def test_a_maximum_of_nothing_is_no_maximum() -> None:
    assert answer(max_tokens=0)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stop", ["red", ["never", "red", "apple"]])
def test_a_stop_ends_the_answer_before_it(stop: Any) -> None:
    choice = answer(stop=stop)["choices"][0]

    assert choice["message"]["content"].endswith(" a ")
    assert choice["finish_reason"] == "stop"


def test_several_choices_are_numbered_and_all_are_billed() -> None:
    one, three = answer(), answer(n=3)

    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert three["usage"]["completion_tokens"] >= 2 * one["usage"]["completion_tokens"]
    assert three["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]


def test_a_tool_call_has_arguments_that_its_schema_allows() -> None:
    wish = {"type": "function", "function": {"name": "judge"}}

    choice = answer(tools=TOOLS, tool_choice=wish)["choices"][0]

    call = choice["message"]["tool_calls"][0]
    arguments = orjson.loads(call["function"]["arguments"])
    assert call["function"]["name"] == "judge"
    assert arguments["label"] in ("good", "bad")
    assert isinstance(arguments["sure"], bool)
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("choice", "last", "called"),
    [
        (None, "user", True),
        ("auto", "user", True),
        ("none", "user", False),
        ("auto", "tool", False),
        ("required", "tool", True),
    ],
)
def test_tools_are_called_unless_forbidden_or_answered(
    choice: str | None, last: str, called: bool
) -> None:
    messages = [{"role": "user", "content": "x"}, {"role": last, "content": "y"}]

    got = answer(tools=TOOLS, tool_choice=choice, messages=messages)

    assert ("tool_calls" in got["choices"][0]["message"]) is called


def test_a_schema_is_answered_by_an_instance_of_it() -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}

    value = orjson.loads(answer(response_format=shape)["choices"][0]["message"]["content"])

    assert set(value) == {"label", "sure"}


def test_a_json_object_is_answered_by_one() -> None:
    got = answer(response_format={"type": "json_object"})

    assert "a red apple" in orjson.loads(got["choices"][0]["message"]["content"])["answer"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "medium"},
        {"model": "claude-x-thinking"},
        {"enable_thinking": True},
        {"thinking": {"type": "enabled"}},
    ],
)
def test_reasoning_is_shown_and_counted_inside_the_output(fields: dict[str, Any]) -> None:
    got = answer(**fields)

    said = got["choices"][0]["message"]
    used = got["usage"]
    assert len(said["reasoning_content"].split()) == 64
    assert used["completion_tokens_details"]["reasoning_tokens"] == 64
    assert used["completion_tokens"] > 64


@pytest.mark.parametrize("model", ["m", "gemini-x-nothinking"])
def test_other_models_do_not_reason(model: str) -> None:
    got = answer(model=model)

    assert "reasoning_content" not in got["choices"][0]["message"]
    assert got["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_reasoning_may_leave_nothing_of_the_maximum_for_the_answer() -> None:
    got = answer(reasoning_effort="high", max_completion_tokens=10)

    choice = got["choices"][0]
    assert choice["message"]["content"] == ""
    assert choice["finish_reason"] == "length"
    assert got["usage"]["completion_tokens"] == 10


def test_audio_is_a_file_with_its_transcript() -> None:
    got = answer(modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"})

    audio = got["choices"][0]["message"]["audio"]
    assert b64decode(audio["data"]).startswith(b"RIFF")
    assert "a red apple" in audio["transcript"]
    assert got["usage"]["completion_tokens_details"]["audio_tokens"] > 0


@pytest.mark.parametrize(
    ("form", "start"),
    [("wav", b"RIFF"), ("mp3", b"\xff\xf3"), ("pcm16", b"\0\0"), ("opus", b"RIFF"), (7, b"RIFF")],
)
def test_audio_is_in_the_format_that_is_asked_for(form: Any, start: bytes) -> None:
    said = answer(modalities=["audio"], audio={"format": form})["choices"][0]["message"]

    assert b64decode(said["audio"]["data"]).startswith(start)


HELD = re.compile(r"!\[image\]\(data:image/png;base64,([A-Za-z0-9+/]+=*)\)\n")
LINKED = re.compile(r"!\[picture\]\((http://files\.example/files/\d+\.png)\)\n\[download\]\(\1\)\n")


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "gpt-4o-image"},
        {"model": "gemini-2.5-flash-image-preview"},
        {"modalities": ["text", "image"]},
    ],
)
def test_pictures_are_held_or_linked_as_the_dice_fall(fields: dict[str, Any]) -> None:
    held = linked = 0
    for number in range(40):
        made = TWIN.answer(read(**fields), plan(dice=Dice(number, "f00")))
        content = orjson.loads(made.render()[0])["choices"][0]["message"]["content"]
        if found := HELD.fullmatch(content):
            held += 1
            assert b64decode(found[1]).startswith(b"\x89PNG")
        else:
            linked += 1
            assert content.startswith("> queued\n")
            assert LINKED.search(content)
        assert made.billed is not None
        assert made.billed["images"] == 1
        assert made.billed["output_tokens"] == 300
    assert 10 < held < 30
    assert linked == 40 - held


def test_several_pictures_are_made_and_billed() -> None:
    made = prepare(model="gpt-4o-image", n=3)

    contents = [c["message"]["content"] for c in orjson.loads(made.render()[0])["choices"]]
    assert len(set(contents)) == 3
    assert made.billed is not None
    assert made.billed["images"] == 3


def test_neither_a_maximum_nor_a_stop_cuts_a_picture() -> None:
    ask = read(model="gpt-4o-image", max_tokens=2, stop="!")

    for number in range(10):
        made = TWIN.answer(ask, plan(dice=Dice(number, "f00")))

        choice = orjson.loads(made.render()[0])["choices"][0]
        content = choice["message"]["content"]
        assert HELD.fullmatch(content) or LINKED.search(content)
        assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("model", ["sora_video2", "veo-3.1", "kling-v1-6"])
def test_a_film_is_linked_behind_its_progress(model: str) -> None:
    made = prepare(model=model)

    content = orjson.loads(made.render()[0])["choices"][0]["message"]["content"]
    *progress, end = content.splitlines()
    assert progress == ["> queued", "> working 25%", "> working 75%", "> done", ""]
    assert re.fullmatch(r"\[click here\]\(http://files\.example/files/\d+\.mp4\)", end)
    assert made.billed is not None
    assert "images" not in made.billed


def test_a_streamed_film_comes_in_lines_and_the_link_last() -> None:
    body = stream(model="sora_video2")

    lines = [c["delta"]["content"] for k in chunks(body) for c in k["choices"] if c["delta"]]
    assert lines[:3] == ["", "> queued\n", "> working 25%\n"]
    assert lines[-1].startswith("[click here](")
    assert "".join(lines) == answer(model="sora_video2")["choices"][0]["message"]["content"]


def test_a_model_that_makes_pictures_still_calls_a_tool() -> None:
    made = prepare(model="gpt-4o-image", tools=TOOLS)

    assert orjson.loads(made.render()[0])["choices"][0]["message"]["tool_calls"]
    assert made.billed is not None
    assert "images" not in made.billed


def test_pictures_without_an_end_are_billed_and_none_is_not() -> None:
    cut = prepare("no_finish", model="gpt-4o-image")
    empty = prepare("empty_choices", model="gpt-4o-image")
    error = prepare("error_200", model="gpt-4o-image")

    assert orjson.loads(cut.render()[0])["choices"][0]["finish_reason"] is None
    assert cut.billed is not None
    assert cut.billed["images"] == 1
    assert empty.billed is not None
    assert "images" not in empty.billed
    assert error.billed is None


@pytest.mark.parametrize(
    ("fields", "searches"),
    [({}, None), ({"web_search_options": {}}, 1), ({"model": "gpt-4o-search-preview"}, 1)],
)
def test_a_web_search_is_billed(fields: dict[str, Any], searches: int | None) -> None:
    billed = prepare(**fields).billed

    assert billed is not None
    assert billed.get("searches") == searches


def test_a_web_search_cites() -> None:
    message = answer(web_search_options={})["choices"][0]["message"]

    citation = message["annotations"][0]["url_citation"]
    assert citation["url"].startswith("https://")
    assert citation["end_index"] == len(message["content"])


def test_cached_tokens_come_now_and_then() -> None:
    shares = []
    for number in range(200):
        thrown = plan(dice=Dice(number, "f00"), words=3)
        billed = TWIN.answer(read(), thrown).billed
        assert billed is not None
        shares.append(billed["input_cached_tokens"] / billed["input_tokens"])

    assert 20 < sum(share > 0 for share in shares) < 80
    assert max(shares) <= 0.5


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 2},
        {"max_tokens": 2},
        {"reasoning_effort": "low"},
        {"web_search_options": {}},
        {"response_format": {"type": "json_object"}},
        {"model": "gpt-4o-image"},
        {"model": "sora_video2"},
    ],
)
def test_a_stream_says_the_same_as_the_whole_answer(fields: dict[str, Any]) -> None:
    whole, body = answer(**fields), stream(**fields)

    for choice in whole["choices"]:
        index, message = choice["index"], choice["message"]
        assert folded(body, "content", index) == message["content"]
        assert folded(body, "reasoning_content", index) == message.get("reasoning_content", "")
    ends = [c["finish_reason"] for k in chunks(body) for c in k["choices"] if c["finish_reason"]]
    assert ends == [choice["finish_reason"] for choice in whole["choices"]]
    assert chunks(body)[-1]["choices"] == []
    assert chunks(body)[-1]["usage"] == whole["usage"]
    assert events(body)[-1] == b"[DONE]"


def test_a_streamed_tool_call_comes_in_fragments() -> None:
    body = stream(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "judge"}})

    deltas = [c["delta"] for chunk in chunks(body) for c in chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "judge"
    assert all("id" not in call for call in calls[1:])
    joined = "".join(call["function"]["arguments"] for call in calls)
    assert set(orjson.loads(joined)) == {"label", "sure"}


def test_streamed_audio_joins_to_its_transcript() -> None:
    whole, body = answer(modalities=["audio"]), stream(modalities=["audio"])

    said = whole["choices"][0]["message"]["audio"]
    parts = [
        c["delta"]["audio"] for k in chunks(body) for c in k["choices"] if "audio" in c["delta"]
    ]
    assert "".join(part.get("transcript", "") for part in parts) == said["transcript"]
    data = [part["data"] for part in parts if "data" in part]
    assert "".join(data) == said["data"]
    assert len(data) > 1
    assert all(b64decode(piece) for piece in data)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (None, True),
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({}, False),
    ],
)
def test_a_stream_tells_its_usage_unless_asked_for_something_else(options: Any, told: bool) -> None:
    body = stream(stream_options=options)

    assert any("usage" in chunk for chunk in chunks(body)) is told


def test_keep_alives_stand_between_the_events() -> None:
    body = b"".join(prepare(pings=True, stream=True).render())

    assert b"\n\n: PING\n\n" in body


def test_an_answer_that_does_not_say_that_it_is_whole() -> None:
    whole, body = answer("no_finish"), stream("no_finish")

    assert whole["choices"][0]["finish_reason"] is None
    assert all(c["finish_reason"] is None for k in chunks(body) for c in k["choices"])
    assert chunks(body)[-1]["usage"]["completion_tokens"] > 0
    assert events(body)[-1] == b"[DONE]"


def test_an_answer_without_choices_bills_its_input() -> None:
    whole, body = prepare("empty_choices"), stream("empty_choices")

    assert orjson.loads(whole.render()[0])["choices"] == []
    assert all(chunk["choices"] == [] for chunk in chunks(body))
    assert whole.billed is not None
    assert whole.billed["input_tokens"] > 0
    assert whole.billed["output_tokens"] == 0


def test_an_error_instead_of_an_answer_bills_nothing() -> None:
    whole, body = prepare("error_200"), stream("error_200")

    assert orjson.loads(whole.render()[0])["error"]["code"] == "empty_response"
    assert folded(body, "content")
    assert "error" in chunks(body)[-1]
    assert whole.billed is None


def test_what_is_billed_is_what_is_reported() -> None:
    fields: dict[str, Any] = {"reasoning_effort": "low", "n": 2}

    billed, used = prepare(**fields).billed, answer(**fields)["usage"]

    assert billed == {
        "input_tokens": used["prompt_tokens"],
        "input_cached_tokens": used["prompt_tokens_details"]["cached_tokens"],
        "output_tokens": used["completion_tokens"],
        "output_reasoning_tokens": used["completion_tokens_details"]["reasoning_tokens"],
    }
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]


def test_an_answer_holds_back_its_maximum() -> None:
    used = answer()["usage"]["prompt_tokens"]

    assert prepare(max_tokens=40).reserve == used + 40
    assert prepare().reserve == used + 500


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "bad_json"),
        (b'{"messages":[{}]}', "bad_request"),
        (b'{"model":"","messages":[{}]}', "bad_request"),
        (b'{"model":7,"messages":[{}]}', "bad_request"),
        (b'{"model":"m"}', "bad_request"),
        (b'{"model":"m","messages":[]}', "bad_request"),
        (b'{"model":"m","messages":["hello"]}', "bad_json"),
        (b'{"model":"m","messages":[{}],"n":"2"}', "bad_json"),
        (b'{"model":"m","messages":[{}],"max_tokens":true}', "bad_json"),
        (b'{"model":"m","messages":[{}],"stop":5}', "bad_json"),
        (b'{"model":"m","messages":[{}],"tools":{}}', "bad_json"),
        (b'{"model":"m","messages":[{}],"response_format":"json"}', "bad_json"),
    ],
)
def test_a_body_that_is_none_is_refused(raw: bytes, fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        TWIN.read(asked(CHAT, raw))

    assert bad.value.fate == fate
