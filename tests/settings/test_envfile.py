"""A file of variables beside a job: how it is read, and who may read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch.errors import BadConfig
from batch.settings.envfile import EnvFile, read_env_file
from batch.settings.keyring import surrounding
from batch.settings.tree import GatewaySettings, Settings
from batch.shares import access

TEXT = """\
# keys
A=one
export B = "two words"   # a remark

C='${A}'
D=
NOTHING
A=again
"""
KEY = "sk-0123456789abcdef"


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def test_variables_are_read_as_other_tools_read_them_with_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)

    env = read_env_file(path)

    assert env.values == {"A": "again", "B": "two words", "C": "${A}", "D": ""}
    assert env.lines == {"A": 8, "B": 3, "C": 5, "D": 6}
    assert env.where("B", {}) == f"{path}:3"


def test_what_another_system_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfA=1\r\n\r\nB=2\r\n")

    env = read_env_file(str(path))

    assert env.values == {"A": "1", "B": "2"}
    assert env.lines == {"A": 1, "B": 3}


def test_the_environment_outranks_the_file_and_is_not_changed(tmp_path: Path) -> None:
    env = read_env_file(written(tmp_path, "WBATCH_TEST_A=file\nWBATCH_TEST_B=file"))
    environ = {"WBATCH_TEST_A": "mine"}

    assert env.under(environ) == {"WBATCH_TEST_A": "mine", "WBATCH_TEST_B": "file"}
    assert env.where("WBATCH_TEST_A", environ) == "the environment"
    assert environ == {"WBATCH_TEST_A": "mine"}
    assert "WBATCH_TEST_B" not in os.environ


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"A=1\nB='x\n", r"\.env:2: this is no variable"),
        (b"A=1\nB=\xff\n", r"\.env:2: this is no UTF-8"),
        (b"#" * ((1 << 20) + 1), "too large"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(data)

    with pytest.raises(BadConfig, match=says):
        read_env_file(str(path))


def test_a_missing_file_that_was_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"none: No such file"):
        read_env_file(str(tmp_path / "none"))


@pytest.mark.parametrize("path", [None, "/dev/null"])
def test_there_may_be_no_file(path: str | None) -> None:
    assert read_env_file(path).under({"A": "1"}) == {"A": "1"}


@pytest.mark.parametrize(("text", "mode"), [(f"A={KEY}", 0o640), ("A=1", 0o644)])
def test_a_key_is_read_from_a_file_that_not_everybody_can_read(
    tmp_path: Path, text: str, mode: int
) -> None:
    path = written(tmp_path, text, mode)

    assert f"A={surrounding(GatewaySettings(env_file=path), {})['A']}" == text


def test_a_file_that_everybody_can_read_may_hold_no_key(tmp_path: Path) -> None:
    path = written(tmp_path, f"A=1\nK={KEY}", 0o644)

    with pytest.raises(BadConfig, match=r"\.env:2: K holds a key.*chmod 600") as why:
        surrounding(GatewaySettings(env_file=path), {})
    assert KEY not in str(why.value)


def test_a_run_finds_its_keys_and_its_gateway_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL=https://gateway.example")
    settings = Settings(output="o", gateway=GatewaySettings(env_file=path))

    way = access(settings, {})

    assert way is not None
    assert way.base_url == "https://gateway.example"
    assert [(pattern, key.reveal()) for pattern, key in way.keys] == [("*", KEY)]


def test_where_there_is_no_file_a_variable_is_the_environments() -> None:
    assert EnvFile().where("A", {}) == "the environment"
