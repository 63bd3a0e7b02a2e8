"""The sessions of one run: each a process that is left alone, ended in order, or killed.

Each has a key of its own, by whose mark the gateway's ledger tells which of them sent a request.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from batch.mock.accounts import mark
from tests.proofs.logs import Logs
from tests.proofs.processes import Process, finish, require, wait_until, wbatch

ENDED: Final = (0, 3)  # exit codes of a run whose every line has its record
TERMINATED: Final = 143  # exit code of a session that was ended in order
AFTER: Final = 0.030  # seconds at most between what a signal waits for and the signal
TORN: Final = 5  # after one kill in so many half a line is left behind


class Sessions:
    """Starts sessions in a folder, one after the other, and looks at the logs after each."""

    def __init__(self, folder: Path, command: tuple[object, ...], seed: int) -> None:
        self.count = 0
        self.killed: set[int] = set()
        self.stopped: set[int] = set()  # ended in order by a signal
        self.torn = Counter({"left by kills": 0, "made by hand": 0})
        self.logs = Logs(folder)
        self._folder = folder
        self._command = command
        self._chance = Random(seed)
        self._start = 1.0  # seconds from the begin of the latest session to its first record

    def kill(self, target: int | None) -> bool:
        """Kill a session at its target; return whether it was still there.

        The target is a number of records in all; None, or one that is reached: while it starts.
        """
        if self._signalled(target, signal.SIGKILL) != -signal.SIGKILL:
            return False
        self.killed.add(self.count)
        self._tear()
        return True

    def stop(self) -> None:
        """Have a session end in order soon after its first record."""
        if self._signalled(self.logs.recorded() + 1, signal.SIGTERM) == TERMINATED:
            self.stopped.add(self.count)

    def finish(self) -> int:
        """Leave a session alone, and return its exit code."""
        self.count += 1
        code, said = finish(self._folder, *self._command, key=_key(self.count))
        require(code in ENDED, f"the run ended with {code}: {said}")
        self.logs.look(self.count)
        return code

    def by_mark(self) -> dict[str, int]:
        """Return the sessions by the marks of their keys."""
        marks = {mark(_key(number)): number for number in range(1, self.count + 1)}
        require(len(marks) == self.count, "the keys of two sessions have the same mark")
        return marks

    def _signalled(self, target: int | None, number: signal.Signals) -> int:
        """Start a session, send it a signal at its target; return how it ended."""
        self.count += 1
        words = self._folder / "said.txt"
        with words.open("wb") as said:
            process = wbatch(self._folder, *self._command, key=_key(self.count), stderr=said)
        with process:
            try:
                self._await(process, target)
                process.send_signal(number)
                code = process.wait()
            finally:
                process.kill()
        expected = -signal.SIGKILL if number == signal.SIGKILL else TERMINATED
        require(code in {*ENDED, expected}, f"a session ended with {code}: {words.read_text()}")
        self.logs.look(self.count)
        return code

    def _await(self, process: Process, target: int | None) -> None:
        """Wait for the moment of the signal, or for the process to end by itself."""
        begun = time.monotonic()
        before = self.logs.recorded()
        if target is None or target <= before:
            # Anything up to the time at which its first record is to be expected.
            time.sleep(self._chance.uniform(0, self._start))
            return

        def recorded(lines: int) -> bool:
            return self.logs.recorded() >= lines or process.poll() is not None

        wait_until(lambda: recorded(before + 1), "a session records something")
        self._start = time.monotonic() - begun
        wait_until(lambda: recorded(target), f"{target} lines have their record")
        time.sleep(self._chance.uniform(0, AFTER))

    def _tear(self) -> None:
        self.torn["left by kills"] += sum(log.torn > 0 for log in self.logs.all)
        whole = [log for log in self.logs.all if log.records and not log.torn]
        if whole and self._chance.randrange(TORN) == 0:
            self._chance.choice(whole).tear(self._chance)
            self.torn["made by hand"] += 1


def _key(number: int) -> str:
    return f"sk-of-session-{number}"
