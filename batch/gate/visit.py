"""One call's way through the gate and out again: the key's side first, then the account's.

What nothing holds up passes without a switch to another task; anybody else joins the crowd.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from batch.adapt.estimates import Claim
from batch.errors import CallFailed
from batch.gate.crowd import Crowd, Queuer
from batch.gate.lane import Lane
from batch.records import Call


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
                    lane.seize(now)
                    account.seize(now)
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
