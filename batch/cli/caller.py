"""Who called, how they want to be spoken to, and the writing to the two streams and to files.

A stream whose reader is gone is a nuisance, not a failure: it never changes an exit code.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

MOST: Final = 10

if TYPE_CHECKING:  # help can do without
    from batch.session.runlog import RunLog
    from batch.session.summary import Outcome


_COLOR: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_KEPT: Final = "\n\t\u200b\u200c\u200d"  # some of no width: Persian and emoji need them


class Caller:
    """One call of the command. ``engine`` stands in for the real one where it is given."""

    def __init__(
        self,
        engine: Any = None,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.environ = environ
        self.clock = clock
        self.quiet = False
        self.verbose = 0
        self.json = False
        self.progress = "auto"
        self.no_color = False
        self.log: RunLog | None = None  # of what happens, if one is kept
        self.only_log = False  # stderr is that log: nothing else may come between
        self.room = MOST  # lines in which who wants it quiet is told of a failure
        self.words: list[str] = []  # the last ones, also where they are not said aloud
        self.outcomes: list[Outcome] = []  # of the runs that this call made

    def tell(self, line: str) -> None:
        """Write a line for people on stderr, with nothing in it that a terminal would obey."""
        # Not at the top: it loads msgspec, which --help can do without.
        from batch.session.snapshot import visible  # noqa: PLC0415

        if self.only_log and self.log is not None:
            self.log.say(line)
        else:
            self.tell_raw(visible(line))

    def tell_raw(self, text: str) -> None:
        """Write a text of our own on stderr, line breaks and colors as they are."""
        _write(sys.stderr, text.rstrip("\n") + "\n")

    def log_to_stderr(self) -> None:
        """Make stderr a log of JSON, an object a line, with nothing else in between."""
        from batch.session.runlog import RunLog  # noqa: PLC0415

        if not self.only_log:
            self.log = RunLog(
                lambda data: _write(sys.stderr, data.decode()),
                "json",
                self.clock,
                quiet=self.quiet,
            )
            self.only_log = True

    def complain(self, message: str, exit_code: int | None = None) -> None:
        """Say on stderr what went wrong, in one paragraph."""
        self.words.append(f"error: {message}")
        if self.log is not None:
            self.log.refused(message, exit_code)
        if self.only_log:
            return
        if self.paints(sys.stderr):
            _write(sys.stderr, click.style("error:", fg="red", bold=True) + " ")
            self.tell(message)
        else:
            self.tell(f"error: {message}")

    def shortened(self, lines: Sequence[str]) -> Sequence[str]:
        """Return what is said of a failure to who wants it quiet, and will read it in a mail.

        Of several runs the first has the room, and of the others there is one line each.
        """
        from batch.notices.texts import brief  # noqa: PLC0415

        if len(lines) > 1:
            lines, self.room = brief(lines, self.room), 0
        return lines

    @property
    def attended(self) -> bool:
        """Return whether somebody at a terminal can be asked."""
        streams = (sys.stdin, sys.stderr)
        here = all(stream is not None and stream.isatty() for stream in streams)
        return here and not self.only_log

    def ask(self, question: str) -> bool:
        """Ask on the terminal, and return whether the answer is yes."""
        from batch.session.snapshot import visible  # noqa: PLC0415

        _write(sys.stderr, f"{visible(question)} [y/N] ")
        try:
            said = sys.stdin.readline()
        except UnicodeDecodeError:  # of a keyboard that types in another encoding
            said = "\n"
        if not said.endswith("\n"):  # the end of the input was typed, and the cursor stays there
            _write(sys.stderr, "\n")
        return said.strip().lower() in ("y", "yes")

    def emit(self, data: bytes, what: str) -> None:
        """Write data on stdout, what it is in words.

        Raises ``CannotWrite`` if that fails, unless nobody reads any more.
        """
        if sys.stdout is not None and sys.stdout.isatty():
            data = _tame(data.decode("utf-8", "replace")).encode()
        failure = _write(sys.stdout, data)
        if failure is not None and not isinstance(failure, BrokenPipeError):
            # Not at the top, as for all that is needed only when something is to be said.
            from batch.errors import CannotWrite  # noqa: PLC0415

            raise CannotWrite(f"cannot write {what} to stdout: {failure}") from failure

    def write(self, path: str, data: bytes, kept: Sequence[str]) -> None:
        """Put a file in place, readable by its owner alone.

        Raises ``BadUsage`` if it would replace a file of a run or one of ``kept``, else
        ``CannotWrite`` if it fails.
        """
        from batch.errors import CannotWrite  # noqa: PLC0415
        from batch.files import OsFiles, write_whole  # noqa: PLC0415
        from batch.results.publish import refuse_kept  # noqa: PLC0415

        refuse_kept(path, kept)
        try:
            write_whole(OsFiles(), os.path.realpath(path), data)
        except OSError as error:
            raise CannotWrite(f"{path}: {error.strerror or error}") from error

    def paints(self, stream: TextIO | None) -> bool:
        """Return whether a stream shows colors, and is to."""
        if self.no_color or self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR"):
            return True
        return stream is not None and stream.isatty() and self.environ.get("TERM") != "dumb"

    def flush(self) -> None:
        """Empty both streams; what fails later, while Python ends, would be the exit code."""
        _write(sys.stdout, b"")
        _write(sys.stderr, b"")


def _tame(text: str) -> str:
    """Return what a terminal is to show of data: colors stay, nothing else that it would obey."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        part if _COLOR.fullmatch(part) else "".join(map(_harmless, part))
        for part in _COLOR.split(text)
    )


def _harmless(char: str) -> str:
    return char if char.isprintable() or char in _KEPT else " "


def _write(stream: TextIO | None, data: str | bytes) -> OSError | None:
    """Write and flush. After a failure, which is returned, the stream leads nowhere."""
    if stream is None:  # the process was started with the stream closed
        return OSError("the stream is closed")
    try:
        if isinstance(data, str):
            stream.write(data)
        else:
            stream.buffer.write(data)
        stream.flush()
    except OSError as failure:
        with suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return failure
    return None
