"""The engine as a guest: in a thread with a loop of its own, within a program that has others.

It touches neither signals nor the collector of the program, and ends when it is asked to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

from batch import runs
from batch.api.follow import Follow
from batch.api.rows import Written
from batch.api.said import Scratch
from batch.cli.engine import in_loop
from batch.errors import Busy
from batch.ledger.book import Book
from batch.ledger.paths import paths_of
from batch.plan import Plan
from batch.session.ending import Ending, Watch
from batch.session.summary import Outcome
from batch.settings.tree import Settings

CANCELLED: Final = 130  # as if it had been interrupted
_WHY: Final = "by the program that it was a part of"
# The runs of this process, by the output: one that is ending is waited for by the next.
_running: dict[str, Engine] = {}
# A child that was forked has none of their threads, and would wait for them for ever.
os.register_at_fork(after_in_child=_running.clear)


class Work(NamedTuple):
    """What is to be run, and who watches."""

    settings: Settings
    watch: Watch
    rows: Written
    texts: Scratch  # its files are there as long as somebody holds it


class Guest:
    """Part of a program: the host of a run, as the run sees it."""

    def __init__(self, rows: Written, follow: Follow | None) -> None:
        self._rows = rows
        self._follow = follow
        self._sending: tuple[asyncio.AbstractEventLoop, Ending] | None = None
        # A loop that is collected asks for the stop wherever a thread may be: also in here.
        self._lock = threading.RLock()
        self.stopping = False

    def reading(self, watch: Watch) -> AbstractContextManager[None]:
        """Nothing ends a run that reads its inputs; it is soon over."""
        return nullcontext()

    def begun(self, plan: Plan, book: Book) -> None:
        """Have the records followed."""
        self._rows.settle(taken=True)
        if self._follow is not None:
            self._follow.begin(plan, book)

    @contextlib.contextmanager
    def sending(self, ending: Ending) -> Iterator[None]:
        """Have the program end the run in order."""
        with self._lock:
            self._sending = asyncio.get_running_loop(), ending
            if self.stopping:
                ending.stop(CANCELLED, _WHY)
        try:
            yield
        finally:
            with self._lock:
                self._sending = None

    def stop(self) -> None:
        """Send nothing more, from any thread; what is on the wire may finish for a moment."""
        with self._lock:
            if not self.stopping:
                self.stopping = True
                self._tell(lambda ending: ending.stop(CANCELLED, _WHY))

    def hurry(self) -> None:
        """Give up what is on the wire, too. This counts also if ``stop`` was cut short."""
        with self._lock:
            self.stopping = True
            self._tell(_at_once)

    def _tell(self, act: Callable[[Ending], None]) -> None:
        if self._sending is not None:
            loop, ending = self._sending
            loop.call_soon_threadsafe(act, ending)


class Engine:
    """A run in its thread. ``wake`` is called there when something is new, the end at last."""

    def __init__(self, work: Work, wake: Callable[[], None], follow: Follow | None = None) -> None:
        self._work = work
        self._wake = wake
        self._over = threading.Event()
        self._started = False
        self._decided: dict[str, bool] = {}
        self.guest = Guest(work.rows, follow)
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        # It keeps no program from ending: what is on record is safe, however the thread ends.
        self._thread = threading.Thread(target=self._live, name="wbatch", daemon=True)

    def start(self) -> None:
        """Begin. Raises RuntimeError where there is no room for one more thread."""
        try:
            self._thread.start()
        except RuntimeError:
            self._work.rows.settle(taken=False)
            self._over.set()
            raise
        self._started = True

    @property
    def over(self) -> bool:
        """Return whether the run has ended, and let go of its files."""
        return self._over.is_set()

    def wait(self) -> None:
        """Return when the run has ended. One that has not begun by now never will."""
        if not self._started and not self._takes_place(False):
            self._work.rows.settle(taken=False)
            return
        self._over.wait()

    def _takes_place(self, begins: bool) -> bool:
        """Return whether the run takes place: who asks first says so, and no interrupt parts it.

        An interrupt may come when the thread is made and knows nothing of itself yet.
        """
        return self._decided.setdefault("begins", begins)

    def _live(self) -> None:
        if not self._takes_place(True):
            return
        settings, watch, rows, _ = self._work
        output = paths_of(settings.output).results
        earlier = _running.get(output)
        if earlier is not None and earlier.guest.stopping:
            earlier.wait()
        _running.setdefault(output, self)
        try:
            self.outcome = in_loop(runs.run(settings, watch, self.guest))
            watch.end()
            for line in self.outcome.lines:
                watch.say(line)
        except BaseException as failure:  # noqa: BLE001 - it is raised to whoever waits
            self.failure = failure
        finally:
            # Unless they were taken long ago.
            rows.settle(taken=False, shared=isinstance(self.failure, Busy))
            if _running.get(output) is self:
                del _running[output]
            watch.end()
            self._over.set()
            self._wake()


def _at_once(ending: Ending) -> None:
    ending.stop(CANCELLED, _WHY)
    ending.halt.hurry()
