"""What is asked, a row for each kind of answer: the body, and what its answer must then show.

Longer than other files, because it is one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose
from pydantic import BaseModel

from tests.compat import sdks
from tests.compat.sdks import Body, Endpoint


class Ask(NamedTuple):
    """One thing to ask. ``shows`` returns what a caller would take from the answer."""

    name: str
    endpoint: Endpoint
    body: Body
    shows: Callable[[Any], Any]
    type: type[BaseModel] | None = None  # of the answer, where it is not that of the endpoint
    streams: bool = True  # where the endpoint does


def rows(asks: Sequence[Ask]) -> list[Any]:
    """Return a parameter for each ask."""
    return [pytest.param(ask, id=ask.name) for ask in asks]


WORD = {"type": "object", "properties": {"word": {"type": "string"}}}
SCHEMA = {**WORD, "required": ["word"], "additionalProperties": False}
FUNCTION = {"name": "lookup", "description": "Look up a word.", "parameters": SCHEMA}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
SILENCE = "UklGRigAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQQAAAAAAAAA"


def _chat(name: str, shows: Callable[[Any], Any], **more: Any) -> Ask:
    messages = [{"role": "user", "content": "Where does the sun rise?"}]
    body = {"model": "gpt-4o-mini", "messages": messages, **more}
    return Ask(f"chat, {name}", sdks.CHAT, body, shows)


def _message(answer: Any) -> Any:
    return answer.choices[0].message


CHATS = [
    _chat("text", lambda answer: _message(answer).content and answer.usage.total_tokens),
    _chat("choices", lambda answer: len(answer.choices) == 3, n=3),
    _chat(
        "a cut answer",
        lambda answer: answer.choices[0].finish_reason == "length",
        max_completion_tokens=2,
    ),
    _chat(
        "a function",
        lambda answer: _message(answer).tool_calls[0].function.name == "lookup",
        tools=[{"type": "function", "function": {**FUNCTION, "strict": True}}],
        tool_choice="required",
    ),
    _chat(
        "a schema",
        lambda answer: "word" in _message(answer).content,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "word", "schema": SCHEMA, "strict": True},
        },
    ),
    _chat(
        "reasoning",
        lambda answer: answer.usage.completion_tokens_details.reasoning_tokens,
        model="gpt-5",
        reasoning_effort="low",
    ),
    _chat(
        "voice",
        lambda answer: _message(answer).audio.data and _message(answer).audio.transcript,
        model="gpt-4o-audio-preview",
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "pcm16"},
    ),
    _chat(
        "sources",
        lambda answer: _message(answer).annotations[0].url_citation.url,
        model="gpt-4o-search-preview",
        web_search_options={},
    ),
]


def _response(name: str, shows: Callable[[Any], Any], **more: Any) -> Ask:
    body = {"model": "gpt-5", "input": "Where does the sun rise?", **more}
    return Ask(f"responses, {name}", sdks.RESPONSES, body, shows)


def _item(answer: Any, kind: str) -> Any:
    return next(item for item in answer.output if item.type == kind)


RESPONSES = [
    _response("text", lambda answer: answer.output_text and answer.usage.total_tokens),
    _response(
        "a cut answer",
        lambda answer: answer.incomplete_details.reason == "max_output_tokens",
        model="gpt-4o-mini",
        max_output_tokens=2,
    ),
    _response(
        "reasoning",
        lambda answer: (
            _item(answer, "reasoning").summary[0].text
            and answer.usage.output_tokens_details.reasoning_tokens
        ),
        reasoning={"effort": "low", "summary": "auto"},
    ),
    _response(
        "a function",
        lambda answer: _item(answer, "function_call").name == "lookup",
        tools=[{"type": "function", **FUNCTION, "strict": True}],
        tool_choice="required",
    ),
    _response(
        "a schema",
        lambda answer: "word" in answer.output_text,
        text={"format": {"type": "json_schema", "name": "word", "schema": SCHEMA, "strict": True}},
    ),
    _response(
        "sources",
        lambda answer: (
            _item(answer, "web_search_call").status == "completed"
            and _item(answer, "message").content[0].annotations[0].url
        ),
        tools=[{"type": "web_search"}],
    ),
]


def _claude(name: str, shows: Callable[[Any], Any], **more: Any) -> Ask:
    messages = [{"role": "user", "content": "Where does the sun rise?"}]
    body = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "messages": messages, **more}
    return Ask(f"messages, {name}", sdks.MESSAGES, body, shows)


def _block(answer: Any, kind: str) -> Any:
    return next(block for block in answer.content if block.type == kind)


MESSAGES = [
    _claude("text", lambda answer: _block(answer, "text").text and answer.usage.output_tokens),
    _claude("a cut answer", lambda answer: answer.stop_reason == "max_tokens", max_tokens=2),
    _claude(
        "thinking",
        lambda answer: _block(answer, "thinking").thinking and _block(answer, "text").text,
        thinking={"type": "enabled", "budget_tokens": 1024},
    ),
    _claude(
        "a tool",
        lambda answer: (
            _block(answer, "tool_use").name == "lookup"
            and "word" in _block(answer, "tool_use").input
        ),
        tools=[{"name": "lookup", "description": "Look up a word.", "input_schema": SCHEMA}],
        tool_choice={"type": "any"},
    ),
    _claude(
        "sources",
        lambda answer: (
            _block(answer, "server_tool_use").name == "web_search"
            and _block(answer, "web_search_tool_result").content[0].url
            and answer.usage.server_tool_use.web_search_requests
        ),
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
    ),
]


def _gemini(name: str, shows: Callable[[Any], Any], **more: Any) -> Ask:
    contents = [{"role": "user", "parts": [{"text": "Where does the sun rise?"}]}]
    return Ask(f"gemini, {name}", sdks.GEMINI, {"contents": contents, **more}, shows)


def _parts(answer: Any) -> Any:
    return answer.candidates[0].content.parts


GEMINI = [
    _gemini("text", lambda answer: answer.text and answer.usage_metadata.total_token_count),
    _gemini(
        "a cut answer",
        lambda answer: answer.candidates[0].finish_reason == "MAX_TOKENS",
        generationConfig={"maxOutputTokens": 2},
    ),
    _gemini(
        "thoughts",
        lambda answer: any(part.thought for part in _parts(answer)) and answer.text,
        generationConfig={"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 64}},
    ),
    _gemini(
        "a function",
        lambda answer: answer.function_calls[0].name == "lookup",
        tools=[{"functionDeclarations": [{"name": "lookup", "parameters": WORD}]}],
    ),
    _gemini(
        "a picture",
        lambda answer: any(part.inline_data and part.inline_data.data for part in _parts(answer)),
        generationConfig={"responseModalities": ["TEXT", "IMAGE"]},
    ),
    _gemini(
        "sources",
        lambda answer: answer.candidates[0].grounding_metadata.grounding_chunks[0].web.uri,
        tools=[{"googleSearch": {}}],
    ),
]

DRAW = {"model": "gpt-image-1", "prompt": "a red cup", "size": "1024x1024", "quality": "low"}
HEAR: Mapping[str, Any] = {
    "model": "gpt-4o-mini-transcribe",
    "file": f"data:audio/wav;base64,{SILENCE}",
}
FILM = {"model": "sora-2", "prompt": "a cat", "seconds": "4", "size": "720x1280"}
PICTURE = f"data:image/png;base64,{PIXEL}"
OTHERS = [
    Ask(
        "embeddings",
        sdks.EMBEDDINGS,
        {"model": "text-embedding-3-small", "input": ["sun", "moon"], "encoding_format": "float"},
        lambda answer: len(answer.data) == 2 and len(answer.data[0].embedding) > 1,
    ),
    Ask(
        "images",
        sdks.IMAGES,
        DRAW,
        lambda answer: answer.data[0].b64_json and answer.usage.output_tokens,
    ),
    Ask(
        "images, edited",
        sdks.EDITS,
        {**DRAW, "image": [PICTURE, PICTURE]},
        lambda answer: answer.data[0].b64_json and answer.usage.output_tokens,
    ),
    Ask("transcriptions", sdks.TRANSCRIPTIONS, HEAR, lambda answer: answer.text),
    Ask(
        "transcriptions, with times",
        sdks.TRANSCRIPTIONS,
        {
            **HEAR,
            "model": "whisper-1",
            "response_format": "verbose_json",
            "timestamp_granularities": ["segment", "word"],
        },
        lambda answer: answer.segments[0].text and answer.words[0].word,
        TranscriptionVerbose,
        streams=False,
    ),
    Ask(
        "transcriptions, with speakers",
        sdks.TRANSCRIPTIONS,
        {
            **HEAR,
            "model": "gpt-4o-transcribe-diarize",
            "response_format": "diarized_json",
            "chunking_strategy": "auto",
        },
        lambda answer: {one.speaker for one in answer.segments} == {"A", "B"},
        TranscriptionDiarized,
        streams=False,
    ),
]
ASKS = [*CHATS, *RESPONSES, *MESSAGES, *GEMINI, *OTHERS]
STREAMS = [ask for ask in ASKS if ask.endpoint.events and ask.streams]
