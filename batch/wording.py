"""How numbers stand in our messages, and names that others chose: printable, and short."""

from __future__ import annotations

import re
from typing import Final

# What a spreadsheet takes for a formula when a cell begins with it, wide forms among them.
_FORMULA: Final = re.compile(r"\s*[=+\-@|＝＋－＠]|[\t\r\n]")  # noqa: RUF001 - they are meant
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number with its noun: 1 line, 2,000 lines."""
    return f"{count:,} {agreeing(count, one, several)}"


def agreeing(count: float | None, one: str, several: str = "") -> str:
    """Return the word that goes with a number, a noun or a verb."""
    return one if count == 1 else several or f"{one}s"


def shown(text: str, limit: int = 80) -> str:
    """Return at most ``limit`` characters of a text, with everything unprintable escaped."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def harmless(text: str) -> str:
    """Return a text as a cell that no spreadsheet computes; a number stays one."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
