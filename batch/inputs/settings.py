"""The settings of this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from batch.records import Makes

MAX_LINE_BYTES: Final = 16 * 1024 * 1024


class Text(Protocol):
    """A text with holes, filled from the fields of a row."""

    @property
    def name(self) -> str:
        """Return the name that messages use."""
        ...

    def render(self, fields: Mapping[str, Any]) -> str:
        """Return the text for a row. Raises ``BadBody``, naming the field that is missing."""
        ...


class Reading(msgspec.Struct, frozen=True):
    """How lines become requests that are none yet: prompts, and rows of data."""

    encoding: str = "utf-8"
    prompt: Text | None = None  # what to ask of a row
    system: Text | None = None  # for prompts and rows that say nothing of their own
    params: Mapping[str, Any] = {}  # fields of every body that is built here
    id_column: str | None = None  # where the ids of rows stand, if not under custom_id or id
    asking: bool = False  # lines are to be sent: data that nothing makes prompts of is refused
    any_body: bool = False  # an endpoint is named: lines of any shape may be bodies for it


class InputSettings(msgspec.Struct, frozen=True):
    """How lines are read, and what is filled in where one leaves it open."""

    endpoint: str | None = None  # for lines without a url whose body does not tell
    model: str | None = None  # for bodies without one
    override_model: str | None = None  # for every body
    add_usage: bool = True  # a streamed request asks for its usage
    makes: tuple[tuple[str, Makes], ...] = ()  # pattern of models → what their calls make
    max_line_bytes: int = MAX_LINE_BYTES
    reading: Reading = Reading()
