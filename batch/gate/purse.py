"""The first that a request passes: what it may cost is reserved, or it waits until that is free.

What a crash would leave in the dark is on record before it is at risk, so that a budget holds over
kills too: the journal says how much may be under way, and is told when that is not enough.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from batch.budget import Budget, Reserved
from batch.errors import CallFailed, Halted
from batch.gate.waits import Bell, Door, Waiter
from batch.pricing import ZERO
from batch.records import Request
from batch.tariff import Tariff
from batch.usage import Usage

CAPPED: Final = 4  # the exit code of a run that stopped at a limit of its own
UNKNOWN: Final = 78  # of one that cannot say what a request may cost
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
        "_on_record",
        "_stop",
        "_tariff",
        "_waiting",
        "budget",
    )

    def __init__(
        self,
        budget: Budget | None = None,
        tariff: Tariff | None = None,
        keep: Keep = _nothing,
        stop: Stop = lambda code, reason: None,
    ) -> None:
        self.budget = budget or Budget(None, None)
        self._tariff = tariff  # None: nothing counts money
        self._keep = keep
        self._stop = stop
        self._on_record = ZERO
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
            self._on_record = max(AHEAD * (self.budget.at_risk + amount), FIRST * amount)
            await self._keep(self._on_record)
        return self.budget.reserve(amount)

    def leaves(self, kept: Reserved | None) -> None:
        """Take note that a call is sent."""
        if kept is not None:
            self.budget.leaves(kept)

    def answered(self, kept: Reserved, request: Request, usage: Usage | None) -> None:
        """Put what an answer cost in the place of what was kept back."""
        self._settle(kept, self._cost(request, usage))

    def failed(self, kept: Reserved, request: Request, failure: CallFailed) -> None:
        """Do so for a call that gave no answer; what may have been billed counts as if it was."""
        if failure.usage is not None:
            self._settle(kept, self._cost(request, failure.usage))
            return
        answered = failure.status is not None and failure.status < 300
        doubtful = failure.ambiguous or failure.begun or answered
        self._settle(kept, None if doubtful else ZERO)

    def lost(self, kept: Reserved) -> None:
        """Give up on a call: of one that has left nobody will know what it cost."""
        self._settle(kept, None)

    def halt(self) -> None:
        """Send away everybody who waits, and whoever would have to."""
        self._halted = True
        for waiter in self._waiting:
            waiter.send_away(Halted("the run is ending"))

    def _settle(self, kept: Reserved, cost: Decimal | None) -> None:
        self.budget.settle(kept, cost)
        if self._waiting:
            self._bell.ring()

    def _short(self, amount: Decimal) -> bool:
        """Return whether more would be at risk than the journal says."""
        return self._tariff is not None and self.budget.at_risk + amount > self._on_record

    def _worst(self, request: Request) -> Decimal:
        if self._tariff is None:
            return ZERO
        worst = self._tariff.worst(request)
        if worst is None:
            why = f"--max-cost: {self._tariff.why_unknown(request)}"
            self._stop(UNKNOWN, why)
            raise Halted(why)
        return worst

    def _cost(self, request: Request, usage: Usage | None) -> Decimal | None:
        if self._tariff is None:
            return ZERO
        return None if usage is None else self._tariff.cost(request.model, usage)
