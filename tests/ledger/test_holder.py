"""Who holds a run, and whether that process is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch.errors import Busy
from batch.files import OsFiles
from batch.ledger.hold import held
from batch.ledger.holder import holder, stopped_holder
from batch.ledger.paths import Paths

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only Linux tells")

# Holds a run, says so, and stops itself as Ctrl-Z would; woken, it ends.
HOLDS = """
import os, signal, sys
from batch.files import OsFiles
from batch.ledger.hold import held
from batch.ledger.paths import Paths
with held(OsFiles(), Paths(sys.argv[1])):
    print("held", flush=True)
    if sys.argv[2] == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    sys.stdin.read()
"""


@contextmanager
def holding(paths: Paths, how: str) -> Iterator[int]:
    """Have another process hold a run; yield its number."""
    command = [sys.executable, "-c", HOLDS, paths.results, how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            if how == "stop":
                _, status = os.waitpid(process.pid, os.WUNTRACED)
                assert os.WIFSTOPPED(status)
            yield process.pid
        finally:
            process.send_signal(signal.SIGKILL)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "out.jsonl"))


def test_a_stopped_process_that_holds_a_run_is_named_with_what_wakes_it(paths: Paths) -> None:
    with holding(paths, "stop") as pid:
        assert stopped_holder(OsFiles(), paths.lock) == pid

        with pytest.raises(Busy) as busy, held(OsFiles(), paths):
            pass

    assert f"stopped: fg in its shell, or kill -CONT {pid}, lets it go on" in str(busy.value)


def test_a_process_that_goes_on_is_not_called_stopped(paths: Paths) -> None:
    with holding(paths, "wait") as pid:
        assert stopped_holder(OsFiles(), paths.lock) is None
        assert holder(OsFiles(), paths.lock).startswith(f"pid {pid} since ")
        assert "stopped" not in holder(OsFiles(), paths.lock)


def test_a_stopped_process_that_only_has_the_number_holds_nothing(
    paths: Paths, tmp_path: Path
) -> None:
    other = Paths(str(tmp_path / "other.jsonl"))
    os.makedirs(other.folder)
    with holding(paths, "stop") as pid:
        Path(other.lock).write_text(f"pid {pid} since long ago\n")

        assert stopped_holder(OsFiles(), other.lock) is None


@pytest.mark.parametrize("content", [None, "", "odd", "pid 0 since", "pid 999999999 since then"])
def test_a_lock_that_names_nobody_is_held_by_nobody_who_is_stopped(
    paths: Paths, content: str | None
) -> None:
    os.makedirs(paths.folder)
    if content is not None:
        Path(paths.lock).write_text(content)

    assert stopped_holder(OsFiles(), paths.lock) is None
    assert holder(OsFiles(), paths.lock) == (content or "unknown")
