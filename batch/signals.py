"""The signals that end a command, the exit codes that they give it, and when they end it how.

It loads next to nothing, since until it is loaded they have Python end with a traceback.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

SIGNALS = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    signal.SIGHUP: 143,
}


def heeded() -> list[signal.Signals]:
    """Return those of them that are not ignored: nohup and shells mean it so."""
    return [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]


def loading() -> None:
    """Have them end the process at once, without a word.

    An exception that is raised while a module loads may crash it: some are not written in Python.
    """
    for one in heeded():
        signal.signal(one, _at_once)


def loaded() -> None:
    """Have Ctrl-C be an exception again, if it was to end the process at once.

    The other two go on doing so where nothing heeds them: no event loop expects an exception of
    theirs, and files are safe from worse.
    """
    if signal.getsignal(signal.SIGINT) is _at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Have Ctrl-C do afterwards what it did before."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def unheard(*_: object) -> None:
    """Let a signal pass: what it asks for is being done."""


def leaving(code: int) -> None:
    """Have them end the process at once with the code that it has come to."""
    for one in heeded():
        signal.signal(one, lambda *_: os._exit(code))


def gone() -> None:
    """Ignore them while Python takes itself apart, lest one be what the process died of.

    That takes a few milliseconds, and nothing in it waits.
    """
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)


def _at_once(number: int, _: object) -> None:
    os._exit(SIGNALS[signal.Signals(number)])
