"""The tree of settings, and what the environment adds to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from batch.errors import BadConfig
from batch.gate.settings import CONCURRENCY
from batch.settings import (
    GATEWAY,
    BadSetting,
    Settings,
    build,
    looks_like_a_key,
    resolve_base_url,
    resolve_keys,
)

KEY = "sk-0123456789abcdef"


def with_keys(*keys: dict[str, str]) -> Settings:
    return build({"output": "o", "gateway": {"keys": list(keys)}})


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "claude.key"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def values(settings: Settings, environ: dict[str, str]) -> list[tuple[str, str, str]]:
    keys = resolve_keys(settings, environ)
    return [(pattern, secret.name, secret.reveal()) for pattern, secret in keys]


@pytest.mark.parametrize(
    ("tree", "path", "what"),
    [
        ({}, (), "missing required field output"),
        ({"limits": {"rpm": 0}}, ("limits", "rpm"), "Expected int >= 1"),
        ({"limits": {"max_attempts": "6"}}, ("limits", "max_attempts"), "got str"),
        ({"limits": {"rmp": 1}}, ("limits",), "unknown field rmp"),
        (
            {"gateway": {"timeouts": {"idle_seconds": 0}}},
            ("gateway", "timeouts", "idle_seconds"),
            ">",
        ),
        ({"gateway": {"keys": [{"match": "*"}]}}, ("gateway", "keys", "0"), "either env or file"),
        (
            {"gateway": {"keys": [{"match": "*", "env": "A", "file": "b"}]}},
            ("gateway", "keys", "0"),
            "either env or file",
        ),
        (
            {"gateway": {"keys": [{"match": "*", "env": KEY}]}},
            ("gateway", "keys", "0"),
            "a key itself",
        ),
        (
            {"gateway": {"keys": [{"match": "*", "env": "A B"}]}},
            ("gateway", "keys", "0"),
            "letters",
        ),
        ({"request": {"endpoint": "chat"}}, ("request",), "endpoint is a path"),
        ({"run": {"new_run": True, "keep_answers": True}}, ("run",), "exclude each other"),
        ({"run": {"mock_seed": 1}}, ("run",), "only a mock run"),
    ],
)
def test_a_wrong_setting_is_named_by_its_place(
    tree: dict[str, Any], path: tuple[str, ...], what: str
) -> None:
    whole = {"output": "o", **tree} if tree else {}

    with pytest.raises(BadSetting) as refused:
        build(whole)

    assert refused.value.path == path
    assert what in refused.value.what
    assert refused.value.exit_code == 78
    assert KEY not in str(refused.value)


def test_64_requests_at_most_when_nothing_is_said() -> None:
    assert build({"output": "o"}).limits.at_most == CONCURRENCY == 64
    assert build({"output": "o", "limits": {"concurrency": 3}}).limits.at_most == 3


@pytest.mark.parametrize(
    ("given", "environ", "url"),
    [
        (None, {}, GATEWAY),
        (None, {"OPENAI_API_BASE": "https://old"}, "https://old"),
        (None, {"OPENAI_API_BASE": "https://old", "OPENAI_BASE_URL": "https://new"}, "https://new"),
        (None, {"OPENAI_BASE_URL": ""}, GATEWAY),
        ("https://flag", {"OPENAI_BASE_URL": "https://new"}, "https://flag"),
    ],
)
def test_the_nearest_base_url_wins(given: str | None, environ: dict[str, str], url: str) -> None:
    settings = build({"output": "o", "gateway": {"base_url": given}})

    assert resolve_base_url(settings, environ) == url


def test_given_keys_come_first_and_the_default_serves_the_rest(tmp_path: Path) -> None:
    # Given
    path = key_file(tmp_path, b"file-key\n")
    settings = with_keys({"match": "claude-*", "file": path}, {"match": "gpt-*", "env": "GPT"})

    # When
    found = values(settings, {"OPENAI_API_KEY": KEY, "GPT": "gpt-key\r\n"})

    # Then
    assert found == [
        ("claude-*", "claude.key", "file-key"),
        ("gpt-*", "GPT", "gpt-key"),
        ("*", "OPENAI_API_KEY", KEY),
    ]


def test_one_key_may_serve_two_patterns() -> None:
    settings = with_keys({"match": "a*", "env": "K"}, {"match": "b*", "env": "K"})

    assert values(settings, {"K": "k"}) == [("a*", "K", "k"), ("b*", "K", "k")]


def test_a_mock_run_gets_no_real_key() -> None:
    settings = build({"output": "o", "run": {"mock": True}})

    assert resolve_keys(settings, {"OPENAI_API_KEY": KEY}) == []


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}])
def test_without_any_key_the_three_ways_are_said(environ: dict[str, str]) -> None:
    with pytest.raises(BadConfig) as refused:
        resolve_keys(build({"output": "o"}), environ)

    for way in ("export OPENAI_API_KEY", "--key", "--mock"):
        assert way in str(refused.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "variable CLAUDE is empty or not set"),
        ("\n", "variable CLAUDE is empty or not set"),
        ("sk-secret part", "a space"),
        ("sk-secret\x07", "another character that no key has"),
        ("sk-secret\nX-Evil: 1", "a line break"),
        ("sk-sécret", "another character that no key has"),
    ],
)
def test_a_key_that_is_none_is_refused_by_the_name_of_its_place(value: str, says: str) -> None:
    settings = with_keys({"match": "claude-*", "env": "CLAUDE"})

    with pytest.raises(BadConfig) as refused:
        resolve_keys(settings, {"CLAUDE": value, "OPENAI_API_KEY": KEY})

    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_key_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, b"key", mode)

    with pytest.raises(BadConfig, match="chmod 600"):
        resolve_keys(with_keys({"match": "*", "file": path}), {})


@pytest.mark.parametrize(("name", "says"), [("missing", "No such file"), (".", "Is a directory")])
def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        resolve_keys(with_keys({"match": "*", "file": os.path.join(tmp_path, name)}), {})


def test_a_key_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, b"x" * 20_000)

    with pytest.raises(BadConfig, match="too large"):
        resolve_keys(with_keys({"match": "*", "file": path}), {})


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, b"key")
    settings = with_keys(
        {"match": "a", "file": path, "name": "team"}, {"match": "b", "env": "B", "name": "team"}
    )

    with pytest.raises(BadConfig, match="two keys are called team"):
        resolve_keys(settings, {"B": "b"})


@pytest.mark.parametrize(
    "text",
    ["sk-abc", "SK-ABC", "Bearer abc", "eyJhbGciOi.x", "0a" * 24, "AIza" + "4x" * 20],
)
def test_a_key_is_recognised(text: str) -> None:
    assert looks_like_a_key(text)


@pytest.mark.parametrize(
    "text",
    ["OPENAI_API_KEY", "WENWEN_PRODUCTION_LABELING_TEAM_2_CLAUDE_KEY", "/run/secrets/k1", "k1"],
)
def test_the_name_of_a_place_is_not_taken_for_a_key(text: str) -> None:
    assert not looks_like_a_key(text)
