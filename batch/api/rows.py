"""Data of a program as a file of lines: what was asked is on disk before it is sent.

The file stands beside the output and is an input like any other: a later call compares each line
with what was asked. It is written once, and again only if the data have grown.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias

from batch.api.json_line import json_line
from batch.errors import BadData, BadUsage, CannotWrite, NoInput
from batch.files import OsFiles
from batch.ledger.paths import Paths
from batch.results.publish import Target
from batch.wording import shown

FilePath: TypeAlias = str | os.PathLike[str]
# Any: a DataFrame of pandas or polars, whose types are known only where they are installed.
Inputs: TypeAlias = FilePath | Iterable[FilePath] | Iterable[Mapping[str, Any]] | Any
_BLOCK: Final = 1 << 20  # bytes that are written and compared at once


def split(inputs: Any) -> tuple[tuple[str, ...], Iterator[Mapping[str, Any]] | None]:
    """Return the paths of files, or the rows of data. Raises BadUsage for neither."""
    if inputs is None:
        return (), None
    if isinstance(inputs, str | os.PathLike):
        return (os.fspath(inputs),), None
    if isinstance(inputs, Mapping):
        raise BadUsage("inputs: a single dict is no list of rows. Write [row]")
    each = iter(_rows_of_frame(inputs))
    first = next(each, None)
    if first is None:
        return (), iter(())
    if isinstance(first, str | os.PathLike):
        return tuple(_path(one) for one in chain((first,), each)), None
    return (), (_row(number, one) for number, one in enumerate(chain((first,), each), 1))


def require_files(paths: Iterable[str]) -> None:
    """Refuse what is no file: most likely a text that was to be sent. Raises NoInput."""
    for path in paths:
        if path != "-" and not os.path.exists(path):
            raise NoInput(
                f"inputs: there is no file {shown(path)!r}. A text stands for the path of a file; "
                'to send texts, give rows: [{"prompt": text} for text in texts]'
            )


def input_of(output: str) -> str:
    """Return where rows are written: out.input.jsonl beside out.jsonl."""
    return f"{output.removesuffix('.jsonl')}.input.jsonl"


class Written:
    """Rows on disk, until it is known whether a run takes them."""

    def __init__(self, path: str = "", before: str = "") -> None:
        self._path = path  # if it was written
        self._before = before  # what was in its place, if anything was

    def settle(self, *, taken: bool, shared: bool = False) -> None:
        """Let what was there go, or bring it back: a run that is refused leaves nothing behind.

        ``shared``: another run has the output, and may be about to read these very rows.
        """
        path, before = self._path, self._before
        self._path = self._before = ""
        with contextlib.suppress(OSError):
            if before and taken:
                os.unlink(before)
            elif before:
                os.replace(before, path)
            elif path and not taken and not shared:
                os.unlink(path)


def put(rows: Iterable[Mapping[str, Any]], output: str, *, replace: bool) -> Written:
    """Write rows as the input of the run at ``output``.

    Raises BadData where a run has been begun there with other rows, or the file is somebody's,
    unless it may be replaced; BadUsage for a row that is no JSON, CannotWrite.
    """
    paths, path, files = Paths(os.path.realpath(output)), input_of(output), OsFiles()
    begun = files.length(paths.journal) > 0
    try:
        files.make_folder(paths.parent)
        with Target(files, os.path.realpath(path)) as target:
            same, grown = _write(_blocks(rows), target, path)
            if not same and not replace:
                raise _others(path, output, begun)
            if same and not grown:
                return Written()
            before = _kept(path)
            target.place()
    except OSError as error:
        raise CannotWrite(f"{error.filename or path}: {error.strerror or error}") from error
    return Written(path, before)


def _others(path: str, output: str, begun: bool) -> BadData:
    if not begun:
        return BadData(
            f"{path} is there already and holds other lines. Rows are written there: move it away, "
            "or give another --output"
        )
    return BadData(
        f"{path}: the rows are not those that the run at {output} began with. Nothing was changed. "
        "Give the earlier rows, and new ones only after them; or --keep-answers, --new-run, or "
        "another --output"
    )


def _kept(path: str) -> str:
    """Keep what is there under another name, and return that; "" if there is nothing."""
    before = f"{path}.before"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(before)
        os.link(path, before)
    except OSError:  # also of file systems that know no links: then it cannot be brought back
        return ""
    return before


def _write(blocks: Iterable[bytes], target: Target, path: str) -> tuple[bool, bool]:
    """Write all; return whether it begins with the whole of an older file, and whether it goes on.

    Without an older file it begins with nothing and goes on.
    """
    try:
        older = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        for block in blocks:
            target.write(block)
        return True, True
    same, grown = True, False
    with older:
        for block in blocks:
            before = older.read(len(block))
            same = same and block.startswith(before)
            grown = grown or len(before) < len(block)
            target.write(block)
        same = same and not older.read(1)
    return same, grown


def _blocks(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for number, row in enumerate(rows, 1):
        line = json_line(number, row)
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _rows_of_frame(data: Any) -> Iterable[Any]:
    """Return the rows of a DataFrame of pandas or polars; of anything else what it yields."""
    if hasattr(data, "itertuples") and hasattr(data, "columns"):
        names = [str(name) for name in data.columns]
        return (
            dict(zip(names, map(_or_missing, values), strict=True))
            for values in data.itertuples(index=False, name=None)
        )
    if hasattr(data, "iter_rows"):
        rows: Iterable[Any] = data.iter_rows(named=True)
        return rows
    if not hasattr(data, "__iter__"):
        raise BadUsage(
            "inputs: give the path of a file, several of them, a list of dicts, or a DataFrame"
        )
    each: Iterable[Any] = data
    return each


def _or_missing(value: Any) -> Any:
    """Return a cell of pandas, which also has NaN for what is missing; polars tells them apart."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _path(one: Any) -> str:
    if not isinstance(one, str | os.PathLike):
        raise BadUsage("inputs: paths and rows stand in one list. Give either")
    return os.fspath(one)


def _row(number: int, one: Any) -> Mapping[str, Any]:
    if not isinstance(one, Mapping):
        raise BadUsage(f"inputs: row {number:,} is no dict. Give rows as dicts, or paths of files")
    return one
