"""The inputs of a run, read again beside its records: what else their lines say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from batch.errors import BadBody, BadData
from batch.inputs.ids import OWN_ID
from batch.inputs.kinds import is_envelope
from batch.inputs.lines import RawLine
from batch.inputs.sources import Inputs
from batch.results.columns import Kind
from batch.wire import formats

# What of a line is the request, and not beside it.
_ENVELOPE: Final = frozenset({OWN_ID, "method", "url", "body"})
_MOST: Final = 1000  # columns; more are no table but a mistake
_KINDS: Final[Mapping[type, Kind]] = {bool: "bool", int: "int", float: "float", str: "text"}
_LARGE: Final = 2**63  # integers from here on are written as texts


class Beside:
    """Fields of the lines, as far as they are no part of a request."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._wrapped = {
            one.wrapper.body_key: one.wrapper.id_key
            for one in formats().values()
            if one.wrapper is not None
        }

    def kinds(self) -> dict[str, Kind]:
        """Return the names of all fields with what stands in them, in the order of their coming."""
        kinds: dict[str, Kind | None] = {}
        for line in self._inputs.lines():
            for name, value in self.fields(line).items():
                kinds[name] = _wider(kinds.get(name), _kind(value))
            if len(kinds) > _MOST:
                raise BadData(
                    f"{line.where}: the lines have more than {_MOST:,} different fields. Leave "
                    "them out: --no-input"
                )
        return {name: kind or "value" for name, kind in kinds.items()}

    def lines(self) -> Iterator[RawLine]:
        """Yield the lines in their order."""
        return self._inputs.lines()

    def kind(self, line: RawLine) -> str:
        """Return whether a line is a request, a prompt, or a row that a template asks about."""
        return self._inputs.sources[line.place].form.kind

    def fields(self, line: RawLine) -> dict[str, Any]:
        """Return what a line says beside a request; nothing of one that cannot be read."""
        told = self.all_fields(line)
        if self.kind(line) != "requests":
            return told
        own = self._own(told)
        return {name: value for name, value in told.items() if name not in own}

    def all_fields(self, line: RawLine) -> dict[str, Any]:
        """Return what a line says; nothing of one that cannot be read."""
        try:
            return self._inputs.fields(line)
        except BadBody:
            return {}

    def _own(self, told: Mapping[str, Any]) -> frozenset[str] | Mapping[str, Any]:
        """Return the names that are the request's: all of them where the line is a bare body."""
        if is_envelope(told):
            return _ENVELOPE
        for body, key in self._wrapped.items():
            if isinstance(told.get(body), dict):
                return _ENVELOPE | {body, key}
        return told


def _kind(value: object) -> Kind | None:
    if value is None:
        return None
    if type(value) is int and not -_LARGE <= value < _LARGE:
        return "value"
    return _KINDS.get(type(value), "value")


def _wider(one: Kind | None, other: Kind | None) -> Kind | None:
    if one is None or other is None or one == other:
        return one or other
    return "float" if {one, other} == {"int", "float"} else "value"
