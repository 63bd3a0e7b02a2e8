"""The requests that are at work at once: a capacity that no header tells."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from types import TracebackType

from batch.errors import BadUsage
from batch.mock._errors import TurnedAway, hint
from batch.mock.dials import Dials
from batch.mock.hours import Hours


class Slots:
    """``async with slots`` holds one of them; who waits is let in by order of arrival."""

    __slots__ = ("_capacity", "_hint", "_hours", "_overflow", "_taken", "_waiting")

    def __init__(self, dials: Dials, hours: Hours) -> None:
        if dials.capacity is not None and dials.capacity < 1:
            raise BadUsage("the capacity must be at least 1")
        self._capacity = math.inf if dials.capacity is None else dials.capacity
        self._hours = hours
        self._hint = hint(1.0, dials.limit_hint)
        self._overflow = dials.overflow
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        """Wait for a slot, or raise ``TurnedAway``, as the overflow dial says."""
        self._let_in()
        if self._free():
            self._taken += 1
            return
        if self._overflow != "queue":
            raise TurnedAway("capacity", headers=self._hint, reset=self._overflow == "reset")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot came just when the wait ended
                self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _free(self) -> bool:
        return self._taken + 1 <= max(1.0, self._capacity * self._hours.factor())

    def _leave(self) -> None:
        self._taken -= 1
        self._let_in()

    def _let_in(self) -> None:
        """Give free slots to who has waited longest: several at once if the capacity has grown."""
        while self._waiting and self._free():
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
