"""How numbers stand in our messages, and what others chose: as a text, printable, and short."""

from __future__ import annotations

import re
from typing import Final

import orjson

# What a spreadsheet takes for a formula when a cell begins with it, wide forms among them.
_FORMULA: Final = re.compile(r"\s*[=+\-@|＝＋－＠]|[\t\r\n]")  # noqa: RUF001 - they are meant
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number with its noun: 1 line, 2,000 lines."""
    return f"{count:,} {agreeing(count, one, several)}"


def agreeing(count: float | None, one: str, several: str = "") -> str:
    """Return the word that goes with a number, a noun or a verb."""
    return one if count == 1 else several or f"{one}s"


def large(count: float) -> str:
    """Return a number of which only the first digits matter: 9,999, 10.0k, 1.2M."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if count >= size:
            return f"{count / (1000 if letter == 'k' else size):.1f}{letter}"
    return f"{count:,}"


def spelled(value: object) -> str:
    """Return a value as JSON, a text as it is."""
    return value if isinstance(value, str) else as_json(value)


def as_json(value: object) -> str:
    """Return a value as JSON, also one that others have written and that is larger than usual."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a number of more than 64 bits, or lists deeper than it goes
        import json  # noqa: PLC0415 - hardly anybody needs it

        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def is_text(text: str) -> bool:
    """Return whether UTF-8 can write a text: not one with a stray byte of a command line."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def cut(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a text, the last of them saying that there is more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(text: str, limit: int = 80) -> str:
    """Return at most ``limit`` characters of a text, with everything unprintable escaped."""
    part = cut(text, limit)
    if part.isprintable():
        return part
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in part)


def harmless(text: str) -> str:
    """Return a text as a cell that no spreadsheet computes; a number stays one."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
