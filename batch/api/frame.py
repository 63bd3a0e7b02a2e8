"""The results of a run as a pandas DataFrame. pandas is loaded here, and needed nowhere else."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import orjson

from batch.api.said import user_settings
from batch.errors import BadConfig
from batch.ledger.paths import Paths
from batch.look import Looked, looked_at
from batch.results.columns import Column, Kind, Row
from batch.results.costs import Costs
from batch.results.export import Sources, Wanted, Written, columns_of, rows
from batch.settings.pricelist import price_book_of

if TYPE_CHECKING:
    import pandas as pd

# Those of pandas that know what is missing: a count that nobody reported is no 0 and no nan.
_TYPES: Final[Mapping[Kind, str]] = {
    "text": "object",
    "int": "Int64",
    "float": "float64",
    "bool": "boolean",
    "value": "object",
    "vector": "object",
}


def frame(
    paths: Paths, named: tuple[str, ...], inputs: bool, prices: tuple[str, ...]
) -> pd.DataFrame:
    """Return the table of a run. Raises BadConfig without pandas, BadUsage for a wrong column."""
    try:
        pandas = import_module("pandas")
    except ImportError:
        raise BadConfig(
            "to_pandas needs pandas, which is not installed. Run: pip install pandas"
        ) from None
    with looked_at(paths) as looked:
        beside = looked.asked.beside if inputs and looked.asked else None
        wanted = Wanted(paths.results, "jsonl", named, in_order=True, errors=True)
        sources = Sources(looked.logs, beside, _costs(looked, prices))
        columns = columns_of(sources, wanted)
        values: list[list[Any]] = [[] for _ in columns]
        for some in rows(sources, wanted, columns, Written()):
            _add(some, columns, values)
    table: pd.DataFrame = pandas.DataFrame(
        {
            one.name: pandas.Series(column, dtype=_TYPES[one.kind])
            for one, column in zip(columns, values, strict=True)
        }
    )
    return table


def _costs(looked: Looked, prices: tuple[str, ...]) -> Costs | None:
    """Return what prices answers; nothing of a rehearsal, unless its costs are asked for."""
    if looked.logs.identity.get("mock") and not prices:
        return None
    return Costs(price_book_of(user_settings({"prices": prices} if prices else {})))


def _add(some: Sequence[Row], columns: Sequence[Column], values: Sequence[list[Any]]) -> None:
    for one, column in zip(columns, values, strict=True):
        column.extend(_plain(one.get(row)) for row in some)


def _plain(value: Any) -> Any:
    """Return a value as Python has it: a vector as a list, JSON as what it says."""
    if isinstance(value, bytes):
        return list(struct.unpack(f"<{len(value) // 4}f", value))
    if isinstance(value, orjson.Fragment):
        return orjson.loads(orjson.dumps(value))
    return value
