"""Jobs: what a file may say of a run, what outranks it, and what is put into its texts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from msgspec.structs import fields

from batch.allowed import is_section, without_none
from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.options import PLACES
from batch.cli.run import command as run_command
from batch.settings.tree import KeySetting, Settings
from tests.cli.fake_engine import FakeEngine

JOB = """\
inputs = ["in/a.jsonl", "/data/b.jsonl"]
output = "out.jsonl"

[request]
model = "job-model"

[limits]
rpm = 100
tpm = 1000
concurrency = 2

[[keys]]
match = "a-*"
env = "KEY_A"
"""
# A quarter of an hour after midnight in Berlin: there yesterday is the 26th, in New York the 25th.
NIGHT = datetime(2026, 11, 26, 23, 15, tzinfo=UTC).timestamp()


class Said:
    """What a command came to."""

    def __init__(self, code: int, engine: FakeEngine) -> None:
        self.code = code
        self.engine = engine

    @property
    def settings(self) -> Settings:
        assert self.code == 0
        return self.engine.settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a job, which is not the one that commands are called in."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    there = tmp_path / "jobs"
    there.mkdir()
    return there


def run(folder: Path, text: str, *flags: str, command: str = "run", **environ: str) -> Said:
    job = folder / "job.toml"
    job.write_text(text, encoding="utf-8")
    engine = FakeEngine()
    around: Mapping[str, str] = {"XDG_CONFIG_HOME": str(folder.parent / "config"), **environ}
    code = answer([command, str(job), *flags], Caller(engine, around, lambda: NIGHT))
    return Said(code, engine)


def refusal(capsys: pytest.CaptureFixture[str], said: Said, code: int) -> str:
    assert (said.code, said.engine.calls) == (code, [])
    return capsys.readouterr().err.removeprefix("error: ")


def test_a_job_says_what_is_run_with_its_paths_seen_from_its_folder(folder: Path) -> None:
    settings = run(folder, JOB).settings

    assert settings.inputs == (str(folder / "in/a.jsonl"), "/data/b.jsonl")
    assert settings.output == str(folder / "out.jsonl")
    assert settings.request.model == "job-model"
    assert settings.keys == (KeySetting(match="a-*", env="KEY_A"),)


def test_a_job_in_this_folder_keeps_its_paths_as_they_are_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "job.toml").write_text(JOB)
    engine = FakeEngine()

    assert answer(["run", "job.toml"], Caller(engine)) == 0
    assert (engine.settings.inputs[0], engine.settings.output) == ("in/a.jsonl", "out.jsonl")


def test_the_nearest_layer_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = folder.parent / "config" / "wbatch"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(
        "[limits]\nrpm = 1\ntpm = 1\nconcurrency = 1\nmax_attempts = 1\nrpm_bucket = 1\n"
        "[[keys]]\nmatch = '*'\nenv = 'KEY_USER'"
    )
    (folder / ".env").write_text("WBATCH_RPM=300\nWBATCH_TPM=300\nWBATCH_MAX_ATTEMPTS=3")
    monkeypatch.setenv("WBATCH_RPM", "400")

    settings = run(folder, JOB, "--rpm", "500", "--key", "b=env:KEY_FLAG").settings
    without_flag = run(folder, JOB).settings

    assert settings.limits.rpm == 500
    assert without_flag.limits.rpm == 400
    assert settings.limits.tpm == 300
    assert settings.limits.max_attempts == 3
    assert settings.limits.concurrency == 2
    assert settings.limits.rpm_bucket == 1
    assert [key.env for key in settings.keys] == ["KEY_FLAG", "KEY_A", "KEY_USER"]


def test_files_after_a_job_are_read_in_the_place_of_its_inputs(folder: Path) -> None:
    settings = run(folder, JOB, "other.jsonl", "-o", "there.jsonl").settings

    assert (settings.inputs, settings.output) == (("other.jsonl",), "there.jsonl")


def test_a_retry_of_a_job_is_one_of_its_output(folder: Path) -> None:
    said = run(folder, JOB, "--only", "timeout", command="retry")

    assert said.settings.output == str(folder / "out.jsonl")


def test_the_status_of_a_job_is_that_of_its_output(folder: Path) -> None:
    text = JOB.replace("out.jsonl", "{date}.jsonl") + '\n[run]\ntz = "UTC"'

    said = run(folder, text, "--date", "2026-11-01", command="status")

    assert said.engine.calls == [("status", str(folder / "2026-11-01.jsonl"))]


# Variables


def test_a_variable_is_put_into_a_text_from_the_environment_or_from_env(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_text("MODEL=from-file\nPLACE=in-file")
    text = JOB.replace("job-model", "${MODEL}").replace("in/a", "${PLACE}/a")

    settings = run(folder, text, PLACE="mine").settings

    assert settings.request.model == "from-file"
    assert settings.inputs[0] == str(folder / "mine/a.jsonl")
    # What decides which run this is is told; what does not, is not.
    said = capsys.readouterr().err
    assert "job.toml:5: request.model is from-file, by ${MODEL}" in said
    assert "PLACE" not in said


def test_a_missing_variable_is_refused_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(folder, JOB.replace("job-model", "${MODEL}"))

    assert refusal(capsys, said, 78).startswith(
        f"{folder}/job.toml:5: request.model needs the variable MODEL"
    )


def test_a_key_is_not_put_into_a_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(folder, JOB.replace("job-model", "${MODEL}"), MODEL="sk-0123456789abcdef")

    message = refusal(capsys, said, 78)
    assert (
        "job.toml:5: request.model would hold what looks like a key, from the variable" in message
    )
    assert "0123456789" not in message


def test_a_key_in_a_job_is_refused_and_not_repeated(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(folder, JOB.replace("KEY_A", "sk-0123456789abcdef"))

    message = refusal(capsys, said, 78)
    assert "job.toml:14: keys.env holds what looks like a key itself" in message
    assert "0123456789" not in message


def test_the_file_of_variables_is_the_one_beside_the_job_else_the_one_here(folder: Path) -> None:
    Path(".env").write_text("WBATCH_RPM=7")
    here = run(folder, JOB).settings
    (folder / ".env").write_text("WBATCH_RPM=8")
    beside = run(folder, JOB).settings
    (folder / "job.env").write_text("WBATCH_RPM=9")
    named = run(folder, JOB + "\n[gateway]\nenv_file = 'job.env'").settings
    none = run(folder, JOB, "--env-file", "/dev/null").settings

    assert [one.limits.rpm for one in (here, beside, named, none)] == [7, 8, 9, 100]
    assert beside.gateway.env_file == str(folder / ".env")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("WBATCH_RPM=many", ".env:2: WBATCH_RPM: 'many' is not a valid integer"),
        ("WBATCH_KEY=sk-0123456789abcdef", ".env:2: WBATCH_KEY: --key takes the place of a key"),
        ("WBATCH_CONFIG=a", ".env:2: WBATCH_CONFIG is needed before this file is read"),
    ],
)
def test_a_wrong_variable_is_named_by_its_line(
    folder: Path, line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_text(f"A=1\n{line}\n")

    message = refusal(capsys, run(folder, JOB), 78)

    assert message.startswith(f"{folder}/{says}")
    assert "0123456789" not in message


def test_what_a_flag_reads_is_read_alike_from_a_file_of_variables(folder: Path) -> None:
    (folder / ".env").write_text(
        "WBATCH_ALLOW_HTTP=1\nWBATCH_ADD_USAGE=0\nWBATCH_MAKES=a=image b=audio\n"
        "WBATCH_TIMEOUT=1.5\nWBATCH_KEY=*=env:ANY"
    )

    settings = run(folder, JOB).settings

    assert settings.gateway.allow_http
    assert not settings.request.add_usage
    assert settings.media.makes == {"a": "image", "b": "audio"}
    assert settings.gateway.timeout == 1.5
    assert settings.keys[0] == KeySetting(match="*", env="ANY")


# The date

DATED = JOB.replace("out.jsonl", "out-{date}.jsonl")


@pytest.mark.parametrize(
    ("zone", "flags", "date"),
    [
        ("Europe/Berlin", [], "2026-11-26"),
        ("America/New_York", [], "2026-11-25"),
        ("Europe/Berlin", ["--tz", "America/New_York"], "2026-11-25"),
        ("Europe/Berlin", ["--date", "2026-02-28"], "2026-02-28"),
    ],
)
def test_the_date_is_yesterday_in_the_jobs_zone_unless_it_is_said(
    folder: Path, zone: str, flags: list[str], date: str
) -> None:
    settings = run(folder, f'{DATED}\n[run]\ntz = "{zone}"', *flags).settings

    assert settings.output == str(folder / f"out-{date}.jsonl")
    assert settings.run.date == date


def test_the_date_stands_in_paths_of_flags_too(folder: Path) -> None:
    settings = run(folder, f'{JOB}\n[run]\ntz = "UTC"', "in-{date}.jsonl", "-o", "{date}").settings

    assert (settings.inputs, settings.output) == (("in-2026-11-25.jsonl",), "2026-11-25")


@pytest.mark.parametrize(
    ("text", "flags", "code", "says"),
    [
        (DATED, [], 78, "job.toml:2: output holds {date}, and no time zone says when a day ends"),
        (DATED, ["--date", "2026-11-01"], 78, "job.toml:2: output holds {date}, and no time zone"),
        (DATED + "\n[run]\ntz='Berlin'", [], 78, "job.toml:2: output holds {date}, and run.tz is"),
        (DATED + "\n[run]\ntz='UTC'\ndate='20261101'", [], 78, "and run.date is no day"),
        (DATED, ["--tz", "UTC", "--date", "20261101"], 2, "--date: 20261101 is no day"),
        (JOB, ["--date", "2026-11-01"], 2, "--date: no path of"),
        (JOB.replace("out.", "{day}."), [], 78, "job.toml:2: output holds {day}. Of such marks"),
        (JOB + "\n[run]\ntz='Berlin'", [], 78, "job.toml:16: run: tz is a time zone"),
    ],
)
def test_a_date_that_nobody_can_tell_or_use_is_refused(
    folder: Path,
    text: str,
    flags: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert says in refusal(capsys, run(folder, text, *flags), code)


# What cannot be

WRONG = [
    ("output = 'o'", "what should be sent? Write inputs = "),
    ("inputs = ['a']", "where should the answers go? Write output = "),
    ("inputs = 'a'\noutput = 'o'", "job.toml:1: inputs takes a list, in [], of text, in quotes"),
    ("inputs = [1]\noutput = 'o'", "job.toml:1: inputs takes text, in quotes"),
    (
        "[request]\noutput = 'o'",
        "unknown setting request.output. Did you mean output, which stands at the top, before",
    ),
    (
        "[request]\nmodle = 'o'",
        "job.toml:2: unknown setting request.modle. Did you mean request.",
    ),
    ("[limits]\nmax_inflight_bytes = true", "max_inflight_bytes takes a whole number or text"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_what_is_wrong_with_a_job_is_named_with_what_to_do(
    folder: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refusal(capsys, run(folder, text), 78)


def test_one_job_is_run_at_a_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "one job is run at a time" in refusal(capsys, run(folder, JOB, "b.toml"), 2)


def test_a_pattern_stands_for_the_files_there_are_by_name(folder: Path) -> None:
    inside = folder / "in"
    inside.mkdir()
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        (inside / name).touch()
    text = "inputs = ['in/*.jsonl', 'none/*.jsonl', '-']\noutput = 'o'"

    found = run(folder, text).settings.inputs

    assert found == (
        str(inside / "a.jsonl"),
        str(inside / "b.jsonl"),
        str(folder / "none/*.jsonl"),
        "-",
    )


def test_a_size_with_a_unit_may_stand_in_a_file(folder: Path) -> None:
    text = JOB.replace("concurrency = 2", "max_inflight_bytes = '64MB'")

    assert run(folder, text).settings.limits.inflight_bytes == 64_000_000


# One name for a flag, a setting and a variable

WITHOUT_FLAG = {"prices"}  # a table of prices is a file, not a flag


def _places(shape: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for one in fields(shape):
        kind = without_none(one.type)
        if is_section(kind):
            found += _places(kind, (*path, one.name))
        elif not any(map(is_section, get_args(kind))) or one.name == "keys":
            found.append((*path, one.name))
    return found


@pytest.mark.parametrize(
    "place", [one for one in _places(Settings) if one[0] not in WITHOUT_FLAG], ids=".".join
)
def test_every_setting_has_a_flag_of_its_name_and_so_a_variable(place: tuple[str, ...]) -> None:
    flags = [name for name, there in PLACES.items() if there == place]

    assert len(flags) == 1
    assert flags[0] in (place[-1], place[-1].removesuffix("s"), "_".join(place))
    if flags[0] not in ("inputs", "verbose"):
        param = next(one for one in run_command.params if one.name == flags[0])
        assert f"--{flags[0].replace('_', '-')}" in param.opts
        assert isinstance(param, click.Option)
        assert param.allow_from_autoenv
