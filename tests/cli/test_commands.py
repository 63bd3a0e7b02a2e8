"""How flags and environment become settings, and what the commands say where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.mock.dials import Dials
from batch.settings.tree import (
    KeySetting,
    LabelSettings,
    Limits,
    MediaSettings,
    RequestSettings,
    Settings,
)
from tests.cli.fake_engine import FakeEngine

RUN = ["run", "in.jsonl", "-o", "out.jsonl"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WBATCH_CONCURRENCY", "WBATCH_QUIET", "WBATCH_PROGRESS"):
        monkeypatch.delenv(name, raising=False)


def test_a_bare_run_has_the_settings_that_are_default() -> None:
    engine = FakeEngine()

    answer(["run", "a.jsonl", "b.jsonl", "-o", "out.jsonl"], Caller(engine))

    assert engine.settings == Settings(inputs=("a.jsonl", "b.jsonl"), output="out.jsonl")


def test_every_flag_of_run_reaches_its_setting() -> None:
    engine = FakeEngine()
    flags = (
        "-m m1 --override-model m2 --endpoint /v1/embeddings --no-add-usage --base-url https://g "
        "--key claude-*=env:CLAUDE --key *=file:/run/key --timeout 30 --ca-bundle ca.pem "
        "--proxy proxy.example:3128 "
        "--label-schema s.json --label-field mood --votes 3 --label-retries 1 --tie abstain "
        "--pack 64 --allow-files . --inline-media --makes my-*=image --makes x=y*=text "
        "--task-timeout 90 "
        "--allow-http -c 7 --rpm 500 --tpm 90000 --max-attempts 3 --max-line-bytes 1000 "
        "--max-inflight-bytes 64MB --keep-answers "
        "--mock --mock-fail 429=5% --mock-latency 2.5 --mock-seed 9 -vv"
    )

    answer([*RUN, *flags.split()], Caller(engine))

    settings = engine.settings
    assert settings.request == RequestSettings(
        model="m1",
        override_model="m2",
        endpoint="/v1/embeddings",
        add_usage=False,
        pack=64,
    )
    assert settings.label == LabelSettings(
        schema="s.json", field="mood", votes=3, retries=1, tie="abstain"
    )
    assert settings.media == MediaSettings(
        allow_files=".", inline_media=True, makes={"my-*": "image", "x=y*": "text"}
    )
    assert settings.gateway.base_url == "https://g"
    assert settings.keys == (
        KeySetting(match="claude-*", env="CLAUDE"),
        KeySetting(match="*", file="/run/key"),
    )
    assert (settings.gateway.timeout, settings.gateway.task_timeout) == (30, 90)
    assert (settings.gateway.ca_bundle, settings.gateway.allow_http) == ("ca.pem", True)
    assert settings.gateway.proxy == "proxy.example:3128"
    assert settings.limits == Limits(
        concurrency=7,
        rpm=500,
        tpm=90_000,
        max_attempts=3,
        max_line_bytes=1000,
        max_inflight_bytes="64MB",
    )
    assert (settings.run.keep_answers, settings.run.new_run) == (True, False)
    assert (settings.run.mock, settings.run.mock_fail) == (True, "429=5%")
    assert (settings.run.mock_latency, settings.run.mock_seed) == (2.5, 9)
    assert settings.run.verbose == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--makes", "image"], "--makes takes models"),
        (["--makes", "=image"], "--makes takes models"),
        (
            ["--makes", "a=picture"],
            "--makes: give pairs of a name and one of audio, image, text, video",
        ),
        (["--allow-files", "no-such-folder"], "--allow-files is a folder that exists"),
        (["--pack", "0"], "--pack"),
        (["--task-timeout", "0"], "--task-timeout"),
    ],
)
def test_a_wrong_value_is_named_with_its_flag(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = answer([*RUN, *flags], Caller(FakeEngine()))

    assert code == 2
    assert words in capsys.readouterr().err


def test_the_environment_sets_what_no_flag_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WBATCH_CONCURRENCY", "5")
    monkeypatch.setenv("WBATCH_MODEL", "from-environment")
    monkeypatch.setenv("WBATCH_VERSION", "1.2.3")  # as containers do, and not meant for us
    engine = FakeEngine()

    code = answer([*RUN, "-m", "from-flag"], Caller(engine))

    assert code == 0
    assert engine.settings.limits.concurrency == 5
    assert engine.settings.request.model == "from-flag"


def test_retry_says_which_lines_and_leaves_the_rest_to_the_run() -> None:
    engine = FakeEngine()

    answer(["retry", "out.jsonl", "--only", "timeout, server_error", "--ambiguous"], Caller(engine))

    name, settings, only, ambiguous = engine.calls[0]
    assert (name, only, ambiguous) == ("retry", frozenset({"timeout", "server_error"}), True)
    assert settings == Settings(output="out.jsonl")


def test_retry_without_classes_leaves_the_choice_to_the_engine() -> None:
    engine = FakeEngine()

    answer(["retry", "out.jsonl"], Caller(engine))

    assert engine.calls[0][2:] == (None, False)


def test_closing_lines_are_on_stderr_and_stdout_stays_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer(["--progress", "none", *RUN], Caller(FakeEngine()))

    assert capsys.readouterr() == ("", "a note\ndone     3 ok\nnext\n")


@pytest.mark.parametrize("where", ["before", "after"])
def test_json_is_the_one_object_on_stdout(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--json", *RUN] if where == "before" else [*RUN, "--json"]

    answer(args, Caller(FakeEngine()))

    assert json.loads(capsys.readouterr().out) == {"object": "batch", "id": "r1"}


def test_quiet_says_nothing_of_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    answer([*RUN, "-q"], Caller(FakeEngine(0)))

    assert capsys.readouterr() == ("", "")


def test_quiet_says_what_a_failure_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    answer(["-q", *RUN], Caller(FakeEngine(3)))

    assert capsys.readouterr() == ("", "done     3 ok\nnext\n")


def test_a_manner_after_the_command_outranks_one_before_it_and_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WBATCH_PROGRESS", "plain")

    answer(["--progress", "none", *RUN], Caller(FakeEngine()))
    before = capsys.readouterr().err
    answer(["--progress", "none", *RUN, "--progress", "plain"], Caller(FakeEngine()))
    after = capsys.readouterr().err

    assert "/min" not in before
    assert "/min" in after


def test_status_asks_the_files_alone(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine(3)

    code = answer(["status", "out.jsonl", "--json"], Caller(engine))

    assert (code, engine.calls) == (3, [("status", "out.jsonl")])
    assert json.loads(capsys.readouterr().out)["object"] == "batch"


def test_what_is_said_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    engine = FakeEngine()
    engine.outcome = type(engine.outcome)(0, {}, ("model \x1b[2J\rdone",))

    answer(["status", "out.jsonl"], Caller(engine))

    assert capsys.readouterr().err == "model  [2J done\n"


class FakeMock:
    def __init__(self) -> None:
        self.args: tuple[Any, ...] = ()

    async def serve(
        self,
        dials: Dials,
        host: str,
        port: int,
        ledger_path: str | None,
        ready: Callable[[str], None],
    ) -> None:
        self.args = (dials, host, port, ledger_path)
        ready(f"http://{host}:{port}")
        raise KeyboardInterrupt


def test_mock_serves_as_told_until_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    mock = FakeMock()
    flags = (
        "--port 81 --latency 20 --fail 429=5%,reset=0.5 --rpm 60 --tpm 900 --capacity 4 "
        "--rpm-burst 6 --limit-window 5 --limit-headers 0.5 --limit-steps 60=10,90=1 "
        "--pause-after 40 --pause 20 "
        "--overflow 429 --key k1 --key k2=claude-* --seed 3 --ledger l.jsonl"
    )

    code = answer(["mock", *flags.split()], Caller(mock))

    assert code == 130
    assert mock.args == (
        Dials(
            seed=3,
            latency_ms=20,
            fail_429=0.05,
            reset=0.5,
            requests_per_minute=60,
            requests_burst=6,
            tokens_per_minute=900,
            limit_window=5,
            limit_headers=0.5,
            limit_steps=((60, 10), (90, 1)),
            pause_after=40,
            pause_seconds=20,
            capacity=4,
            overflow="429",
            keys=(("k1", "k1"), ("k2", "k2")),
            groups=(("k1", "*"), ("k2", "claude-*")),
        ),
        "127.0.0.1",
        81,
        "l.jsonl",
    )
    assert "--base-url http://127.0.0.1:81" in capsys.readouterr().err
