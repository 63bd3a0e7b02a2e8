"""What the list of models says of each."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.mock.dials import MODELS
from batch.mock.models import TWIN
from batch.wire import formats
from batch.wire.models import _FORMATS, Listed, models_of
from tests.mock.kit import asked, plan


def listed(*entries: Any) -> list[tuple[str, tuple[str, ...] | None]]:
    found = models_of(orjson.dumps({"object": "list", "data": entries}))
    return [(one.model, one.formats) for one in found]


@pytest.mark.parametrize(
    ("told", "ours"),
    [
        (["openai"], ("chat",)),
        (["anthropic", "openai"], ("messages", "chat")),
        (["image-generation", "gemini", "openai"], ("images", "gemini", "chat")),
        (["openai-response"], ("responses",)),
        (["embeddings", "jina-rerank", "openai-video"], ("embeddings", "rerank", "videos")),
        (["openai", "of-tomorrow", 7, None, "openai"], ("chat",)),
        (["of-tomorrow"], ()),
        ([], ()),
        (None, None),
        ("openai", None),
    ],
)
def test_kinds_of_endpoints_become_formats_of_ours(told: Any, ours: tuple[str, ...] | None) -> None:
    assert listed({"id": "m", "supported_endpoint_types": told}) == [("m", ours)]


def test_what_is_no_model_is_passed_over_and_each_stands_once() -> None:
    entries = [{"id": "a"}, {"id": ""}, {"id": 7}, {}, "b", None, {"id": "a"}, {"id": "c"}]

    assert listed(*entries) == [("a", None), ("c", None)]


def test_every_kind_of_endpoint_leads_to_a_format_that_is_there() -> None:
    assert set(_FORMATS.values()) <= formats().keys()


def test_the_twin_says_of_each_model_what_the_gateway_would() -> None:
    prepared = TWIN.answer(TWIN.read(asked("/v1/models", b"", "GET")), plan(models=MODELS))

    [body] = prepared.render()

    told = {one.model: one.formats for one in models_of(body)}
    assert tuple(told) == MODELS
    assert told["claude-sonnet-4-5"] == ("messages", "chat")
    assert told["text-embedding-3-small"] == ("embeddings",)
    assert told["sora-2"] == ("videos",)
    assert told["gpt-4o-mini"] == ("chat",)
    assert told["kling-v1-6"] is None
    assert Listed("gpt-image-1", ("images", "chat")) in models_of(body)
