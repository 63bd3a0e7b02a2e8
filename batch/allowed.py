"""What the type of a setting allows, in words and as questions."""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import inspect
from msgspec.structs import fields


def is_section(kind: Any) -> bool:
    """Return whether a type is a section of the tree."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def without_none(kind: Any) -> Any:
    """Return a type without None, which no file of TOML can say."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return Union[tuple(one for one in get_args(kind) if one is not type(None))]  # noqa: UP007


def is_place(kind: Any) -> bool:
    """Return whether a type is a path, relative to the folder of the file that says it."""
    info = inspect.type_info(kind)
    return isinstance(info, inspect.Metadata) and "place" in (info.extra or {})


def kind_at(shape: Any, path: Sequence[str]) -> Any:
    """Return the type of what stands at a place of a tree; None for a section, or none of ours."""
    kind = without_none(shape)
    for part in path:
        if is_section(kind):
            kind = {one.name: one.type for one in fields(kind)}.get(part)
        else:
            inside = get_args(kind)
            kind = inside[0] if get_origin(kind) is tuple and inside else None
        kind = without_none(kind)
    return None if is_section(kind) else kind


def allowed(info: inspect.Type) -> str:
    """Return in words what a setting takes."""
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_bounds(info)}"
        case inspect.FloatType():
            return f"a number{_bounds(info)}"
        case inspect.LiteralType():
            return f"one of {', '.join(map(str, info.values))}"
        case inspect.DictType():
            return f"pairs of a name and {allowed(info.value_type)}"
        case inspect.VarTupleType():
            return f"a list, in [], of {allowed(info.item_type)}"
        case inspect.UnionType():
            return " or ".join(map(allowed, info.types))
        case _:
            return "text, in quotes"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    said = (("above", info.gt), ("of at least", info.ge), ("of at most", info.le))
    return " and".join(f" {word} {bound:g}" for word, bound in said if bound is not None)
