"""The settings of this room."""

from __future__ import annotations

from typing import Final

import msgspec

from batch.records import Makes

MAX_LINE_BYTES: Final = 16 * 1024 * 1024


class InputSettings(msgspec.Struct, frozen=True):
    """What is read, and what is filled in where a line leaves it open."""

    paths: tuple[str, ...]  # in the order that counts the lines; "-" is standard input
    endpoint: str | None = None  # for lines without a url whose body does not tell
    model: str | None = None  # for bodies without one
    override_model: str | None = None  # for every body
    add_usage: bool = True  # a streamed request asks for its usage
    makes: tuple[tuple[str, Makes], ...] = ()  # pattern of models → what their calls make
    max_line_bytes: int = MAX_LINE_BYTES
