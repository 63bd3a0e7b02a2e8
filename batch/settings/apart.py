"""List prices, looked up in a process of their own.

The list takes 12 MB and more once it is loaded, of which a run of hours needs a few numbers. So a
run asks another process, which ends by itself when it is asked nothing for a while.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from batch.pricing import Price

IDLE_SECONDS: Final = 3.0
# The package is where it is here, whatever stands in the folder of the command.
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from batch.settings.apart import serve; serve()"
)
_ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What Python may need to start. All else it is not told: keys stand in variables of any name.
_NEEDED: Final = re.compile(r"PATH|HOME|LANG|LC_\w+|LD_\w+|DYLD_\w+|TMPDIR|PYTHON\w+|VIRTUAL_ENV")

Listed = Callable[[str, float], Price | None]


class Question(msgspec.Struct, frozen=True):
    """What a model cost at a time, of which the gateway takes so many times as much."""

    model: str
    at: float  # seconds since the epoch
    multiplier: Decimal


def started() -> subprocess.Popen[bytes]:
    """Start the other process."""
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", _START, _ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the run
        env={name: value for name, value in os.environ.items() if _NEEDED.fullmatch(name)},
    )


class Apart:
    """Looks prices up elsewhere, each once; and here, if there is no other process to be had."""

    def __init__(
        self,
        multiplier: Decimal,
        here: Listed,
        start: Callable[[], subprocess.Popen[bytes]] = started,
    ) -> None:
        self._multiplier = multiplier
        self._here = here
        self._start = start
        self._known: dict[tuple[str, float], Price | None] = {}
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, model: str, at: float) -> Price | None:
        """Return a model's list price at a time; None if it has none."""
        place = model, at
        if place not in self._known:
            question = msgspec.json.encode(Question(model, at, self._multiplier)) + b"\n"
            # It may have ended just now, as it was asked nothing.
            told = self._ask(question) or self._ask(question)
            self._known[place] = (
                msgspec.json.decode(told, type=Price | None) if told else self._here(model, at)
            )
        return self._known[place]

    def _ask(self, question: bytes) -> bytes:
        """Return a line of answer; nothing if nobody is there."""
        try:
            child = self._child or self._start()
            if child is not self._child:
                self._child = child
                weakref.finalize(self, _end, child)
            if child.stdin is None or child.stdout is None:
                return b""
            child.stdin.write(question)
            child.stdin.flush()
            told = child.stdout.readline()
        except OSError:
            told = b""
        if not told and self._child is not None:
            _end(self._child)
            self._child = None
        return told


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the other process: it goes when nobody can ask it any more."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


def serve() -> None:
    """Answer questions on standard input, line by line, until nobody asks for a while."""
    from batch.settings.pricelist import listed  # noqa: PLC0415 - it loads what others do without

    while select.select([sys.stdin.buffer], [], [], IDLE_SECONDS)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        asked = msgspec.json.decode(line, type=Question)
        look = listed(asked.multiplier)
        price = look(asked.model, asked.at) if look is not None else None
        sys.stdout.buffer.write(msgspec.json.encode(price) + b"\n")
        sys.stdout.buffer.flush()
