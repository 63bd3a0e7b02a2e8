"""An instance of a JSON Schema, made with dice.

Understood: type, also several and nullable ones; enum, const; properties, required; items,
prefixItems, minItems, maxItems, uniqueItems; the bounds of numbers and of lengths; format; local
$ref, also recursive; allOf, and of anyOf and oneOf the first. Not understood, and so not promised:
pattern, not, if, multipleOf, dependencies between properties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from batch.mock import Ask, Plan
from batch.mock._labels import choose, spoiled
from batch.mock._text import murmur
from batch.mock.chance import Dice

# Beyond the first depth only what is required is made, so that recursive schemas come to an end;
# beyond the second nothing is, because the schema itself demands no end.
_SPARE: Final = 4
_GIVE_UP: Final = 16
_TRIES: Final = 100  # throws for the items of a list without equal ones
_SPAN: Final = 100  # of a number that is bound on one side at most
_FORMATS: Final = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
# Keywords that tell a type where none is named.
_TELLING: Final = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minimum": "number",
    "maximum": "number",
}


# Of two bounds that hold together, the tighter one.
_TIGHTER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "minimum": max,
    "maximum": min,
    "minItems": max,
    "maxItems": min,
    "minLength": max,
    "maxLength": min,
    "enum": lambda one, other: [value for value in one if value in other],
    "required": lambda one, other: [*one, *other],
}


def instance(schema: object, dice: Dice, text: str = "") -> Any:
    """Return a value that the schema allows, its choices about a text; the same for the same."""
    return _Maker(schema, dice, text).make(schema, 0)


def schemed(schema: object, ask: Ask, plan: Plan) -> str:
    """Return the answer to who asks for a schema, as text; with a flaw one that may not fit it."""
    said = orjson.dumps(instance(schema, plan.dice, ask.prompt)).decode()
    return spoiled(said, plan.dice) if plan.flaw == "label" else said


class _Maker:
    def __init__(self, root: object, dice: Dice, text: str) -> None:
        self._root = root
        self._dice = dice
        self._text = text
        self._by_type: Mapping[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": self._boolean,
            "null": self._null,
        }

    def make(self, schema: object, depth: int) -> Any:
        if depth > _GIVE_UP:
            return None
        flat = self._flat(schema, depth)
        if "const" in flat:
            return flat["const"]
        if flat.get("enum"):
            return choose(flat["enum"], self._text, self._dice)
        maker = self._by_type.get(_type(flat))
        return maker(flat, depth) if maker else self._string(flat, depth)

    def _flat(self, schema: object, depth: int) -> Mapping[str, Any]:
        """Resolve references and merge the parts that hold together."""
        if not isinstance(schema, Mapping):
            return {}
        rest = {k: v for k, v in schema.items() if k not in ("$ref", "allOf", "anyOf", "oneOf")}
        parts = [self._find(schema["$ref"])] if "$ref" in schema else []
        parts += schema.get("allOf") or []
        for either in ("anyOf", "oneOf"):
            if schema.get(either):
                parts.append(_branch(schema[either], depth))
        for part in parts if depth <= _GIVE_UP else ():
            rest = _merge(rest, self._flat(part, depth + 1))
        return rest

    def _find(self, pointer: str) -> object:
        """Return what a local reference points to; nothing for another file's."""
        here: Any = self._root
        for step in pointer.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(here, list):
                here = here[int(name)] if name.isdecimal() and int(name) < len(here) else {}
            else:
                here = here.get(name, {}) if isinstance(here, Mapping) else {}
        return here if pointer.startswith("#") else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        known = schema.get("properties", {})
        required = schema.get("required", ())
        names = dict.fromkeys([*known, *required] if depth <= _SPARE else required)
        return {name: self.make(known.get(name, {}), depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        least = schema.get("minItems", 0)
        wanted = max(least, len(first), 1) if depth <= _SPARE else least
        wanted = min(wanted, schema.get("maxItems", wanted))
        made: list[Any] = []
        for _ in range(wanted + _TRIES):
            place = len(made)
            if place >= wanted:
                break
            item = first[place] if place < len(first) else schema.get("items", {})
            value = self.make(item, depth + 1)
            if not schema.get("uniqueItems") or value not in made:
                made.append(value)
        return made

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = murmur(1 + self._dice.below(3), self._dice)
        least = schema.get("minLength", 0)
        while len(text) < least:
            text += " " + murmur(1, self._dice)
        # Padding may have ended beyond the minimum; the maximum is never below it.
        return text[: schema.get("maxLength", len(text))]

    def _integer(self, schema: Mapping[str, Any], _depth: int) -> int:
        low, high = _bounds(schema, step=1)
        least = math.ceil(low)
        return least + self._dice.below(min(max(math.floor(high) - least, 0) + 1, 1 << 32))

    def _number(self, schema: Mapping[str, Any], _depth: int) -> float:
        low, high = _bounds(schema, step=0)
        # Well inside, so that bounds which are themselves excluded do not matter.
        number = low + (high - low) * (0.25 + self._dice.share() / 2)
        return round(number, 3) if high - low > 0.1 else number

    def _boolean(self, _schema: Mapping[str, Any], _depth: int) -> bool:
        return self._dice.share() < 0.5

    def _null(self, _schema: Mapping[str, Any], _depth: int) -> None:
        return None


def _type(schema: Mapping[str, Any]) -> str:
    named = schema.get("type")
    if isinstance(named, list):
        return next((name for name in named if name != "null"), "null")
    if isinstance(named, str):
        return named
    return next((kind for word, kind in _TELLING.items() if word in schema), "string")


def _branch(either: list[Any], depth: int) -> object:
    """Return the first of several, or deep down one that leads no deeper, if there is one."""
    if depth > _SPARE:
        plain = (part for part in either if isinstance(part, Mapping) and "$ref" not in part)
        return next(plain, either[0])
    return either[0]


def _merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {**other, **one}
    for word, tighter in _TIGHTER.items():
        if word in one and word in other:
            both[word] = tighter(one[word], other[word])
    if "properties" in one and "properties" in other:
        shared = one["properties"].keys() & other["properties"].keys()
        both["properties"] = {
            **other["properties"],
            **one["properties"],
            **{n: {"allOf": [one["properties"][n], other["properties"][n]]} for n in shared},
        }
    return both


def _bounds(schema: Mapping[str, Any], step: int) -> tuple[float, float]:
    """Return the least and the greatest number; ``step`` is the distance to an excluded bound."""
    lows = [schema["minimum"]] if "minimum" in schema else []
    highs = [schema["maximum"]] if "maximum" in schema else []
    # Older drafts write true and false here.
    if isinstance(edge := schema.get("exclusiveMinimum"), int | float) and edge is not True:
        lows.append(math.floor(edge) + step if step else edge)
    if isinstance(edge := schema.get("exclusiveMaximum"), int | float) and edge is not True:
        highs.append(math.ceil(edge) - step if step else edge)
    if not lows:
        return (min(highs) - _SPAN, min(highs)) if highs else (0, _SPAN)
    return max(lows), min(highs, default=max(lows) + _SPAN)
