"""Files of settings: what is taken from them, and that each mistake is named by file and line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from batch.errors import BadConfig
from batch.settings.config import USER, Scope, merged, read_file, user_file
from batch.settings.tree import Settings, UserSettings, build

KEY = "sk-0123456789abcdef"

WHOLE = """
[gateway]
base_url = "https://gateway.example/v1"
ca_bundle = "ca.pem"
allow_http = true
timeout = 30
connect_timeout = 1.5
idle_timeout = 20
media_timeout = 100
task_timeout = 200

[[keys]]
match = "claude-*"
env = "CLAUDE_KEY"
name = "claude"
concurrency = 3
rpm = 60
tpm = 9_000
rpm_bucket = 2
tpm_bucket = 900

[[keys]]
match = "*"
file = "~/.keys/rest"

[limits]
concurrency = 128
rpm = 5000
tpm = 1_000_000
rpm_bucket = 10
tpm_bucket = 2000
max_attempts = 9
max_line_bytes = 100

[media]
allow_files = "pictures"
inline_media = true
makes = { "my-painter-*" = "image" }
"""


def read(folder: Path, text: str, scope: Scope = USER) -> dict[str, Any]:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_file(str(path), scope, required=True)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(BadConfig) as refused:
        read(folder, text)
    message = str(refused.value)
    assert message.startswith(f"{folder}/config.toml:")
    return message.removeprefix(f"{folder}/config.toml:")


def test_a_user_may_set_all_that_is_operational(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()

    settings = build(read(tmp_path, WHOLE), UserSettings)

    assert settings.gateway.timeout == 30
    assert settings.gateway.ca_bundle == str(tmp_path / "ca.pem")
    assert settings.media.allow_files == str(tmp_path / "pictures")
    assert settings.media.makes == {"my-painter-*": "image"}
    assert settings.limits.rpm_bucket == 10
    claude, rest = settings.keys
    assert (claude.match, claude.env, claude.label) == ("claude-*", "CLAUDE_KEY", "claude")
    assert (claude.concurrency, claude.rpm, claude.tpm) == (3, 60, 9000)
    assert (claude.rpm_bucket, claude.tpm_bucket) == (2, 900)
    assert rest.file == os.path.expanduser("~/.keys/rest")


WRONG = [
    ("[limits]\nrpm = 0", "2: limits.rpm takes a whole number of at least 1"),
    ("[limits]\nrpm = true", "2: limits.rpm takes a whole number of at least 1"),
    ("[limits]\n\nrpm = 1.5", "3: limits.rpm takes a whole number of at least 1"),
    (
        "[gateway]\ntimeout = 'long'",
        "2: gateway.timeout takes a number above 0 and of at most 86400",
    ),
    (
        "[gateway]\ntimeout = nan",
        "2: gateway.timeout takes a number above 0 and of at most 86400",
    ),
    ("[gateway]\nallow_http = 1", "2: gateway.allow_http takes true or false"),
    ("[gateway]\nbase_url = 2026-11-27", "2: gateway.base_url takes text, in quotes"),
    (
        "[media.makes]\n'a-*' = 'picture'",
        "2: media.makes.a-* takes one of audio, image, text, video",
    ),
    (
        "[media]\nmakes = ['a']",
        "2: media.makes takes pairs of a name and one of audio, image, text, video",
    ),
    ("[media]\nallow_files = 'none'", "1: media: allow_files is a folder that exists"),
    ("[media]\nallow_files = ''", "2: media.allow_files takes a path"),
    ('[gateway]\nca_bundle = "\\u0000"', "2: gateway.ca_bundle takes a path"),
    ("gateway = 'https://x'", "1: gateway is a section: write [gateway]"),
    ("\n[keys]\nmatch = 'a'", "2: write [[keys]], once for each of them"),
    ("keys = ['a']", "1: write [[keys]], once for each of them"),
    ("[[keys]]\nenv = 'A'", "1: keys: Object missing required field match"),
    ("[[keys]]\nmatch = '*'", "1: keys: a key needs a pattern of models, and either env or file"),
    (
        "[[keys]]\nmatch = 'a'\nenv = 'A'\n[[keys]]\nmatch = 'b'\nenv = 'A B'",
        "4: keys: env takes the name of a variable: letters, digits and _",
    ),
    (
        "[[keys]]\nmatch = 'a'\nenv = 'A'\n[[keys]]\nmatch = 'b'\nenv = 'B'\nrpm = -1",
        "7: keys.rpm takes a whole number of at least 1",
    ),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_wrong_value_is_named_by_line_and_setting_with_what_is_allowed(
    tmp_path: Path, text: str, says: str
) -> None:
    assert refusal(tmp_path, text) == says


UNKNOWN = [
    ("[limits]\nrmp = 5", "2: unknown setting limits.rmp. Did you mean limits.rpm?"),
    ("[limit]\nrpm = 5", "1: unknown setting limit. Did you mean limits?"),
    ("[[key]]\nmatch = 'a'", "1: unknown setting key. Did you mean keys?"),
    (
        "[prices.models.gpt-4.1]\ninput_per_mtok = 1",
        '1: a name with dots in it stands in quotes: [prices.models."gpt-4.1"]',
    ),
    ("rpm = 5", "1: unknown setting rpm. Did you mean keys.rpm or limits.rpm?"),
    ("[gateway.timeouts]", "1: unknown setting gateway.timeouts. Did you mean gateway.timeout?"),
    (
        "[[keys]]\nmatch = 'a'\nenv = 'A'\npassword = 'x'",
        (
            "4: unknown setting keys.password. Here may stand: concurrency, rpm, tpm, rpm_bucket, "
            "tpm_bucket, match, env, file, name"
        ),
    ),
    (
        "zzz = 1",
        f"1: unknown setting zzz. Here may stand: {', '.join(UserSettings.__struct_fields__)}",
    ),
]


@pytest.mark.parametrize(("text", "says"), UNKNOWN)
def test_an_unknown_setting_is_named_with_the_one_that_was_meant(
    tmp_path: Path, text: str, says: str
) -> None:
    assert refusal(tmp_path, text) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[request]\nmodel = 'gpt-4o'", "1: request is for one run"),
        ("[run]\nnew_run = true", "1: run is for one run"),
        ("inputs = ['a']", "1: inputs is for one run"),
        ("\noutput = 'a'", "2: output is for one run"),
    ],
)
def test_what_makes_another_answer_or_is_for_one_run_is_not_taken_from_a_user(
    tmp_path: Path, text: str, says: str
) -> None:
    assert refusal(tmp_path, text).startswith(says)


def test_another_kind_of_file_may_set_what_a_user_may_not(tmp_path: Path) -> None:
    text = "output = 'out.jsonl'\n[request]\nmodel = 'gpt-4o'\n[run]\nmock = true"

    settings = build(read(tmp_path, text, Scope(Settings, "")), Settings)

    assert (settings.request.model, settings.run.mock) == ("gpt-4o", True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"[[keys]]\nmatch = '*'\nenv = '{KEY}'", 3),
        (f"[[keys]]\nmatch = '*'\nkey = '{KEY}'", 3),
        (f"[[keys]]\nmatch = '{KEY}'\nenv = 'A'", 2),
        (f"[gateway]\nbase_url = 'x'\napi_key = 'Bearer {KEY}'", 3),
        (f"[limits]\nrpm = '{KEY}'", 2),
        (f"[limits]\n{KEY} = 5", 1),
        (f"anything = ['a', ['{KEY}']]", 1),
        (f"{KEY} = 5\n{KEY} = 6", 2),
        (f"[{KEY}]\n[{KEY}]", 2),
        (f"[[keys]]\nenv = {KEY}", 2),
        (f"[[keys]]\nenv = '{KEY}", 2),
    ],
)
def test_a_key_that_stands_in_the_file_is_refused_and_never_repeated(
    tmp_path: Path, text: str, line: int
) -> None:
    said = refusal(tmp_path, text)

    assert said.startswith(f"{line}: ")
    assert "0123456789" not in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[limits\nrpm = 5", 1),
        ("[limits]\nrpm = 5\nrpm = 6", 3),
        ("[limits]\nrpm = ", 2),
        ('[limits]\n\n[gateway]\nbase_url = "x', 4),
        ('a = """\n\n', 3),
    ],
)
def test_what_is_no_toml_is_named_by_its_line(tmp_path: Path, text: str, line: int) -> None:
    assert refusal(tmp_path, text).startswith(f"{line}: this is no TOML: ")


def test_what_is_no_utf_8_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"# one\n[limits] # \xff\n")

    with pytest.raises(BadConfig, match=r"config\.toml:2: this is no UTF-8"):
        read_file(str(path), USER, required=True)


def test_a_file_from_another_system_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[limits]\r\nrpm = 5\r\n")

    assert read_file(str(path), USER, required=True) == {"limits": {"rpm": 5}}


def test_a_missing_file_is_nothing_unless_it_was_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none" / "config.toml")

    assert read_file(path, USER, required=False) == {}
    with pytest.raises(BadConfig, match="No such file"):
        read_file(path, USER, required=True)


@pytest.mark.parametrize("required", [False, True])
def test_a_file_that_cannot_be_read_is_no_missing_one(tmp_path: Path, required: bool) -> None:
    with pytest.raises(BadConfig, match="Is a directory"):
        read_file(str(tmp_path), USER, required=required)


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * ((1 << 20) + 1))

    with pytest.raises(BadConfig, match="too large"):
        read_file(str(path), USER, required=True)


def test_dev_null_is_a_file_without_settings() -> None:
    assert read_file("/dev/null", USER, required=True) == {}


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "~/.config/wbatch/config.toml"),
        ({"XDG_CONFIG_HOME": ""}, "~/.config/wbatch/config.toml"),
        ({"XDG_CONFIG_HOME": "relative"}, "~/.config/wbatch/config.toml"),
        ({"XDG_CONFIG_HOME": "/etc/xdg"}, "/etc/xdg/wbatch/config.toml"),
    ],
)
def test_the_settings_of_a_user_are_where_the_system_keeps_such(
    environ: dict[str, str], path: str
) -> None:
    assert user_file(environ) == os.path.expanduser(path)


@pytest.mark.parametrize(
    ("upper", "lower", "both"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ({"s": {"a": 1}}, {"s": {"a": 2, "b": 3}}, {"s": {"a": 1, "b": 3}}),
        ({"keys": [1]}, {"keys": [2, 3]}, {"keys": [1, 2, 3]}),
        ({"inputs": [1]}, {"inputs": [2, 3]}, {"inputs": [1]}),
    ],
)
def test_the_upper_layer_outranks_the_lower_one(
    upper: dict[str, Any], lower: dict[str, Any], both: dict[str, Any]
) -> None:
    assert merged(upper, lower) == both


def test_patterns_of_the_upper_layer_are_tried_first() -> None:
    both = merged({"makes": {"b": 1, "a": 1}}, {"makes": {"*": 2, "a": 2}})

    assert list(both["makes"].items()) == [("b", 1), ("a", 1), ("*", 2)]


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_what_the_readme_shows_is_taken(tmp_path: Path, text: str) -> None:
    assert build(read(tmp_path, text), UserSettings).keys
