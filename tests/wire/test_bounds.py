"""The most that a request can use, where it is not tokens."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batch.usage import Meter, Usage
from batch.wire import Ask, formats
from tests.wire.test_contract import a_request

DRAW, EDIT, SPEAK = "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech"
FILM, KLING = "/v1/videos", "/kling/v1/videos/text2video"


@pytest.mark.parametrize(
    ("name", "url", "body", "bound"),
    [
        ("images", DRAW, {"prompt": "a cat"}, {Meter.IMAGES: 1}),
        ("images", DRAW, {"prompt": "a cat", "n": 4}, {Meter.IMAGES: 4}),
        ("images", DRAW, {"prompt": "a cat", "n": "many"}, {Meter.IMAGES: 1}),
        ("images", EDIT, {"prompt": "a cat", "image": "file:a.png", "n": 2}, {Meter.IMAGES: 2}),
        ("speech", SPEAK, {"input": "Grüße", "voice": "v"}, {Meter.CHARACTERS: 5}),
        # A film comes out a frame or two longer.
        ("videos", FILM, {"prompt": "a cat", "seconds": "8"}, {Meter.MILLISECONDS: 8100}),
        ("videos", FILM, {"prompt": "a cat", "seconds": 4}, {Meter.MILLISECONDS: 4100}),
        ("videos", FILM, {"prompt": "a cat"}, None),
        ("videos", FILM, {"prompt": "a cat", "seconds": "long"}, None),
        ("kling", KLING, {"prompt": "a cat", "duration": "10"}, {Meter.MILLISECONDS: 10_100}),
        ("kling", KLING, {"prompt": "a cat"}, None),
        ("midjourney", "/mj/submit/imagine", {"prompt": "a cat"}, {Meter.IMAGES: 1}),
        ("midjourney", "/mj/submit/describe", {"base64": "QQ=="}, {}),
        ("midjourney", "/mj/task/list-by-condition", {"ids": ["1"]}, {}),
        ("transcription", "/v1/audio/transcriptions", {"file": "file:a.mp3"}, None),
    ],
)
def test_pictures_characters_and_seconds_are_bounds(
    name: str, url: str, body: dict[str, Any], bound: dict[Meter, int] | None
) -> None:
    wire = formats()[name]
    request = a_request(name, wire.shape(orjson.dumps(body), Ask("POST", url, "m")))

    assert wire.bound(request) == (None if bound is None else Usage(bound))


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("videos", "/v1/videos/v1"),
        ("videos", "/v1/videos/v1/content"),
        ("kling", "/kling/v1/videos/text2video/7"),
        ("midjourney", "/mj/task/7/fetch"),
        ("models", "/v1/models"),
    ],
)
def test_a_question_uses_nothing(name: str, url: str) -> None:
    wire = formats()[name]
    request = a_request(name, wire.shape(b"{}", Ask("GET", url, "m")))

    assert wire.bound(request) == Usage()


@pytest.mark.parametrize("name", ["chat", "messages", "responses", "gemini"])
def test_what_is_said_to_bound_an_answer_does(name: str) -> None:
    wire = formats()[name]
    text = [{"role": "user", "content": "hello"}]
    body = {"messages": text, "input": text, "contents": [{"parts": [{"text": "hello"}]}]}
    kept = {"chat": "messages", "messages": "messages", "responses": "input", "gemini": "contents"}
    asked = {kept[name]: body[kept[name]]}
    assert wire.output_limit is not None
    url = wire.routes[0].template.replace("{model}", "m")

    free, bound = (
        wire.bound(a_request(name, wire.shape(orjson.dumps(one), Ask("POST", url, "m"))))
        for one in (asked, {**asked, **wire.output_limit.example})
    )

    assert free is None
    assert bound is not None
    assert bound.counts[Meter.OUTPUT] == 500
    spelled = orjson.dumps(wire.output_limit.example).decode()
    assert any(one in spelled for one in wire.output_limit.names)


CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
MINUTES = {"cache_control": {"type": "ephemeral"}}
FUNCTION = {"type": "function", "function": {"name": "web_search"}}
ABOUT_PLUGINS = {
    "type": "function",
    "function": {
        "name": "f",
        "parameters": {"properties": {"plugins": {}, "web_search_options": {}}},
    },
}
DECLARED = {"name": "web_search", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("name", "url", "more", "meters"),
    [
        ("chat", CHAT, {}, {Meter.INPUT, Meter.OUTPUT}),
        ("chat", CHAT, {"tools": [FUNCTION]}, {Meter.INPUT, Meter.OUTPUT}),
        ("chat", CHAT, HOUR, {Meter.CACHE_WRITE_1H, Meter.OUTPUT}),
        (
            "chat",
            CHAT,
            {"model": "gpt-4o-search-preview"},
            {Meter.INPUT, Meter.OUTPUT, Meter.SEARCHES},
        ),
        ("chat", CHAT, {"model": "sonar-deep-research"}, None),
        ("chat", CHAT, {"model": "openai/gpt-4o:online"}, None),
        (
            "chat",
            CHAT,
            {"tools": [{"type": "function", "function": {"name": "googleSearch"}}]},
            None,
        ),
        ("chat", CHAT, {"tools": [FUNCTION, {"type": "web_search"}]}, None),
        ("chat", CHAT, {"tools": [{"type": "builtin_function"}]}, None),
        ("chat", CHAT, {"web_search_options": {}}, None),
        ("chat", CHAT, {"search_parameters": {"mode": "auto"}}, None),
        ("chat", CHAT, {"enable_search": True}, None),
        ("chat", CHAT, {"plugins": [{"id": "web"}]}, None),
        # Said not to search, or the name of something else.
        ("chat", CHAT, {"search_parameters": {"mode": "off"}}, {Meter.INPUT, Meter.OUTPUT}),
        ("chat", CHAT, {"enable_search": False, "plugins": []}, {Meter.INPUT, Meter.OUTPUT}),
        ("chat", CHAT, {"tools": [ABOUT_PLUGINS]}, {Meter.INPUT, Meter.OUTPUT}),
        ("messages", MESSAGES, {"tools": [DECLARED]}, {Meter.INPUT, Meter.OUTPUT}),
        ("messages", MESSAGES, MINUTES, {Meter.CACHE_WRITE, Meter.OUTPUT}),
        ("messages", MESSAGES, HOUR, {Meter.CACHE_WRITE_1H, Meter.OUTPUT}),
        ("messages", MESSAGES, {"tools": [{"type": "web_search_20250305"}]}, None),
    ],
)
def test_what_a_cache_keeps_and_what_is_searched_for_is_in_the_bounds(
    name: str, url: str, more: dict[str, Any], meters: set[Meter] | None
) -> None:
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "hello"}], **more}
    wire = formats()[name]

    bound = wire.bound(a_request(name, wire.shape(orjson.dumps(body), Ask("POST", url, "m"))))

    assert (bound.counts.keys() if bound is not None else None) == meters


@pytest.mark.parametrize(
    ("name", "url", "more", "tier"),
    [
        ("chat", CHAT, {}, ""),
        ("chat", CHAT, {"service_tier": "auto"}, ""),
        ("chat", CHAT, {"service_tier": "priority"}, "priority"),
        ("responses", "/v1/responses", {"service_tier": "flex"}, "flex"),
        ("messages", MESSAGES, {"service_tier": "standard_only"}, ""),
        ("messages", MESSAGES, {"speed": "fast"}, "fast"),
        ("messages", MESSAGES, {"inference_geo": "us"}, "us"),
        ("gemini", "/v1beta/models/m:generateContent", {"serviceTier": "PRIORITY"}, "priority"),
        ("gemini", "/v1beta/models/m:generateContent", {"service_tier": "flex"}, "flex"),
    ],
)
def test_a_bound_says_at_which_tier_a_request_asks_to_be_served(
    name: str, url: str, more: dict[str, Any], tier: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
        "messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
        "responses": {"input": "hi", "max_output_tokens": 9},
        "gemini": {
            "contents": [{"parts": [{"text": "hi"}]}],
            "generationConfig": {"maxOutputTokens": 9},
        },
    }
    wire = formats()[name]
    shaped = wire.shape(orjson.dumps(bodies[name] | more), Ask("POST", url, "m"))

    bound = wire.bound(a_request(name, shaped))

    assert bound is not None
    assert bound.tier == tier
