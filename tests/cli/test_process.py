"""What only a process of its own shows: imports, streams that break, the entry points."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.cli import COMMANDS, answer
from batch.cli.caller import Caller
from batch.cli.options import PLACES
from batch.cli.shape import EXIT_CODES
from tests.proofs.processes import heeding, wait_until

FAKE_RUN = """
import sys
from batch.cli import answer
from batch.cli.caller import Caller
from tests.cli.fake_engine import FakeEngine
caller = Caller(FakeEngine(3))
code = answer(["run", "in.jsonl", "-o", "out.jsonl", "--json"], caller)
caller.flush()
sys.exit(code)
"""


def python(
    *args: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, **environ: str
) -> subprocess.CompletedProcess[bytes]:
    # Buffered, as for users: what cannot be flushed must not become another exit code at the end.
    environ = {**os.environ, "PYTHONUNBUFFERED": "", **environ}
    command = [sys.executable, *args]
    return subprocess.run(
        command, check=False, timeout=30, stdout=stdout, stderr=stderr, env=environ
    )


@pytest.fixture
def dead_pipe() -> Iterator[int]:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def test_help_loads_neither_an_event_loop_nor_a_network_nor_the_words() -> None:
    code = (
        "import sys; from batch.cli import answer; from batch.cli.caller import Caller; "
        "answer(['--help'], Caller()); print(*sys.modules, file=sys.stderr)"
    )

    loaded = set(python("-c", code).stderr.decode().split())

    heavy = {"asyncio", "aiohttp", "uvloop", "tqdm", "msgspec", "orjson", "batch.settings.tree"}
    assert "click" in loaded
    assert not loaded & heavy


def test_python_m_batch_is_the_same_command() -> None:
    done = python("-m", "batch", "--version")

    assert done.returncode == 0
    assert done.stdout.startswith(b"wbatch ")


def test_a_reader_who_left_stdout_does_not_change_the_exit_code(dead_pipe: int) -> None:
    done = python("-c", FAKE_RUN, stdout=dead_pipe)

    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


@pytest.mark.parametrize(
    "args", [("--help",), ("run", "-h"), ("--version",), ("completion", "zsh")]
)
def test_what_is_not_read_to_its_end_is_no_failure(dead_pipe: int, args: tuple[str, ...]) -> None:
    done = python("-m", "batch", *args, stdout=dead_pipe)

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_who_left_stderr_does_not_change_the_exit_code(dead_pipe: int) -> None:
    done = python("-c", FAKE_RUN, stderr=dead_pipe)

    assert done.returncode == 3
    assert done.stdout.startswith(b'{"object":"batch"')


@pytest.mark.parametrize("closed", ["0", "1", "2"])
def test_a_process_started_without_a_stream_never_mistakes_a_file_for_it(closed: str) -> None:
    code = (
        f"import os; os.close({closed}); from batch.cli import secure_streams; secure_streams(); "
        "os._exit(os.open('/dev/null', os.O_RDONLY))"
    )

    assert python("-c", code).returncode > 2


@pytest.mark.parametrize("value", ["0", "false"])
def test_the_environment_cannot_disable_the_bar_by_accident(value: str) -> None:
    code = (
        "import sys; from batch.session.progress import Progress; "
        "shown = Progress('bar', sys.stderr, float); shown.begin(10, 0); shown.end()"
    )

    assert b"0/10" in python("-c", code, TQDM_DISABLE=value).stderr


def test_a_summary_that_cannot_be_written_is_73() -> None:
    with open("/dev/full", "wb") as full:
        done = python("-c", FAKE_RUN, stdout=full.fileno())

    assert done.returncode == 73
    assert b"cannot write the summary to stdout" in done.stderr


@pytest.mark.parametrize("name", ["run", "retry"])
def test_help_of_a_run_names_every_exit_code(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([name, "--help"], Caller()) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {code:<4} {meaning}" in text for code, meaning in EXIT_CODES)


def test_help_of_run_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    answer(["run", "-h"], Caller())

    text = capsys.readouterr().out
    flags = [f"--{name.replace('_', '-')}" for name in PLACES if name != "inputs"]
    assert [flag for flag in flags if flag not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_the_manners_and_fits_a_terminal(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer([name, "--help"], Caller())

    text = capsys.readouterr().out
    for manner in ("--quiet", "--verbose", "--json", "--progress", "--no-color", "--version"):
        assert manner in text
    assert max(map(len, text.splitlines())) <= 88


# Sends the process a signal as soon as a module is looked for, and runs the command.
SIGNALLED = """
import atexit, os, signal, sys
name, number = sys.argv[1], int(sys.argv[2])
sys.argv[1:] = sys.argv[3:]

def send():
    os.kill(os.getpid(), number)

class Finder:
    def find_spec(self, wanted, path=None, target=None):
        if wanted == name:
            send()
        return None

sys.meta_path.insert(0, Finder())
if name == "last":
    atexit.register(send)
from batch.__main__ import main
if name == "late":
    atexit.register(send)
main()
"""
ENDS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]


@pytest.mark.parametrize(("number", "code"), ENDS)
@pytest.mark.parametrize("name", ["batch.cli", "click", "batch.cli.export", "orjson"])
def test_a_signal_while_it_loads_ends_it_without_a_word(name: str, number: int, code: int) -> None:
    done = python("-c", SIGNALLED, name, str(number), "export", "--help")

    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


@pytest.mark.parametrize("number", [number for number, _ in ENDS])
@pytest.mark.parametrize("moment", ["late", "last"])
def test_a_signal_when_all_is_said_changes_nothing(moment: str, number: int) -> None:
    done = python("-c", SIGNALLED, moment, str(number), "run", "missing.jsonl", "-o", "o.jsonl")

    assert done.returncode == 66
    assert done.stderr.startswith(b"error: missing.jsonl")
    assert b"Traceback" not in done.stderr


def test_ctrl_c_stays_ignored_where_a_shell_means_it_so() -> None:
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{SIGNALLED}"

    done = python("-c", code, "click", str(int(signal.SIGINT)), "--version")

    assert done.returncode == 0


def test_ctrl_c_before_its_loop_begins_ends_it_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "Say hello."}\n')
    ask = (
        "run",
        str(tmp_path / "in.jsonl"),
        "-o",
        str(tmp_path / "out.jsonl"),
        "-m",
        "m",
        "--mock",
    )

    done = python("-c", SIGNALLED, "uvloop", str(int(signal.SIGINT)), *ask)

    assert done.returncode == 130
    assert b"Warning" not in done.stderr


def test_ctrl_c_ends_it_while_it_waits_for_a_template(tmp_path: Path) -> None:
    # Given: a template that comes through a pipe, into which nobody writes
    pipe = tmp_path / "prompt.txt"
    os.mkfifo(pipe)
    (tmp_path / "in.jsonl").write_text('{"text": "Good."}\n')
    command = ("run", "in.jsonl", "-p", "prompt.txt", "-o", "out.jsonl", "-m", "m", "--mock")
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with heeding():
        process = subprocess.Popen(
            [sys.executable, "-m", "batch", *command], cwd=tmp_path, env=environ
        )
    writing = opened(pipe)
    wait_until(lambda: state_of(process).startswith("S"), "it waits for what is written there")

    process.send_signal(signal.SIGINT)

    try:
        assert process.wait(20) == 130
    finally:
        os.close(writing)
        process.kill()


def state_of(process: subprocess.Popen[bytes]) -> str:
    """Return what the system says a process is doing: S, it waits for something."""
    told = subprocess.run(
        ["ps", "-o", "state=", "-p", str(process.pid)], check=False, capture_output=True, text=True
    )
    return told.stdout.strip()


def opened(pipe: Path) -> int:
    """Return the writing end of a named pipe, as soon as somebody reads it."""
    end: list[int] = []

    def is_read() -> bool:
        with contextlib.suppress(OSError):
            end.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(end)

    wait_until(is_read, "the pipe is read")
    return end[0]


def in_a_folder_that_is_gone(gone: Path, *args: object) -> subprocess.CompletedProcess[bytes]:
    """Call the command in a folder that was removed, as a clean-up beside cron may do."""
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    command = [sys.executable, "-m", "batch", *map(str, args)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        ["sh", "-c", script, "sh", str(gone), *command],
        check=False,
        timeout=30,
        capture_output=True,
        env=environ,
    )


def test_whole_paths_need_no_folder_to_be_called_in(tmp_path: Path) -> None:
    prompts, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    prompts.write_text('{"prompt": "Say hello."}\n')

    done = in_a_folder_that_is_gone(
        tmp_path / "gone", "run", prompts, "-o", output, "-m", "gpt-4o-mini", "--mock"
    )

    assert done.returncode == 0
    assert f"next     wbatch show {output}, or " in done.stderr.decode()


def test_a_path_from_a_folder_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    done = in_a_folder_that_is_gone(tmp_path / "gone", "status", "out.jsonl")

    assert done.returncode == 73
    assert "this folder, in which the command was called: No such file" in done.stderr.decode()


def test_an_output_that_looks_like_a_flag_is_named_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"prompt": "Say hello."}\n')

    answer(["run", "in.jsonl", "-o", "./-v.jsonl", "-m", "gpt-4o-mini", "--mock"], Caller())
    command = capsys.readouterr().err.splitlines()[-1].split(", or ")[0]

    assert command == "next     wbatch show ./-v.jsonl"
    assert answer(shlex.split(command)[2:], Caller()) == 0
