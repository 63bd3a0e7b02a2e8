"""Everybody who waits in the gate: in which order they do, and how they are sent away.

Of each key's calls one at a time is past the key's door, and of all keys' one at a time past the
account's. So at most one slot on each side is held while its call waits, keys take turns, and
nothing of the account is held while a call still waits for its key.

Where a turn takes long to come, as the loop is busy, whoever has one lets through those who need
none: first who waits at the account's door, then of each key one, again and again.
"""

from __future__ import annotations

from collections import deque

from batch.adapt.estimates import Claim
from batch.errors import Blocked, Halted
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
        if self._halted or lane.account.breakers.records:
            self._check(lane, model, call, entering=True)

    def check(self, lane: Lane, model: str, call: Call) -> None:
        """Raise if a call that was let in may not go on."""
        if self._halted or lane.account.breakers.records:
            self._check(lane, model, call, entering=False)

    def _check(self, lane: Lane, model: str, call: Call, *, entering: bool) -> None:
        if self._halted:
            raise Halted("the run is ending")
        breakers = lane.account.breakers
        breaker = breakers.find(lane.key_name, model, call)
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
            if not await self._turn(door):
                return
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
        for limit, paid in self.paid.items():
            await limit.renew(*paid)

    async def _turn(self, door: Door) -> bool:
        """Wait until the model may be asked for, and then for the turn at the key's door.

        Returns False if everything was taken without one.
        """
        while True:
            held = self._held()
            tries = held is not None and await self._let_by(held)
            if await door.enter(self):
                if tries or not self._held():
                    return True
                door.leave()
            elif self._is_open():
                return False
            else:
                self.give_back()  # a pause has begun meanwhile

    async def _let_by(self, trial: Trial) -> bool:
        """Wait until the model is in trouble no more; True for the call that is to try it."""
        self.lane.aside += 1
        try:
            return await trial.passed(self)
        finally:
            self.lane.aside -= 1

    def passes(self) -> Door | None:
        """Take what is missing if it is free, and if no rate and no trial wants a turn."""
        lane, account, takes_slot = self.lane, self.lane.account, self.takes_slot
        now = account.now()
        if account.limited or not account.free(now, takes_slot, 0, at_door=True):
            return None
        if not self.beyond:
            if lane.limited or self._held() or not lane.free(now, takes_slot, 0, at_door=True):
                return None
            if takes_slot:
                lane.seize(now)
        if takes_slot:
            account.seize(now)
        return lane.door(takes_slot)

    def give_back(self) -> None:
        """Return what ``passes`` has taken."""
        self.lane.account.give_back(self)
        if not self.beyond:
            self.lane.give_back(self)

    def _is_open(self) -> bool:
        return self.lane.schedule.is_open() and self.lane.account.schedule.is_open()

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
        if await door.enter(self):
            try:
                await account.take(self)
                if self.late:
                    self._let_through(door)
            finally:
                door.leave()
        return self._is_open()

    def _let_through(self, door: Door) -> None:
        """Let through whoever needs no turn, with the turns at the key's and the account's door."""
        doors = deque([self.lane.door(self.takes_slot)])
        while (next_door := door.let_through()) is not None:
            doors.append(next_door)
        while doors:
            next_door = doors.popleft().let_through()
            if next_door is not None:
                doors.append(next_door)
