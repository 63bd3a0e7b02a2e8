"""A report as CSV, Markdown and JSON. Names come from others, and stay harmless in each."""

from __future__ import annotations

import csv
import html
import io
from typing import Any, Final

import orjson

from batch.report.sources import Found
from batch.report.tally import Tally
from batch.report.view import columns, floors, headline, record, remarks, span
from batch.wording import harmless

_MARKUP: Final = str.maketrans({char: f"\\{char}" for char in "\\|`*_[]#~"})
_AMOUNTS: Final = ("cost", "list_cost", "cached_savings", "wasted_cost")


def as_csv(tally: Tally) -> str:
    """Return the lines as CSV, without the total: sums are for the spreadsheet."""
    records = [record(line, tally) for line in tally.lines]
    file = io.StringIO()
    heads = [*(records[0] if records else record(tally.total, tally))]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_cell(head) for head in heads])
    writer.writerows([_cell(value) for value in one.values()] for one in records)
    return file.getvalue()


def as_markdown(tally: Tally, models: Tally) -> str:
    """Return the report as a table in Markdown, and what is to be said of it."""
    shown = columns(tally)
    rows = [
        "| " + " | ".join(_escaped(one.head) for one in shown) + " |",
        "|" + "|".join("---:" if one.right else "---" for one in shown) + "|",
        *(
            "| " + " | ".join(_escaped(cell) for cell in cells) + " |"
            for cells in zip(*(one.cells for one in shown), strict=True)
        ),
    ]
    said = [
        headline(tally) + (f", {span(tally)}" if span(tally) else ""),
        *floors(models),
        *remarks(models),
    ]
    return "\n".join([*rows, "", *(f"- {_escaped(one)}" for one in said)]) + "\n"


def as_json(tally: Tally, found: Found) -> bytes:
    """Return the report as one object."""
    document: dict[str, Any] = {
        "object": "report",
        "schema": 1,
        "by": tally.by,
        "currency": tally.currency,
        "first_day": tally.first.isoformat() if tally.first else None,
        "last_day": tally.last.isoformat() if tally.last else None,
        "rows": [_numbers(record(line, tally)) for line in tally.lines],
        "total": _numbers(record(tally.total, tally)),
        "gaps": [{"model": one.model, "why": one.why, "detail": one.detail} for one in tally.gaps],
        "price_sources": tally.sources,
        "runs": found.runs,
        "files": found.files,
        "notes": found.notes,
        "skipped": [str(one) for one in found.skipped],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose amounts are numbers, exact as they are written."""
    return {
        name: orjson.Fragment(value) if name in _AMOUNTS and value is not None else value
        for name, value in row.items()
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Python puts a field with nothing but this break in it between no quotes: it would end the row,
    # and what follows would be a cell of its own.
    return "" if value is None else harmless(str(value)).replace("\r", " ")


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).translate(_MARKUP).replace("\n", " ")
