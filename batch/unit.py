"""One unit of work on its way: what is known of it, and the records and entries it makes.

A unit is one line, or a pack of lines that one call answers. Nothing here waits or writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from batch.budget import Reserved
from batch.errors import CallFailed, Refused, TaskFailed, TaskLost
from batch.gate.memory import Held
from batch.ledger.entries import Entry, EntryKind, seconds_of, timestamp
from batch.ledger.state import Open
from batch.records import Answer, Fault, Label, Owed, Result, Row, State, Timing
from batch.retry import Past, retryable
from batch.script import Verdict
from batch.usage import Usage, fields

LONGEST_NAME: Final = 200  # characters of a task's name in messages
NO_REPEATS: Final[Mapping[str, int]] = {}


class Unit:
    """What is known of one unit while it is being delivered."""

    __slots__ = (
        "_past",
        "_repeats",
        "attempts",
        "begun",
        "endpoint",
        "held",
        "kept",
        "key",
        "left",
        "maybe_billed",
        "reserved",
        "rows",
        "sent_at",
        "since",
        "started_at",
        "state",
    )

    def __init__(
        self,
        rows: Sequence[Row],
        begun: Open,
        since: float,
        repeats: Mapping[str, int] = NO_REPEATS,
    ) -> None:
        self.rows = rows
        self.begun = begun  # what an earlier session left of it
        self.endpoint = rows[0].endpoint
        self.state = begun.state  # as the journal has it: of a task that may still end
        self.attempts = begun.attempts
        self.maybe_billed = begun.maybe_billed
        self._repeats = repeats  # granted before it was a unit of its own
        self._past: Past | None = None
        self.key = begun.key
        self.kept = 0  # answers on record to its requests before the one that is asked
        self.held: Held | None = None  # memory of its call under way, or of the answer to it
        self.left = False  # whether a byte of its last attempt may have been sent
        self.reserved: Reserved | None = None  # what its request may cost, until that is known
        self.since = since  # clock when its first attempt was sent, or its task was there
        self.sent_at = since  # clock when its last attempt was sent
        self.started_at = seconds_of(begun.at)  # the same, seconds since the epoch

    @property
    def past(self) -> Past:
        """Return what its failed attempts have come to so far, which most units have none of."""
        if self._past is None:
            self._past = Past(repeats=dict(self._repeats))
        return self._past

    def let_go(self) -> None:
        """Give the memory back that is held, if any is."""
        if self.held is not None:
            self.held.release()
            self.held = None

    def spent(self) -> Reserved:
        """Hand over what is reserved, which somebody knows more about now."""
        reserved, self.reserved = self.reserved, None
        if reserved is None:
            raise TypeError("nothing is reserved")
        return reserved

    def entry(
        self, kind: EntryKind, part: int, state: State | None = None, owed: Owed | None = None
    ) -> Entry:
        """Return a journal entry about one of the unit's requests."""
        row = self.rows[0]
        return Entry(
            kind=kind,
            line=row.ordinal,
            sum=f"{row.sum:016x}",
            part=part,
            attempt=self.attempts,
            at=timestamp(self.started_at),
            model=row.model,
            endpoint=self.endpoint,
            key=self.key,
            state=state,
            owed=owed,
        )

    def billed(self, part: int, usage: Usage, why: str) -> Entry:
        """Return the entry of a paid attempt that is not the unit's answer."""
        entry = self.entry("billed", part)
        return msgspec.structs.replace(entry, usage=fields(usage), why=why)

    def answered_part(self, part: int, answer: Answer) -> Entry:
        """Return the entry of a finished request after which the unit asks another."""
        entry = self.entry("part", part)
        return msgspec.structs.replace(entry, usage=fields(answer.usage), answer=answer)

    def sends(self, clock: float, now: float) -> None:
        """Take note that an attempt is sent; the time of a line begins with the first of them."""
        if self.attempts == self.begun.attempts:
            self.since = clock
        self.attempts += 1
        self.left = False
        self.sent_at, self.started_at = clock, now

    @property
    def task_name(self) -> str:
        """Return the name of what is waited for, for messages and for the record."""
        name = str((self.state or {}).get("id") or "")
        shown = "".join(sign if sign.isprintable() else " " for sign in name[:LONGEST_NAME])
        return f"task {shown}" if name else "the download"

    def failed(self, failure: CallFailed, now: float) -> list[Result]:
        """Return the error records of a unit that has no answer."""
        goes_on = self.state is not None and not isinstance(failure, (TaskFailed, TaskLost))
        # A poll that was refused, as by a proxy, says nothing of the task.
        can = retryable(failure) or (goes_on and type(failure) is Refused)
        fault = Fault(
            code=failure.code,
            message=failure.message,
            status=failure.status,
            request_id=failure.request_id,
            body=failure.body,
            retryable=can,
            unfinished=self.task_name if goes_on else None,
            parts=self.kept,
        )
        return [self._result(row, fault, now) for row in self.rows]

    def judged(self, verdict: Verdict, last: Answer, asked: int, now: float) -> list[Result]:
        """Return a verdict's records after so many requests, of which ``last`` was the last.

        A record's usage is that of the unit's last call; earlier ones stand in their parts.
        """
        results: list[Result] = []
        packed = len(self.rows) > 1
        good = packed and sum(isinstance(outcome, Answer) for outcome in verdict.outcomes)
        place = 0
        for row, outcome in zip(self.rows, verdict.outcomes, strict=True):
            if not isinstance(outcome, Answer):
                fault = Fault(outcome.code, outcome.message, retryable=True)
                flawed = self._result(row, fault, now, verdict.label)
                results.append(msgspec.structs.replace(flawed, flawed=outcome.answer))
                continue
            answer = outcome
            if asked > 1:
                answer = msgspec.structs.replace(outcome, usage=last.usage)
            pack = (place, good) if packed else None
            results.append(self._result(row, answer, now, verdict.label, pack))
            place += 1
        return results

    def ended_at(self, clock: float, now: float) -> float:
        """Return when it ended, in seconds since the epoch, as its beginning is told.

        What was sent here is timed by ``clock``: the time of day ``now`` may have been set since.
        """
        if self.attempts > self.begun.attempts:
            return self.started_at + clock - self.sent_at
        return max(now, self.started_at)

    def _result(
        self,
        row: Row,
        outcome: Answer | Fault,
        now: float,
        label: Label | None = None,
        pack: tuple[int, int] | None = None,
    ) -> Result:
        ms = round((now - self.started_at) * 1000) if self.started_at else 0
        return Result(
            ordinal=row.ordinal,
            sum=row.sum,
            custom_id=row.custom_id,
            model=row.model,
            endpoint=self.endpoint,
            key=self.key,
            timing=Timing(self.started_at, ms, self.attempts),
            outcome=outcome,
            # Of a pack once: it was one call.
            maybe_billed=self.maybe_billed if row is self.rows[0] else 0,
            pack=pack,
            label=label,
        )


def rejected_usage(verdict: Verdict, last: Answer, asked: int) -> list[tuple[str, Usage]]:
    """Return what the rejected answers of a verdict cost, with the reasons; no record has it."""
    rejected: list[tuple[str, Usage]] = []
    for outcome in verdict.outcomes:
        if not isinstance(outcome, Answer):
            usage = last.usage if asked > 1 else outcome.answer.usage
            if usage is not None:
                rejected.append((outcome.code, usage))
    return rejected
