"""Rows of the table with which a bench ends: what was measured, and whether it suffices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

# A head that ends with a colon has its cells on the right.
HEADS: Final = ("what", "yardstick:", "wbatch:", "ratio:", "spread:", "reach:", "reached")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was measured."""

    what: str
    own: str
    yardstick: str = ""
    ratio: float | None = None
    spread: str = ""
    reach: str = ""
    reached: bool | None = None  # None: nothing was to be reached

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the row under the heads."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        return self.what, self.yardstick, self.own, ratio, self.spread, self.reach, reached


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for people at a terminal."""
    named = [head.removesuffix(":") for head in heads]
    widths = [max(map(len, column)) for column in zip(named, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if head.endswith(":") else cell.ljust(width)
            for cell, width, head in zip(cells, widths, heads, strict=True)
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("─" * width for width in widths)
    return "\n".join([line(named), rule, *map(line, rows)])


def verdict(rows: Sequence[Row]) -> str:
    """Return in a sentence what was reached, and name what was not."""
    judged = [row for row in rows if row.reached is not None]
    missed = [row.what for row in judged if not row.reached]
    said = f"{len(judged) - len(missed)} of {len(judged)} reached."
    return f"{said} Missed: {'; '.join(missed)}." if missed else said
