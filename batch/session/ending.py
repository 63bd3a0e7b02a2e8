"""One process's part in a run: signals, the ticker, and why it ended.

Everything in here may end a run early, and nothing in here touches a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from batch.errors import CAPPED, Refusal, Unavailable
from batch.halt import Halt
from batch.pipeline import DRAIN_SECONDS
from batch.session.event import Event
from batch.session.snapshot import Snapshot
from batch.signals import SIGNALS, heeded, unheard

TICK_SECONDS: Final = 0.25
STATUS_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 600.0  # without one answer from the gateway; then the run ends with 69
UNAVAILABLE: Final = Unavailable.exit_code


class Watch(Protocol):
    """Who is told how a run goes."""

    def begin(self, total: int, done: int) -> None:
        """Start to show a run of so many lines, of which some are done."""
        ...

    def tick(self, now: Snapshot) -> None:
        """Show where the run stands."""
        ...

    def say(self, message: str) -> None:
        """Say something to people."""
        ...

    def note(self, event: Event) -> None:
        """Take note of something that happened: more than people want to be told."""
        ...

    def end(self) -> None:
        """Leave the screen in order."""
        ...


class Ending:
    """Why a session ended, by exit code."""

    def __init__(self, halt: Halt, watch: Watch) -> None:
        self.reasons: dict[int, str] = {}
        self.halt = halt
        self._watch = watch

    def stop(self, code: int, reason: str) -> None:
        """Stop sending, for a reason that has an exit code."""
        if code == CAPPED and self.halt.reason is None:
            self._watch.say(f"{reason}: sending no more, and waiting for answers under way")
        if self.reasons.setdefault(code, reason) == reason:
            # A limit of the run's own: what is on the wire is paid, and nobody waits at a keyboard.
            self.halt.request(reason, patient=code == CAPPED)

    def failed(self, refusal: Refusal) -> None:
        """Keep what broke the run."""
        self.reasons.setdefault(refusal.exit_code, str(refusal))

    def on_signal(self, number: signal.Signals) -> None:
        """Once: let what is on the wire finish. Twice: give that up too."""
        if self.halt.is_pressed:
            self._watch.say("stopping now")
            self.halt.hurry()
            return
        self._watch.say(
            f"{number.name}: sending no more, and waiting up to {DRAIN_SECONDS:.0f} s for answers "
            "under way. Once more to stop now"
        )
        self.stop(SIGNALS[number], f"by {number.name}")


@contextlib.contextmanager
def abrupt(watch: Watch) -> Iterator[None]:
    """Have the same signals end the process at once, while inputs are read and nothing is sent."""

    def leave(number: int, _: object) -> None:
        watch.say(f"{signal.Signals(number).name}: nothing was sent")
        raise SystemExit(SIGNALS[signal.Signals(number)])

    before = {one: signal.signal(one, leave) for one in heeded()}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def signals(ending: Ending) -> Iterator[None]:
    """Have the signals that end a run end it in order.

    Afterwards they do what they did before, but for Ctrl-C: whoever presses it once more would lose
    the closing words, which are on their way.
    """
    loop = asyncio.get_running_loop()
    before = {one: signal.getsignal(one) for one in heeded()}
    for number in before:
        loop.add_signal_handler(number, ending.on_signal, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, unheard if number == signal.SIGINT else handler)


async def ticker(
    ending: Ending,
    snapshot: Callable[[], Snapshot],
    is_over: Callable[[Snapshot], tuple[int, str] | None],
    watch: Watch,
    write_status: Callable[[Snapshot], None],
) -> None:
    """Show progress, keep status.json fresh, and end a run that ``is_over``, which says why."""
    due = 0.0
    while True:
        await asyncio.sleep(TICK_SECONDS)
        now = snapshot()
        watch.tick(now)
        if now.seconds >= due:
            due = now.seconds + STATUS_SECONDS
            write_status(now)
        over = is_over(now)
        if over is not None:
            ending.stop(*over)


def silence(seconds: float, trouble: str) -> tuple[int, str] | None:
    """Return why a run ends whose gateway has been silent for so long; None if it goes on."""
    if seconds < SILENT_SECONDS:
        return None
    return UNAVAILABLE, (
        f"the gateway gave no answer for {seconds / 60:.0f} minutes; the last failure: "
        f"{trouble.rstrip('. ')}. Check the address, or run the same command later"
    )
