from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from batch.mock._schema import instance
from batch.mock.chance import Dice

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 5, "maxLength": 9},
        "age": {"type": "integer", "minimum": 18, "maximum": 20},
        "tags": {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 2, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "left", "children"],
        }
    },
}


def is_person(value: Any) -> bool:
    return (
        set(value) == {"name", "age", "tags"}
        and isinstance(value["name"], str)
        and 5 <= len(value["name"]) <= 9
        and isinstance(value["age"], int)
        and 18 <= value["age"] <= 20
        and 2 <= len(value["tags"]) <= 3
        and set(value["tags"]) <= {"x", "y", "z"}
    )


def is_tree(value: Any) -> bool:
    return (
        set(value) == {"value", "left", "children"}
        and type(value["value"]) is int
        and (value["left"] is None or is_tree(value["left"]))
        and all(is_tree(child) for child in value["children"])
    )


CATALOGUE: list[tuple[str, Any, Callable[[Any], bool]]] = [
    ("string", {"type": "string"}, lambda v: isinstance(v, str) and v != ""),
    ("long string", {"type": "string", "minLength": 200}, lambda v: len(v) >= 200),
    ("no string", {"type": "string", "maxLength": 0}, lambda v: v == ""),
    ("boolean", {"type": "boolean"}, lambda v: isinstance(v, bool)),
    ("null", {"type": "null"}, lambda v: v is None),
    ("integer", {"type": "integer"}, lambda v: type(v) is int),
    ("bound integer", {"type": "integer", "minimum": 3, "maximum": 3}, lambda v: v == 3),
    ("one bound", {"type": "integer", "maximum": -7}, lambda v: v <= -7),
    (
        "excluded bounds",
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 3},
        lambda v: v == 2,
    ),
    ("broken bounds", {"type": "integer", "minimum": 0.5, "maximum": 1.5}, lambda v: v == 1),
    ("number", {"type": "number", "minimum": 0, "maximum": 1}, lambda v: 0 <= v <= 1),
    (
        "narrow number",
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e-9},
        lambda v: 0 < v < 1e-9,
    ),
    ("enum", {"enum": ["spam", "ham", None]}, lambda v: v in ("spam", "ham", None)),
    ("const", {"const": {"a": 1}}, lambda v: v == {"a": 1}),
    ("falsy const", {"const": 0}, lambda v: v == 0),
    ("nullable", {"type": ["null", "integer"]}, lambda v: type(v) is int),
    ("object", PERSON, is_person),
    ("required alone", {"required": ["a"]}, lambda v: set(v) == {"a"}),
    ("no items", {"type": "array", "maxItems": 0}, lambda v: v == []),
    (
        "tuple",
        {"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}},
        lambda v: v == [1, 2],
    ),
    (
        "unlike items",
        {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
        lambda v: sorted(v) == [1, 2, 3],
    ),
    ("anyOf", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, lambda v: type(v) is int),
    ("oneOf", {"oneOf": [{"const": "a"}, {"const": "b"}]}, lambda v: v == "a"),
    (
        "allOf",
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"minimum": 5}}, "required": ["a"]},
                {"properties": {"a": {"type": "integer", "minimum": 2, "maximum": 6}}},
            ],
            "properties": {"b": {"const": 1}},
        },
        lambda v: set(v) == {"a", "b"} and 5 <= v["a"] <= 6 and v["b"] == 1,
    ),
    (
        "reference",
        {"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"const": 7}}},
        lambda v: v == 7,
    ),
    (
        "reference into a list",
        {"anyOf": [{"$ref": "#/x/1"}], "x": [0, {"const": 9}]},
        lambda v: v == 9,
    ),
    ("reference to nothing", {"$ref": "#/$defs/gone"}, lambda v: isinstance(v, str)),
    ("recursion", TREE, is_tree),
    ("date", {"type": "string", "format": "date"}, lambda v: len(v.split("-")) == 3),
    ("email", {"type": "string", "format": "email"}, lambda v: "@" in v),
    ("unknown format", {"type": "string", "format": "colour"}, lambda v: isinstance(v, str)),
    ("anything", {}, lambda _: True),
    ("true", True, lambda _: True),
]


@pytest.mark.parametrize(
    ("schema", "allowed"), [c[1:] for c in CATALOGUE], ids=[c[0] for c in CATALOGUE]
)
def test_an_instance_is_what_its_schema_allows(schema: Any, allowed: Callable[[Any], bool]) -> None:
    for seed in range(50):
        value = instance(schema, Dice(seed, ""))
        assert allowed(value), value


def test_an_instance_is_the_same_for_the_same_throws() -> None:
    assert instance(PERSON, Dice(1, "a")) == instance(PERSON, Dice(1, "a"))


def test_labels_are_all_met_sooner_or_later() -> None:
    schema = {"enum": ["spam", "ham", "other"]}

    seen = {instance(schema, Dice(seed, "")) for seed in range(50)}

    assert seen == {"spam", "ham", "other"}


def test_a_schema_that_demands_no_end_comes_to_an_end() -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}

    assert isinstance(instance(endless, Dice(0, "")), dict)
