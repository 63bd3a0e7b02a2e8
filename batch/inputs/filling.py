"""Fills prompts and rows into what a body is built from: texts, and fields beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batch.errors import BadBody, BadData
from batch.inputs.form import Form
from batch.inputs.ids import OWN_ID, the_id
from batch.inputs.lines import RawLine
from batch.inputs.settings import Reading
from batch.wording import shown

TEMPLATE_FAULT: Final = "template_error"
_ID: Final = "id"
_PROMPT: Final = "prompt"
_SYSTEM: Final = "system"
_MODEL: Final = "model"
# Of a prompt line these are no fields of the body, or go there by themselves.
_OURS: Final = frozenset({OWN_ID, _ID, _PROMPT, _SYSTEM, _MODEL})


class Filled(msgspec.Struct, frozen=True):
    """What a line comes to."""

    prompt: str
    system: str | None
    model: str | None = None  # that the line names
    params: Mapping[str, Any] = {}  # fields of the body
    own: bool = False  # a prompt line: it may as well be a whole body


class Filler:
    """Fills lines that are no requests."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def fill(self, fields: Mapping[str, Any], form: Form) -> Filled:
        """Return what a line comes to. Raises ``BadBody``."""
        return self._row(fields) if form.kind == "rows" else self._prompt(fields, form)

    def _row(self, fields: Mapping[str, Any]) -> Filled:
        reading = self._reading
        if reading.prompt is None:
            raise BadBody("Nothing says what to ask of a row: there is no template.")
        return Filled(
            prompt=_not_empty(reading.prompt.render(fields)),
            system=reading.system.render(fields) if reading.system else None,
            params=reading.params,
        )

    def _prompt(self, fields: Mapping[str, Any], form: Form) -> Filled:
        reading = self._reading
        # A cell of a table that is empty says nothing.
        told = {name: value for name, value in fields.items() if value != ""}
        system = _text(told, _SYSTEM)
        if system is None and reading.system is not None:
            system = reading.system.render(fields)
        # Of a table the other columns are all text, and most likely data.
        beside = {} if form.table else {k: v for k, v in fields.items() if k not in _OURS}
        return Filled(
            prompt=_not_empty(self._prompt_of(fields)),
            system=system,
            model=_text(told, _MODEL),
            params={**reading.params, **beside},
            own=True,
        )

    def _prompt_of(self, fields: Mapping[str, Any]) -> str:
        if fields.get(_PROMPT) is None:
            raise BadBody(f'The prompt is empty: the line has no "{_PROMPT}".', "empty_prompt")
        return _text(fields, _PROMPT) or ""

    def id_of(self, fields: Mapping[str, Any]) -> str | None:
        """Return the id that a line gives, or None. Raises ``BadBody`` for one that is none."""
        column = self._reading.id_column
        if column is None:
            column = OWN_ID if OWN_ID in fields else _ID
        elif not column:
            return None
        elif column not in fields:
            raise BadBody(f'The line has no "{shown(column)}", which --id-column names.')
        given = fields.get(column)
        return None if given == "" else the_id(column, given)

    def look(self, line: RawLine, form: Form, render: bool) -> str | None:
        """Return the id of a line, or None; with ``render``, see that its templates can be filled.

        What else is wrong with a line becomes its error record. Raises ``BadData`` for a template.
        """
        if line.raw is None:
            return None
        custom_id = None
        with contextlib.suppress(RecursionError):
            try:
                fields = form.fields(line.raw)
                custom_id = self.id_of(fields)
                if render and (form.kind == "rows" or self._reading.system):
                    self.fill(fields, form)
            except BadBody as error:
                if error.code == TEMPLATE_FAULT:
                    what = str(error).rstrip(". ")
                    raise BadData(f"{line.where}: {what}. Nothing was sent.") from None
        return custom_id


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    """Return a text that a line may have. Raises ``BadBody`` for what is none."""
    value = fields.get(name)
    if isinstance(value, str | None):
        return value
    raise BadBody(f'The "{name}" must be a text.')


def _not_empty(prompt: str) -> str:
    if not prompt or prompt.isspace():
        raise BadBody("The prompt is empty.", "empty_prompt")
    return prompt
