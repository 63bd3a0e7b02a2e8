"""The sessions of a soak: each a process with keys of its own, and ended in one of several ways."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from batch.mock.accounts import mark
from tests.proofs.processes import Process, require, wbatch
from tests.proofs.soak_hours import FAMILIES, key_of
from tests.proofs.soak_lines import FILES, ROOT

WATCHED: Final = ROOT / "tests" / "proofs" / "soak_watched.py"
STOPPED: Final = (0.2, 2.0)  # seconds for which one is stopped
LOOK: Final = 0.1  # seconds between two looks at a session, and between two signals
PATIENCE: Final = 150.0  # seconds until one that was told to end has ended
DONE: Final = (0, 3)  # exit codes of a run whose every line has its record
PENDING: Final = 75  # a retry has ended, and lines wait that it was not for
HELPLESS: Final = 77  # lines wait for somebody who mends key, model or money

# How a session may end → signals, and the exit codes that fit; the negative ones are those of a
# session that is about to start, or over already.
ENDINGS: Final[Mapping[str, tuple[tuple[signal.Signals, ...], tuple[int, ...]]]] = {
    "kill -9": ((signal.SIGKILL,), (-signal.SIGKILL,)),
    "Ctrl-C twice": ((signal.SIGINT, signal.SIGINT), (130, -signal.SIGINT)),
    "Ctrl-C": ((signal.SIGINT,), (130, -signal.SIGINT)),
    "SIGTERM": ((signal.SIGTERM,), (143, -signal.SIGTERM)),
    "SIGHUP": ((signal.SIGHUP,), (143, -signal.SIGHUP)),
    "left alone": ((signal.SIGTERM,), (143, -signal.SIGTERM)),  # at last
}
OFTEN: Final = (8, 2, 2, 3, 1, 4)  # of each, in as many


class Sessions:
    """Starts sessions over one output, one after the other, and ends them."""

    def __init__(self, folder: Path, keys: Path, url: str, chance: Random) -> None:
        """``keys`` is a folder beside the run's, for what must be found nowhere in that one."""
        self.count = 0
        self.unfinished: set[int] = set()  # ended before they had recorded what they knew
        self.tally: Counter[str] = Counter()  # by how they ended
        self._folder = folder
        self._keys = keys
        self._url = url
        self._chance = chance
        self._said = folder / "said.txt"

    def next(self, verb: str, *more: object) -> tuple[object, ...]:
        """Return the command of another session, and give it its keys."""
        self.count += 1
        places: list[object] = []
        for family, models in FAMILIES.items():
            path = self._keys / family
            path.write_text(key_of(self.count, family))
            path.chmod(0o600)
            places += [word for one in models for word in ("--key", f"{one}=file:{path}")]
        at = ("--base-url", self._url, "--allow-files", FILES, "--max-attempts", 30)
        what = ("in.jsonl", "-o", "out.jsonl") if verb == "run" else ("out.jsonl",)
        return (verb, *what, *at, *places, "--progress", "none", *more)

    @contextmanager
    def started(self, verb: str, *more: object, watched: bool = False) -> Iterator[Process]:
        """Start another session; ``watched``: with somebody inside who counts tasks."""
        command = self.next(verb, *more)
        program = ("-P", WATCHED, "tasks.txt") if watched else ("-m", "batch")
        with self._said.open("ab") as said:
            process = wbatch(self._folder, *command, stderr=said, program=program)
        with process:
            try:
                yield process
            finally:
                process.kill()

    def stop(self, process: Process) -> None:
        """Have a session stand still for a while."""
        process.send_signal(signal.SIGSTOP)
        time.sleep(self._chance.uniform(*STOPPED))
        process.send_signal(signal.SIGCONT)

    def end(self, process: Process, how: str) -> None:
        """End a session, if it goes on, and see that its exit code fits."""
        signals, fitting = ENDINGS[how]
        for one in signals:
            process.send_signal(one)
            time.sleep(LOOK)
        code = process.wait(PATIENCE)
        by_itself = code in (*DONE, HELPLESS, PENDING)
        said = f"a session ended by {how} left with {code}: {self._said.read_text()[-2000:]}"
        require(by_itself or code in fitting, said)
        self.tally["by itself" if by_itself else how] += 1
        if code not in DONE:
            self.unfinished.add(self.count)

    def by_mark(self) -> dict[str, int]:
        """Return the sessions by the marks of their keys."""
        every = range(1, self.count + 1)
        return {mark(key_of(number, family)): number for number in every for family in FAMILIES}
