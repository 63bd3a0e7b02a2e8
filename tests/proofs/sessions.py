"""The sessions of one run: each a process that is left alone, ended in order, or killed.

Each has a key of its own, by whose mark the gateway's ledger tells which of them sent a request.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from batch.mock.accounts import mark
from batch.signals import SIGNALS
from tests.proofs.logs import Logs
from tests.proofs.processes import Process, background, finish, require, wait_until

ENDED: Final = (0, 3)  # exit codes of a run whose every line has its record
STOPPED: Final = 0.3  # seconds at most for which a session is stopped, and made to go on
BEFORE_ALL: Final = "Fatal Python error: init_"
# A Ctrl-C within a callback of Python's own, as a module is loaded; the command never hears of it.
UNHEARD: Final = "Exception ignored in: <function _get_module_lock"
AFTER: Final = 0.030  # seconds at most between what a signal waits for and the signal
TORN: Final = 5  # after one kill in so many half a line is left behind


class Way(NamedTuple):
    """What a session is sent, one signal after the other, and what must come of it."""

    signals: tuple[signal.Signals, ...]
    code: int  # with which it ends
    in_order: bool  # what is under way is waited for and recorded

    @property
    def codes(self) -> set[int]:
        """Return the codes of its signals: of two that come at once Python may heed either."""
        return {self.code, *(SIGNALS[one] for one in self.signals if one in SIGNALS)}


KILL: Final = Way((signal.SIGKILL,), -signal.SIGKILL, in_order=False)
TERM: Final = Way((signal.SIGTERM,), 143, in_order=True)


class Sessions:
    """Starts sessions in a folder, one after the other, and looks at the logs after each."""

    def __init__(self, folder: Path, command: tuple[object, ...], seed: int) -> None:
        self.count = 0
        self.killed: set[int] = set()
        self.stopped: set[int] = set()  # ended in order by a signal
        self.early: set[int] = set()  # ended by a signal that it did not heed yet, or no more
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
        return self.signal(KILL, target)

    def stop(self) -> None:
        """Have a session end in order soon after its first record."""
        self.signal(TERM, self.logs.recorded() + 1)

    def signal(self, way: Way, target: int | None) -> bool:
        """Send a session signals at its target; return whether it was still there."""
        code = self._signalled(way, target)
        if code in ENDED:
            return False
        if code not in way.codes:
            self.early.add(self.count)
        elif way.in_order:
            self.stopped.add(self.count)
        else:
            self.killed.add(self.count)
            self._tear()
        return True

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

    def _signalled(self, way: Way, target: int | None) -> int:
        """Start a session, send it signals at its target; return how it ended."""
        self.count += 1
        with background(self._folder, *self._command, key=_key(self.count)) as process:
            self._await(process, target)
            for place, number in enumerate(way.signals):
                if place:
                    self._pause(process, way.signals[place - 1])
                process.send_signal(number)
            code = process.wait()
        said = (self._folder / "said.txt").read_text()
        # Before it heeds signals, and after, the system ends it: shells call it by the same code.
        expected = {*ENDED, *way.codes, *(-number for number in way.signals)}
        # Python itself has words and a code of its own for Ctrl-C before it has loaded anything.
        if not (code == 1 and said.startswith(BEFORE_ALL)):
            require(code in expected, f"a session ended with {code}: {said}")
            words = said if UNHEARD not in said else ""
            require(code < 0 or "Traceback" not in words, f"a session ended with {code}: {said}")
        self.logs.look(self.count)
        return code

    def _pause(self, process: Process, before: signal.Signals) -> None:
        """Let some time pass after a signal; one that was made to go on is to record something."""
        if before == signal.SIGCONT:
            recorded = self.logs.recorded()
            wait_until(
                lambda: self.logs.recorded() > recorded or process.poll() is not None,
                "a session that was stopped records something",
            )
        time.sleep(self._chance.uniform(0, STOPPED if before == signal.SIGSTOP else AFTER))

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
