"""Rows as lines of text: JSONL for programs, CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import orjson

from batch.results.columns import Column, Row
from batch.results.publish import Target
from batch.wording import as_json, harmless, spelled

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # without it Excel takes UTF-8 for the local code page
_HELD: Final = 1 << 18  # characters that wait to be written


class Writer(Protocol):
    """Writes rows into a target, which is put in its place by somebody else."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""
        ...

    def finish(self) -> None:
        """Write what comes at the end."""
        ...


class Jsonl:
    """An object a line."""

    def __init__(self, target: Target, columns: Sequence[Column]) -> None:
        self._target = target
        self._getters = [(one.name, one.get) for one in columns]

    def write(self, rows: Sequence[Row]) -> None:
        """Write an object for each row, its columns in their order."""
        option, named = orjson.OPT_APPEND_NEWLINE, self._getters
        try:
            lines = [
                orjson.dumps({name: get(row) for name, get in named}, _plain, option)
                for row in rows
            ]
        except TypeError:  # a line of the inputs has a number of more than 64 bits
            lines = [
                orjson.dumps({name: _any_size(get(row)) for name, get in named}, _plain, option)
                for row in rows
            ]
        self._target.write(b"".join(lines))

    def finish(self) -> None:
        """Nothing comes at the end."""


class Csv:
    """A table for spreadsheets: UTF-8 with its mark, and nothing in it that would be calculated."""

    def __init__(self, target: Target, columns: Sequence[Column]) -> None:
        self._target = target
        self._columns = [one for one in columns if one.kind != "vector"]
        self._held = io.StringIO(newline="")
        self._csv = csv.writer(self._held)
        target.write(BYTE_ORDER_MARK)
        self._write([one.name for one in self._columns])

    def write(self, rows: Sequence[Row]) -> None:
        """Write a line for each row."""
        for row in rows:
            self._write(one.get(row) for one in self._columns)
        if self._held.tell() >= _HELD:
            self._flush()

    def finish(self) -> None:
        """Write what waits."""
        self._flush()

    def _write(self, values: Iterable[Any]) -> None:
        self._csv.writerow([cell(value) for value in values])

    def _flush(self) -> None:
        self._target.write(self._held.getvalue().encode())
        self._held.seek(0)
        self._held.truncate()


def cell(value: Any) -> Any:
    """Return a value as a cell: numbers as they are, the rest as a text that is no formula."""
    if value is None or isinstance(value, int | float):
        return ("true" if value else "false") if isinstance(value, bool) else value
    return harmless(spelled(value))


def _any_size(value: Any) -> Any:
    return orjson.Fragment(as_json(value)) if isinstance(value, int | list | dict) else value


def _plain(value: bytes) -> tuple[float, ...]:
    """Return a vector as JSON has it: nothing else among the values is unknown there."""
    return struct.unpack(f"<{len(value) // 4}f", value)
