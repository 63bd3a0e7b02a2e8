"""All that a call passes before the wire, and what the wire's answers teach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from batch.adapt.estimates import Claim, Estimates
from batch.errors import Blocked, CallFailed, Interrupted, NoMoney, NoWay, Overloaded, Throttled
from batch.gate.account import Account
from batch.gate.breakers import Breaker
from batch.gate.crowd import Crowd
from batch.gate.holdups import Holdup, Holdups
from batch.gate.lane import Lane
from batch.gate.settings import GateSettings
from batch.gate.visit import Beside, Visit
from batch.records import Call
from batch.retry import Closing
from batch.secret import Secret
from batch.usage import Usage
from batch.wire import Estimate


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
            Lane(pattern, secret, self._account, settings, clock) for pattern, secret in secrets
        ]
        self._by_name = {lane.name: lane for lane in reversed(self._lanes)}  # the first counts
        self._by_model: dict[str, Lane] = {}
        self._estimates = Estimates()

    def lane(self, model: str) -> Lane:
        """Return where calls for a model pass. Raises Blocked if no key is for it."""
        lane = self._by_model.get(model)
        if lane is None:
            lane = next((lane for lane in self._lanes if fnmatchcase(model, lane.name)), None)
            if lane is None:
                missing = self._account.breakers.missing(model)
                missing.lines += 1
                raise Blocked(str(missing))
            self._by_model[model] = lane
        return lane

    def at_once(self, name: str) -> int:
        """Return how many calls of the lane of this name may be on the wire, as found out so far.

        Those of models in trouble, which wait for what comes of another call, are beside them, up
        to the ceiling.
        """
        lane = self._by_name[name]
        window = lane.slots.window
        allowed = min(window.limit, lane.account.slots.window.limit)
        return min(allowed + lane.aside, window.ceiling)

    def admit(self, lane: Lane, model: str, call: Call, estimate: Estimate | None = None) -> Visit:
        """Return an ``async with`` for the time that a call is on the wire.

        Submits take a slot, a request and their tokens; polls and fetches at the gateway take a
        request; calls to other hosts take none. As many polls, and as many fetches, are on the wire
        as there may be submits. Failures are raised through it: an end without
        an exception is an answer, which may widen the windows.

        An estimate is what the call's format knows; what was learned of the model corrects it.
        """
        claim = None
        if estimate is not None:
            claim = Claim(self._estimates, model, estimate.input_tokens, estimate.output_tokens)
        return Visit(self._crowd, self._beside, lane, model, call, claim)

    def check(self, lane: Lane, model: str, call: Call) -> None:
        """Raise Blocked or Halted if a call that was admitted is not to be sent any more."""
        self._crowd.check(lane, model, call)

    def answered(self, visit: Visit, usage: Usage | None, seconds: float) -> None:
        """Take note that a call was answered, after so long, and of what it used if that is known.

        An answer to a poll or a fetch is a sign of life, and no more.
        """
        lane, account = visit.lane, visit.lane.account
        account.heard()
        if visit.call.kind != "submit":
            return
        account.charged()
        claim = visit.claim
        difference = None if claim is None or usage is None else claim.settle(usage)
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
        elif isinstance(failure, (Overloaded, Interrupted)):
            # Before anybody was answered, a cut is no sign that there are too many.
            never = account.last_answer_at is None and isinstance(failure, Interrupted)
            news = lane.overloaded(sent_at) or never
            if failure.retry_after:
                lane.schedule.asked(failure.retry_after)
        elif isinstance(failure, NoMoney):
            account.refused_money(sent_at)
        if not failure.alive and not isinstance(failure, (Throttled, Overloaded)):
            account.unheard()
        # Calls that are rejected together are one sign that there are too many, and not that the
        # account is gone.
        if news and not failure.alive:
            account.silent(failure, sent_at)

    def block(self, scope: Closing, lane: Lane, model: str, failure: CallFailed) -> None:
        """Close a model with its key, a key, or the account, and send away who waits for it."""
        breaker = lane.account.breakers.open(scope, lane.secret, model, failure)
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

    def model_answered_at(self, lane: Lane, model: str) -> float | None:
        """Return when a key's model last answered anybody, by the gate's clock."""
        return lane.account.breakers.answered_at(lane.key_name, model)

    def hopeless(self, lane: Lane, model: str, failure: CallFailed) -> bool:
        """Return whether enough was seen of what a failure may close.

        That is an account that is empty for certain, and not only reserved up, a model that was
        tried in vain, or a barred way by which nobody was answered before, or nobody is any more.
        """
        if failure.scope == "model":
            trial = lane.account.breakers.trial(lane.key_name, model)
            return trial is not None and trial.hopeless
        account = lane.account
        if isinstance(failure, NoWay):
            return account.last_answer_at is None or account.down
        return account.money_is_gone

    def down_for(self, now: float) -> float | None:
        """Return for how many seconds the account has only failed, or None if it is not down."""
        return self._account.down_for(now)

    @property
    def down(self) -> bool:
        """Return whether the account only fails."""
        return self._account.down

    @property
    def trouble(self) -> str:
        """Return what the last failure said that was no sign of life."""
        return self._account.trouble

    @property
    def silence(self) -> str:
        """Return what the last failure said, if there was no answer lately, or ever."""
        return self._account.silence

    @property
    def lanes(self) -> Sequence[Lane]:
        """Return the keys, each with its models, in the order in which they are tried."""
        return self._lanes

    @property
    def ceiling(self) -> int:
        """Return how many calls may hold a slot at the most."""
        return self._account.slots.window.ceiling

    @property
    def window(self) -> int:
        """Return how many calls may be on the wire, as found out so far."""
        lanes = sum(lane.slots.window.limit for lane in self._lanes)
        return min(self._account.slots.window.limit, lanes)

    @property
    def pace(self) -> float | None:
        """Return the calls a second that were found out to go, or None if nothing was."""
        rates = [lane.pace.rate for lane in self._lanes]
        known = [rate for rate in rates if rate is not None]
        lanes = sum(known) if len(known) == len(rates) else None
        account = self._account.pace.rate
        return min((rate for rate in (account, lanes) if rate is not None), default=None)

    @property
    def answer_seconds(self) -> float | None:
        """Return how long an answer took lately, or None if there was none yet."""
        return self._account.trip

    @property
    def in_flight(self) -> int:
        """Return how many calls hold a slot."""
        return self._account.slots.taken

    @property
    def blocked(self) -> Sequence[Breaker]:
        """Return what was closed, and why."""
        return self._account.breakers.records

    def waiting_for(self) -> Holdup | None:
        """Return what holds calls up that are in the gate, or None."""
        return self._crowd.reason()

    def holdups(self) -> Holdups:
        """Return what holds calls up, or would hold up one more, told apart by whose it is."""
        found = self._crowd.holdups()
        held = {
            name: found.lanes.get(name) or lane.slots.full() for name, lane in self._by_name.items()
        }
        lanes = {name: why for name, why in held.items() if why is not None}
        return Holdups(found.account or self._account.slots.full(), lanes)
