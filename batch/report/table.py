"""A report as a table on a terminal: what does not fit is left out, never wrapped."""

from __future__ import annotations

import io
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from batch.report.tally import Tally
from batch.report.view import Column, columns, floors, headline, remarks, span

UNBOUNDED: Final = 400  # characters, where nobody looks at the width
_BETWEEN: Final = 3  # characters around a cell


def as_table(tally: Tally, models: Tally, width: int | None, *, styled: bool) -> str:
    """Return the report as text; ``width`` in characters, None: it is read by a program."""
    room = width or UNBOUNDED
    file = io.StringIO()
    console = Console(
        file=file,
        width=room,
        force_terminal=styled,
        color_system="standard" if styled else None,
        highlight=False,
        legacy_windows=False,
    )
    fitting, left_out = _fitting(columns(tally), room)
    console.print(_drawn(fitting))
    total = headline(tally) + (f", {span(tally)}" if span(tally) else "")
    console.print(Text(total, style="bold" if styled else ""))
    gaps = floors(models)
    for one in ("it is a floor:", *(f"  {gap}" for gap in gaps)) if gaps else ():
        console.print(Text(one, style="yellow" if styled else ""))
    for one in remarks(models):
        console.print(Text(one))
    if left_out:
        console.print(Text(f"no room for: {', '.join(left_out)} (--format csv has all)"))
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))


def _fitting(shown: list[Column], room: int) -> tuple[list[Column], list[str]]:
    """Return what fits, and the heads of what does not: the least needed goes first."""
    left_out = []
    while sum(map(_width, shown)) > room:
        least = min(shown, key=lambda one: one.keep)
        if least.keep >= 9:
            break
        shown = [one for one in shown if one is not least]
        left_out.append(least.head)
    return shown, left_out


def _width(column: Column) -> int:
    return max(map(cell_len, (column.head, *column.cells))) + _BETWEEN


def _drawn(shown: list[Column]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_footer=True, pad_edge=False, padding=(0, 1))
    for one in shown:
        table.add_column(
            Text(one.head),
            footer=Text(one.cells[-1]),
            justify="right" if one.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if one.keep >= 9 and not one.right else cell_len(one.head),
        )
    for cells in zip(*(one.cells[:-1] for one in shown), strict=True):
        table.add_row(*map(Text, cells))
    return table
