"""What a run may cost and send, what of that is reserved for requests under way, and what is gone.

The most that a request can cost is reserved before it is sent. When its outcome is known, what it
did cost takes the place of that; where nobody can know, the whole of it counts as gone.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from batch.pricing import ZERO


class Reserved(msgspec.Struct):
    """What is kept back for one request; ``sent``: whether it has left."""

    amount: Decimal
    sent: bool = False


class Budget:
    """Money and requests. None: as much, or as many, as it takes."""

    __slots__ = (
        "_unsent",
        "doubtful",
        "earlier",
        "most",
        "postponed",
        "requests",
        "reserved",
        "sent",
        "spent",
        "under_way",
    )

    def __init__(
        self,
        most: Decimal | None,
        requests: int | None,
        spent: Decimal = ZERO,
        earlier: Decimal = ZERO,
    ) -> None:
        self.most = most
        self.requests = requests
        self.spent = spent  # what is known to have been spent, by all sessions
        self.earlier = earlier  # the most that earlier ones may have, of which nobody knows
        self.postponed = ZERO  # of what is doubtful: tasks that the next session goes on with
        self.doubtful = ZERO  # the most that attempts may have cost of which nobody knows
        self.reserved = ZERO
        self.sent = 0
        self.under_way = 0  # requests that have something reserved
        self._unsent = 0  # of these, those that have not left

    @property
    def limited(self) -> bool:
        """Return whether there is a limit at all."""
        return self.most is not None or self.requests is not None

    @property
    def gone(self) -> Decimal:
        """Return the most that may have been spent by now, requests under way left aside."""
        return self.spent + self.earlier + self.doubtful

    @property
    def at_risk(self) -> Decimal:
        """Return the most that attempts may cost of which it is not known, or not yet."""
        return self.doubtful + self.reserved

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

    def postpone(self, one: Reserved) -> None:
        """Leave what is kept back to the session that will go on with the work."""
        self.settle(one, None)
        self.postponed += one.amount

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

    def _too_dear(self, amount: Decimal, reserved: Decimal) -> bool:
        return self.most is not None and self.gone + reserved + amount > self.most

    def _too_many(self, unsent: int) -> bool:
        return self.requests is not None and self.sent + unsent >= self.requests
