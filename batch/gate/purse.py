"""The first that a request passes: what it may cost is reserved, or it waits until that is free.

What a crash would leave in the dark is on record before it is at risk, so that a budget holds over
kills too: the journal says how much may be under way, and is told when that is not enough. What an
answer cost is in the dark as well until its record is on stable storage.

A task outlives its session, which leaves on record what it may cost. Whoever goes on with it, and
has what it did cost on record, takes that off; if nobody ever does, it counts as spent.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, Protocol

from batch.budget import Budget, Reserved
from batch.errors import CAPPED, BadConfig, Blocked, CallFailed, Halted
from batch.gate.waits import Bell, Door, Waiter
from batch.pricing import ZERO
from batch.records import Owed, Request
from batch.tariff import Tariff
from batch.usage import Usage

AHEAD: Final = 2  # put on record so many times what is at risk: a few entries in all
FIRST: Final = 8  # and so many requests' worth at the least, as a run begins with that many

Stop = Callable[[int, str], None]  # ends the run in order, with an exit code and a reason


class Word(Protocol):
    """What the journal says that sessions have at risk, each by its last word."""

    def owed(self, amount: Decimal) -> Owed:
        """Return how a task's entry says what of this session's word is for that task."""
        ...

    async def keep(self, amount: Decimal) -> None:
        """Say how much may be at risk; return when that is on stable storage."""
        ...

    def settle(self, owed: Owed) -> None:
        """Take off what a task was owed by an earlier session, whose cost is on record now."""
        ...


class Purse:
    """Gives out what a run may spend."""

    __slots__ = (
        "_bell",
        "_door",
        "_halted",
        "_on_record",
        "_passed_over",
        "_said",
        "_settled",
        "_stop",
        "_tariff",
        "_unsaved",
        "_unsaved_by_line",
        "_waiting",
        "_word",
        "budget",
        "limited",
    )

    def __init__(
        self,
        budget: Budget | None = None,
        tariff: Tariff | None = None,
        word: Word | None = None,
        stop: Stop = lambda code, reason: None,
    ) -> None:
        self.budget = budget or Budget(None, None)
        self.limited = tariff is not None or self.budget.limited  # else nothing needs reserving
        self._tariff = tariff  # None: nothing counts money
        self._word = word  # None: nothing is put on record
        self._stop = stop
        self._said = ZERO  # as the most that may be at risk, and perhaps not on record yet
        self._on_record = ZERO
        self._unsaved = ZERO  # what was spent on lines whose records are not safe yet
        self._unsaved_by_line: dict[int, Decimal] = {}
        self._settled: dict[int, Owed] = {}  # of lines whose records are not safe yet either
        self._passed_over = ""  # why lines were left, while tasks were to come that may free money
        self._door = Door()
        self._bell = Bell()
        self._halted = False
        self._waiting: dict[Waiter, None] = {}

    async def reserve(self, request: Request) -> Reserved:
        """Keep back what a request may cost. Raises Halted if the run ends for want of it."""
        amount = self._worst(request)
        if not self._door.busy and self.budget.fits(amount) and not self._short(amount):
            return self.budget.reserve(amount)
        if self._halted:
            raise Halted("the run is ending")
        waiter = Waiter()
        self._waiting[waiter] = None
        try:
            await self._door.enter(waiter)
            try:
                return await self._turn(waiter, amount)
            finally:
                self._door.leave()
        finally:
            del self._waiting[waiter]

    async def _turn(self, waiter: Waiter, amount: Decimal) -> Reserved:
        while True:
            if not self.budget.fits(amount):
                if (why := self.budget.refuses(amount)) is not None:
                    self._refuse(why)
                await self._bell.wait(waiter, None)
            elif self._short(amount):
                await self._cover(amount)
            else:
                return self.budget.reserve(amount)

    def _refuse(self, why: str) -> None:
        """Raise Halted, as the run ends; Blocked while a task is to come that has money kept back.

        Its line may be any of those that follow. The run ends when all have been passed over.
        """
        if self.budget.to_come:
            self._passed_over = why
            raise Blocked(why)
        self._stop(CAPPED, why)
        raise Halted(why)

    async def _cover(self, amount: Decimal) -> None:
        """Have the journal say how much may be at risk from here on, so much more among it."""
        risk = self.at_risk + amount
        if risk > self._said:
            ahead = max(AHEAD * risk, FIRST * amount)
            left = self._most_at_risk()
            self._said = ahead if left is None else max(risk, min(ahead, left))
        said = self._said  # never less than before: it is the last word that counts
        if self._word is not None:
            await self._word.keep(said)
        self._on_record = max(self._on_record, said)

    def _most_at_risk(self) -> Decimal | None:
        """Return what is left of the budget, with what is at risk now: it will never be more."""
        budget = self.budget
        if budget.most is None:
            return None
        return budget.most - budget.spent - budget.earlier - budget.covered + self._unsaved

    @property
    def at_risk(self) -> Decimal:
        """Return what a crash at this moment would leave in the dark."""
        return self.budget.at_risk + self._unsaved

    async def close(self) -> None:
        """Put on record what the session leaves in the dark, once its records are safe."""
        if self._passed_over:
            self._stop(CAPPED, self._passed_over)
        if self._word is not None:
            await self._word.keep(self.at_risk)

    def saved(self, line: int) -> None:
        """Take note that all is on stable storage which a line has cost by now."""
        if self._unsaved_by_line:
            self._unsaved -= self._unsaved_by_line.pop(line, ZERO)
        if self._settled and self._word is not None and (owed := self._settled.pop(line, None)):
            self._word.settle(owed)

    def leaves(self, kept: Reserved | None) -> None:
        """Take note that a call is sent."""
        if kept is not None:
            self.budget.leaves(kept)

    def answered(self, kept: Reserved, request: Request, usage: Usage | None) -> None:
        """Put what an answer cost in the place of what was kept back."""
        self._spend(kept, request, usage)

    def failed(self, kept: Reserved, request: Request, failure: CallFailed) -> None:
        """Do so for a call that gave no answer; what may have been billed counts as if it was."""
        if failure.usage is not None:
            self._spend(kept, request, failure.usage)
            return
        answered = failure.status is not None and failure.status < 300
        self._settle(kept, None if failure.doubtful or answered else ZERO)

    def owed(self, kept: Reserved | None) -> Owed | None:
        """Return what a task's entry is to say of what was kept back for it."""
        if kept is None or self._word is None or not kept.amount:
            return kept.owed if kept is not None else None
        if kept.owed is None:
            kept.owed = self._word.owed(kept.amount)
        return kept.owed

    async def take_over(self, request: Request, owed: Owed | None) -> Reserved | None:
        """Keep back what a task may cost that an earlier session began; None: nobody can say.

        ``owed``: what that has on record. Of a session without a budget there is nothing.
        """
        if self._tariff is None:
            kept = self.budget.owe(ZERO)
            kept.owed = owed
            return kept
        told = self._tariff.exchanged(owed.amount, owed.currency) if owed is not None else None
        if owed is not None and told is not None:
            return self.budget.take_over(told, owed)
        worst = self._tariff.worst(request)
        if worst is None:
            return None
        kept = self.budget.owe(worst)
        if self._short(ZERO):
            await self._cover(ZERO)
        return kept

    def lost(self, kept: Reserved) -> None:
        """Give up on a call: of one that has left nobody will know what it cost."""
        self._settle(kept, None)

    def halt(self) -> None:
        """Send away everybody who waits, and whoever would have to."""
        self._halted = True
        for waiter in self._waiting:
            waiter.send_away(Halted("the run is ending"))

    def _spend(self, kept: Reserved, request: Request, usage: Usage | None) -> None:
        cost = self._cost(request, usage)
        line = request.ordinals[0]  # the lines of a pack are recorded together
        if kept.earlier and kept.owed is not None:
            if cost is not None:
                self._settled[line] = kept.owed
        elif cost:
            # Until its record is safe a task may be gone on with, and all is taken off then.
            unsaved = cost if kept.owed is None else max(cost, kept.amount)
            self._unsaved_by_line[line] = self._unsaved_by_line.get(line, ZERO) + unsaved
            self._unsaved += unsaved
        self._settle(kept, cost)

    def _settle(self, kept: Reserved, cost: Decimal | None) -> None:
        self.budget.settle(kept, cost)
        if self._waiting:
            self._bell.ring()

    def _short(self, amount: Decimal) -> bool:
        """Return whether more would be at risk than the journal says."""
        return self._word is not None and self.at_risk + amount > self._on_record

    def _worst(self, request: Request) -> Decimal:
        if self._tariff is None:
            return ZERO
        worst = self._tariff.worst(request)
        if worst is None:
            why = f"--max-cost: {self._tariff.why_unknown(request)}"
            self._stop(BadConfig.exit_code, why)
            raise Halted(why)
        return worst

    def _cost(self, request: Request, usage: Usage | None) -> Decimal | None:
        if self._tariff is None:
            return ZERO
        return None if usage is None else self._tariff.cost(request.model, usage)
