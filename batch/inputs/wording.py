"""How names and ids that others chose stand in our messages: on one line, printable, and short."""

from __future__ import annotations


def shown(text: str, limit: int = 80) -> str:
    """Return at most ``limit`` characters of a text, with everything unprintable escaped."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
