from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from batch.mock import Ask, BadAsk, Prepared, twins
from batch.mock._samples import png
from batch.mock.chance import Dice
from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from batch.mock.gemini import TWIN
from batch.records import Answer, Done, Reply, Request
from batch.usage import fields
from batch.wire.gemini import FORMAT
from tests.mock.client import Client, against, chunks, events
from tests.mock.kit import asked, plan

PLAIN = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
DRAW = "/v1beta/models/gemini-2.5-flash-image:generateContent"
SAYS = [{"role": "user", "parts": [{"text": "a red apple"}]}]
PICTURE = {"inlineData": {"mimeType": "image/png", "data": b64encode(png(1)).decode()}}
SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "label": {"type": "STRING", "enum": ["good", "bad"]},
        "type": {"type": "INTEGER"},
    },
    "required": ["label", "type"],
}
TOOLS = [{"functionDeclarations": [{"name": "other"}, {"name": "judge", "parameters": SCHEMA}]}]
JUDGE = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["judge"]}}


def read(path: str = PLAIN, **body: Any) -> Ask:
    return TWIN.read(asked(path, {"contents": SAYS, **body}))


def prepare(path: str = PLAIN, flaw: Any = None, **body: Any) -> Prepared:
    return TWIN.answer(read(path, **body), plan(flaw=flaw))


def answer(path: str = PLAIN, flaw: Any = None, **body: Any) -> Any:
    return orjson.loads(prepare(path, flaw, **body).render()[0])


def stream(flaw: Any = None, **body: Any) -> bytes:
    return b"".join(prepare(STREAM, flaw, **body).render())


def config(**settings: Any) -> dict[str, Any]:
    return {"generationConfig": settings}


def parts_of(got: Any) -> Any:
    return got["candidates"][0]["content"]["parts"]


def understood(path: str, **body: Any) -> Answer:
    """Return what our own format makes of an answer, whole or streamed."""
    prepared = prepare(path, **body)
    if prepared.streamed:
        folder = FORMAT.folder(Request((1,), ("a",), "gemini", "m", b"{}"))
        assert folder is not None
        for event in events(b"".join(prepared.render())):
            folder.feed(event)
        raw = folder.body()
    else:
        raw = prepared.render()[0]
    request = Request((1,), ("a",), "gemini", "m", b"{}", makes="text", stem="s")
    step = FORMAT.next(request, None, Reply(200, {}, raw, streamed=prepared.streamed))
    assert isinstance(step, Done)
    return step.answer


def test_the_twin_is_found_by_the_name_of_its_format() -> None:
    assert TWIN in twins()
    assert TWIN.serves("POST", PLAIN)
    assert TWIN.serves("POST", STREAM)
    assert TWIN.serves("POST", "/v1/models/m:generateContent")
    assert not TWIN.serves("GET", PLAIN)
    assert not TWIN.serves("POST", "/v1beta/models/m:countTokens")


def test_the_model_stands_in_the_path() -> None:
    assert read("/v1beta/models/gemini-x:streamGenerateContent").model == "gemini-x"
    assert answer("/v1beta/models/gemini-x:generateContent")["modelVersion"] == "gemini-x"


def test_the_last_text_of_the_user_is_the_prompt() -> None:
    contents = [
        {"role": "user", "parts": [{"text": "first"}]},
        {"role": "model", "parts": [{"text": "wait"}]},
        {"parts": [{"text": "what is"}, PICTURE, {"text": "this?"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ]

    assert read(contents=contents).prompt == "what is this?"


def test_an_answer_repeats_the_words_of_the_prompt() -> None:
    got = answer()

    [part] = parts_of(got)
    assert "a red apple" in part["text"]
    assert len(part["text"].split()) == 12
    assert got["candidates"][0]["finishReason"] == "STOP"


def test_the_same_request_gets_the_same_bytes() -> None:
    assert prepare().render() == prepare().render()
    assert prepare(DRAW).render() == prepare(DRAW).render()
    assert stream() == stream()


@pytest.mark.parametrize("name", ["maxOutputTokens", "max_output_tokens"])
def test_a_maximum_cuts_the_answer(name: str) -> None:
    got = answer(**config(**{name: 3}))

    assert got["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert got["usageMetadata"]["candidatesTokenCount"] == 3


def test_thoughts_may_leave_nothing_of_the_maximum_for_the_answer() -> None:
    got = answer(**config(maxOutputTokens=5, thinkingConfig={"thinkingBudget": 40}))

    assert parts_of(got) == []
    assert got["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert got["usageMetadata"]["thoughtsTokenCount"] == 5


def test_a_stop_ends_the_answer_before_it() -> None:
    [part] = parts_of(answer(**config(stopSequences=["never", "apple"])))

    assert part["text"].endswith("a red ")


def test_candidates_are_numbered_and_all_are_billed() -> None:
    one, three = answer(), answer(**config(candidateCount=3))

    assert [candidate["index"] for candidate in three["candidates"]] == [0, 1, 2]
    said = three["usageMetadata"]["candidatesTokenCount"]
    assert said >= 2 * one["usageMetadata"]["candidatesTokenCount"]


def test_each_candidate_thinks_for_itself() -> None:
    got = answer(**config(candidateCount=3, thinkingConfig={"thinkingBudget": 20}))

    assert got["usageMetadata"]["thoughtsTokenCount"] == 60


@pytest.mark.parametrize(
    ("thinking", "tokens"),
    [
        ({}, 0),
        ({"thinkingBudget": 0}, 0),
        ({"thinkingBudget": 20}, 20),
        ({"thinkingBudget": -1}, 64),
        ({"thinkingLevel": "LOW"}, 16),
        ({"includeThoughts": True}, 64),
    ],
)
def test_thoughts_are_counted_beside_the_output(thinking: dict[str, Any], tokens: int) -> None:
    used = answer(**config(thinkingConfig=thinking))["usageMetadata"]

    assert used["thoughtsTokenCount"] == tokens
    read = used["promptTokenCount"] + used["candidatesTokenCount"]
    assert used["totalTokenCount"] == read + tokens


def test_thoughts_are_shown_only_if_asked_for() -> None:
    shown = parts_of(answer(**config(thinkingConfig={"includeThoughts": True})))
    hidden = parts_of(answer(**config(thinkingConfig={"thinkingBudget": 20})))

    assert [part.get("thought") for part in shown] == [True, None]
    assert len(shown[0]["text"].split()) == 64
    assert [part.get("thought") for part in hidden] == [None]


def test_a_function_gets_what_its_schema_allows() -> None:
    got = answer(tools=TOOLS, toolConfig=JUDGE)

    [part] = parts_of(got)
    call = part["functionCall"]
    assert call["name"] == "judge"
    assert call["args"]["label"] in ("good", "bad")
    assert isinstance(call["args"]["type"], int)
    assert got["candidates"][0]["finishReason"] == "STOP"


ANSWERED = [*SAYS, {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}]


@pytest.mark.parametrize(
    ("mode", "contents", "called"),
    [
        (None, SAYS, True),
        ("AUTO", SAYS, True),
        ("NONE", SAYS, False),
        ("AUTO", ANSWERED, False),
        ("ANY", ANSWERED, True),
    ],
)
def test_functions_are_called_unless_forbidden_or_answered(
    mode: str | None, contents: Any, called: bool
) -> None:
    wish = {"toolConfig": {"functionCallingConfig": {"mode": mode}}} if mode else {}

    got = answer(tools=TOOLS, contents=contents, **wish)

    assert ("functionCall" in parts_of(got)[0]) is called


@pytest.mark.parametrize(
    "schema",
    [
        {"responseSchema": SCHEMA},
        {"responseJsonSchema": {"type": "object", "required": ["label", "type"]}},
    ],
)
def test_a_schema_is_answered_by_an_instance_of_it(schema: dict[str, Any]) -> None:
    [part] = parts_of(answer(**config(responseMimeType="application/json", **schema)))

    assert set(orjson.loads(part["text"])) == {"label", "type"}


def test_json_without_a_schema_is_answered_by_an_object() -> None:
    [part] = parts_of(answer(**config(responseMimeType="application/json")))

    assert "a red apple" in orjson.loads(part["text"])["answer"]


@pytest.mark.parametrize(
    ("path", "modalities", "kinds"),
    [
        (PLAIN, None, ["text"]),
        (PLAIN, ["TEXT", "IMAGE"], ["text", "image/png"]),
        (PLAIN, ["IMAGE"], ["image/png"]),
        (PLAIN, ["AUDIO"], ["audio/L16;codec=pcm;rate=24000"]),
        (DRAW, None, ["text", "image/png"]),
        (DRAW, ["TEXT"], ["text"]),
    ],
)
def test_media_are_made_if_asked_for(path: str, modalities: Any, kinds: list[str]) -> None:
    parts = parts_of(answer(path, **config(responseModalities=modalities)))

    assert [
        part["inlineData"]["mimeType"] if "inlineData" in part else "text" for part in parts
    ] == kinds
    for part in parts:
        data = b64decode(part.get("inlineData", {}).get("data", ""))
        assert data.startswith(b"\x89PNG") is ("image/png" in str(part))


def test_a_search_tells_its_sources() -> None:
    got = answer(tools=[{"googleSearch": {}}])

    told = got["candidates"][0]["groundingMetadata"]
    assert told["groundingChunks"][0]["web"]["uri"].startswith("https://")
    assert got["usageMetadata"]["toolUsePromptTokenCount"] > 0


BODIES: list[dict[str, Any]] = [
    {},
    config(candidateCount=2),
    config(maxOutputTokens=2),
    config(thinkingConfig={"includeThoughts": True}),
    config(responseModalities=["TEXT", "IMAGE"]),
    config(responseModalities=["AUDIO"]),
    {"tools": TOOLS},
    {"tools": [{"google_search": {}}]},
    {"contents": [{"parts": [{"text": "what is this?"}, PICTURE]}]},
]


@pytest.mark.parametrize("body", BODIES)
def test_a_stream_says_the_same_as_the_whole_answer(body: Mapping[str, Any]) -> None:
    whole, streamed = understood(PLAIN, **body), understood(STREAM, **body)

    assert streamed.content == whole.content
    assert (streamed.finish, streamed.usage) == (whole.finish, whole.usage)
    mine, theirs = orjson.loads(streamed.body), orjson.loads(whole.body)
    assert mine["usageMetadata"] == theirs["usageMetadata"]
    said = [candidate["content"] for candidate in mine["candidates"]]
    assert said == [candidate["content"] for candidate in theirs["candidates"]]


@pytest.mark.parametrize("body", BODIES)
def test_what_is_billed_is_what_is_reported(body: Mapping[str, Any]) -> None:
    used = fields(understood(PLAIN, **body).usage)

    assert {name: count for name, count in (used or {}).items() if count} == {
        name: count for name, count in (prepare(**body).billed or {}).items() if count
    }


def test_a_stream_ends_with_its_reason_and_usage_and_no_mark() -> None:
    body = stream()

    assert [len(chunk["candidates"]) for chunk in chunks(body)] == [1] * len(chunks(body))
    assert chunks(body)[-1]["candidates"][0]["finishReason"] == "STOP"
    assert "candidatesTokenCount" in chunks(body)[-1]["usageMetadata"]
    assert all("finishReason" not in chunk["candidates"][0] for chunk in chunks(body)[:-1])
    assert b"[DONE]" not in body


def test_an_answer_that_does_not_say_that_it_is_whole() -> None:
    whole, body = answer(flaw="no_finish"), stream("no_finish")

    assert "finishReason" not in whole["candidates"][0]
    assert all("finishReason" not in chunk["candidates"][0] for chunk in chunks(body))
    assert prepare(flaw="no_finish").billed == prepare().billed


def test_a_blocked_prompt_bills_its_input() -> None:
    whole, body = answer(flaw="empty_choices"), stream("empty_choices")

    for got in (whole, *chunks(body)):
        assert "candidates" not in got
        assert got["promptFeedback"]["blockReason"]
    billed = prepare(flaw="empty_choices").billed
    assert billed is not None
    assert billed["input_tokens"] == whole["usageMetadata"]["promptTokenCount"] > 0
    assert billed["output_tokens"] == 0


def test_an_error_instead_of_an_answer_bills_nothing() -> None:
    whole, body = answer(flaw="error_200"), stream("error_200")

    assert whole["error"]["code"] == "empty_response"
    assert parts_of(chunks(body)[0])
    assert "error" in chunks(body)[-1]
    assert prepare(flaw="error_200").billed is None


def test_an_answer_holds_back_its_maximum() -> None:
    used = answer()["usageMetadata"]["promptTokenCount"]

    assert prepare(**config(maxOutputTokens=40)).reserve == used + 40
    assert prepare().reserve == used + 500


def test_cached_tokens_come_now_and_then() -> None:
    found = []
    for number in range(200):
        billed = TWIN.answer(read(), plan(dice=Dice(number, "f00"))).billed
        assert billed is not None
        found.append(billed["input_cached_tokens"] / billed["input_tokens"])

    assert 20 < sum(share > 0 for share in found) < 80
    assert max(found) <= 0.5


@pytest.mark.parametrize(
    ("body", "fate"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b"{}", "bad_request"),
        (b'{"contents":[]}', "bad_request"),
        (b'{"contents":"hello"}', "bad_json"),
        (b'{"contents":["hello"]}', "bad_json"),
        (b'{"contents":[{"parts":"hello"}]}', "bad_json"),
        (b'{"contents":[{"parts":["hello"]}]}', "bad_json"),
        (b'{"contents":[{"parts":[]}],"generationConfig":[]}', "bad_json"),
        (b'{"contents":[{"parts":[]}],"generationConfig":{"maxOutputTokens":"9"}}', "bad_json"),
        (b'{"contents":[{"parts":[{"inlineData":{"data":"AAAA"}}]}]}', "bad_request"),
        (
            b'{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"file:a"}}]}]}',
            "bad_request",
        ),
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes, fate: str) -> None:
    with pytest.raises(BadAsk) as bad:
        TWIN.read(asked(PLAIN, body))

    assert bad.value.fate == fate


def test_settings_in_the_other_spelling_vanish_as_at_the_gateway() -> None:
    assert answer(generation_config={"candidateCount": 3}) == answer()


@pytest.mark.parametrize("path", [PLAIN, f"{STREAM}?alt=sse", "/v1/models/m:generateContent"])
def test_the_gateway_serves_it(path: str) -> None:
    async def scene(_gateway: Gateway, client: Client) -> Any:
        return await client.post(orjson.dumps({"contents": SAYS}), path=path)

    got = against(Dials(), scene)

    assert got.status == 200
    assert b"candidates" in got.body
