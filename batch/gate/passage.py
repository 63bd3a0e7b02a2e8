"""What a call passes on one side of the gate, the key's or the account's, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from batch.adapt.load import Load
from batch.adapt.window import START
from batch.errors import CallFailed
from batch.gate.limit import Limit
from batch.gate.pace import Pace
from batch.gate.schedule import Schedule
from batch.gate.settings import Limits
from batch.gate.slots import Slots
from batch.gate.waits import Door, Waiter

SHORTEST_TRIP = 0.001  # seconds; less is as good as nothing
SMOOTHING = 1 / 8  # part of each new round trip in the smoothed one
# Where a rate is declared, of the side or of the other one that its calls pass, so many seconds'
# worth of it may be on the wire before anything is known.
START_SECONDS = 0.25


class Fare(Waiter):
    """A call that has to wait in the gate: what it needs, and what it has paid already."""

    __slots__ = ("paid", "takes_slot", "tokens")

    def __init__(self, takes_slot: bool, tokens: int) -> None:
        super().__init__()
        self.takes_slot = takes_slot
        self.tokens = tokens
        self.paid: dict[Limit, tuple[float, float, float]] = {}  # limit → amount, when, level then


class Passage:
    """A pause, slots, a pace, requests a minute, tokens a minute: in this order, the rates last.

    Paid before a slot is free, calls would pile up behind slow ones and leave together.
    """

    __slots__ = (
        "_clock",
        "_poll_door",
        "_requests",
        "_slot_door",
        "_tokens",
        "_trip",
        "limited",
        "load",
        "pace",
        "schedule",
        "slots",
    )

    def __init__(
        self, limits: Limits, ceiling: int, clock: Callable[[], float], rpm: float
    ) -> None:
        self._clock = clock
        self._trip: float | None = None  # seconds, smoothed
        self._requests: Limit | None = None
        self._tokens: Limit | None = None
        self._slot_door = Door()
        self._poll_door = Door()
        self.schedule = Schedule(clock)
        self.load = Load(ceiling, max(START, int(START_SECONDS * rpm / 60)))
        self.slots = Slots(self.load.window)
        self.pace = Pace(self.load, clock)
        if limits.rpm:
            self._requests = Limit(limits.rpm, "requests", clock, limits.rpm_bucket)
        if limits.tpm:
            self._tokens = Limit(limits.tpm, "tokens", clock, limits.tpm_bucket)
        self.limited = self._requests is not None or self._tokens is not None

    @property
    def counts_tokens(self) -> bool:
        """Return whether a limit of tokens is declared."""
        return self._tokens is not None

    @property
    def trip(self) -> float | None:
        """Return how many seconds an answer took lately, or None if there was none yet."""
        return self._trip

    def free(self, now: float, takes_slot: bool, tokens: int, at_door: bool = False) -> bool:
        """Return whether a call would pass without waiting; ``at_door``: if it had the turn."""
        if self.schedule.until > now or not (at_door or not self.door(takes_slot).busy):
            return False
        if takes_slot and not (self.slots.free() and self.pace.free(now)):
            return False
        return not self.limited or all(limit.free(due) for limit, due in self._dues(tokens))

    def seize(self, now: float) -> None:
        """Take a slot and its time, which are free."""
        self.slots.take(now)
        self.pace.take(self.slots.taken)

    def door(self, takes_slot: bool) -> Door:
        """Return the door to wait at: polls never wait behind calls that want a slot."""
        return self._slot_door if takes_slot else self._poll_door

    async def take(self, fare: Fare) -> None:
        """Wait for a slot and the rates, and take them. The caller is inside the door."""
        await self.schedule.passed(fare)
        if fare.takes_slot:
            await self.slots.freed(fare)
            self.slots.take(self._clock())
        try:
            if fare.takes_slot:
                await self.pace.passed(fare)
                self.pace.take(self.slots.taken)
            await self._wait_and_pay(fare)
            await self.schedule.passed(fare)  # a pause may have begun meanwhile
        except BaseException:
            self.give_back(fare)
            raise

    def give_back(self, fare: Fare) -> None:
        """Return what was taken and is not used; rates that were paid stay paid."""
        if fare.takes_slot:
            self.slots.give_back()

    async def pay(self, tokens: int) -> None:
        """Pay the rates, which are free: nothing waits."""
        for limit, due in self._dues(tokens):
            await limit.pay(due)

    def answered(self, among: int, sent_at: float) -> None:
        """Take note that a call was answered which went as one of so many on the wire."""
        self.schedule.answered(sent_at)
        self.load.answered(sent_at, among, self.slots.taken)

    def reckon(self, seconds: float, difference: int | None) -> None:
        """Take note of a round trip, and of how many more tokens it took than it had paid for."""
        trip = self._trip
        self._trip = seconds if trip is None else trip + SMOOTHING * (seconds - trip)
        if difference and self._tokens is not None:
            self._tokens.settle(difference)

    def rejected(self, failure: CallFailed, sent_at: float) -> bool:
        """Slow down after a rate limit, and pause if that does not help, or is asked for.

        Returns whether the rejection was news.
        """
        now, taken, trip = self._clock(), self.slots.taken, self.trip
        rate = None if trip is None else taken / max(trip, SHORTEST_TRIP)
        drops = self.load.rejected(now, sent_at, taken, rate)
        self._look()
        asked = failure.retry_after
        if asked or drops > 1:
            self.schedule.rejected(sent_at, asked, max(now - sent_at, SHORTEST_TRIP))
        return drops > 0

    def overloaded(self, sent_at: float) -> bool:
        """Narrow the window after a sign of overload. Returns whether it was news."""
        drops = self.load.overloaded(self._clock(), sent_at, self.slots.taken)
        self._look()
        return drops > 0

    def _look(self) -> None:
        """Wake who waits for the time of a pace that was given up."""
        if self.load.pace is None:
            self.pace.look()

    async def _wait_and_pay(self, fare: Fare) -> None:
        """Pay the rates that were not paid yet."""
        missing = [due for due in self._dues(fare.tokens) if due[0] not in fare.paid]
        while dues := [due for due in missing if due[0] not in fare.paid]:
            slow = [(limit, due) for limit, due in dues if not limit.free(due)]
            if slow:
                # Side by side: a long prompt saves up tokens while it waits for its request.
                tasks = [asyncio.ensure_future(self._record(fare, *due)) for due in slow]
                paying = tasks[0] if len(tasks) == 1 else asyncio.gather(*tasks)
                await fare.wait(paying, slow[0][0].why)
            else:
                for limit, due in dues:
                    await self._record(fare, limit, due)

    async def _record(self, fare: Fare, limit: Limit, due: float) -> None:
        await limit.pay(due)
        fare.paid[limit] = due, self._clock(), limit.level

    def _dues(self, tokens: int) -> list[tuple[Limit, float]]:
        dues: list[tuple[Limit, float]] = []
        if self._requests is not None:
            dues.append((self._requests, 1))
        if self._tokens is not None and tokens:
            dues.append((self._tokens, tokens))
        return dues
