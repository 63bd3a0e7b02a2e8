"""What ``wbatch config`` says: each setting, where it came from, and no secret."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.settings.config import JOB, read_file
from batch.settings.tree import Settings, build

KEY = "sk-0123456789abcdef"
TEXT = """\
inputs = ["in.jsonl"]
output = "${WHERE}/out.jsonl"

[request]
model = "${MODEL}"
params = { stop = ["a", "b"], nested = { "x.y" = 1 } }

[gateway]
ca_bundle = "${SECRET_PLACE}"

[limits]
rpm = 100
concurrency = 2

[[keys]]
match = "b-*"
env = "KEY_B"

[media.makes]
"gpt-4.1*" = "image"
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job with a file of variables and a user's file of settings."""
    (tmp_path / "wbatch").mkdir()
    (tmp_path / "wbatch" / "config.toml").write_text(
        "[limits]\ntpm = 7\n[[keys]]\nmatch = '*'\nenv = 'KEY_C'"
    )
    (tmp_path / ".env").write_text(f"MODEL=gpt-4o\nWBATCH_MAX_ATTEMPTS=3\nKEY_B={KEY}\n")
    path = tmp_path / "job.toml"
    path.write_text(TEXT)
    return path


def said(
    job: Path, capsys: pytest.CaptureFixture[str], *flags: str, **environ: str
) -> tuple[dict[str, Any], dict[str, str]]:
    around = {
        "XDG_CONFIG_HOME": str(job.parent),
        "WHERE": "there",
        "SECRET_PLACE": "hush",
        **environ,
    }
    args = ["config", "show", str(job), *flags, "--json"]
    assert answer(args, Caller(None, around)) == 0
    document = json.loads(capsys.readouterr().out)
    rows = {one["name"]: (one["value"], one["from"]) for one in document["settings"]}
    return rows, {one["env"]: one["from"] for one in document["keys"] if one["set"]}


def test_each_value_is_shown_with_the_place_it_came_from(
    job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WBATCH_TIMEOUT", "30")

    rows, keys = said(job, capsys, "-c", "8", "--key", "a=env:KEY_A")

    folder = job.parent
    assert rows["inputs"] == ([f"{folder}/in.jsonl"], f"{job}:1")
    assert rows["output"] == (f"{folder}/there/out.jsonl", f"{job}:2, WHERE of the environment")
    assert rows["request.model"] == ("gpt-4o", f"{job}:5, MODEL of {folder}/.env:1")
    assert rows["request.params.stop"] == (["a", "b"], f"{job}:6")
    assert rows["limits.rpm"] == (100, f"{job}:12")
    assert rows["limits.concurrency"] == (8, "--concurrency")
    assert rows["limits.max_attempts"] == (3, f"{folder}/.env:2, WBATCH_MAX_ATTEMPTS")
    assert rows["limits.tpm"] == (7, f"{folder}/wbatch/config.toml:2")
    assert rows["limits.rpm_bucket"] == (None, "default")
    assert rows["gateway.timeout"] == (30, "WBATCH_TIMEOUT")
    assert rows['media.makes."gpt-4.1*"'] == ("image", f"{job}:20")
    assert rows["keys.0.env"] == ("KEY_A", "--key")
    assert rows["keys.1.env"] == ("KEY_B", f"{job}:17")
    assert rows["keys.2.env"] == ("KEY_C", f"{folder}/wbatch/config.toml:5")
    assert keys == {"KEY_B": f"{folder}/.env:3"}


def test_what_others_named_the_gateway_is_shown_too(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, _ = said(job, capsys, OPENAI_BASE_URL="https://me:hush@gateway.example")

    assert rows["gateway.base_url"] == (
        "https://[key removed]@gateway.example",
        "OPENAI_BASE_URL of the environment",
    )


def test_nothing_secret_is_shown(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    around = {"XDG_CONFIG_HOME": str(job.parent), "WHERE": "a", "SECRET_PLACE": "hush"}

    assert answer(["config", "show", str(job), "--tag", f"team={KEY}"], Caller(None, around)) == 0

    text = capsys.readouterr().out
    assert "0123456789" not in text
    assert "hush" not in text
    assert 'ca_bundle = "${SECRET_PLACE}"' in text


def test_what_is_shown_is_a_job_that_says_the_same(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job.write_text(TEXT.replace('ca_bundle = "${SECRET_PLACE}"', "timeout = 5"))
    around = {"XDG_CONFIG_HOME": str(tmp_path), "WHERE": "there"}
    assert answer(["config", "show", str(job), "--tag", "team=a"], Caller(None, around)) == 0
    text = capsys.readouterr().out

    again = tmp_path / "again.toml"
    again.write_text(text)

    settings = build(read_file(str(again), JOB, required=True), Settings)
    assert tomllib.loads(text)["request"]["params"] == {"stop": ["a", "b"], "nested": {"x.y": 1}}
    assert (settings.request.model, settings.limits.tpm) == ("gpt-4o", 7)
    assert settings.tags == {"team": "a"}
    assert [key.env for key in settings.keys] == ["KEY_B", "KEY_C"]


def test_without_a_job_the_settings_of_all_runs_are_shown(
    job: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(job.parent)

    assert answer(["config", "show"], Caller(None, {"XDG_CONFIG_HOME": str(job.parent)})) == 0

    text = capsys.readouterr().out
    assert "tpm = 7" in text
    assert "# output: not set" in text
    assert "# key KEY_C: not set" in text


def test_a_variable_that_sets_nothing_is_named_with_the_one_that_was_meant(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (job.parent / ".env").open("a") as env:
        env.write("WBATCH_RMP=5\nWBATCH_MOCK_GATEWAY_PORT=1\nWBATCH_QUIET=1\nWBATCH_BY=day\n")
    around = {"XDG_CONFIG_HOME": "/x", "WHERE": "a", "SECRET_PLACE": "b", "WBATCH_ZZZZZZZZ": "1"}

    assert answer(["config", "show", str(job)], Caller(None, around)) == 0

    assert capsys.readouterr().err.splitlines() == [
        f"WBATCH_RMP of {job.parent}/.env:4 sets nothing. Did you mean WBATCH_RPM?",
        "WBATCH_ZZZZZZZZ of the environment sets nothing.",
    ]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["show", "none.toml"], 78, "none.toml: No such file"),
        (["show", "in.jsonl"], 2, "in.jsonl: a job is a file that ends with .toml"),
        (["tell"], 2, "'tell' is not one of"),
    ],
)
def test_what_cannot_be_shown_is_said(
    args: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["config", *args], Caller()) == code
    assert says in capsys.readouterr().err


def test_the_schema_that_is_shipped_is_the_one_that_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shipped = Path(__file__).parents[2] / "jobs" / "job.schema.json"

    assert answer(["config", "schema"], Caller()) == 0

    again = "wbatch config schema > jobs/job.schema.json"
    assert capsys.readouterr().out == shipped.read_text(encoding="utf-8"), again


def test_the_schema_takes_what_a_job_takes_and_nothing_else() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    jobs = Path(__file__).parents[2] / "jobs"
    schema = jsonschema_rs.validator_for(json.loads((jobs / "job.schema.json").read_text()))

    for path in jobs.glob("*[!s].toml"):
        schema.validate(tomllib.loads(path.read_text()))
    assert schema.is_valid({})
    assert not schema.is_valid({"limits": {"rmp": 1}})
    assert not schema.is_valid({"limits": {"rpm": 0}})
    assert not schema.is_valid({"inputs": "a"})


def test_the_schema_describes_what_a_flag_describes() -> None:
    schema = json.loads((Path(__file__).parents[2] / "jobs" / "job.schema.json").read_text())

    limits = schema["$defs"]["Limits"]["properties"]
    assert limits["rpm"]["description"] == "At most so many requests a minute."
    assert '"null"' not in json.dumps(schema)  # which TOML lacks
