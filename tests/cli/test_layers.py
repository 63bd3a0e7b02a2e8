"""Which layer of settings wins: flags, variables, the user's file, defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import fields

from batch.allowed import without_none
from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.options import PLACES
from batch.plan import identity
from batch.settings.tree import KeySetting, Settings
from batch.shares import script
from tests.cli.fake_engine import FakeEngine

CONFIG = """
[gateway]
base_url = "https://config.example"
timeout = 33

[[keys]]
match = "claude-*"
env = "CLAUDE_KEY"
rpm = 30

[limits]
concurrency = 3
rpm = 300
max_attempts = 2

[media]
makes = { "*" = "text" }
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder of settings, with those of a user."""
    (tmp_path / "wbatch").mkdir()
    (tmp_path / "wbatch" / "config.toml").write_text(CONFIG)
    return tmp_path


def settings(home: Path, *flags: str, command: str = "run") -> Settings:
    engine = FakeEngine()
    args = ["run", "in.jsonl", "-o", "out.jsonl"] if command == "run" else ["retry", "out.jsonl"]
    caller = Caller(engine, {"XDG_CONFIG_HOME": str(home)})
    assert answer([*args, *flags], caller) == 0
    return engine.settings


@pytest.mark.parametrize("command", ["run", "retry"])
def test_what_nobody_says_is_taken_from_the_users_file(home: Path, command: str) -> None:
    found = settings(home, command=command)

    assert found.gateway.base_url == "https://config.example"
    assert (found.gateway.timeout, found.limits.max_attempts) == (33, 2)
    assert found.gateway.task_timeout == Settings(output="").gateway.task_timeout
    assert found.keys == (KeySetting(match="claude-*", env="CLAUDE_KEY", rpm=30),)


def test_a_variable_outranks_the_file_and_a_flag_outranks_both(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WBATCH_RPM", "500")
    monkeypatch.setenv("WBATCH_CONCURRENCY", "5")

    found = settings(home, "-c", "7", "--timeout", "600")

    assert (found.limits.concurrency, found.limits.rpm) == (7, 500)
    assert found.gateway.timeout == 600  # said, though it is the default


def test_keys_and_patterns_of_flags_are_tried_before_those_of_the_file(home: Path) -> None:
    found = settings(home, "--key", "*=env:MINE", "--makes", "a=image")

    assert [(key.match, key.env) for key in found.keys] == [
        ("*", "MINE"),
        ("claude-*", "CLAUDE_KEY"),
    ]
    assert list(found.media.makes.items()) == [("a", "image"), ("*", "text")]


def test_another_file_takes_the_place_of_the_users_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = home / "other.toml"
    other.write_text("limits.tpm = 9")

    by_flag = settings(home, "--config", str(other))
    monkeypatch.setenv("WBATCH_CONFIG", str(other))
    by_variable = settings(home)
    none = settings(home, "--config", "/dev/null")

    assert by_flag == by_variable
    assert (by_flag.limits.tpm, by_flag.limits.rpm) == (9, None)
    assert none == Settings(inputs=("in.jsonl",), output="out.jsonl")


@pytest.mark.parametrize(
    ("text", "flags", "code", "says"),
    [
        ("[limits]\nrmp = 1", [], 78, "config.toml:2: unknown setting limits.rmp. Did you mean"),
        ("[limits]\nrpm = 0", ["--rpm", "5"], 78, "config.toml:2: limits.rpm takes"),
        ("", ["--config", ""], 2, "--config takes a file. To go without any"),
        ("", ["--config", "no-such.toml"], 78, "no-such.toml: No such file"),
        ("[limits]\nrpm = 5", ["--tpm", "0"], 2, "--tpm: give a whole number of at least 1"),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(
    home: Path,
    text: str,
    flags: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / "wbatch" / "config.toml").write_text(text)
    caller = Caller(FakeEngine(), {"XDG_CONFIG_HOME": str(home)})

    assert answer(["run", "in.jsonl", "-o", "out.jsonl", *flags], caller) == code
    assert says in capsys.readouterr().err


def test_a_talkative_run_says_which_file_it_goes_by(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(home, "-v")

    path = home / "wbatch" / "config.toml"
    assert f"settings of {path}: gateway, keys, limits, media\n" in capsys.readouterr().err


def test_a_flag_has_the_name_of_its_setting() -> None:
    # These name one of several each time.
    several = {"key": "keys", "param": "params", "prices": "files", "tag": "tags"}
    for flag, place in PLACES.items():
        # A name that says nothing alone has that of its section before it.
        assert several.get(flag, flag) in (place[-1], "_".join(place))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--model", "m\udcff"),
        ("--override-model", "\udcff"),
        ("--endpoint", "/v1/\udcff"),
        ("--id-column", "\udcff"),
        ("--param", 'stop="\\ud83d"'),
        ("--param", "\udcff=1"),
        ("--labels", "a,\udcff"),
        ("--tag", "team=\udcff"),
        ("--name", "\udcff"),
        ("--key", "*=file:\udcff"),
    ],
)
def test_a_text_that_no_record_could_hold_is_a_bad_flag(
    flag: str, value: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["run", "in.jsonl", "-o", "out.jsonl", flag, value]

    assert answer(args, Caller(FakeEngine(), {"XDG_CONFIG_HOME": str(home)})) == 2
    assert f"error: {flag}: not valid UTF-8" in capsys.readouterr().err


def test_every_flag_leads_to_a_setting() -> None:
    for place in PLACES.values():
        kind: object = Settings
        for name in place:
            there = {one.name: one.type for one in fields(kind)}  # type: ignore[arg-type]
            assert name in there
            kind = without_none(there[name])


def test_a_users_file_makes_no_other_run_of_the_same_command(home: Path) -> None:
    mine, plain = settings(home), settings(home, "--config", "/dev/null")

    assert mine != plain
    assert identity(mine, script(mine)) == identity(plain, script(plain))


WRONG_ADDRESSES = [
    ("by its flag", "", ("--base-url", "gw.example"), "--base-url: "),
    ("by the job", '[gateway]\nbase_url = "gw.example"', (), "job.toml:4: gateway: base_url: "),
    ("by a variable of ours", "WBATCH_BASE_URL=gw.example", (), ".env:1, WBATCH_BASE_URL: "),
    ("by one of others", "\nOPENAI_BASE_URL=gw.example", (), "OPENAI_BASE_URL of .env:2: "),
]


@pytest.mark.parametrize(
    ("text", "flags", "where"),
    [row[1:] for row in WRONG_ADDRESSES],
    ids=[r[0] for r in WRONG_ADDRESSES],
)
def test_a_wrong_address_is_refused_with_what_it_says_and_who_says_so(
    text: str,
    flags: tuple[str, ...],
    where: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given a job whose own text, or the variables beside it, hold what is no address
    of_job = text if text.startswith("[") else ""
    job, variables = tmp_path / "job.toml", tmp_path / ".env"
    job.write_text(f'inputs = ["in.jsonl"]\noutput = "out.jsonl"\nrequest.model = "m"\n{of_job}')
    variables.write_text(f"{'' if of_job else text}\nOPENAI_API_KEY={'k' * 20}\n")
    variables.chmod(0o600)
    (tmp_path / "in.jsonl").write_text('{"prompt": "Hi."}\n')

    # When it is run
    caller = Caller(environ={"XDG_CONFIG_HOME": str(tmp_path)})
    code = answer(["run", str(job), *flags], caller)

    # Then it is refused, and the message says what, who, and what to do
    said = capsys.readouterr().err.replace(f"{tmp_path}/", "")
    assert said.endswith(
        f'error: {where}"gw.example" is no web address: write https://gw.example\n'
    )
    assert code in (2, 78)
    assert not (tmp_path / "out.run").exists()
