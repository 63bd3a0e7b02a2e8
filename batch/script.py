"""How many requests a line needs. A script is a rule: answers in, more requests or a verdict out.

The default asks once. Votes, re-asks and tool loops are other scripts, and so is a pack, which
lets one call answer several lines: a unit of work is then as many rows as ``width`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from batch.records import Answer, Flaw, Label, Request, Row

Identity: TypeAlias = Mapping[str, str | int]
# From the name of a format and several bodies with the same ``pack_key`` to one body.
Merge: TypeAlias = Callable[[str, Sequence[bytes]], bytes]


class Ask(msgspec.Struct, frozen=True):
    """More requests, asked one after the other."""

    requests: tuple[Request, ...]


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of the rows: for each of them an answer, or a flaw."""

    outcomes: tuple[Answer | Flaw, ...]
    label: Label | None = None  # of a unit of one row that is labeled


class Script(Protocol):
    """How many requests a unit of rows needs.

    Both methods are functions of their arguments alone: after a crash the engine calls ``more``
    with the answers that are on record, and goes on from there without asking them again.
    """

    width: int  # lines of a unit, at most; those of one unit have the same ``pack_key``
    least: int  # requests by which a unit of one row is answered; failed ones are not counted
    most: int

    def identity(self) -> Identity:
        """Return what of this script makes another answer: part of the run's identity."""
        ...

    def begin(self, rows: Sequence[Row]) -> Ask:
        """Return the first requests of a unit of one row, or of up to ``width`` rows.

        Raises ``Refused`` for rows that it cannot ask.
        """
        ...

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> Ask | Verdict:
        """Return what follows from all answers of the unit so far, in the order asked."""
        ...


def request(row: Row, part: int = 0, body: bytes | None = None) -> Request:
    """Return a request that asks one row, with its own body or another."""
    return Request(
        ordinals=(row.ordinal,),
        custom_ids=(row.custom_id,),
        format=row.format,
        model=row.model,
        body=row.body if body is None else body,
        part=part,
        method=row.method,
        path=row.path,
        makes=row.makes,
        sum=row.sum,
    )


class AskOnce:
    """Each line is one request, and its answer is the line's."""

    width = least = most = 1

    def identity(self) -> Identity:
        """Return the name alone: nothing else of it could change an answer."""
        return {"script": "once"}

    def begin(self, rows: Sequence[Row]) -> Ask:
        """Ask the one row of the unit."""
        return Ask((request(rows[0]),))

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> Ask | Verdict:
        """Take the answer as it is."""
        return Verdict((answers[0],))


class Pack:
    """Up to so many lines are asked by one request, if their format can; others one by one."""

    least = most = 1

    def __init__(self, width: int, merge: Merge) -> None:
        self.width = width
        self._merge = merge

    def identity(self) -> Identity:
        """Return the width too: some models answer a line otherwise in other company."""
        return {"script": "pack", "width": self.width}

    def begin(self, rows: Sequence[Row]) -> Ask:
        """Ask the unit's rows with one request."""
        if len(rows) == 1:
            return Ask((request(rows[0]),))
        bodies = tuple(row.body for row in rows)
        packed = msgspec.structs.replace(
            request(rows[0], body=self._merge(rows[0].format, bodies)),
            ordinals=tuple(row.ordinal for row in rows),
            custom_ids=tuple(row.custom_id for row in rows),
            bodies=bodies,
        )
        return Ask((packed,))

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> Ask | Verdict:
        """Take the answer, or each row's share of it."""
        return Verdict(shared(answers[0]) if len(rows) > 1 else (answers[0],))


def shared(answer: Answer) -> tuple[Answer, ...]:
    """Return a pack's answers, the call's usage divided in whole units that add up exactly."""
    usages = answer.usage.divide(len(answer.shares)) if answer.usage is not None else None
    return tuple(
        msgspec.structs.replace(
            share,
            usage=usages[place] if usages is not None else None,
            model=answer.model,
            status=answer.status,
            request_id=answer.request_id,
        )
        for place, share in enumerate(answer.shares)
    )
