"""Reads values out of documents that others wrote, where a value may be of any type.

Nothing is raised here: what is not of the wanted type is as if it were missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec

# What msgspec raises for bytes that are not the JSON it expects.
BAD_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MOST: Final = 10**12  # a count beyond it is nonsense, and a run's sum has to be a JSON number
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=MOST)] | None

T = TypeVar("T")


def decoded(decode: Callable[[bytes], T], body: bytes, otherwise: T) -> T:
    """Return what a decoder makes of a body, or something else where it makes nothing of it."""
    try:
        return decode(body)
    except BAD_JSON:
        return otherwise


def count(value: object) -> int | None:
    """Return a count that is told as a whole number, also as ``7.0``."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < MOST else None


def counts(told: Mapping[str, Any], inside: Iterable[str]) -> dict[str, Any]:
    """Return a usage with its counts only, those in the objects ``inside`` it too."""
    known: dict[str, Any] = {key: count(value) for key, value in told.items()}
    for key in inside:
        known[key] = {name: count(value) for name, value in as_dict(told.get(key)).items()}
    return known


def first_count(*several: int | None) -> int | None:
    """Return the first count that is not 0; 0 if one is 0; None if there is none."""
    return next(filter(None, several), 0 if 0 in several else None)


def milliseconds(seconds: object) -> int | None:
    """Return seconds, which some write as a text, in milliseconds."""
    if type(seconds) not in (str, int, float):
        return None
    try:
        return count(round(float(seconds) * 1000))  # type: ignore[arg-type]
    except (ValueError, OverflowError):  # no number, not a number, or no end
        return None


def as_dict(value: object) -> dict[str, Any]:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return the list, or an empty one."""
    return value if isinstance(value, list) else []


def first_text(document: dict[str, Any], *paths: str) -> str:
    """Return the first text that is not empty at paths such as ``data.videos.0.url``."""
    for path in paths:
        here = at(document, path)
        if type(here) is int:
            return str(here)
        if isinstance(here, str) and here:
            return here
    return ""


def at(document: dict[str, Any], path: str) -> Any:
    """Return what stands at a path such as ``data.videos.0.url``, or None."""
    here: Any = document
    for step in path.split("."):
        if step.isdecimal():
            several = as_list(here)
            here = several[int(step)] if int(step) < len(several) else None
        else:
            here = as_dict(here).get(step)
    return here
