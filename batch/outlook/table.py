"""An estimate as a table: a row a model, their sum below. What does not fit is left out."""

from __future__ import annotations

import io
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from batch.estimating.told import Estimated, Money, Part, Span
from batch.outlook.words import amount
from batch.wording import shown

_NAME: Final = 40  # characters of a name that others chose
_WORDS: Final = ("model", "endpoint")  # columns; the others hold numbers
_DISPENSABLE: Final = (
    "endpoint",
    "tokens in",
    "tokens out",
)  # where there is no room, in this order
_BETWEEN: Final = 3  # characters around a cell
_LEAST: Final = 60  # characters: below that nothing would be left


def as_table(estimated: Estimated, width: int, *, styled: bool) -> list[str]:
    """Return the lines of the table, ``width`` characters at most."""
    columns = _fitting(_columns(estimated), max(width, _LEAST))
    several = len(estimated.parts) > 1
    table = Table(box=SIMPLE_HEAD, show_footer=several, pad_edge=False, padding=(0, 1))
    for head, (*_, foot) in columns.items():
        justify: JustifyMethod = "left" if head in _WORDS else "right"
        table.add_column(Text(head), footer=Text(foot), justify=justify, no_wrap=True)
    for cells in zip(*(cells[:-1] for cells in columns.values()), strict=True):
        table.add_row(*map(Text, cells))
    file = io.StringIO()
    console = Console(
        file=file,
        width=max(width, _LEAST),
        force_terminal=styled,
        color_system="standard" if styled else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(table)
    lines = [line.rstrip() for line in file.getvalue().split("\n")]
    return [line for line in lines if line]


def _columns(estimated: Estimated) -> dict[str, list[str]]:
    """Return the columns by their heads, the sum's cell last."""
    heads = (*_WORDS, "lines", "tokens in", "tokens out")
    money = (f"low {estimated.currency}", "likely", "at most")
    rows = [*(_row(one, estimated) for one in estimated.parts), _total(estimated)]
    return dict(zip((*heads, *money), map(list, zip(*rows, strict=True)), strict=True))


def _fitting(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    for head in _DISPENSABLE:
        if sum(map(_width, columns.items())) > width:
            columns = {name: cells for name, cells in columns.items() if name != head}
    return columns


def _width(column: tuple[str, list[str]]) -> int:
    return max(map(cell_len, (column[0], *column[1]))) + _BETWEEN


def _row(part: Part, estimated: Estimated) -> tuple[str, ...]:
    tier = f" ({part.tier})" if part.tier else ""
    name = (shown(part.model, _NAME) + tier, part.endpoint, f"{part.lines:,}")
    tokens = (_tokens(part.input), _tokens(part.output))
    return (*name, *tokens, *_amounts(part.cost, estimated, free=not part.unpriced))


def _total(estimated: Estimated) -> tuple[str, ...]:
    name = ("total", "", f"{estimated.lines - estimated.broken:,}")
    tokens = (_tokens(estimated.input), _tokens(estimated.output))
    return (*name, *tokens, *_amounts(estimated.cost, estimated, free=not estimated.unpriced))


def _amounts(cost: Money | None, estimated: Estimated, *, free: bool) -> tuple[str, str, str]:
    if cost is None:
        return ("0",) * 3 if free else ("unpriced",) * 3
    whole = (estimated.cost or cost).likely
    floor = "≥ " if cost.floor else ""
    high = "no bound" if cost.high is None else floor + amount(cost.high, whole)
    return floor + amount(cost.low, whole), floor + amount(cost.likely, whole), high


def _tokens(span: Span) -> str:
    """Return likely tokens, and the most."""
    if not span.likely and span.high == 0:
        return "0"
    return f"{span.likely:,} " + ("or more" if span.high is None else f"to {span.high:,}")
