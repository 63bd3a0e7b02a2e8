"""A run, finished or not, opened to be looked at: its records, and the inputs beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from batch.errors import NoInput, Refusal
from batch.files import OsFiles
from batch.inputs.envelope import Reader
from batch.inputs.lines import RawLine
from batch.inputs.sources import open_inputs
from batch.ledger.paths import Paths
from batch.opening import recorded_inputs
from batch.plan import as_recorded
from batch.records import BadLine
from batch.results.beside import Beside
from batch.results.logs import Logs
from batch.settings.tree import Settings
from batch.shares import input_settings
from batch.texts import kept, reading
from batch.wire import Piece, formats


class Asked(msgspec.Struct, frozen=True):
    """The inputs of a run, to be read again."""

    beside: Beside
    reader: Reader

    def prompt(self, line: RawLine) -> list[Piece]:
        """Return what a line asks, turn by turn; of one that asks nothing the line itself."""
        row = self.reader.parse(line)
        if isinstance(row, BadLine):
            raw = (line.raw or b"").decode("utf-8", "replace")
            return [Piece("line", raw)] if raw else []
        return formats()[row.format].prompt(row.body)


class Looked(msgspec.Struct, frozen=True):
    """A run, and what it was asked."""

    logs: Logs
    asked: Asked | None  # None: the inputs cannot be read any more
    why: str  # why not
    kept: tuple[str, ...]  # the inputs, by their paths


@contextmanager
def looked_at(paths: Paths, scratch: str | None = None) -> Iterator[Looked]:
    """Open a run for reading. Raises NoInput if there is none, BadData for a damaged one.

    ``scratch`` is a folder for what does not fit into memory.
    """
    with Logs(paths, scratch) as logs:
        names: tuple[str, ...] = ()
        asked, why = None, ""
        try:
            names = recorded_inputs(logs.found.history, paths)
            asked = _reopened(names, paths, logs)
        except Refusal as refusal:
            why = str(refusal)
        yield Looked(logs, asked, why, names)


def _reopened(names: tuple[str, ...], paths: Paths, logs: Logs) -> Asked:
    """Open the inputs again, and understand them as the run did, as far as it is on record."""
    for name in names:
        if os.path.exists(name) and not os.path.isfile(name):
            raise NoInput(f"{name} was a stream, which cannot be read again")
    identity = logs.found.history.identity
    settings = as_recorded(Settings(output=paths.results), identity)
    how = reading(settings.request, kept(OsFiles(), paths, identity))
    inputs = open_inputs(names, paths.spool, settings.limits.max_line_bytes, reading=how)
    reader = Reader(formats(), input_settings(settings, how), inputs.forms)
    return Asked(Beside(inputs), reader)
