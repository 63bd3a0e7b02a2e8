"""Rows as Parquet, by way of pyarrow: only who asks for it needs it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from batch.errors import BadConfig
from batch.results.columns import Column, Kind, Row
from batch.wording import as_json

_ROWS: Final = 10_000  # of one group, at most
_BYTES: Final = 32 << 20  # of one group, by the size of its records


class Parquet:
    """A table of row groups, each written when it is full."""

    def __init__(self, path: str, columns: Sequence[Column]) -> None:
        """Raises BadConfig if pyarrow is not installed."""
        self._arrow, parquet = _pyarrow()
        types = {
            "text": self._arrow.string(),
            "int": self._arrow.int64(),
            "float": self._arrow.float64(),
            "bool": self._arrow.bool_(),
            "value": self._arrow.string(),
            "vector": self._arrow.list_(self._arrow.float32()),
        }
        self._columns = columns
        self._schema = self._arrow.schema([(one.name, types[one.kind]) for one in columns])
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._held: list[Row] = []
        self._bytes = 0

    def write(self, rows: Sequence[Row]) -> None:
        """Take rows, and write a group when enough of them are there."""
        self._held += rows
        self._bytes += sum(len(row.record.body) for row in rows if not row.index)
        if len(self._held) >= _ROWS or self._bytes >= _BYTES:
            self._flush()

    def finish(self) -> None:
        """Write the last group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._held:
            arrays = [self._array(one) for one in self._columns]
            table = self._arrow.Table.from_arrays(arrays, schema=self._schema)
            self._writer.write_table(table)
        self._held, self._bytes = [], 0

    def _array(self, column: Column) -> Any:
        arrow, values = self._arrow, [column.get(row) for row in self._held]
        if column.kind != "vector":
            plain = [_fitting(value, column.kind) for value in values]
            return arrow.array(plain, self._schema.field(column.name).type)
        ends = [0]
        for value in values:
            ends.append(ends[-1] + len(value or b"") // 4)
        joined = b"".join(value or b"" for value in values)
        floats = arrow.Array.from_buffers(
            arrow.float32(), ends[-1], [None, arrow.py_buffer(joined)]
        )
        missing = arrow.array([value is None for value in values])
        return arrow.ListArray.from_arrays(arrow.array(ends, arrow.int32()), floats, mask=missing)


def _fitting(value: Any, kind: Kind) -> Any:
    """Return a value of a column's kind: what is not of one kind is written as JSON."""
    if value is None or kind not in ("text", "value") or isinstance(value, str):
        return float(value) if kind == "float" and value is not None else value
    return as_json(value)


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise BadConfig(
            "Parquet needs pyarrow, which is not installed. Run: pip install "
            "'wenwen-batch[parquet]'"
        ) from None
