"""The judge is strict: no body passes that lacks what its type needs, or has it of another type.

Each body here is the smallest of its type, so that every key in it is needed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import Message
from google.genai.types import GenerateContentResponse
from openai.types import CreateEmbeddingResponse, ImagesResponse, Video
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import BaseModel, ValidationError

from tests.compat.judge import strictly, strictly_again

USAGE = {"input_tokens": 1, "output_tokens": 1}
TOTAL = {**USAGE, "total_tokens": 2}
SMALLEST: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (
        ChatCompletion,
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        },
    ),
    (
        Response,
        {
            "id": "r",
            "object": "response",
            "created_at": 1,
            "model": "m",
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "output": [
                {
                    "type": "message",
                    "id": "m",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "x", "annotations": []}],
                }
            ],
            "usage": {
                **TOTAL,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        },
    ),
    (
        Message,
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "x"}],
            "usage": USAGE,
        },
    ),
    (
        CreateEmbeddingResponse,
        {
            "object": "list",
            "model": "m",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        },
    ),
    (
        ImagesResponse,
        {
            "created": 1,
            "usage": {**TOTAL, "input_tokens_details": {"image_tokens": 0, "text_tokens": 1}},
        },
    ),
    (Transcription, {"text": "x", "usage": {"type": "tokens", **TOTAL}}),
    (TranscriptionVerbose, {"text": "x", "duration": 1.5, "language": "english"}),
    (
        Video,
        {
            "id": "v",
            "object": "video",
            "model": "sora-2",
            "status": "queued",
            "progress": 0,
            "created_at": 1,
            "seconds": "4",
            "size": "720x1280",
        },
    ),
]
# Google's types need nothing, so that here every key is one that they know.
KNOWN = {
    "candidates": [
        {
            "index": 0,
            "finishReason": "STOP",
            "content": {"role": "model", "parts": [{"text": "x"}]},
        }
    ],
    "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 2},
}
Place = tuple[str | int, ...]


def places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Yield where each key of a document stands."""
    for key in value if isinstance(value, dict) else range(len(value)):
        if isinstance(value, dict):
            yield (*above, key)
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*above, key))


def holder(document: Any, place: Place) -> tuple[Any, Any]:
    """Return a copy of a document, and what in it holds the place."""
    document = within = copy.deepcopy(document)
    for key in place[:-1]:
        within = within[key]
    return document, within


def without(document: Any, place: Place) -> str:
    document, within = holder(document, place)
    del within[place[-1]]
    return json.dumps(document)


def spoilt(document: Any, place: Place) -> str:
    """Return the document with a value of another type: whole numbers become texts of them."""
    document, within = holder(document, place)
    value = within[place[-1]]
    within[place[-1]] = str(value) if isinstance(value, int | float) else 7
    return json.dumps(document)


def places_of(documents: list[tuple[type[BaseModel], Any]]) -> list[Any]:
    return [
        pytest.param(kind, document, place, id=f"{kind.__name__}-{'.'.join(map(str, place))}")
        for kind, document in documents
        for place in places(document)
    ]


@pytest.mark.parametrize(("kind", "document"), [*SMALLEST, (GenerateContentResponse, KNOWN)])
def test_what_is_right_passes(kind: type[BaseModel], document: Any) -> None:
    strictly(kind, json.dumps(document))


@pytest.mark.parametrize(("kind", "document"), SMALLEST)
def test_a_key_that_the_type_does_not_know_passes(kind: type[BaseModel], document: Any) -> None:
    strictly(kind, json.dumps({**document, "of_the_gateway": {"own": 1}}))


def needed(parameter: Any) -> bool:
    kind, _, place = parameter.values
    return (kind, place) not in [
        (ChatCompletion, ("usage",)),
        (Response, ("usage",)),
        (ImagesResponse, ("usage",)),
        (Transcription, ("usage",)),
    ]


@pytest.mark.parametrize(
    ("kind", "document", "place"), [one for one in places_of(SMALLEST) if needed(one)]
)
def test_a_missing_key_is_found_out(kind: type[BaseModel], document: Any, place: Place) -> None:
    with pytest.raises(ValidationError):
        strictly(kind, without(document, place))


@pytest.mark.parametrize(
    ("kind", "document", "place"), places_of([*SMALLEST, (GenerateContentResponse, KNOWN)])
)
def test_a_wrong_type_is_found_out(kind: type[BaseModel], document: Any, place: Place) -> None:
    with pytest.raises((ValidationError, AttributeError)):  # the second by Google's enumerations
        strictly(kind, spoilt(document, place))


@pytest.mark.parametrize("place", [(), ("candidates", 0), ("usageMetadata",)])
def test_google_knows_every_key(place: Place) -> None:
    document, within = holder(KNOWN, (*place, "beside"))
    within["beside"] = 1

    with pytest.raises(ValidationError):
        strictly(GenerateContentResponse, json.dumps(document))


def test_google_knows_every_reason_to_finish() -> None:
    document = copy.deepcopy(KNOWN)
    document["candidates"][0]["finishReason"] = "length"

    with pytest.raises(UserWarning, match="not a valid FinishReason"):
        strictly(GenerateContentResponse, json.dumps(document))


@pytest.mark.parametrize(
    "broken", [{"created": "1"}, {"choices": [{"index": 0, "message": {"role": "assistant"}}]}]
)
def test_what_an_sdk_built_unseen_is_found_out(broken: dict[str, Any]) -> None:
    told = ChatCompletion.construct(**{**SMALLEST[0][1], **broken})

    with pytest.raises((ValidationError, UserWarning)):
        strictly_again(told)
