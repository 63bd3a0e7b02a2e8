"""The command in a child of this process: a process of its own that needs not load the program."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop  # noqa: F401 - loaded here, so that no child has to

import batch.cli.run
import batch.runs  # noqa: F401 - the same
from batch.cli import answer
from batch.cli.caller import Caller
from batch.wire import formats
from tests.proofs.processes import environment

BROKEN: Final = 99


class Child:
    """A command that was started; what it says goes to a file."""

    def __init__(self, folder: Path, args: tuple[object, ...], said: Path) -> None:
        formats()
        self.said = said
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _become(folder, [str(one) for one in args], said)

    def poll(self) -> int | None:
        """Return its exit code, or the negative number of a signal; None if it is still there."""
        return self._look(os.WNOHANG)

    def wait(self) -> int:
        """Return the same once it has ended."""
        code = self._look(0)
        assert code is not None
        return code

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Have it stand still: what is done meanwhile is done while it works, however slowly."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def words(self) -> str:
        """Return what it has said by now."""
        told = self.said.read_text() if self.said.exists() else ""
        assert "Traceback" not in told, told
        return told

    def _look(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


@contextmanager
def working(folder: Path, *args: object) -> Iterator[Child]:
    """Have the command run while something else is done; it is killed if it is still there then."""
    child = Child(folder, args, folder.parent / f"{folder.name}-working.txt")
    try:
        yield child
    finally:
        child.kill()


def run_in_child(folder: Path, *args: object) -> tuple[int, str]:
    """Run the command in a folder to its end; return its exit code and what it said."""
    child = Child(folder, args, folder.parent / f"{folder.name}-said.txt")
    try:
        return child.wait(), child.words()
    finally:
        child.kill()


def _become(folder: Path, args: list[str], said: Path) -> None:
    """Be the command, and end with it: a child must never go on as a second test run."""
    code = BROKEN
    try:
        gc.freeze()  # a search for garbage would copy the memory of all tests
        os.chdir(folder)
        environ = environment()
        os.environ.clear()
        os.environ.update(environ)
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(file, stream)
        sys.stdout = sys.stderr = open(file, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        code = answer(args, Caller())
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else BROKEN
    except BaseException:  # noqa: BLE001 - told, whatever it is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
