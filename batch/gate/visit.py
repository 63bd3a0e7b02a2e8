"""One call's way through the gate and out again: the key's side first, then the account's.

Of each key's calls one at a time is past the key's door, and of all keys' one at a time past the
account's. So at most one slot on each side is held while its call waits, keys take turns, and
nothing of the account is held while a call still waits for its key.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from batch.errors import Blocked, Halted
from batch.gate.holdups import Holdup
from batch.gate.lane import Lane
from batch.gate.passage import Fare
from batch.records import Call


class Crowd:
    """Everybody who waits in the gate, so that they can be sent away."""

    __slots__ = ("_halted", "_waiting")

    def __init__(self) -> None:
        self._halted = False
        self._waiting: dict[Queuer, None] = {}  # in the order they came

    def add(self, queuer: Queuer) -> None:
        """Take in somebody who begins to wait."""
        self._waiting[queuer] = None

    def remove(self, queuer: Queuer) -> None:
        """Let go somebody who waits no more."""
        del self._waiting[queuer]

    def check(self, lane: Lane, model: str) -> None:
        """Raise if a call may not even wait."""
        if self._halted:
            raise Halted("the run is ending")
        breakers = lane.account.breakers
        if breakers.records:
            breaker = breakers.find(lane.key_name, model)
            if breaker is not None:
                breaker.lines += 1
                raise Blocked(str(breaker))

    def recheck(self) -> None:
        """Send away whoever waits and may not any more."""
        for queuer in self._waiting:
            if not queuer.leaving:
                try:
                    self.check(queuer.lane, queuer.model)
                except Halted as reason:
                    queuer.send_away(reason)

    def halt(self) -> None:
        """Send everybody away, now and from now on."""
        self._halted = True
        self.recheck()

    def reason(self) -> Holdup | None:
        """Return what the first waits for who does not only wait for a turn."""
        return next((queuer.why for queuer in self._waiting if queuer.why), None)


class Beside:
    """What is on the wire beside the window: so many polls, and so many downloads.

    They do no work at the gateway, and take no slots from calls that do. Yet hundreds of tasks that
    a resume asks after at once, or of films that are done at once, must not all be on the wire.
    """

    __slots__ = ("_free",)

    def __init__(self, ceiling: int) -> None:
        self._free = {kind: asyncio.Semaphore(ceiling) for kind in ("poll", "fetch")}

    def place(self, call: Call) -> asyncio.Semaphore | None:
        """Return what a call has to take a place of, or None for one that wants a slot."""
        return self._free.get(call.kind)


class Visit:
    """``async with``: begins when the call may be sent; its slots are held until the end.

    Raises Blocked or Halted if the call is not to be sent. An end without an exception is an
    answer, which may widen the windows.
    """

    __slots__ = ("_call", "_crowd", "_lane", "_model", "_place", "_takes_slot", "_tokens")

    def __init__(
        self, crowd: Crowd, beside: Beside, lane: Lane, model: str, call: Call, tokens: int
    ) -> None:
        self._crowd = crowd
        self._place = beside.place(call)
        self._lane = lane
        self._model = model
        self._call = call
        self._tokens = tokens
        self._takes_slot = False

    async def __aenter__(self) -> None:
        if self._place is not None:
            await self._place.acquire()
        lane, account = self._lane, self._lane.account
        try:
            self._crowd.check(lane, self._model)
            if self._call.kind == "submit":
                takes_slot, tokens = True, self._tokens
            elif self._call.origin == "foreign":
                return
            else:
                # Polls do no work at the gateway that a window could limit. Yet one call at a time
                # tries an account that is down, whatever it is.
                takes_slot, tokens = account.down, 0
            now = account.now()
            if lane.free(now, takes_slot, tokens) and account.free(now, takes_slot, tokens):
                # Nothing in here waits: the usual case costs no switch to another task.
                if takes_slot:
                    lane.slots.take(now)
                    account.slots.take(now)
                if lane.limited:
                    await lane.pay(tokens)
                if account.limited:
                    await account.pay(tokens)
            else:
                await Queuer(lane, self._model, takes_slot, tokens).queue(self._crowd)
        except BaseException:
            self._let_go()
            raise
        self._takes_slot = takes_slot

    def _let_go(self) -> None:
        if self._place is not None:
            self._place.release()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._let_go()
        if not self._takes_slot:
            return
        lane, account = self._lane, self._lane.account
        if kind is None:
            lane.answered()
            account.answered()
            account.retries.earn()
        lane.slots.give_back()
        account.slots.give_back()


class Queuer(Fare):
    """A call that must wait, and the order in which it does."""

    __slots__ = ("lane", "model")

    def __init__(self, lane: Lane, model: str, takes_slot: bool, tokens: int) -> None:
        super().__init__(takes_slot, tokens)
        self.lane = lane
        self.model = model

    async def queue(self, crowd: Crowd) -> None:
        """Wait for everything, and take it. Raises what the crowd sends it away with."""
        door = self.lane.door(self.takes_slot)
        crowd.add(self)
        try:
            await door.enter(self)
            try:
                await self.lane.take(self)
                await self._pass_account()
            finally:
                door.leave()
        finally:
            crowd.remove(self)
        for limit, (amount, paid_at) in self.paid.items():
            await limit.renew(amount, paid_at)

    async def _pass_account(self) -> None:
        """Pass the account's side, or give back what is held of the key's."""
        lane = self.lane
        try:
            while not await self._taken_in_time():
                # A pause of the key has begun meanwhile: wait for it without the account's slot.
                lane.account.give_back(self)
                await lane.schedule.passed(self)
        except BaseException:
            lane.give_back(self)
            raise

    async def _taken_in_time(self) -> bool:
        account = self.lane.account
        door = account.door(self.takes_slot)
        await door.enter(self)
        try:
            await account.take(self)
        finally:
            door.leave()
        return self.lane.schedule.is_open()
