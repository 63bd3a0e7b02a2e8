"""Refuses a run of which the first lines already tell that it would come to nothing as it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from batch.errors import BadConfig, BadUsage
from batch.outlook.look import reader_of
from batch.plan import Plan
from batch.records import BadLine, Row
from batch.script import request
from batch.tariff import Tariff
from batch.wire import NO_MODEL

LOOKED: Final = 25_000  # lines, which takes a second at the most


def require_sendable(plan: Plan, tariff: Tariff | None) -> None:
    """Look at the first lines that are to be asked.

    Raises ``BadConfig`` for one that a budget can never let through, as nobody can say what it may
    cost, and ``BadUsage`` if all of them lack the one thing that a flag gives to all: a model.
    """
    anew = not plan.ended(plan.history)
    if tariff is None and not anew:
        return
    nameless = 0
    for row in _first(plan):
        if not isinstance(row, BadLine):
            if tariff is None:
                return
            asked = request(row, 0)
            if tariff.worst(asked) is None:
                why = tariff.why_unknown(asked)
                raise BadConfig(f"{row.where}: --max-cost: {why}. Nothing was sent")
            anew = False
        elif row.code == NO_MODEL:
            nameless += 1
        else:
            anew = False
    if anew and nameless:
        raise BadUsage(
            f"{_nameless(nameless)} model: say it for all of them with -m MODEL. wbatch models "
            "lists those of the gateway"
        )


def _nameless(lines: int) -> str:
    return "the line names no" if lines == 1 else f"none of the first {lines:,} lines names a"


def _first(plan: Plan) -> Iterator[Row | BadLine]:
    return map(reader_of(plan).parse, islice(plan.unasked(), min(LOOKED, plan.todo)))
