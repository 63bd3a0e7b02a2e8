"""Who called, how they want to be spoken to, and the writing to the two streams and to files.

A stream whose reader is gone is a nuisance, not a failure: it never changes an exit code.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

import click


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

    def tell(self, line: str) -> None:
        """Write a line for people on stderr, with nothing in it that a terminal would obey."""
        # Not at the top: it loads msgspec, which --help can do without.
        from batch.snapshot import visible  # noqa: PLC0415

        self.tell_raw(visible(line))

    def tell_raw(self, text: str) -> None:
        """Write a text of our own on stderr, line breaks and colors as they are."""
        _write(sys.stderr, text.rstrip("\n") + "\n")

    def complain(self, message: str) -> None:
        """Say on stderr what went wrong, in one paragraph."""
        if self.paints(sys.stderr):
            _write(sys.stderr, click.style("error:", fg="red", bold=True) + " ")
            self.tell(message)
        else:
            self.tell(f"error: {message}")

    def emit(self, data: bytes, what: str) -> None:
        """Write data on stdout, what it is in words.

        Raises ``CannotWrite`` if that fails, unless nobody reads any more.
        """
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
        plain = self.no_color or self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb"
        return not plain and stream is not None and stream.isatty()

    def flush(self) -> None:
        """Empty both streams; what fails later, while Python ends, would be the exit code."""
        _write(sys.stdout, b"")
        _write(sys.stderr, b"")


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
