"""What a run may cost and send, what of that is reserved for requests under way, and what is gone.

The most that a request can cost is reserved before it is sent. When its outcome is known, what it
did cost takes the place of that; where nobody can know, the whole of it counts as gone.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from batch.pricing import ZERO
from batch.records import Owed


class Reserved(msgspec.Struct):
    """What is kept back for one request; ``sent``: whether it has left."""

    amount: Decimal
    sent: bool = False
    owed: Owed | None = None  # what the journal's entry of its task says
    earlier: bool = False  # an earlier session has it on record to be at risk


class Budget:
    """Money and requests. None: as much, or as many, as it takes."""

    __slots__ = (
        "_lost",
        "_most_lost",
        "_unsent",
        "covered",
        "doubtful",
        "most",
        "requests",
        "reserved",
        "sent",
        "spent",
        "to_come",
        "under_way",
    )

    def __init__(
        self,
        most: Decimal | None,
        requests: int | None,
        spent: Decimal = ZERO,
        earlier: Decimal = ZERO,
        to_come: int = 0,
    ) -> None:
        self.most = most
        self.requests = requests
        self.spent = spent  # what is known to have been spent, by all sessions
        self.doubtful = ZERO  # the most that attempts may have cost of which nobody knows
        self.reserved = ZERO
        self.covered = ZERO  # of these two, what earlier sessions have on record
        self.to_come = to_come  # tasks of theirs that this one has not gone on with yet
        self._lost = earlier  # what they have on record beside that
        # More than there was cannot have been lost, whatever is on record to have been at risk.
        self._most_lost = earlier if most is None else max(ZERO, most - spent)
        self.sent = 0
        self.under_way = 0  # requests that have something reserved
        self._unsent = 0  # of these, those that have not left

    @property
    def limited(self) -> bool:
        """Return whether there is a limit at all."""
        return self.most is not None or self.requests is not None

    @property
    def earlier(self) -> Decimal:
        """Return the most that earlier sessions may have spent of which nobody knows."""
        return min(self._lost, self._most_lost)

    @property
    def gone(self) -> Decimal:
        """Return the most that may have been spent by now, requests under way left aside."""
        return self.spent + self.earlier + self.doubtful

    @property
    def at_risk(self) -> Decimal:
        """Return the most that this session's attempts may cost that is not known, or not yet."""
        return self.doubtful + self.reserved - self.covered

    def fits(self, amount: Decimal) -> bool:
        """Return whether one more request may be sent that costs so much at the most."""
        return not self._too_dear(amount, self.reserved) and not self._too_many(self._unsent)

    def refuses(self, amount: Decimal) -> str | None:
        """Return why such a request will never be sent, however the others end; None if it may."""
        if self.under_way:
            return None  # it may not be sent, or turn out cheaper; and a task is to be waited for
        if self._too_many(0):
            return f"--max-requests {self.requests:,} are sent"
        if self._too_dear(amount, ZERO):
            return "the next request may cost more than is left of --max-cost"
        return None

    def reserve(self, amount: Decimal) -> Reserved:
        """Keep back what a request may cost."""
        self.reserved += amount
        self.under_way += 1
        self._unsent += 1
        return Reserved(amount)

    def leaves(self, one: Reserved) -> None:
        """Take note that a request is sent."""
        if not one.sent:
            one.sent = True
            self.sent += 1
            self._unsent -= 1

    def owe(self, amount: Decimal) -> Reserved:
        """Keep back what work may cost that an earlier session has begun, whatever is left."""
        self.reserved += amount
        self.under_way += 1
        return Reserved(amount, sent=True)

    def take_over(self, amount: Decimal, owed: Owed) -> Reserved:
        """Keep back what a task may cost that an earlier session has on record."""
        self._lost = max(ZERO, self._lost - amount)
        self.covered += amount
        self.to_come -= 1
        one = self.owe(amount)
        one.owed, one.earlier = owed, True
        return one

    def settle(self, one: Reserved, cost: Decimal | None) -> None:
        """Put what a request did cost in the place of what was kept back; None: nobody knows."""
        self.reserved -= one.amount
        self.under_way -= 1
        if not one.sent:
            self._unsent -= 1
        elif cost is None:
            self.doubtful += one.amount
        else:
            self.spent += cost
            self.covered -= one.amount if one.earlier else ZERO

    def _too_dear(self, amount: Decimal, reserved: Decimal) -> bool:
        return self.most is not None and self.gone + reserved + amount > self.most

    def _too_many(self, unsent: int) -> bool:
        return self.requests is not None and self.sent + unsent >= self.requests
