"""Which models the lines name, told at a glance while all of them are read once.

Formats have places of their own for a model, so that this is a hint: whoever counts on it must do
without it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, Final

import msgspec

from batch.inputs.form import PLAIN, Form
from batch.inputs.lines import RawLine
from batch.wire import formats

MOST: Final = 1000  # names that are noted
LONGEST: Final = 256  # bytes of a name, as it is written
_NOTHING: Final = msgspec.Raw()
_BODY: Final = "body"


class _Bare(msgspec.Struct):
    model: msgspec.Raw = _NOTHING


_bare: Final = msgspec.json.Decoder(_Bare)


class Named:
    """Notes the names of the lines that it is shown, up to a bound."""

    __slots__ = ("_forms", "_found", "_known")

    def __init__(self, forms: Sequence[Form] = ()) -> None:
        self._forms = forms
        self._found: set[bytes] = set()  # as they are written
        self._known = True

    def visit(self, line: RawLine) -> None:
        """Note the model that a line names."""
        if not self._known or line.raw is None:
            return
        form = self._forms[line.place] if self._forms else PLAIN
        try:
            # What a row says of models is data; of a table the settings' model is asked.
            told = form.kind != "rows" and form.table is None
            self._found.add(_model_of(line.raw) if told else b"")
        except (msgspec.DecodeError, RecursionError):  # it is no JSON, and asks nothing
            return
        self._known = len(self._found) <= MOST

    def models(self) -> AbstractSet[str] | None:
        """Return the names, "" among them if a line names none; None if they are not known."""
        return frozenset(map(_decoded, self._found)) if self._known else None


@cache
def _lines() -> tuple[msgspec.json.Decoder[Any], tuple[str, ...]]:
    """Return what reads of a line its model and its bodies, and the keys of these."""
    wrappers = (one.wrapper for one in formats().values() if one.wrapper is not None)
    keys = tuple(dict.fromkeys([_BODY, *(one.body_key for one in wrappers)]))
    fields = [(name, msgspec.Raw, _NOTHING) for name in ("model", *keys)]
    return msgspec.json.Decoder(msgspec.defstruct("Lines", fields)), keys


def _model_of(raw: bytes) -> bytes:
    """Return the model that stands in the body of a line, else beside it; empty if none does."""
    decoder, keys = _lines()
    line = decoder.decode(raw)
    for key in keys:
        body = getattr(line, key)
        if bytes(memoryview(body)[:1]) == b"{":
            line = _bare.decode(body)
            break
    model = bytes(line.model)
    return model if len(model) <= LONGEST else b""


def _decoded(model: bytes) -> str:
    try:
        name = msgspec.json.decode(model) if model else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return name if isinstance(name, str) else ""
