"""Where the gateway and its keys are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch.errors import BadConfig
from batch.settings.keyring import GATEWAY, resolve_base_url, resolve_keys
from batch.settings.tree import GatewaySettings, KeySetting

KEY = "sk-0123456789abcdef"


def places(*keys: dict[str, str]) -> list[KeySetting]:
    return [KeySetting(**key) for key in keys]


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "claude.key"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def values(given: list[KeySetting], environ: dict[str, str]) -> list[tuple[str, str, str]]:
    keys = resolve_keys(given, environ)
    return [(pattern, secret.name, secret.reveal()) for pattern, secret in keys]


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
    assert resolve_base_url(GatewaySettings(base_url=given), environ) == url


def test_given_keys_come_first_and_the_default_serves_the_rest(tmp_path: Path) -> None:
    # Given
    path = key_file(tmp_path, b"file-key\n")
    settings = places({"match": "claude-*", "file": path}, {"match": "gpt-*", "env": "GPT"})

    # When
    found = values(settings, {"OPENAI_API_KEY": KEY, "GPT": "gpt-key\r\n"})

    # Then
    assert found == [
        ("claude-*", "claude.key", "file-key"),
        ("gpt-*", "GPT", "gpt-key"),
        ("*", "OPENAI_API_KEY", KEY),
    ]


def test_where_a_given_key_is_for_every_model_the_default_is_not_read() -> None:
    found = values(places({"match": "*", "env": "K"}), {"K": "k", "OPENAI_API_KEY": "no key\n"})

    assert found == [("*", "K", "k")]


def test_a_key_knows_where_it_came_from() -> None:
    [(_, secret)] = resolve_keys(places({"match": "*", "env": "K", "name": "team"}), {"K": "k"})

    assert (secret.name, secret.place) == ("team", "environment variable K")


def test_one_key_may_serve_two_patterns() -> None:
    settings = places({"match": "a*", "env": "K"}, {"match": "b*", "env": "K"})

    assert values(settings, {"K": "k"}) == [("a*", "K", "k"), ("b*", "K", "k")]


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}])
def test_without_any_key_the_three_ways_are_said(environ: dict[str, str]) -> None:
    with pytest.raises(BadConfig) as refused:
        resolve_keys((), environ)

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
        ("'sk-secret'", "a key in quotes"),
        ('"sk-secret"', "a key in quotes"),
    ],
)
def test_a_key_that_is_none_is_refused_by_the_name_of_its_place(value: str, says: str) -> None:
    settings = places({"match": "claude-*", "env": "CLAUDE"})

    with pytest.raises(BadConfig) as refused:
        resolve_keys(settings, {"CLAUDE": value, "OPENAI_API_KEY": KEY})

    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_key_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, b"key", mode)

    with pytest.raises(BadConfig, match="chmod 600"):
        resolve_keys(places({"match": "*", "file": path}), {})


@pytest.mark.parametrize(("name", "says"), [("missing", "No such file"), (".", "Is a directory")])
def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        resolve_keys(places({"match": "*", "file": os.path.join(tmp_path, name)}), {})


def test_a_key_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, b"x" * 20_000)

    with pytest.raises(BadConfig, match="too large"):
        resolve_keys(places({"match": "*", "file": path}), {})


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, b"key")
    settings = places(
        {"match": "a", "file": path, "name": "team"}, {"match": "b", "env": "B", "name": "team"}
    )

    with pytest.raises(BadConfig, match="two keys are called team"):
        resolve_keys(settings, {"B": "b"})
