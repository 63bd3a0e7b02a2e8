"""The first that a request passes: what it may cost is reserved, or it waits until that is free.

What a crash would leave in the dark is on record before it is at risk, so that a budget holds over
kills too: the journal says how much may be under way, and is told when that is not enough. What an
answer cost is in the dark as well until its record is on stable storage.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from batch.budget import Budget, Reserved
from batch.errors import CAPPED, BadConfig, CallFailed, Halted
from batch.gate.waits import Bell, Door, Waiter
from batch.pricing import ZERO
from batch.records import Request
from batch.tariff import Tariff
from batch.usage import Usage

AHEAD: Final = 2  # put on record so many times what is at risk: a few entries in all
FIRST: Final = 8  # and so many requests' worth at the least, as a run begins with that many

Keep = Callable[[Decimal], Awaitable[None]]  # puts on record, durably, how much may be at risk
Stop = Callable[[int, str], None]  # ends the run in order, with an exit code and a reason


async def _nothing(_amount: Decimal) -> None:
    """Put nothing on record: where nothing is reserved, nothing is at risk."""


class Purse:
    """Gives out what a run may spend."""

    __slots__ = (
        "_bell",
        "_door",
        "_halted",
        "_keep",
        "_left",
        "_on_record",
        "_stop",
        "_tariff",
        "_unsaved",
        "_unsaved_by_line",
        "_waiting",
        "budget",
        "limited",
    )

    def __init__(
        self,
        budget: Budget | None = None,
        tariff: Tariff | None = None,
        keep: Keep = _nothing,
        stop: Stop = lambda code, reason: None,
    ) -> None:
        self.budget = budget or Budget(None, None)
        self.limited = tariff is not None or self.budget.limited  # else nothing needs reserving
        self._tariff = tariff  # None: nothing counts money
        self._keep = keep
        self._stop = stop
        self._on_record = ZERO
        most = self.budget.most  # more than what is left of it is never at risk
        self._left = None if most is None else max(ZERO, most - self.budget.gone)
        self._unsaved = ZERO  # what was spent on lines whose records are not safe yet
        self._unsaved_by_line: dict[int, Decimal] = {}
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
        while not self.budget.fits(amount):
            why = self.budget.refuses(amount)
            if why is not None:
                self._stop(CAPPED, why)
                raise Halted(why)
            await self._bell.wait(waiter, None)
        if self._short(amount):
            ahead = max(AHEAD * (self.at_risk + amount), FIRST * amount)
            self._on_record = ahead if self._left is None else min(ahead, self._left)
            await self._keep(self._on_record)
        return self.budget.reserve(amount)

    @property
    def at_risk(self) -> Decimal:
        """Return what a crash at this moment would leave in the dark."""
        return self.budget.at_risk + self._unsaved

    async def close(self) -> None:
        """Put on record what the session leaves in the dark, once its records are safe."""
        if self._tariff is not None:
            await self._keep(self.at_risk - self.budget.postponed)

    def saved(self, line: int) -> None:
        """Take note that all is on stable storage which a line has cost by now."""
        if self._unsaved_by_line:
            self._unsaved -= self._unsaved_by_line.pop(line, ZERO)

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

    def owed(self, request: Request) -> Reserved | None:
        """Keep back what a task may cost that an earlier session began; None: nobody can say."""
        worst = self._tariff.worst(request) if self._tariff is not None else ZERO
        return None if worst is None else self.budget.owe(worst)

    def postponed(self, kept: Reserved) -> None:
        """Leave a task that goes on to whoever will go on with it."""
        self.budget.postpone(kept)
        self._bell.ring()

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
        if cost:
            line = request.ordinals[0]  # the lines of a pack are recorded together
            self._unsaved_by_line[line] = self._unsaved_by_line.get(line, ZERO) + cost
            self._unsaved += cost
        self._settle(kept, cost)

    def _settle(self, kept: Reserved, cost: Decimal | None) -> None:
        self.budget.settle(kept, cost)
        if self._waiting:
            self._bell.ring()

    def _short(self, amount: Decimal) -> bool:
        """Return whether more would be at risk than the journal says."""
        return self._tariff is not None and self.at_risk + amount > self._on_record

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
