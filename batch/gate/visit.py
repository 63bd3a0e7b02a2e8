"""One call's way through the gate and out again: the key's side first, then the account's.

Of each key's calls one at a time is past the key's door, and of all keys' one at a time past the
account's. So at most one slot on each side is held while its call waits, keys take turns, and
nothing of the account is held while a call still waits for its key.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from batch.adapt.estimates import Claim
from batch.errors import Blocked, CallFailed, Halted
from batch.gate.holdups import Holdup, Holdups
from batch.gate.lane import Lane
from batch.gate.passage import Fare
from batch.gate.trials import Trial
from batch.gate.waits import Door
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

    def enter(self, lane: Lane, model: str, call: Call) -> None:
        """Raise if a call may not even wait. Of those for a closed model one may, now and then."""
        self._check(lane, model, call, entering=True)

    def check(self, lane: Lane, model: str, call: Call) -> None:
        """Raise if a call that was let in may not go on."""
        self._check(lane, model, call, entering=False)

    def _check(self, lane: Lane, model: str, call: Call, *, entering: bool) -> None:
        if self._halted:
            raise Halted("the run is ending")
        breakers = lane.account.breakers
        breaker = breakers.find(lane.key_name, model, call) if breakers.records else None
        if breaker is None:
            return
        trial = breakers.trial(lane.key_name, model) if breaker.scope == "model" else None
        if trial is not None and (trial.take_turn() if entering else trial.trying):
            return
        breaker.lines += 1
        raise Blocked(str(breaker))

    def recheck(self) -> None:
        """Send away whoever waits and may not any more."""
        for queuer in self._waiting:
            if not queuer.leaving:
                try:
                    self.check(queuer.lane, queuer.model, queuer.call)
                except Halted as reason:
                    queuer.send_away(reason)

    def halt(self) -> None:
        """Send everybody away, now and from now on."""
        self._halted = True
        self.recheck()

    def reason(self) -> Holdup | None:
        """Return what the first waits for who does not only wait for a turn."""
        return next((queuer.why for queuer in self._waiting if queuer.why), None)

    def holdups(self) -> Holdups:
        """Return what holds calls up, told apart by whose it is."""
        account: Holdup | None = None
        lanes: dict[str, Holdup] = {}
        for queuer in self._waiting:
            if queuer.why is None:
                continue
            if queuer.beyond:
                account = account or queuer.why
            else:
                lanes.setdefault(queuer.lane.name, queuer.why)
        return Holdups(account, lanes)


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

    __slots__ = (
        "_among",
        "_crowd",
        "_model",
        "_place",
        "_since",
        "_takes_slot",
        "call",
        "claim",
        "lane",
    )

    def __init__(
        self, crowd: Crowd, beside: Beside, lane: Lane, model: str, call: Call, claim: Claim | None
    ) -> None:
        self._crowd = crowd
        self._place = beside.place(call)
        self._model = model
        self.lane = lane
        self.call = call
        self.claim = claim  # None: no tokens are counted
        self._takes_slot = False
        self._among = (0, 0)  # calls on the wire when it went, on each side
        self._since = 0.0  # when a submit was let through

    async def __aenter__(self) -> None:
        if self._place is not None:
            await self._place.acquire()
        lane, account = self.lane, self.lane.account
        try:
            self._crowd.enter(lane, self._model, self.call)
            if self.call.kind == "submit":
                takes_slot, claim = True, self.claim
                held = account.breakers.held(lane.key_name, self._model)
            elif self.call.origin == "foreign":
                return
            else:
                # Polls do no work at the gateway that a window could limit. Yet one call at a time
                # tries an account that is down, whatever it is.
                takes_slot, claim, held = account.down, None, None
            tokens = claim.tokens if claim is not None else 0
            now = account.now()
            if (
                held is None
                and lane.free(now, takes_slot, tokens)
                and account.free(now, takes_slot, tokens)
            ):
                # Nothing in here waits: the usual case costs no switch to another task.
                if takes_slot:
                    lane.slots.take(now)
                    lane.pace.take(lane.slots.taken)
                    account.slots.take(now)
                    account.pace.take(account.slots.taken)
                if lane.limited:
                    await lane.pay(tokens)
                if account.limited:
                    await account.pay(tokens)
            else:
                await Queuer(lane, self._model, self.call, takes_slot, claim).queue(self._crowd)
        except BaseException:
            self._let_go()
            raise
        self._takes_slot = takes_slot
        self._among = lane.slots.taken, account.slots.taken
        self._since = account.now()

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
        lane, account = self.lane, self.lane.account
        if self.call.kind == "submit":
            if kind is None:
                account.breakers.answered(lane.key_name, self._model, self._since)
            elif isinstance(error, CallFailed) and not error.local:
                account.breakers.failed(lane.key_name, self._model, error, self._since)
        if kind is None:
            lane.answered(self._among[0], self._since)
            account.answered(self._among[1], self._since)
            account.retries.earn()
        lane.slots.give_back()
        account.slots.give_back()


class Queuer(Fare):
    """A call that must wait, and the order in which it does."""

    __slots__ = ("beyond", "call", "claim", "lane", "model")

    def __init__(
        self, lane: Lane, model: str, call: Call, takes_slot: bool, claim: Claim | None
    ) -> None:
        super().__init__(takes_slot, 0)
        self.claim = claim
        self.lane = lane
        self.model = model
        self.call = call
        self.beyond = False  # past its key's side, at the account's

    async def queue(self, crowd: Crowd) -> None:
        """Wait for everything, and take it. Raises what the crowd sends it away with."""
        door = self.lane.door(self.takes_slot)
        crowd.add(self)
        try:
            await self._turn(door)
            try:
                if self.claim is not None:
                    self.tokens = self.claim.reckon()  # more is known than when it came
                await self.lane.take(self)
                await self._pass_account()
            finally:
                door.leave()
        finally:
            crowd.remove(self)
        if self.takes_slot:
            self.lane.pace.renew()
            self.lane.account.pace.renew()
        for limit, (amount, paid_at) in self.paid.items():
            await limit.renew(amount, paid_at)

    async def _turn(self, door: Door) -> None:
        """Wait until the model may be asked for, and then for the turn at the key's door."""
        while True:
            held = self._held()
            tries = held is not None and await held.passed(self)
            await door.enter(self)
            if tries or not self._held():
                return
            door.leave()

    def _held(self) -> Trial | None:
        if self.call.kind != "submit":
            return None
        return self.lane.account.breakers.held(self.lane.key_name, self.model)

    async def _pass_account(self) -> None:
        """Pass the account's side, or give back what is held of the key's."""
        lane = self.lane
        try:
            while not await self._taken_in_time():
                # A pause of the key has begun meanwhile: wait for it without the account's slot.
                lane.account.give_back(self)
                self.beyond = False
                await lane.schedule.passed(self)
        except BaseException:
            lane.give_back(self)
            raise

    async def _taken_in_time(self) -> bool:
        account = self.lane.account
        self.beyond = True
        door = account.door(self.takes_slot)
        await door.enter(self)
        try:
            await account.take(self)
        finally:
            door.leave()
        return self.lane.schedule.is_open()
