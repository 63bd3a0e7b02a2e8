"""The columns that a table of answers may have, and what of a record stands in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

import msgspec
import orjson

from batch.errors import BadUsage
from batch.ledger.entries import Counts
from batch.results.record import Record, Told
from batch.wording import shown, spelled

# What the values of a column are: "value" is whatever the inputs have.
Kind: TypeAlias = Literal["text", "int", "float", "bool", "value", "vector"]
UNREPORTED: Final = Counts()
INPUT: Final = "input_"  # before the name of an input's column that is also one of ours


class Row(msgspec.Struct, frozen=True, gc=False):
    """What a row is made of: a record, one of its vectors, and the fields of its line.

    What a record says of its line has a place of its own: most columns are of it.
    """

    record: Record
    told: Told
    counts: Counts
    fields: Mapping[str, Any] = {}
    cost: float | None = None
    index: int | None = None
    vector: bytes | None = None


class Column(msgspec.Struct, frozen=True):
    """One column."""

    name: str
    kind: Kind
    get: Callable[[Row], Any]
    of_input: bool = False


def _usage(name: str) -> Callable[[Row], Any]:
    return attrgetter(f"counts.{name}")


def _told(name: str) -> Callable[[Row], Any]:
    return attrgetter(f"told.{name}")


def _label(row: Row) -> str | None:
    value = (row.told.label or {}).get("value")
    return None if value is None else spelled(value)


def _files(row: Row) -> str | None:
    return " ".join(one.path for one in row.told.files) or None


def _message(row: Row) -> str | None:
    return row.record.message or None


_OWN: Final[tuple[Column, ...]] = (
    Column("custom_id", "text", attrgetter("record.custom_id")),
    Column("label", "text", _label),
    Column("confidence", "float", lambda row: (row.told.label or {}).get("confidence")),
    Column("text", "text", attrgetter("record.text")),
    Column("index", "int", attrgetter("index")),
    Column("embedding", "vector", attrgetter("vector")),
    Column("files", "text", _files),
    Column("finish", "text", lambda row: row.told.finish or None),
    Column("model", "text", _told("model")),
    Column("input_tokens", "int", _usage("input_tokens")),
    Column("output_tokens", "int", _usage("output_tokens")),
    Column("cost", "float", attrgetter("cost")),
    Column("error", "text", _told("class_")),
    Column("message", "text", _message),
    Column("body", "value", lambda row: orjson.Fragment(row.record.body)),
    Column("line", "int", _told("line")),
    Column("model_answered", "text", _told("model_answered")),
    Column("endpoint", "text", _told("endpoint")),
    Column("key", "text", _told("key")),
    Column("attempts", "int", _told("attempts")),
    Column("started_at", "text", _told("started_at")),
    Column("ms", "int", _told("ms")),
    Column("request_id", "text", lambda row: getattr(row.record.response, "request_id", None)),
    *(
        Column(name, "int", _usage(name))
        for name in (
            *("input_cached_tokens", "input_cache_write_tokens", "input_cache_write_1h_tokens"),
            *("output_reasoning_tokens", "images", "characters", "searches"),
        )
    ),
    Column("seconds", "float", _usage("seconds")),
    Column("tier", "text", _usage("tier")),
)
OWN: Final[Mapping[str, Column]] = {one.name: one for one in _OWN}
ALWAYS: Final = ("custom_id", "text", "finish", "model", "input_tokens", "output_tokens")
OF_ERRORS: Final = ("error", "message")
_NAMED: Final = 20  # columns of the inputs that a message names


def chosen(
    there: Iterable[str], inputs: Mapping[str, Kind], wanted: Sequence[str]
) -> tuple[Column, ...]:
    """Return the columns of a table: those that are wanted, else what is always or now ``there``.

    ``inputs`` has the columns of the inputs. Raises BadUsage for one that nobody knows.
    """
    others = {one.name: one for one in _of_inputs(inputs)}
    if not wanted:
        names = {*ALWAYS, *there}
        return (*(one for one in _OWN if one.name in names), *others.values())
    unknown = [name for name in wanted if name not in OWN and name not in others]
    if unknown:
        known = ", ".join(shown(name) for name in (*OWN, *list(others)[:_NAMED]))
        raise BadUsage(f"--columns: {shown(unknown[0])} is none of the columns, which are {known}")
    return tuple(OWN.get(name) or others[name] for name in dict.fromkeys(wanted))


def _of_inputs(inputs: Mapping[str, Kind]) -> Iterator[Column]:
    """Yield the columns of the inputs, each under a name that no other column has."""
    taken = OWN.keys() | inputs.keys()
    for name, kind in inputs.items():
        free = name
        while free in OWN or (free != name and free in taken):
            free = f"{INPUT}{free}"
        taken.add(free)
        yield Column(free, kind, _field(name), of_input=True)


def _field(name: str) -> Callable[[Row], Any]:
    return lambda row: row.fields.get(name)


def rows_of(row: Row) -> list[Row]:
    """Return a row for each vector of its record; the row itself if that has none."""
    record = row.record
    if record.failed or record.wire is None:
        return [row]
    several = enumerate(record.wire.vectors(record.body))
    return [
        msgspec.structs.replace(row, index=place, vector=vector) for place, vector in several
    ] or [row]
