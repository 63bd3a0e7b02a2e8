"""What the process ends with, and what it says then."""

from __future__ import annotations

import asyncio

import pytest

from batch import errors
from batch.cli import answer
from batch.cli.caller import Caller
from batch.cli.shape import EXIT_CODES
from tests.cli.fake_engine import FakeEngine

RUN = ["run", "in.jsonl", "-o", "out.jsonl"]
REFUSALS = errors.Refusal.__subclasses__()


@pytest.mark.parametrize("code", [0, 3, 4, 69, 77, 130, 143])
def test_the_exit_code_is_that_of_the_outcome(code: int) -> None:
    assert answer(RUN, Caller(FakeEngine(code))) == code


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_one_line_and_its_own_code(
    refusal: type[errors.Refusal], capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine(failure=refusal("in.jsonl:7: no such thing.\nMake one"))

    code = answer(["-q", *RUN], Caller(engine))

    assert code == refusal.exit_code
    out, err = capsys.readouterr()
    assert err == "error: in.jsonl:7: no such thing. Make one\n"
    assert out == ""


def test_every_refusal_is_in_the_table_of_exit_codes() -> None:
    assert {refusal.exit_code for refusal in REFUSALS} <= {code for code, _ in EXIT_CODES}


def test_what_is_behind_a_refusal_is_said_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refusal = errors.CannotWrite("out.jsonl: disk full")
    refusal.__cause__ = OSError(28, "No space left on device")

    answer(["-q", "-v", *RUN], Caller(FakeEngine(failure=refusal)))

    assert capsys.readouterr().err == (
        "error: out.jsonl: disk full\nbecause: OSError: [Errno 28] No space left on device\n"
    )


@pytest.mark.parametrize(
    "bug",
    [
        KeyError("nobody thought of this"),
        # Click takes every EOFError for Ctrl-D.
        asyncio.IncompleteReadError(b"", 4),
    ],
)
def test_a_bug_shows_where_and_how_to_go_on(
    bug: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    code = answer(RUN, Caller(FakeEngine(failure=bug)))

    assert code == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert type(bug).__name__ in err
    assert err.endswith("error: this is a bug; the run can be resumed with the same command\n")


def test_ctrl_c_outside_of_a_run_is_130_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    code = answer(["status", "out.jsonl"], Caller(FakeEngine(failure=KeyboardInterrupt())))

    assert code == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WBATCH_RPM", "many", "'many' is no whole number. The variable WBATCH_RPM says so."),
        ("WBATCH_RPM", "0", "error: WBATCH_RPM: give a whole number of at least 1"),
        ("WBATCH_TIE", "odd", "The variable WBATCH_TIE says so."),
    ],
)
def test_what_a_variable_says_wrong_is_not_blamed_on_a_flag(
    name: str,
    value: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)

    assert answer(RUN, Caller(FakeEngine())) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["runn"], "No such command 'runn'. Did you mean 'run'?"),
        (["run", "-o", "out.jsonl"], "Missing argument 'INPUT...'"),
        (["run", "in.jsonl"], "where should the answers go?"),
        (["run", "in.jsonl", "-o", "-"], "answers cannot go to stdout"),
        ([*RUN, "--concurency", "3"], "No such option '--concurency'. (Did you mean"),
        ([*RUN, "-c", "many"], "--concurrency: 'many' is no whole number"),
        ([*RUN, "-c", "0"], "--concurrency: give a whole number of at least 1"),
        ([*RUN, "--max-attempts", "0"], "--max-attempts: give a whole number of at least 1"),
        ([*RUN, "--timeout", "nan"], "--timeout: give a number above 0 and of at most 86400"),
        ([*RUN, "--endpoint", "chat"], "endpoint is a path"),
        ([*RUN, "--new-run", "--keep-answers"], "--new-run and --keep-answers exclude each other"),
        ([*RUN, "--mock-fail", "500=1%"], "only a mock run takes --mock-fail"),
        ([*RUN, "--date", "tomorrow"], "--date: tomorrow is no day such as 2026-11-26"),
        ([*RUN, "--tz", "Mars/Olympus"], "--tz: Mars/Olympus is no time zone such as"),
        (["retry"], "Missing argument 'OUT | JOB.toml'"),
        (["retry", "out.jsonl", "--mock"], "one of a rehearsal asks the mock again"),
        (["retry", "out.jsonl", "--only", " , "], "--only names no error code"),
        (["mock", "--port", "99999"], "--port: 99999 is not at least 0 and at most 65535"),
        (["mock", "--fail", "flood=5%"], "unknown fault 'flood'"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(
    args: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine()

    code = answer(args, Caller(engine))

    assert code == 2
    assert not engine.calls
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert says in err


def test_no_command_at_all_shows_the_help_and_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([], Caller()) == 2
    assert "wbatch run" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["sk-live-0123456789", "*=env:sk-live-0123456789", "claude-*=x"])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = answer([*RUN, "--key", given], Caller(FakeEngine()))

    assert code == 2
    err = capsys.readouterr().err
    assert "never the key itself" in err
    assert "0123456789" not in err
