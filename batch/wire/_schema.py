"""What of a JSON Schema decides how it is asked for."""

from __future__ import annotations

from collections.abc import Mapping


def closed(schema: object) -> bool:
    """Return whether every object in it names all that it may hold, and needs all of that.

    Only such a schema can be asked for strictly: for any other, vendors refuse the request.
    """
    if isinstance(schema, list):
        return all(map(closed, schema))
    if not isinstance(schema, Mapping):
        return True
    if "properties" in schema or schema.get("type") == "object":
        named = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required", ())) != set(named):
            return False
    return all(map(closed, schema.values()))
