"""What only a process of its own leaves: what the system shows of it, and how it dies."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from batch.settings.apart import started
from tests.proofs.processes import FOREIGN, Process, wait_until
from tests.raw_server import Act, head
from tests.security.desk import (
    KEY,
    OTHER,
    PASSWORD,
    TOKEN,
    Left,
    Server,
    all_traces,
    around,
    files_in,
    serving,
    traces,
)
from tests.security.test_keys import STREAM, delta, says

READ = Act.READ
PROMPT: Final = '{"prompt": "hello", "model": "gpt-4o-mini"}\n'
RUN: Final = ("run", "in.jsonl", "-o", "out.jsonl", "-v", "--log-file", "log.jsonl")
# All that makes Python, its event loop and its crashes talk.
TALKATIVE: Final = {
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONDEVMODE": "1",
    "AIOHTTP_NO_EXTENSIONS": "1",
}
PATIENCE: Final = 60  # seconds; only a failure takes so long


@contextmanager
def command(folder: Path, *args: object, stdin: str = "", **environ: str) -> Iterator[Process]:
    """Run the command with secrets around it; it is gone at the end, however it ends."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-m", "batch", *map(str, args)],
        cwd=folder,
        env={**kept, **around(folder), "PYTHONPATH": root, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    process.stdin.write(stdin.encode())
    process.stdin.close()
    process.stdin = None
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: Process, folder: Path) -> Left:
    """Return what a command left when it ended by itself, or by a signal that it was sent."""
    said, _ = process.communicate(timeout=PATIENCE)
    return Left(process.returncode, said.decode(), files_in(folder))


def asked(server: Server, calls: int = 1) -> None:
    wait_until(lambda: len(server.got) >= calls, "the gateway is asked")


@contextmanager
def held(folder: Path) -> Iterator[Process]:
    """Run a command that talks, and that waits for an answer by now."""
    with (
        serving((READ, Act.HOLD)) as server,
        command(folder, *RUN, "--base-url", server.url, **TALKATIVE) as process,
    ):
        asked(server)
        yield process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with lines to be asked."""
    (tmp_path / "in.jsonl").write_text(PROMPT * 3)
    return tmp_path


@pytest.mark.parametrize("environ", [TALKATIVE, {}], ids=["talkative", "as it is"])
def test_a_command_that_is_killed_leaves_no_key_and_its_successor_neither(
    environ: Mapping[str, str], folder: Path
) -> None:
    held = (READ, head(STREAM, "Transfer-Encoding: identity"), delta(KEY), Act.HOLD)
    with serving(held) as server:
        flags = ("--base-url", server.url, "--progress", "bar")
        with command(folder, *RUN, *flags, **environ) as process:
            asked(server, 3)
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            process.kill()
            killed = ended(process, folder)
        server.answer(says(f"Bearer {KEY}", "401 Unauthorized"))
        with command(folder, *RUN, *flags, **environ) as process:
            refused = ended(process, folder)

    assert killed.code == -signal.SIGKILL
    assert refused.code == 77, refused.said
    assert traces(shown) == []
    assert all_traces(killed) == []
    assert all_traces(refused) == []


def test_a_crash_that_python_describes_shows_no_key(folder: Path) -> None:
    with held(folder) as process:
        process.send_signal(signal.SIGABRT)
        left = ended(process, folder)

    assert left.code == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in left.said
    assert "batch/pool.py" in left.said or "batch/pipeline.py" in left.said or "uvloop" in left.said
    assert all_traces(left) == []


def test_a_crash_leaves_no_core_where_the_shell_would_have_one_written(folder: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with held(folder) as process:
            limit = resource.prlimit(process.pid, resource.RLIMIT_CORE)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)

    assert limit[0] == 0


def test_a_run_that_is_ended_shows_no_key(folder: Path) -> None:
    with held(folder) as process:
        process.send_signal(signal.SIGTERM)
        log = folder / "log.jsonl"
        wait_until(lambda: b"SIGTERM" in log.read_bytes(), "it says that it ends")
        process.send_signal(signal.SIGTERM)  # who is in a hurry
        left = ended(process, folder)

    assert left.code == 128 + signal.SIGTERM
    assert all_traces(left) == []


def test_the_process_that_looks_prices_up_is_told_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "OPENAI_API_KEY": KEY,
        "ANY_NAME": OTHER,
        "HTTPS_PROXY": f"http://me:{PASSWORD}@p",
        "WBATCH_WEBHOOK_URL": f"https://hooks.example/{TOKEN}",
    }.items():
        monkeypatch.setenv(name, value)

    with started() as process:
        # Until it has begun as itself, the system shows its parent's.
        wait_until(lambda: b"serve()" in shown(process.pid, "cmdline"), "it is another process")
        around_it = shown(process.pid, "environ")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)

    assert process.returncode == 0
    assert traces(around_it) == []


def shown(process: int, what: str) -> bytes:
    return Path(f"/proc/{process}/{what}").read_bytes()


def test_a_stream_is_kept_for_its_owner_alone_and_is_gone_at_the_end(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with serving((READ, Act.HOLD)) as server:
            flags = ("-o", "out.jsonl", "--base-url", server.url)
            with command(tmp_path, "run", "-", *flags, stdin=PROMPT):
                asked(server)
                modes = {
                    path.name: path.stat().st_mode & 0o777
                    for path in (tmp_path / "out.run").rglob("*")
                }
    finally:
        os.umask(before)

    assert modes["stdin.jsonl"] == 0o600
    assert not [name for name, mode in modes.items() if mode & 0o077]
