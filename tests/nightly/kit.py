"""A job that makes nights, its inbox, and commands that may be killed at any file operation.

A command runs in a child of this process, so that it can be killed for real and starts at once.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import orjson
import uvloop  # noqa: F401 - as formats() below

import batch.cli.run
import batch.runs  # noqa: F401 - the same
from batch.cli import answer
from batch.cli.caller import Caller
from batch.wire import formats

Hook: TypeAlias = Callable[[str, tuple[Any, ...]], None]
KILLED: Final = -signal.SIGKILL
ZONE: Final = ZoneInfo("Europe/Berlin")
# What of the system's calls changes or opens something under a name.
_OPERATIONS: Final = {
    *("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"),
}
JOB: Final = """\
inputs = ["inbox/{date}.jsonl"]
output = "triage/{date}/answers.jsonl"

[run]
tz = "Europe/Berlin"

[nightly]
"""


class Site:
    """A folder with a nightly job."""

    def __init__(self, folder: Path, nightly: str = "", more: str = "") -> None:
        self.folder = folder
        self.job = folder / "job.toml"
        self.said = folder / "said.txt"
        self.triage = folder / "triage"
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        text = f'{JOB}{nightly}\n[request]\nmodel = "gpt-4o-mini"\n{more}'
        self.job.write_text(text, encoding="utf-8")

    def receive(self, day: str, lines: int = 3) -> None:
        """Write the input of a day."""
        prompts = [{"prompt": f"{day}, line {number}"} for number in range(1, lines + 1)]
        data = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in prompts)
        (self.inbox / f"{day}.jsonl").write_bytes(data)

    def spoil(self, day: str) -> None:
        """Add a line to the input of a day that asks nothing."""
        with (self.inbox / f"{day}.jsonl").open("a") as file:
            file.write("no json\n")

    def call(self, command: str, *flags: object, at: float | None = None) -> int:
        """Run a command over the job in this process; return its exit code."""
        clock = time.time if at is None else lambda: at
        return answer([command, str(self.job), *map(str, flags)], Caller(clock=clock))

    def start(self, *flags: object, at: float, hook: Hook | None = None) -> int:
        """Start ``wbatch run`` in a child; return its process id.

        ``hook`` is called there before everything that Python does to a file.
        """
        formats()  # loaded here, so that no child has to
        pid = os.fork()
        if pid:
            return pid
        code = 99
        try:
            gc.freeze()  # a search for garbage would copy the memory of all tests
            self._redirect()
            if hook is not None:
                sys.addaudithook(hook)
            code = self.call("run", *flags, at=at)
            if isinstance(hook, Killer):
                (self.folder / "operations").write_text(str(hook.seen))
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 99
        except BaseException:  # noqa: BLE001 - a child must not go on as a second test run
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def night(self, *flags: object, at: float, kill_at: int | None = None) -> int:
        """Run ``wbatch run`` in a child to its end; return its exit code, or that it was killed.

        ``kill_at``: before so many-th file operation in the folder of the days.
        """
        hook = None if kill_at is None else Killer(str(self.triage), kill_at)
        return ended(self.start(*flags, at=at, hook=hook))

    def days(self) -> list[str]:
        """Return the days that are published."""
        there = self.triage.iterdir() if self.triage.is_dir() else ()
        return sorted(one.name for one in there if not one.name.startswith("."))

    def hidden(self) -> list[str]:
        """Return what else there is: days that are made, locks."""
        there = self.triage.iterdir() if self.triage.is_dir() else ()
        return sorted(one.name for one in there if one.name.startswith("."))

    def recorded(self, day: str) -> set[int]:
        """Return the lines of a day that have their whole record on disk, wherever it is."""
        found: set[int] = set()
        for folder in (self.triage / day, self.triage / f".{day}.partial"):
            path = folder / "answers.jsonl"
            data = path.read_bytes() if path.is_file() else b""
            for line in data.split(b"\n")[:-1]:
                found.add(orjson.loads(line)["x_run"]["line"])
        return found

    def summary(self, day: str) -> dict[str, Any]:
        """Return the summary of a published day."""
        told: dict[str, Any] = orjson.loads(
            (self.triage / day / "answers.run" / "run.json").read_bytes()
        )
        return told

    def _redirect(self) -> None:
        self.said.touch()
        file = self.said.open("a", encoding="utf-8")
        sys.stdout = sys.stderr = file


def ended(pid: int) -> int:
    """Wait for a child; return its exit code, or the negative number of the signal."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def night_after(day: str, hour: int = 0, minute: int = 30) -> float:
    """Return when the night after a day is, in seconds since 1970: half past midnight in Berlin."""
    morning = date.fromisoformat(day) + timedelta(days=1)
    at = datetime(morning.year, morning.month, morning.day, hour, minute, tzinfo=ZONE)
    return at.timestamp()


def calendar(first: str, count: int) -> Sequence[str]:
    """Return so many days from the first one on."""
    start = date.fromisoformat(first)
    return [(start + timedelta(days=number)).isoformat() for number in range(count)]


class Killer:
    """Kills this process before an operation on something in a place, by its number from 1."""

    def __init__(self, place: str, kill_at: int) -> None:
        self.seen = 0
        self._place, self._kill_at = place, kill_at

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """Look at what Python is about to do; the interpreter calls this."""
        if event in _OPERATIONS and any(isinstance(a, str) and self._place in a for a in args):
            self.seen += 1
            if self.seen == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
