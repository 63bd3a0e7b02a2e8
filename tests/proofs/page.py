"""Tables that a proof measured, put into the document that shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

LIMITS: Final = Path(__file__).parents[2] / "docs" / "limits.md"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; a head that ends with a colon has its cells on the right."""
    lines = [
        "| " + " | ".join(head.removesuffix(":") for head in heads) + " |",
        "|" + "|".join("---:" if head.endswith(":") else "---" for head in heads) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def put(name: str, text: str, page: Path = LIMITS) -> None:
    """Replace what stands between the marks of a name, and note the day."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = page.read_text(encoding="utf-8")
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    made = f"{begin}\n\n{text}\n\nMeasured on {day}.\n\n{end}"
    replaced, count = found.subn(lambda _: made, whole)
    if count != 1:
        raise ValueError(f"{page}: no place for {name}")
    page.write_text(replaced, encoding="utf-8")
