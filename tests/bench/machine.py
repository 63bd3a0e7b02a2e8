"""On what it was measured, and how it is told and written down."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.bench.rows import HEADS, Row, aligned, verdict
from tests.proofs.page import put, table
from tests.proofs.processes import Failed

PAGE: Final = Path(__file__).parents[2] / "docs" / "performance.md"


def machine() -> str:
    """Say on what it was measured."""
    processors = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.release()}"
    return f"{processors} processors, {system}, CPython {platform.python_version()}"


def tell(rows: Iterable[Row], name: str | None) -> None:
    """Say each row as it is measured, and then all as a table; put it into the page by its name.

    Leaves the process if one fails.
    """
    found = []
    try:
        for row in rows:
            found.append(row)
            print(f"{row.what}: {row.own}", flush=True)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    cells = [row.cells for row in found]
    print(f"\n{aligned(HEADS, cells)}\n\n{verdict(found)} {machine()}.")
    if name is not None:
        put(name, f"{table(HEADS, cells)}\n\n{machine()}.", PAGE)
