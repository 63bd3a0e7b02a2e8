"""A row of a program as a line of JSON, with nothing in it lost or guessed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import orjson

from batch.errors import BadUsage

_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
# By these names pandas has what is missing; it is not loaded for that.
_MISSING: Final = ("NAType", "NaTType")


def json_line(number: int, row: Mapping[str, Any]) -> bytes:
    """Return the row of this number with its line break. Raises BadUsage for what is no JSON."""
    try:
        line = orjson.dumps(row, _plain, _OPTIONS)
    except (TypeError, ValueError) as wrong:
        raise BadUsage(f"inputs: row {number:,} cannot be written as JSON: {wrong}") from None
    # NaN and the infinities become null there, and so does nothing else but None.
    if b"null" in line:
        for place, value in _odd_numbers(row, ""):
            raise BadUsage(
                f"inputs: row {number:,} cannot be written as JSON: {place} is {value}. Leave it "
                "out, or give None or a text for it"
            )
    return line


def _odd_numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers for which JSON has no word, with their places."""
    inner: Any = ()
    if isinstance(value, float):
        if not math.isfinite(value):
            yield place, value
    elif isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    elif is_dataclass(value):
        inner = ((field.name, getattr(value, field.name)) for field in fields(value))
    elif hasattr(value, "tolist"):  # of NumPy
        yield from _odd_numbers(value.tolist(), place)
    for name, one in inner:
        yield from _odd_numbers(one, f"{place}.{name}" if place else f"{name}")


def _plain(value: Any) -> Any:
    """Return what JSON has no word for as a text, and nothing for what is missing."""
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "as_tuple"):  # Decimal
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form there")
