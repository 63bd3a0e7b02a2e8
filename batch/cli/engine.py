"""The way from a command into the engine and back: event loop, progress, closing words."""

from __future__ import annotations

import importlib
import io
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar, cast

import orjson

from batch.cli.caller import Caller
from batch.descriptors import require_open_files
from batch.ledger.paths import Paths
from batch.session.progress import Progress, choose_style
from batch.session.summary import Outcome
from batch.settings.tree import KeySetting, Settings, UserSettings
from batch.signals import restored

if TYPE_CHECKING:  # not loaded for help, for a shell that completes, or for bad flags
    import asyncio

    from batch.catalogue import Catalogue
    from batch.plan import Plan
    from batch.session.ending import Watch

T = TypeVar("T")


class Engine(Protocol):
    """What of ``batch/runs.py`` the commands call."""

    def run(
        self, settings: Settings, watch: Watch, *, approve: Callable[[Plan], None] | None = None
    ) -> Coroutine[Any, Any, Outcome]:
        """Run, or carry on."""
        ...

    def retry(
        self,
        settings: Settings,
        watch: Watch,
        only: frozenset[str] | None,
        ambiguous: bool,
        *,
        approve: Callable[[Plan], None] | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Send again what ended with an error."""
        ...

    def status(self, output: str) -> Outcome:
        """Read how far a run is."""
        ...

    def usage(self, paths: Paths) -> Iterable[Mapping[str, Any]] | None:
        """Read a run's usage totals out of its logs."""
        ...

    def models(
        self, settings: UserSettings, places: Sequence[KeySetting]
    ) -> Coroutine[Any, Any, Catalogue]:
        """Ask which models keys may call."""
        ...


def engine_of(caller: Caller) -> Engine:
    """Return the engine; it is loaded here, so that help and bad flags answer at once."""
    return cast("Engine", caller.engine or importlib.import_module("batch.runs"))


def conduct(caller: Caller, start: Callable[[Engine, Watch], Coroutine[Any, Any, Outcome]]) -> int:
    """Run a use, say what it came to, and return its exit code."""
    return report(caller, conducted(caller, start))


def conducted(
    caller: Caller, start: Callable[[Engine, Watch], Coroutine[Any, Any, Outcome]]
) -> Outcome:
    """Run a use in an event loop while showing its progress; return what it came to.

    Signals are the engine's: it knows what is in flight, and its outcome holds the code.
    """
    watch = _watch(caller)
    try:
        with restored():
            outcome = in_loop(start(engine_of(caller), watch))
    finally:
        watch.end()
    caller.outcomes.append(outcome)
    if caller.log is not None:
        caller.log.ended(outcome)
    return outcome


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end what is given, on uvloop where that is installed. Raises ``CannotWrite``.

    Which it does before there is a loop: with too few files open that one ends in a crash.
    """
    try:
        import asyncio  # noqa: PLC0415 - as above

        require_open_files()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    finally:
        work.close()  # of one that never began, Python would have something to say


def report(caller: Caller, outcome: Outcome) -> int:
    """Say what a run came to, and return its exit code. Raises ``CannotWrite``."""
    say(caller, outcome.exit_code, outcome.lines)
    if caller.json:
        document = orjson.dumps(outcome.summary, option=orjson.OPT_APPEND_NEWLINE)
        caller.emit(document, "the summary")
    return outcome.exit_code


def say(caller: Caller, exit_code: int, lines: Iterable[str]) -> None:
    """Say what something came to; nothing if it went well and the caller wants it quiet."""
    told: Sequence[str] = list(lines)
    caller.words += told
    if caller.log is not None and len(told) == 1:  # what is longer is the end of a run: it is there
        caller.log.say(told[0])
    if caller.only_log:
        return
    if caller.quiet:
        told = caller.shortened(told) if exit_code else ()
    for line in told:
        caller.tell(line)


def _watch(caller: Caller) -> Watch:
    if caller.log is None:
        return _progress(caller)
    if caller.only_log:
        return caller.log
    from batch.session.runlog import Watches  # noqa: PLC0415 - only here

    return Watches(_progress(caller), caller.log)


def _progress(caller: Caller) -> Progress:
    stream = sys.stderr or io.StringIO()
    style = choose_style(
        "none" if caller.quiet else caller.progress,
        columns=_columns(stream),
        term=caller.environ.get("TERM", ""),
    )
    verbose = caller.verbose > 0
    return Progress(style, stream, time.time, quiet=caller.quiet, verbose=verbose)


def _columns(stream: TextIO) -> int:
    try:
        # Terminals of containers may be 0 by 0, and a bar on them shows nothing at all.
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return 0
    return size.columns if size.lines else 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - missing where it has not been built
    except ImportError:
        return None
    return uvloop.new_event_loop
