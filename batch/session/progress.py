"""What people see while a run goes on: a bar on a terminal, now and then a plain line elsewhere.

Everything is written to the stream that was handed in, which is stderr: stdout belongs to data. A
stream that breaks ends the talking, never the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol, TextIO, TypeAlias

from batch.session.event import Event
from batch.session.snapshot import Snapshot, plain_line, postfix, visible

Style: TypeAlias = Literal["bar", "plain", "none"]

# Seconds after the start at which a plain line is written; later every minute.
FIRST_LINES: Final = (5.0, 15.0, 60.0)
POSTFIX_SECONDS: Final = 1.0
BEFORE_POSTFIX: Final = ", "  # tqdm writes it there
# The bar's width is fixed, else the fields beside it would eat it up.
BAR: Final = "{percentage:3.0f}% |{bar:10}| {n:,}/{total:,}{postfix}"
# Advice is given once for each cause, when it has held for a while and will for a while.
ADVICE_SECONDS: Final = 60.0
ADVICE_SHARE: Final = 0.5


def choose_style(wanted: str, *, columns: int, term: str) -> Style:
    """Return how to show progress; ``auto`` is a bar where one can be drawn.

    ``columns`` is the width of the terminal, 0 where there is none or it does not know its size.
    """
    match wanted:
        case "bar" | "plain" | "none":
            return wanted
        case _:
            return "bar" if columns > 0 and term != "dumb" else "plain"


class _View(Protocol):
    def tick(self, now: Snapshot) -> None: ...
    def say(self, message: str) -> None: ...
    def end(self) -> None: ...


class Progress:
    """Shows one run. ``clock`` gives seconds since the epoch.

    ``quiet`` leaves out messages; ``verbose`` tells of each line that is asked again.
    """

    def __init__(
        self,
        style: Style,
        stream: TextIO,
        clock: Callable[[], float],
        *,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self._style = style
        self._stream = stream
        self._clock = clock
        self._quiet = quiet
        self._verbose = verbose
        self._deaf = False
        self._advised: set[str] = set()
        self._view: _View = _Silent(stream)

    def begin(self, total: int, done: int) -> None:
        """Start to show a run of so many lines, of which some were done before this process."""
        if self._style == "bar" and total > 0:
            self._try(lambda: self._open_bar(total, done))
        elif self._style == "plain":
            self._view = _Plain(self._stream, self._clock, done)

    def tick(self, now: Snapshot) -> None:
        """Show where the run stands, if it is time to."""
        self._try(lambda: self._view.tick(now))
        self._advise(now)

    def say(self, message: str) -> None:
        """Write a line for people, above the bar."""
        if not self._quiet:
            self._try(lambda: self._view.say(visible(message)))

    def note(self, event: Event) -> None:
        """Tell of a line that is asked again, to who wants to know."""
        if self._verbose and event.event == "retry":
            self.say(event.message)

    def end(self) -> None:
        """Leave the screen in order; a second call does nothing."""
        self._try(self._view.end)
        self._view = _Silent(self._stream)

    def _advise(self, now: Snapshot) -> None:
        cause = now.bottleneck
        if cause is None or cause.kind in self._advised or not cause.can_be_helped:
            return
        soon_over = now.seconds_left is not None and now.seconds_left < ADVICE_SECONDS
        if now.seconds >= ADVICE_SECONDS and cause.share >= ADVICE_SHARE and not soon_over:
            self._advised.add(cause.kind)
            self.say(f"slowed by {cause.sentence('the last minute')}")

    def _open_bar(self, total: int, done: int) -> None:
        self._view = _Bar(self._stream, total, done)

    def _try(self, act: Callable[[], None]) -> None:
        if self._deaf:
            return
        try:
            act()
        except OSError:  # the terminal or the log's pipe is gone
            self._deaf = True


class _Silent:
    """Nothing but messages."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def tick(self, now: Snapshot) -> None:
        """Show nothing."""

    def say(self, message: str) -> None:
        self._stream.write(message + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave nothing behind."""


class _Plain(_Silent):
    """A line at a time, for logs: never a carriage return."""

    def __init__(self, stream: TextIO, clock: Callable[[], float], done: int) -> None:
        super().__init__(stream)
        self._clock = clock
        self._due = FIRST_LINES[0]
        self._last = (0.0, done)

    def tick(self, now: Snapshot) -> None:
        if now.seconds < self._due:
            return
        self._due = next(
            (due for due in FIRST_LINES if due > now.seconds), (now.seconds // 60 + 1) * 60
        )
        since, before = self._last
        self._last = (now.seconds, now.done)
        rate = (now.done - before) / (now.seconds - since)
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.say(f"{stamp} {plain_line(now, rate)}")


class _Bar:
    """A bar that tqdm draws."""

    def __init__(self, stream: TextIO, total: int, done: int) -> None:
        # Only here: tqdm costs more to load than everything else of this room.
        from tqdm import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415

        tqdm.monitor_interval = 0  # the engine ticks, so no thread need look after the bar
        tqdm.set_lock(threading.RLock())  # its default also opens a semaphore between processes
        self._stream = stream
        self._due = 0.0
        self._bar: Any = tqdm(
            total=total,
            initial=done,
            file=stream,
            unit="line",
            bar_format=BAR,
            dynamic_ncols=True,
            mininterval=0.5,
            miniters=1,
            disable=False,  # said, because TQDM_DISABLE=0 in the environment means disabled
        )

    def tick(self, now: Snapshot) -> None:
        if now.done > self._bar.n:
            self._bar.update(now.done - self._bar.n)
        if now.seconds >= self._due:
            self._due = now.seconds + POSTFIX_SECONDS
            self._bar.set_postfix_str(postfix(now, self._room()))

    def _room(self) -> int | None:
        """Return the columns beside the bar; None where nobody knows. It keeps those of the end."""
        shape = self._bar.format_dict
        columns: int | None = shape["ncols"]
        if columns is None:
            return None
        whole = self._bar.format_meter(**shape | {"n": shape["total"], "postfix": None})
        return max(0, columns - len(whole) - len(BEFORE_POSTFIX))

    def say(self, message: str) -> None:
        # Erases the ^C, too, that a terminal writes behind the bar.
        self._bar.write(f"{message}\x1b[K", file=self._stream)

    def end(self) -> None:
        self._bar.set_postfix_str("", refresh=False)
        self._bar.close()
