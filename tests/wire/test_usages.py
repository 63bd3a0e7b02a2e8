"""What vendors report, as their documentation shows it, against what they bill.

The prices are a different prime for each meter, so that no token can be counted for another one,
twice, or not at all without the sum telling it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from batch.pricing import Price, PriceBook, Rate, Used
from batch.records import Done, Reply
from batch.usage import Meter, Usage
from batch.wire import Ask, formats
from tests.wire.test_contract import a_request

IN, CACHED, WRITE, HOUR, SAW, HEARD = 2, 3, 5, 7, 11, 13
OUT, THOUGHT, DREW, SPOKE = 17, 19, 23, 29
PICTURE, SECOND, CHARACTER, SEARCH = 31, 37, 41, 43
PRICES = {
    Meter.INPUT: IN,
    Meter.CACHED_INPUT: CACHED,
    Meter.CACHE_WRITE: WRITE,
    Meter.CACHE_WRITE_1H: HOUR,
    Meter.INPUT_IMAGE: SAW,
    Meter.INPUT_AUDIO: HEARD,
    Meter.OUTPUT: OUT,
    Meter.REASONING: THOUGHT,
    Meter.OUTPUT_IMAGE: DREW,
    Meter.OUTPUT_AUDIO: SPOKE,
    Meter.IMAGES: PICTURE,
    Meter.MILLISECONDS: Decimal(SECOND) / 1000,
    Meter.CHARACTERS: CHARACTER,
    Meter.SEARCHES: SEARCH,
}
BOOK = PriceBook(
    (("*", Price({one: Rate(Decimal(price)) for one, price in PRICES.items()}, "test")),)
)
TALK = {"messages": [{"role": "user", "content": "hi"}]}


def billed(name: str, url: str, body: Any, answer: Any, model: str = "m") -> Decimal:
    """Return what an answer costs at those prices."""
    cost = BOOK.cost(Used(model, 0.0, used(name, url, body, answer, model).counts, requests=1))
    assert cost.gaps == frozenset()
    return cost.amount


def used(name: str, url: str, body: Any, answer: Any, model: str = "m") -> Usage:
    """Return what an answer is understood to have used."""
    wire = formats()[name]
    request = a_request(name, wire.shape(orjson.dumps(body), Ask("POST", url, model)))
    step = wire.next(request, None, Reply(200, {}, orjson.dumps(answer)))
    assert isinstance(step, Done)
    assert step.answer.usage is not None
    return step.answer.usage


CHATS: list[tuple[str, dict[str, Any], int]] = [
    ("OpenAI, plain",
     {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}, 19 * IN + 10 * OUT),
    ("OpenAI, cached and reasoning, both inside",
     {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
      "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
      "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0,
                                    "accepted_prediction_tokens": 0,
                                    "rejected_prediction_tokens": 0}},
     86 * IN + 1920 * CACHED + 44 * OUT + 256 * THOUGHT),
    ("OpenAI, a prediction that was rejected is inside the output",
     {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60,
      "completion_tokens_details": {"reasoning_tokens": 0, "rejected_prediction_tokens": 30}},
     10 * IN + 50 * OUT),
    ("OpenAI, sound in and out, both inside",
     {"prompt_tokens": 120, "completion_tokens": 400, "total_tokens": 520,
      "prompt_tokens_details": {"text_tokens": 20, "audio_tokens": 100, "cached_tokens": 0},
      "completion_tokens_details": {"text_tokens": 80, "audio_tokens": 320,
                                    "reasoning_tokens": 0}},
     20 * IN + 100 * HEARD + 80 * OUT + 320 * SPOKE),
    ("DeepSeek, hit and missed make up the prompt",
     {"prompt_tokens": 110, "completion_tokens": 60, "total_tokens": 170,
      "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 46,
      "completion_tokens_details": {"reasoning_tokens": 40}},
     46 * IN + 64 * CACHED + 20 * OUT + 40 * THOUGHT),
    ("Qwen, written to a cache and read from it",
     {"prompt_tokens": 3019, "completion_tokens": 104, "total_tokens": 3123,
      "prompt_tokens_details": {"cached_tokens": 2048, "cache_type": "ephemeral",
                                "cache_creation": {"ephemeral_5m_input_tokens": 700},
                                "cache_creation_input_tokens": 700}},
     271 * IN + 2048 * CACHED + 700 * WRITE + 104 * OUT),
    ("Qwen, a search",
     {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940,
      "plugins": {"search": {"count": 2, "strategy": "turbo"}}},
     900 * IN + 40 * OUT + 2 * SEARCH),
    ("GLM",
     {"prompt_tokens": 50, "completion_tokens": 30, "total_tokens": 80,
      "prompt_tokens_details": {"cached_tokens": 10}},
     40 * IN + 10 * CACHED + 30 * OUT),
    ("Doubao",
     {"prompt_tokens": 90, "completion_tokens": 70, "total_tokens": 160,
      "prompt_tokens_details": {"cached_tokens": 0},
      "completion_tokens_details": {"reasoning_tokens": 60}},
     90 * IN + 10 * OUT + 60 * THOUGHT),
    ("Moonshot",
     {"prompt_tokens": 80, "completion_tokens": 20, "total_tokens": 100, "cached_tokens": 60},
     20 * IN + 60 * CACHED + 20 * OUT),
    ("MiniMax",
     {"prompt_tokens": 70, "completion_tokens": 25, "total_tokens": 95, "total_characters": 0,
      "completion_tokens_details": {"reasoning_tokens": 5}},
     70 * IN + 20 * OUT + 5 * THOUGHT),
    ("Mistral",
     {"prompt_tokens": 13, "completion_tokens": 7, "total_tokens": 20, "num_cached_tokens": 0,
      "prompt_audio_seconds": 0, "prompt_tokens_details": {"cached_tokens": 0}},
     13 * IN + 7 * OUT),
    ("Mistral, sound by its length, its tokens only in the total",
     {"prompt_tokens": 5, "completion_tokens": 24, "total_tokens": 404,
      "prompt_audio_seconds": 6, "prompt_tokens_details": {"cached_tokens": 368}},
     5 * IN + 24 * OUT + 6 * SECOND),
    ("xAI, reasoning beside the output",
     {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "num_sources_used": 0,
      "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0,
                                "cached_tokens": 6},
      "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0,
                                    "accepted_prediction_tokens": 0}},
     26 * IN + 6 * CACHED + 9 * OUT + 94 * THOUGHT),
    ("xAI, sources",
     {"prompt_tokens": 300, "completion_tokens": 9, "total_tokens": 309, "num_sources_used": 7},
     300 * IN + 9 * OUT + 7 * SEARCH),
    ("Perplexity, thoughts and pages beside all else",
     {"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196,
      "citation_tokens": 20016, "num_search_queries": 18, "reasoning_tokens": 73997},
     (33 + 20016) * IN + 7163 * OUT + 73997 * THOUGHT + 18 * SEARCH),
    ("the same, if a total held the pages after all",
     {"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196 + 20016,
      "citation_tokens": 20016, "num_search_queries": 18, "reasoning_tokens": 73997},
     (33 + 20016) * IN + 7163 * OUT + 73997 * THOUGHT + 18 * SEARCH),
    ("Perplexity, thoughts inside where no pages are read",
     {"prompt_tokens": 33, "completion_tokens": 90, "total_tokens": 123,
      "citation_tokens": 0, "num_search_queries": 1, "reasoning_tokens": 70},
     33 * IN + 20 * OUT + 70 * THOUGHT + SEARCH),
    ("a server of open models, thoughts inside and told at the top",
     {"prompt_tokens": 20, "completion_tokens": 90, "total_tokens": 110, "reasoning_tokens": 70,
      "prompt_tokens_details": None},
     20 * IN + 20 * OUT + 70 * THOUGHT),
    ("Claude as OpenAI would tell it, kept for an hour",
     {"prompt_tokens": 1800, "completion_tokens": 10, "total_tokens": 1810,
      "prompt_tokens_details": {"cached_tokens": 300, "cached_creation_tokens": 1400},
      "claude_cache_creation_5_m_tokens": 400, "claude_cache_creation_1_h_tokens": 1000,
      "usage_semantic": "openai"},
     100 * IN + 300 * CACHED + 400 * WRITE + 1000 * HOUR + 10 * OUT),
    ("Claude in its own words beside OpenAI's",
     {"prompt_tokens": 1800, "completion_tokens": 10, "total_tokens": 1810,
      "cache_read_input_tokens": 300, "cache_creation_input_tokens": 1400,
      "prompt_tokens_details": {"cached_tokens": 300, "cache_creation_tokens": 1400},
      "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 1000},
      "server_tool_use": {"web_search_requests": 1}},
     100 * IN + 300 * CACHED + 400 * WRITE + 1000 * HOUR + 10 * OUT + SEARCH),
    ("Claude whose own count leaks through: the cache stands beside the prompt",
     {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110,
      "cache_read_input_tokens": 300, "cache_creation_input_tokens": 1400},
     100 * IN + 300 * CACHED + 1400 * WRITE + 10 * OUT),
    ("Gemini on Google's path for OpenAI's clients, thoughts in the total only",
     {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, 10 * IN + 30 * OUT),
    ("Gemini through new-api, thoughts inside",
     {"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 40,
      "prompt_tokens_details": {"text_tokens": 10, "audio_tokens": 0, "cached_tokens": 0},
      "completion_tokens_details": {"reasoning_tokens": 25, "text_tokens": 0}},
     10 * IN + 5 * OUT + 25 * THOUGHT),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usage", "due"), CHATS, ids=[row[0] for row in CHATS])
def test_a_chat_costs_what_its_vendor_bills(name: str, usage: Any, due: int) -> None:
    choice = {"message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    answer = {"choices": [choice], "usage": usage}

    assert billed("chat", "/v1/chat/completions", TALK, answer) == due


@pytest.mark.parametrize(
    ("model", "message", "searches"),
    [
        ("gpt-4o", {}, 0),
        ("gpt-4o", {"annotations": []}, 0),
        ("gpt-4o", {"annotations": [{"type": "url_citation", "url_citation": {}}]}, 1),
        ("gpt-4o-mini-search-preview-2025-03-11", {}, 1),
        ("gpt-5-search-api", {"annotations": [{"type": "url_citation"}, {}]}, 1),
    ],
)
def test_a_chat_whose_usage_tells_of_no_search_has_one_if_it_shows(model, message, searches):
    choice = {"message": {"content": "a", **message}, "finish_reason": "stop"}
    answer = {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    assert billed("chat", "/v1/chat/completions", TALK, answer, model) == IN + OUT + searches * 43


MESSAGES: list[tuple[str, dict[str, Any], int]] = [
    ("plain", {"input_tokens": 25, "output_tokens": 15, "service_tier": "standard"},
     25 * IN + 15 * OUT),
    ("the cache beside the input, by how long it is kept",
     {"input_tokens": 2048, "cache_read_input_tokens": 1800, "cache_creation_input_tokens": 248,
      "output_tokens": 503,
      "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100}},
     2048 * IN + 1800 * CACHED + 148 * WRITE + 100 * HOUR + 503 * OUT),
    ("thoughts inside the output, and searches",
     {"input_tokens": 105, "output_tokens": 6039, "cache_read_input_tokens": 7123,
      "cache_creation_input_tokens": 7345, "server_tool_use": {"web_search_requests": 4},
      "output_tokens_details": {"thinking_tokens": 5000}},
     105 * IN + 7123 * CACHED + 7345 * WRITE + 1039 * OUT + 5000 * THOUGHT + 4 * SEARCH),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usage", "due"), MESSAGES, ids=[row[0] for row in MESSAGES])
def test_a_message_costs_what_anthropic_bills(name: str, usage: Any, due: int) -> None:
    answer = {"id": "msg_1", "content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}

    due_now = billed(
        "messages", "/v1/messages", TALK | {"max_tokens": 9}, answer | {"usage": usage}
    )

    assert due_now == due


def searched(*actions: Any) -> list[Any]:
    return [{"type": "web_search_call", "status": "completed", **one} for one in actions]


RESPONSES: list[tuple[str, list[Any], dict[str, Any], int]] = [
    ("cached and reasoning, both inside", [],
     {"input_tokens": 328, "input_tokens_details": {"cached_tokens": 128},
      "output_tokens": 520, "output_tokens_details": {"reasoning_tokens": 448},
      "total_tokens": 848},
     200 * IN + 128 * CACHED + 72 * OUT + 448 * THOUGHT),
    ("searches, and a page that was opened for nothing",
     searched({"action": {"type": "search", "query": "a"}}, {"action": {"type": "open_page"}},
              {"action": {"type": "find_in_page"}}, {}),
     {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
     10 * IN + 5 * OUT + 2 * SEARCH),
    ("xAI, whose usage tells the searches of the web and of its own network", searched({}),
     {"input_tokens": 7583, "output_tokens": 3192, "total_tokens": 10775,
      "input_tokens_details": {"cached_tokens": 3072},
      "output_tokens_details": {"reasoning_tokens": 0}, "num_sources_used": 0,
      "num_server_side_tools_used": 5,
      "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 3,
                                         "code_interpreter_calls": 0}},
     4511 * IN + 3072 * CACHED + 3192 * OUT + 5 * SEARCH),
    ("Doubao, whose usage tells the searches too", searched({}, {}),
     {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
      "tool_usage": {"web_search": 2}},
     100 * IN + 20 * OUT + 2 * SEARCH),
    ("a converted channel, reasoning beside the output", [],
     {"input_tokens": 32, "output_tokens": 9, "total_tokens": 135,
      "output_tokens_details": {"reasoning_tokens": 94}},
     32 * IN + 9 * OUT + 94 * THOUGHT),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "items", "usage", "due"), RESPONSES, ids=[row[0] for row in RESPONSES]
)
def test_a_response_costs_what_its_vendor_bills(name, items, usage, due) -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
    answer = {"status": "completed", "output": [*items, said], "usage": usage}

    assert billed("responses", "/v1/responses", {"input": "hi"}, answer) == due


def of(modality: str, tokens: int) -> dict[str, Any]:
    return {"modality": modality, "tokenCount": tokens}


GEMINIS: list[tuple[str, dict[str, Any], int]] = [
    ("thoughts beside the candidates",
     {"promptTokenCount": 3, "candidatesTokenCount": 900, "thoughtsTokenCount": 1054,
      "totalTokenCount": 1957},
     3 * IN + 900 * OUT + 1054 * THOUGHT),
    ("the cache inside the prompt, tools beside it",
     {"promptTokenCount": 1000, "cachedContentTokenCount": 700, "toolUsePromptTokenCount": 80,
      "candidatesTokenCount": 20, "totalTokenCount": 1100},
     380 * IN + 700 * CACHED + 20 * OUT),
    ("kinds of input, partly cached",
     {"promptTokenCount": 1500, "cachedContentTokenCount": 400, "candidatesTokenCount": 20,
      "totalTokenCount": 1520,
      "promptTokensDetails": [of("TEXT", 300), of("AUDIO", 700), of("IMAGE", 500)],
      "cacheTokensDetails": [of("TEXT", 300), of("AUDIO", 100)]},
     400 * CACHED + 600 * HEARD + 500 * SAW + 20 * OUT),
    ("films and documents cost what text does",
     {"promptTokenCount": 900, "candidatesTokenCount": 20, "totalTokenCount": 920,
      "promptTokensDetails": [of("TEXT", 100), of("VIDEO", 500), of("DOCUMENT", 300)]},
     900 * IN + 20 * OUT),
    ("a count of zero is left out", {"promptTokenCount": 8, "totalTokenCount": 8}, 8 * IN),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usage", "due"), GEMINIS, ids=[row[0] for row in GEMINIS])
def test_content_costs_what_google_bills(name: str, usage: Any, due: int) -> None:
    assert content("gemini-3-pro", usage) == due


PLAIN = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}


@pytest.mark.parametrize(
    ("model", "searches"),
    [("gemini-2.5-flash", 1), ("gemini-3-pro-preview", 3), ("gemini-4-flash", 3)],
)
def test_google_bills_each_query_and_of_older_models_each_request(model, searches) -> None:
    # One of them twice, and one that is empty, which are not billed
    grounding = {"webSearchQueries": ["a", "b", "", "a", "c"], "groundingChunks": []}

    assert content(model, PLAIN, groundingMetadata=grounding) == IN + OUT + searches * SEARCH
    assert content(model, PLAIN, groundingMetadata={"searchEntryPoint": {}}) == IN + OUT


def content(model: str, usage: Any, **beside: Any) -> Decimal:
    candidate = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", **beside}
    answer = {"candidates": [candidate], "usageMetadata": usage}
    url = f"/v1beta/models/{model}:generateContent"
    return billed("gemini", url, {"contents": [{"parts": [{"text": "hi"}]}]}, answer, model)


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        (None, ""),
        (7, ""),
        ("default", ""),
        ("standard", ""),
        ("auto", ""),
        ("ON_DEMAND", ""),
        ("flex", "flex"),
        ("ON_DEMAND_FLEX", "flex"),
        ("priority", "priority"),
        ("batch", "batch"),
        ("us", "us"),
        ("global", ""),
        ("made up anew each time", "other"),
    ],
)
def test_an_answer_tells_at_which_tier_it_was_served(word: object, tier: str) -> None:
    choice = {"message": {"content": "a"}, "finish_reason": "stop"}
    counts = {"prompt_tokens": 1, "completion_tokens": 1}
    said = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
    told = {"input_tokens": 1, "output_tokens": 1}
    text = {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}
    candidate = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}
    parts = {"contents": [{"parts": [{"text": "hi"}]}]}
    url = "/v1beta/models/m:generateContent"
    answers = [
        ("chat", "/v1/chat/completions", TALK,
         {"choices": [choice], "usage": counts, "service_tier": word}),
        ("responses", "/v1/responses", {"input": "hi"},
         {"status": "completed", "output": [said], "usage": told, "service_tier": word}),
        ("messages", "/v1/messages", TALK, {**text, "usage": told | {"service_tier": word}}),
        ("messages", "/v1/messages", TALK,
         {**text, "usage": told | {"service_tier": "standard", "speed": word}}),
        ("messages", "/v1/messages", TALK,
         {**text, "usage": told | {"service_tier": "standard", "inference_geo": word}}),
        ("gemini", url, parts,
         {"candidates": [candidate], "usageMetadata": {**PLAIN, "serviceTier": word}}),
        ("gemini", url, parts,
         {"candidates": [candidate], "usageMetadata": {**PLAIN, "trafficType": word}}),
    ]  # fmt: skip

    assert [used(*one).tier for one in answers] == [tier] * 7


SPEECH = {"file": "https://example.com/a.mp3"}
OTHERS: list[tuple[str, tuple[str, str], Any, Any, int]] = [
    ("sound by its tokens", ("transcription", "/v1/audio/transcriptions"), SPEECH,
     {"text": "a", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 101,
                             "total_tokens": 115,
                             "input_token_details": {"text_tokens": 4, "audio_tokens": 10}}},
     4 * IN + 10 * HEARD + 101 * OUT),
    ("sound by its length", ("transcription", "/v1/audio/transcriptions"), SPEECH,
     {"text": "a", "usage": {"type": "duration", "seconds": 9}}, 9 * SECOND),
    ("Mistral, sound by its length and text by its tokens",
     ("transcription", "/v1/audio/transcriptions"), SPEECH,
     {"text": "a", "usage": {"prompt_audio_seconds": 203, "prompt_tokens": 4,
                             "completion_tokens": 635, "total_tokens": 3264}},
     203 * SECOND + 4 * IN + 635 * OUT),
    ("vectors of texts", ("embeddings", "/v1/embeddings"), {"input": "a"},
     {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 8,
                                                            "total_tokens": 8}}, 8 * IN),
    ("vectors of a text and a picture", ("embeddings", "/v1/embeddings"), {"input": "a"},
     {"data": [{"index": 0, "embedding": [0.5]}],
      "usage": {"prompt_tokens": 528, "total_tokens": 528,
                "prompt_tokens_details": {"image_tokens": 497, "text_tokens": 31}}},
     31 * IN + 497 * SAW),
    ("an order by tokens", ("rerank", "/v1/rerank"), {"query": "a", "documents": ["b"]},
     {"results": [{"index": 0, "relevance_score": 0.5}], "usage": {"total_tokens": 15}}, 15 * IN),
    ("an order by searches", ("rerank", "/v1/rerank"), {"query": "a", "documents": ["b"]},
     {"results": [{"index": 0, "relevance_score": 0.5}],
      "meta": {"billed_units": {"search_units": 2}}}, 2 * SEARCH),
    ("a picture by its tokens", ("images", "/v1/images/generations"), {"prompt": "a"},
     {"data": [{"b64_json": "iVBORw0KGgo="}],
      "usage": {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}},
     10 * IN + 40 * SAW + 4160 * DREW + PICTURE),
    ("a picture and the words about it", ("images", "/v1/images/generations"), {"prompt": "a"},
     {"data": [{"b64_json": "iVBORw0KGgo="}],
      "usage": {"input_tokens": 50, "output_tokens": 300, "total_tokens": 350,
                "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
                "output_tokens_details": {"text_tokens": 28, "image_tokens": 272}}},
     50 * IN + 28 * OUT + 272 * DREW + PICTURE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wire", "body", "answer", "due"), OTHERS, ids=[row[0] for row in OTHERS]
)
def test_other_answers_cost_what_their_vendors_bill(name, wire, body, answer, due) -> None:
    assert billed(*wire, body, answer) == due
