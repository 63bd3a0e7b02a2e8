"""The JSON Schema of a job, by which editors complete and check what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from batch.cli.options import PLACES
from batch.settings.checker import Path
from batch.settings.tree import Settings


def job_schema(params: Sequence[click.Parameter]) -> dict[str, Any]:
    """Return the JSON Schema of a job; the help of these options describes its settings."""
    schema: dict[str, Any] = _as_in_toml(msgspec.json.schema(Settings))
    definitions = schema["$defs"]
    top = definitions["Settings"]
    top.pop("required", None)  # a flag may say it
    for name, place in PLACES.items():
        text = _help(params, name)
        at = _property(definitions, top, place)
        if text and at is not None:
            at["description"] = text
    top["title"] = "A job of wbatch"
    top["description"] = "What a run asks, where, and how; a flag of the same name outranks it."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _as_in_toml(schema: Any) -> Any:
    """Return a schema without null, which TOML lacks, and without defaults of whole sections."""
    if isinstance(schema, list):
        return [_as_in_toml(one) for one in schema if one != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _as_in_toml(inner)
        for name, inner in schema.items()
        if not (name == "default" and (inner is None or isinstance(inner, dict | list)))
    }
    choices = kept.get("anyOf", ())
    if len(choices) == 1:
        return {**{name: one for name, one in kept.items() if name != "anyOf"}, **choices[0]}
    return kept


def _help(params: Sequence[click.Parameter], name: str) -> str:
    options = (one for one in params if isinstance(one, click.Option))
    texts = (one.help for one in options if one.name == name)
    return " ".join((next(texts, None) or "").replace("\b", "").split())


def _property(definitions: Any, section: Any, place: Path) -> dict[str, Any] | None:
    *above, leaf = place
    for name in above:
        found = section["properties"][name]
        section = definitions[found["$ref"].rpartition("/")[2]]
    at: dict[str, Any] | None = section["properties"].get(leaf)
    return at
