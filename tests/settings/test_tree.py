"""The tree of settings."""

from __future__ import annotations

from typing import Any

import pytest

from batch.gate.settings import CONCURRENCY
from batch.settings.tree import BadSetting, Settings, build, looks_like_a_key

KEY = "sk-0123456789abcdef"
PARAM = ("request", "params", "a", "0", "b")


@pytest.mark.parametrize(
    ("tree", "path", "what"),
    [
        ({}, (), "missing required field output"),
        ({"limits": {"rpm": 0}}, ("limits", "rpm"), "give a whole number of at least 1"),
        ({"limits": {"max_attempts": "6"}}, ("limits", "max_attempts"), "give a whole number of"),
        ({"output": "answers/"}, (), "output is a folder: name a file in it"),
        ({"gateway": {"base_url": " "}}, ("gateway",), "base_url is empty: write the address"),
        ({"limits": {"rmp": 1}}, ("limits",), "unknown field rmp"),
        ({"gateway": {"idle_timeout": 0}}, ("gateway", "idle_timeout"), "give a number above 0"),
        ({"keys": [{"match": "*"}]}, ("keys", "0"), "either env or file"),
        (
            {"keys": [{"match": "*", "env": "A", "file": "b"}]},
            ("keys", "0"),
            "either env or file",
        ),
        (
            {"keys": [{"match": "*", "env": KEY}]},
            ("keys", "0"),
            "a key itself",
        ),
        (
            {"keys": [{"match": "*", "env": "A B"}]},
            ("keys", "0"),
            "letters",
        ),
        ({"request": {"endpoint": "chat"}}, ("request",), "endpoint is a path"),
        ({"run": {"new_run": True, "keep_answers": True}}, ("run",), "exclude each other"),
        ({"run": {"mock_seed": 1}}, ("run",), "only a mock run"),
        ({"request": {"model": "m\udcff"}}, ("request", "model"), "not valid UTF-8"),
        ({"request": {"params": {"a": [{"b": "\ud83d"}]}}}, PARAM, "not valid UTF-8"),
        ({"request": {"params": {"\udcff": 1}}}, ("request", "params", "\udcff"), "not valid"),
        ({"label": {"labels": ("a", "\udcff")}}, ("label", "labels", "1"), "not valid UTF-8"),
        ({"tags": {"team": "\udcff"}}, ("tags", "team"), "not valid UTF-8"),
        ({"name": "\udcff"}, ("name",), "not valid UTF-8"),
        ({"keys": [{"match": "*", "file": "\udcff"}]}, ("keys", "0", "file"), "not valid UTF-8"),
    ],
)
def test_a_wrong_setting_is_named_by_its_place(
    tree: dict[str, Any], path: tuple[str, ...], what: str
) -> None:
    whole = {"output": "o", **tree} if tree else {}

    with pytest.raises(BadSetting) as refused:
        build(whole, Settings)

    assert refused.value.path == path
    assert what in refused.value.what
    assert refused.value.exit_code == 78
    assert KEY not in str(refused.value)


def test_names_of_files_of_a_run_are_left_to_the_run_which_says_what_to_do() -> None:
    assert build({"inputs": ["\udcff"], "output": "\udcff"}, Settings).output == "\udcff"


def test_64_requests_at_most_when_nothing_is_said() -> None:
    assert build({"output": "o"}, Settings).limits.at_most == CONCURRENCY == 64
    assert build({"output": "o", "limits": {"concurrency": 3}}, Settings).limits.at_most == 3


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (1, 1),
        (1000, 1000),
        ("1000", 1000),
        ("64MB", 64_000_000),
        ("256MiB", 256 << 20),
        ("1 gib", 1 << 30),
        ("90kB", 90_000),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(written: object, size: int) -> None:
    tree = {"output": "o", "limits": {"max_inflight_bytes": written}}

    assert build(tree, Settings).limits.inflight_bytes == size


@pytest.mark.parametrize("written", [0, -1, "", "MB", "64M", "1.5GiB", "64 MB a call", "0MiB"])
def test_what_is_no_size_is_refused_with_the_units_there_are(written: object) -> None:
    with pytest.raises(BadSetting, match="max_inflight_bytes takes a number of bytes, or one of"):
        build({"output": "o", "limits": {"max_inflight_bytes": written}}, Settings)


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
