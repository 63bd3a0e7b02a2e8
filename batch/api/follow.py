"""The records of a run that goes on, read back from its logs as soon as they are safe there.

First what earlier sessions left, then what this one adds. Only places in the files are kept, so
that a reader who is slow costs neither memory nor the run its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Final

from batch.api.result import Result, result_of
from batch.inputs.chosen import Chosen
from batch.ledger.book import Book
from batch.ledger.paths import Paths
from batch.ledger.scan import numbered
from batch.plan import Plan
from batch.results.logs import Held, Logs

_LINES: Final = 200  # of a portion
_BYTES: Final = 1 << 20  # of one, before it takes no further line


class Follow:
    """Reads each line's record once. Opened by the run's thread, read by another one."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._open = ExitStack()
        self._records: Iterator[bytes | None] | None = None
        self._chosen: Chosen | None = None
        self._folder = ""
        self._book: Book
        self._safe = (0, 0)  # bytes of results and errors that are on stable storage

    def begin(self, plan: Plan, book: Book) -> None:
        """Hold the logs open as they stand, and have every commit told."""
        paths = plan.paths
        held = Held(paths.results, paths.errors)
        self._open.callback(held.close_all)
        before = self._open.enter_context(Logs(paths, paths.cache))
        self._chosen, self._folder = plan.opened.chosen, paths.folder
        self._book, self._safe = book, book.safe
        self._records = self._read(held, paths, before, self._safe)
        book.on_commit = self._committed

    def take(self) -> list[Result]:
        """Return some of the results that nobody has taken; none: there is nothing new."""
        taken: list[Result] = []
        size = 0
        for record in self._records or ():
            if record is None:
                break
            size += len(record)
            result = result_of(record, self._folder)
            if self._chosen is None or result.line in self._chosen:
                taken.append(result)
            if len(taken) >= _LINES or size >= _BYTES:
                break
        return taken

    def close(self) -> None:
        """Let go of the files."""
        self._records = None
        self._open.close()

    def _committed(self) -> None:
        self._safe = self._book.safe
        self._wake()

    def _read(
        self, held: Held, paths: Paths, before: Logs, start: tuple[int, int]
    ) -> Iterator[bytes | None]:
        """Yield records, and None when there is none for now."""
        yield from chain(before.results(), before.errors())
        at = list(start)
        while True:
            safe = self._safe
            for log, path in enumerate((paths.results, paths.errors)):
                for _, record, _ in numbered(held, path, at[log], safe[log]):
                    yield record
            at[:] = safe
            if safe == self._safe:
                yield None
