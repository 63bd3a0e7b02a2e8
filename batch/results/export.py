"""The way from the records of a run to a file: which, in which order, in which format."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, Literal, TypeAlias

import msgspec

from batch.errors import BadUsage, CannotWrite
from batch.files import OsFiles
from batch.results.arrays import IDS, Npy
from batch.results.beside import Beside
from batch.results.columns import (
    OF_ERRORS,
    OWN,
    UNREPORTED,
    Column,
    Kind,
    Row,
    chosen,
    rows_of,
)
from batch.results.costs import Costs
from batch.results.logs import Logs
from batch.results.publish import GZIP, Target, refuse_target
from batch.results.record import Record, decode_record, strict
from batch.results.tables import Parquet
from batch.results.texts import Csv, Jsonl, Writer

Format: TypeAlias = Literal["jsonl", "csv", "parquet", "npy"]
SUFFIXES: Final[Mapping[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".npy": "npy",
}
_PEEKED: Final = 200  # results that tell which columns there are
_AT_ONCE: Final = 200  # rows that are written together
_UNZIPPED: Final = ("parquet", "npy")
_NO_FIELDS: Final[Mapping[str, Any]] = {}


class Wanted(msgspec.Struct, frozen=True):
    """What is to be written, and where."""

    path: str
    format: Format
    columns: tuple[str, ...] = ()  # none: the usual ones
    in_order: bool = False
    errors: bool = False  # lines that failed too
    strict: bool = False  # OpenAI's own shape
    force: bool = False  # whatever is there is replaced


class Written(msgspec.Struct):
    """What was written."""

    columns: tuple[str, ...] = ()
    rows: int = 0
    records: int = 0
    changed: int = 0  # lines of the inputs that are no longer what was asked
    skipped: int = 0  # records that hold no vector, where only vectors are written


def format_of_path(path: str, named: Format | None) -> Format:
    """Return the format of a file. Raises BadUsage if neither suffix nor flag tells."""
    stem = path.removesuffix(GZIP)
    found = named or SUFFIXES.get(os.path.splitext(stem)[1].lower())
    if found is None:
        raise BadUsage(
            f"-o {path}: its ending tells no format. Known are {', '.join(SUFFIXES)}, the texts "
            "among them also with .gz; or say --format jsonl, csv, parquet or npy"
        )
    if found in _UNZIPPED and stem != path:
        raise BadUsage(f"-o {path}: {found} is not packed with gzip. Leave the .gz away")
    return found


class Sources(msgspec.Struct, frozen=True):
    """What rows are made of."""

    logs: Logs
    beside: Beside | None = None  # None: without columns of the inputs
    costs: Costs | None = None  # None: without costs


def export(sources: Sources, wanted: Wanted, kept: Sequence[str]) -> Written:
    """Write the records of a run into a file. Raises BadUsage, BadData, CannotWrite.

    ``kept`` are the inputs, which must not be overwritten, as the files of the run must not.
    """
    logs = sources.logs
    paths, files = logs.paths, OsFiles()
    path = os.path.realpath(wanted.path)  # a link stays one
    names = [path, path + IDS] if wanted.format == "npy" else [path]
    for name in names:
        own = (paths.results, *kept)
        refuse_target(name, own, paths.folder, force=wanted.force)
    done = Written()
    try:
        with contextlib.ExitStack() as stack:
            targets = [stack.enter_context(Target(files, name)) for name in names]
            if wanted.strict:
                _write_strict(logs, wanted, targets[0], done)
            else:
                _write_rows(sources, wanted, targets, done)
            for target in reversed(targets):
                target.place()
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or wanted.path}: {error.strerror or error}. Nothing was put in the "
            f"place of {wanted.path}"
        ) from error
    return done


def _write_strict(logs: Logs, wanted: Wanted, target: Target, done: Written) -> None:
    lines = (strict(record) + b"\n" for record, _ in _records(logs, None, wanted, done))
    while some := list(islice(lines, _AT_ONCE)):
        target.write(b"".join(some))
        done.rows += len(some)


def _write_rows(sources: Sources, wanted: Wanted, targets: Sequence[Target], done: Written) -> None:
    columns = columns_of(sources, wanted)
    writer = _writer(wanted, targets, columns)
    for some in rows(sources, wanted, columns, done):
        writer.write(some)
        done.rows += len(some)
    writer.finish()
    done.columns = tuple(one.name for one in columns)
    if isinstance(writer, Npy):
        done.columns = ()
        done.rows, done.skipped = writer.rows, writer.skipped


def columns_of(sources: Sources, wanted: Wanted) -> tuple[Column, ...]:
    """Return the columns of a table: those that are wanted, else what the records have."""
    beside = sources.beside
    if wanted.columns and OWN.keys() >= set(wanted.columns):
        beside = None  # nothing of the inputs is asked for, so they need not be read
    kinds: Mapping[str, Kind] = beside.kinds() if beside else {}
    return chosen(_present(sources, wanted), kinds, wanted.columns)


def rows(
    sources: Sources, wanted: Wanted, columns: Sequence[Column], done: Written
) -> Iterator[list[Row]]:
    """Yield the rows of a table, some at a time."""
    used = sources.beside if any(one.of_input for one in columns) else None
    by_vector = any(one.name in ("embedding", "index") for one in columns)
    by_vector = by_vector or wanted.format == "npy"
    costs = sources.costs if any(one.name == "cost" for one in columns) else None
    price = costs.of if costs else _unpriced
    made: Iterator[Row] = (
        Row(record, (told := record.x_run), told.counts or UNREPORTED, fields, price(record))
        for record, fields in _records(sources.logs, used, wanted, done)
    )
    if by_vector:
        made = chain.from_iterable(map(rows_of, made))
    while some := list(islice(made, _AT_ONCE)):
        yield some


def _unpriced(_record: Record) -> None:
    """Reckon nothing: no column shows it."""


def _writer(wanted: Wanted, targets: Sequence[Target], columns: Sequence[Column]) -> Writer:
    match wanted.format:
        case "jsonl":
            return Jsonl(targets[0], columns)
        case "csv":
            return Csv(targets[0], columns)
        case "parquet":
            return Parquet(targets[0].aside, columns)
        case "npy":
            return Npy(*targets)


def _records(
    logs: Logs, beside: Beside | None, wanted: Wanted, done: Written
) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Yield the records with the fields of their lines, which are read in the inputs' order."""
    if beside is not None:
        yield from _joined(logs, beside, wanted, done)
        return
    lines: Iterator[bytes]
    if wanted.in_order:
        lines = (line for _, line in logs.in_order(errors=wanted.errors))
    elif wanted.errors:
        lines = chain(logs.results(), logs.errors())
    else:
        lines = logs.results()
    for line in lines:
        done.records += 1
        yield decode_record(line), _NO_FIELDS


def _joined(
    logs: Logs, beside: Beside, wanted: Wanted, done: Written
) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    lines = beside.lines()
    line = next(lines, None)
    for ordinal, raw in logs.in_order(errors=wanted.errors):
        record = decode_record(raw)
        while line is not None and line.ordinal < ordinal:
            line = next(lines, None)
        fields: Mapping[str, Any] = {}
        if line is not None and line.ordinal == ordinal and record.x_run.sum == f"{line.sum:016x}":
            fields = beside.fields(line)
        else:
            done.changed += 1
        done.records += 1
        yield record, fields


def _present(sources: Sources, wanted: Wanted) -> set[str]:
    """Return which columns the records of this run have beside the usual ones.

    The first of them tell it, and the first of each model at each endpoint.
    """
    names = set(OF_ERRORS) if wanted.errors else set()
    if os.path.isdir(sources.logs.paths.files):
        names.add("files")
    totals = sources.logs.found.history.totals
    unseen = {(model, endpoint) for _, model, endpoint, *_ in totals.buckets}
    for place, line in enumerate(sources.logs.results()):
        if place >= _PEEKED and not unseen:
            break
        record = decode_record(line)
        asked = record.x_run.model, record.x_run.endpoint
        if place >= _PEEKED and asked not in unseen:
            continue
        unseen.discard(asked)
        label = record.x_run.label or {}
        names |= {"label", "confidence"} & {"label" if "value" in label else "", *label}
        if record.x_run.files:
            names.add("files")
        if sources.costs and sources.costs.of(record) is not None:
            names.add("cost")
        if record.wire is not None and record.wire.vectors(record.body):
            names |= {"index", "embedding"}
    return names
