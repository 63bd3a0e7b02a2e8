"""Who is told what a command came to, and that it changes nothing of what it came to."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.errors import BadConfig, BadData, CannotWrite, NoInput
from tests.cli.fake_engine import FakeEngine
from tests.notices.ends import Listener
from tests.proofs.processes import heeding

RUN = ["run", "in.jsonl", "-o", "out.jsonl"]
SECRET = "s3cret-place"
NIGHT = datetime(2026, 11, 27, 2, 15, tzinfo=UTC).timestamp()
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "the prompt of line 1"}]}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job for a rehearsal of three lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "in.jsonl").write_text(3 * (json.dumps(CHAT) + "\n"))
    path = tmp_path / "triage.toml"
    path.write_text("inputs = ['in.jsonl']\noutput = 'out.jsonl'\n[run]\nmock = true\n")
    return path


def told(listener: Listener) -> list[str]:
    return [one.path.partition(SECRET)[2].partition("?")[0] for one in listener.told]


@pytest.mark.parametrize("code", [0, 3, 69, 77, 143])
def test_a_run_is_told_of_and_ends_as_it_would(
    code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Listener(200) as health, Listener(200) as chat:
        flags = ["--health-url", health.url, "--webhook-url", chat.url]
        assert answer([*RUN, "-q", *flags], Caller(FakeEngine(code))) == code

    assert told(health) == ["/start", f"/{code}"]
    assert len(chat.told) == (1 if code else 0)
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize("refusal", [NoInput, BadData, BadConfig, CannotWrite])
def test_a_run_that_was_refused_is_told_of_too(
    refusal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine(failure=refusal("inbox/today.jsonl: no such file"))
    with Listener(200) as health, Listener(200) as chat:
        flags = ["--health-url", health.url, "--webhook-url", chat.url, "--name", "triage"]
        code = answer([*RUN, *flags], Caller(engine))

    assert code == refusal.exit_code
    assert told(health) == ["/start", f"/{code}"]
    (one,) = chat.told
    message = json.loads(one.body)
    assert message["runs"] == []
    assert message["text"].splitlines()[0].startswith(f"triage: exit code {code}, ")
    assert message["text"].splitlines()[1] == "error: inbox/today.jsonl: no such file"
    assert capsys.readouterr().err.count("no such file") == 1


def test_a_stray_byte_of_a_name_keeps_nobody_from_being_told() -> None:
    engine = FakeEngine(failure=NoInput("inbox/\udcff.jsonl: no such file"))
    with Listener(200) as health, Listener(200) as chat:
        flags = ["--health-url", health.url, "--webhook-url", chat.url, "-o", "\udcff.jsonl"]
        code = answer([*RUN, *flags], Caller(engine))

    assert code == 66
    assert told(health) == ["/start", "/66"]
    assert json.loads(chat.told[0].body)["text"].endswith("inbox/ .jsonl: no such file")


@pytest.mark.parametrize(
    ("bug", "ends_with"),
    [
        (KeyError("nobody thought of this"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.exceptions.Exit(2), 2),  # somebody was asked, and said no
        (SystemExit(143), 143),
    ],
)
def test_whatever_ends_a_command_is_told(bug: BaseException, ends_with: int) -> None:
    engine = FakeEngine(failure=bug)
    with Listener(200) as health:
        try:
            code: object = answer([*RUN, "--health-url", health.url], Caller(engine))
        except SystemExit as left:
            code = left.code

    assert told(health) == ["/start", f"/{code}"]
    assert code == ends_with


@pytest.mark.parametrize("status", [404, 301])  # which are not tried again
@pytest.mark.parametrize(("code", "quiet", "lines"), [(0, False, 1), (0, True, 0), (3, True, 1)])
def test_a_notice_that_fails_is_a_line_and_never_another_exit_code(
    status: int, code: int, quiet: bool, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with Listener(status) as health:
        flags = ["--health-url", health.url, *(["-q"] if quiet else [])]
        assert answer([*RUN, *flags], Caller(FakeEngine(code))) == code

    err = capsys.readouterr().err
    assert err.count("not told: health check: 127.0.0.1:") == lines
    assert SECRET not in err


def test_an_interrupt_while_nobody_takes_a_notice_ends_the_wait_and_not_the_run() -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with Listener() as deaf, heeding():
        deaf.on_told = interrupt
        flags = ["--webhook-url", deaf.url, "--notify-when", "always"]
        assert answer([*RUN, *flags], Caller(FakeEngine(3))) == 3

    assert len(deaf.told) == 1


@pytest.mark.parametrize(
    "place", ["hooks.example", "https://[::1", "https://[hooks]", "https://:1", "https://a:70000"]
)
def test_an_address_that_is_none_is_refused_and_not_repeated(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = answer([*RUN, "--webhook-url", f"{place}/{SECRET}"], Caller(FakeEngine()))

    err = capsys.readouterr().err
    assert code == 2
    assert "--webhook-url is an address that begins with https://" in err
    assert SECRET not in err


def test_a_file_of_metrics_has_the_name_that_collectors_look_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answer([*RUN, "--prometheus-file", "out.jsonl"], Caller(FakeEngine())) == 2
    assert "--prometheus-file ends with .prom" in capsys.readouterr().err


def test_a_real_run_tells_its_numbers_and_nothing_of_what_was_asked(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Listener(200) as health, Listener(200) as chat:
        with job.open("a") as text:
            text.write("[notify]\nhealth_url = '${HEALTH}'\nwebhook_url = '${CHAT}'\n")
            text.write("when = 'always'\nprometheus_file = 'triage.prom'\n")
            text.write("[log]\nfile = 'logs/log.jsonl'\nformat = 'json'\n")
        around = {"HEALTH": health.url, "CHAT": chat.url, "XDG_CONFIG_HOME": str(job.parent)}
        assert answer(["run", str(job), "-q"], Caller(environ=around)) == 0

    assert "".join(capsys.readouterr()) == ""
    assert told(health) == ["/start", "/0"]
    message = json.loads(chat.told[0].body)
    head, done, *_ = message["text"].splitlines()
    assert head == "triage (a rehearsal): every line has an answer"
    assert done.startswith("done     3 ok")
    assert message["runs"][0]["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    metrics = (job.parent / "triage.prom").read_text()
    assert 'wbatch_lines{job="triage",result="ok"} 3' in metrics
    log = (job.parent / "logs" / "log.jsonl").read_text()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == [*("said" for _ in events[:-2]), "run_started", "run_ended"]
    kept = (job.parent / "out.run" / "run.json").read_text()
    everything = health.told[1].body + chat.told[0].body + metrics + log + kept
    assert "the prompt of line 1" not in everything
    assert SECRET not in log + metrics + kept + health.told[1].body + chat.told[0].body


def test_retries_reach_the_log_always_and_people_if_they_ask(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "--mock-fail",
        "500=60%",
        "--mock-seed",
        "1",
        "--log-file",
        "log",
        "--progress",
        "none",
    ]
    answer(["run", str(job), *flags], Caller())
    silent = capsys.readouterr().err

    answer(["run", str(job), "-o", "b.jsonl", "-v", *flags], Caller())
    spoken = capsys.readouterr().err

    assert "It is asked again" not in silent
    assert "It is asked again" in spoken
    log = (job.parent / "log").read_text()
    assert " warning retry run_id=" in log
    assert " code=channel_error status=500 " in log


def test_with_a_log_of_json_and_no_file_stderr_is_the_log(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job.open("a") as text:
        text.write("[request]\nmodel = '${MODEL}'\n")  # which is said before the run is
    around = {"MODEL": "m", "XDG_CONFIG_HOME": str(job.parent)}
    answer(["run", str(job), "--log-format", "json"], Caller(environ=around))
    (job.parent / "in.jsonl").unlink()
    answer(["run", str(job), "-o", "b.jsonl", "--log-format", "json"], Caller(environ=around))

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [one["message"] for one in lines if one["event"] == "said"]
    assert "request.model is m, by ${MODEL}" in said[0]
    others = [one["event"] for one in lines if one["event"] != "said"]
    assert others == ["run_started", "run_ended", "refused"]
    assert lines[-1]["exit_code"] == 66


@pytest.mark.parametrize(
    "wrong", [("--nonsense",), ("--rpm", "x"), ("--config", "nowhere.toml"), ("-m", "\udcff")]
)
def test_a_command_line_that_is_wrong_is_told_as_json_too(
    wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer([*RUN, "--log-format", "json", *wrong], Caller(FakeEngine())) in (2, 78)

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["event"] == "refused"


def test_quiet_a_log_on_stderr_is_silent_unless_it_fails(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["-q", "run", str(job), "--log-format", "json"], Caller()) == 0
    assert capsys.readouterr().err == ""

    (job.parent / "in.jsonl").unlink()
    assert answer(["-q", "run", str(job), "-o", "b.jsonl", "--log-format", "json"], Caller()) == 66
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("place", ["in.jsonl", "out.jsonl", "out.run/journal.jsonl", "old.jsonl"])
def test_a_log_is_never_written_into_an_input_or_a_runs_files(
    place: str, job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given: a run, and another one
    assert answer(["run", str(job), "-o", str(job.parent / "old.jsonl"), "-q"], Caller()) == 0
    before = (job.parent / "in.jsonl").read_bytes(), (job.parent / "old.jsonl").read_bytes()

    code = answer(["run", str(job), "--log-file", str(job.parent / place)], Caller())

    assert code == 2
    assert "Choose another" in capsys.readouterr().err
    assert before == (
        (job.parent / "in.jsonl").read_bytes(),
        (job.parent / "old.jsonl").read_bytes(),
    )
    assert not (job.parent / "out.jsonl").exists()


def test_a_pipe_that_nobody_reads_is_no_log(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(job.parent / "pipe")

    code = answer(["run", str(job), "--log-file", str(job.parent / "pipe")], Caller())

    assert code == 73
    assert "Nothing was sent" in capsys.readouterr().err


def test_a_log_that_cannot_be_begun_refuses_the_run(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine()

    assert answer(["run", str(job), "--log-file", "in.jsonl/log"], Caller(engine)) == 73
    assert "error: the log in.jsonl/log: " in capsys.readouterr().err
    assert engine.calls == []


def test_a_job_that_fails_quietly_says_whose_it_was_and_how_to_go_on(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job.write_text(job.read_text().replace("in.jsonl", "in-{date}.jsonl") + "tz = 'UTC'\n")

    code = answer(["run", str(job), "-q"], Caller(clock=lambda: NIGHT))

    assert code == 66
    first, *last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ")
    assert "in-2026-11-26.jsonl" in first
    assert last == [
        "failed   triage for 2026-11-26 (a rehearsal): exit code 66, an input is missing",
        "again    the same command with --date 2026-11-26",
    ]


def test_an_address_is_shown_by_its_host_alone(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job.open("a") as text:
        text.write(f"[notify]\nwebhook_url = 'https://u:p@hooks.example/{SECRET}'\n")
        text.write("health_url = '${HEALTH}'\n")
    around = {"HEALTH": f"https://hc.example/{SECRET}", "XDG_CONFIG_HOME": str(job.parent)}

    assert answer(["config", "show", str(job)], Caller(environ=around)) == 0

    out = capsys.readouterr().out
    assert 'webhook_url = "https://hooks.example/[key removed]"' in out
    assert 'health_url = "${HEALTH}"' in out
    assert SECRET not in out


def test_several_nights_are_one_command_and_few_lines(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = job.read_text().replace("in.jsonl", "in-{date}.jsonl")
    text = text.replace("out.jsonl", "days/{date}/out.jsonl")
    job.write_text(text + "tz = 'UTC'\n[nightly]\ncatch_up = 2\n")
    for day in ("24", "26"):
        bad = f"{json.dumps(CHAT)}\nbad\n"
        (job.parent / f"in-2026-11-{day}.jsonl").write_text(bad)

    with Listener(200) as health:
        flags = ["-q", "--health-url", health.url]
        assert answer(["run", str(job), *flags], Caller(clock=lambda: NIGHT)) == 66

    assert told(health) == ["/start", "/66"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("done", "used", "files", "next", "error:"),
        *("2026-11-24", "2026-11-25", "2026-11-26", "failed", "again"),
    ]
    assert "triage for 2026-11-26 and the 2 days before (a rehearsal): exit code 66" in lines[-2]
