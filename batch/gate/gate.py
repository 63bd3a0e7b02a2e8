"""All that a call passes before the wire, and what the wire's answers teach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from batch.errors import Blocked, CallFailed, NoMoney, Overloaded, Throttled, TimedOut
from batch.gate.account import Account
from batch.gate.breakers import Breaker
from batch.gate.holdups import Holdup
from batch.gate.lane import Lane
from batch.gate.settings import GateSettings
from batch.gate.visit import Beside, Crowd, Visit
from batch.records import Call
from batch.retry import Closing
from batch.secret import Secret


class Gate:
    """Lets calls through as fast as key and account allow.

    ``secrets`` are patterns of model names and their keys; the first that matches counts.
    ``clock`` is the time of the event loop that the gate is used in.
    """

    def __init__(
        self,
        settings: GateSettings,
        secrets: Sequence[tuple[str, Secret]],
        clock: Callable[[], float],
    ) -> None:
        self._account = Account(settings, clock)
        self._crowd = Crowd()
        self._beside = Beside(settings.ceiling)
        self._lanes = [
            Lane(pattern, secret, self._account, settings.of_key(pattern), clock)
            for pattern, secret in secrets
        ]
        self._by_model: dict[str, Lane] = {}

    def lane(self, model: str) -> Lane:
        """Return where calls for a model pass. Raises Blocked if no key is for it."""
        lane = self._by_model.get(model)
        if lane is None:
            lane = next((lane for lane in self._lanes if fnmatchcase(model, lane.name)), None)
            if lane is None:
                missing = self._account.breakers.open("missing", "", model, "")
                missing.lines += 1
                raise Blocked(str(missing))
            self._by_model[model] = lane
        return lane

    def admit(self, lane: Lane, model: str, call: Call, tokens: int) -> Visit:
        """Return an ``async with`` for the time that a call is on the wire.

        Submits take a slot, a request and their tokens; polls and fetches at the gateway take a
        request; calls to other hosts take none. As many polls, and as many fetches, are on the wire
        as there may be submits. Failures are raised through it: an end without
        an exception is an answer, which may widen the windows.
        """
        return Visit(self._crowd, self._beside, lane, model, call, tokens)

    def check(self, lane: Lane, model: str) -> None:
        """Raise Blocked or Halted if a call that was admitted is not to be sent any more."""
        self._crowd.check(lane, model)

    def answered(
        self,
        lane: Lane,
        model: str,
        tokens_reserved: int,
        tokens_used: int | None,
        seconds: float,
    ) -> None:
        """Take note of an answer. One without reserved tokens, as to a poll, is a sign of life."""
        account = lane.account
        account.heard()
        if not tokens_reserved:
            return
        account.charged()
        difference = None if tokens_used is None else tokens_used - tokens_reserved
        lane.reckon(seconds, difference)
        account.reckon(seconds, difference)

    def failed(self, lane: Lane, model: str, failure: CallFailed, sent_at: float) -> None:
        """Take note of a failure, inside the ``async with`` of its call."""
        account = lane.account
        if failure.alive:
            account.heard()
        where = account if failure.scope == "account" else lane
        news = True
        if isinstance(failure, Throttled):
            news = where.rejected(failure, sent_at)
        elif isinstance(failure, (Overloaded, TimedOut)):
            news = lane.overloaded(sent_at)
            if failure.retry_after:
                lane.schedule.asked(failure.retry_after)
        elif isinstance(failure, NoMoney):
            account.refused_money(sent_at)
        # Calls that are rejected together are one sign that there are too many, and not that the
        # account is gone.
        if news and not failure.alive:
            account.silent(failure, sent_at)

    def block(self, scope: Closing, lane: Lane, model: str, failure: CallFailed) -> None:
        """Close a model with its key, a key, or the account, and send away who waits for it."""
        breaker = lane.account.breakers.open(scope, lane.key_name, model, failure.message)
        breaker.lines += 1  # the line that found out
        self._crowd.recheck()

    def halt(self) -> None:
        """Send away everybody who waits, and whoever comes."""
        self._crowd.halt()
        self._account.retries.halt()

    async def retry_budget(self, lane: Lane) -> None:
        """Wait until the account may be burdened with another retry."""
        await lane.account.retries.take()

    def last_answer_at(self, lane: Lane) -> float | None:
        """Return when the account last gave a sign of life to anybody, by the gate's clock."""
        return lane.account.last_answer_at

    def money_is_gone(self, lane: Lane) -> bool:
        """Return whether the account is empty for certain, and not only reserved up."""
        return lane.account.money_is_gone

    def down_for(self, now: float) -> float | None:
        """Return for how many seconds the account has only failed, or None if it is not down."""
        return self._account.down_for(now)

    @property
    def trouble(self) -> str:
        """Return what the last failure said that was no sign of life."""
        return self._account.trouble

    @property
    def in_flight(self) -> int:
        """Return how many calls hold a slot."""
        return self._account.slots.taken

    @property
    def blocked(self) -> Sequence[Breaker]:
        """Return what was closed, and why."""
        return self._account.breakers.records

    def waiting_for(self) -> Holdup | None:
        """Return what holds calls up, or None."""
        return self._crowd.reason()
