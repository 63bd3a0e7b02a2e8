"""Labels that people gave: a CSV or TSV table, or JSONL, matched by its ids."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from batch.errors import BadData, NoInput
from batch.inputs.table import read_head

IDS: Final = ("custom_id", "id")  # names of the column of ids, if none is told
LABEL: Final = "label"
TEXTS: Final = ("text", "prompt")  # names of the column that is shown beside a disagreement
_TABLES: Final = (".csv", ".tsv", ".txt")


class GoldLine(msgspec.Struct, frozen=True):
    """What people said of one line."""

    label: str
    text: str = ""


class Gold(msgspec.Struct, frozen=True):
    """What people said, by id."""

    lines: Mapping[str, GoldLine]  # without those that have no label


def read_gold(path: str, id_column: str | None, label_column: str | None) -> Gold:
    """Read a file of labels. Raises ``NoInput`` or ``BadData``, naming the line."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise NoInput(f"gold file {path}: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadData(f"{path}:{line}: not UTF-8. Save the gold file as UTF-8") from None
    rows = _table(path, text) if path.lower().endswith(_TABLES) else _objects(path, text)
    return _gathered(path, rows, id_column, label_column or LABEL)


def _gathered(
    path: str, rows: Iterator[tuple[int, Mapping[str, Any]]], id_column: str | None, label: str
) -> Gold:
    lines: dict[str, GoldLine] = {}
    first: dict[str, int] = {}
    for number, row in rows:
        where = f"{path}:{number}"
        key = _column(where, row, [id_column] if id_column else IDS, "--id-column")
        _column(where, row, [label], "--gold-column")
        name, said = _cell(where, row[key]), _cell(where, row[label])
        if not name:
            raise BadData(f"{where}: the {key} is empty")
        if name in first:
            raise BadData(f"{where}: {key} {name!r} was used on line {first[name]} already")
        first[name] = number
        if said:
            text = next((row[one] for one in TEXTS if isinstance(row.get(one), str)), "")
            lines[name] = GoldLine(said, text)
    if not lines:
        raise BadData(f"{path}: no line of the gold file has a label")
    return Gold(lines)


def _column(where: str, row: Mapping[str, Any], names: Sequence[str], flag: str) -> str:
    for name in names:
        if name in row:
            return name
    there = ", ".join(str(name) for name in row if name is not None)
    raise BadData(f"{where}: no column {' or '.join(names)}. There are {there}; name it by {flag}")


def _cell(where: str, value: Any) -> str:
    """Return an id or a label as text; a number is the text that it is written as."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, dict | list):
        raise BadData(f"{where}: ids and labels are texts, not lists or objects")
    return orjson.dumps(value).decode()


def _table(path: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.partition("\n")[0].rstrip("\r")
    separator = read_head(f"{path}:1", head.encode(), None, "utf-8").separator
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                raise BadData(f"{path}:{rows.line_num}: more or fewer cells than columns")
            yield rows.line_num, row
    except csv.Error as error:
        raise BadData(f"{path}:{rows.line_num}: no CSV: {error}") from None


def _objects(path: str, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadData(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise BadData(f"{path}:{number}: JSON, but not an object: {{…}}")
        yield number, row
