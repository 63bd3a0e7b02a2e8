"""What a request must pass before the gateway works on it, in the order of new-api.

Key, body, model, requests and tokens a minute, the faults that refuse at once, money.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast, get_args

import msgspec

from batch.mock import Asked, BadAsk, Billed, Flaw, Link, Plan, Prepared, Twin, chance
from batch.mock._errors import TurnedAway, hint
from batch.mock.accounts import Account, Money
from batch.mock.dials import Dials
from batch.mock.faults import FAULTS, Fate, Faults
from batch.mock.hours import Hours
from batch.mock.ledger import Row
from batch.mock.limits import Rates
from batch.mock.tasks import Tasks

PROMPT_SHOWN: Final = 200  # characters
_TOKENS: Final = ("input_tokens", "output_tokens")
_FLAWS: Final = frozenset(get_args(Flaw))


class Admitted(msgspec.Struct, frozen=True):
    """A request that will be worked on."""

    prepared: Prepared
    fate: Fate  # its fault is none, or one of "work" or "answer"
    billed: Billed | None
    tokens: int  # billed, in and out
    told: Mapping[str, str]  # what the headers say of the limits


class Door:
    """Admits or turns away. Nothing here waits."""

    def __init__(self, dials: Dials, hours: Hours, link: Link, tasks: Tasks | None = None) -> None:
        self._link = link
        self._tasks = Tasks(dials, hours.now) if tasks is None else tasks
        self.account = Account(dials)
        self.money = Money(dials)
        self._rates = Rates(dials, hours)
        self._faults = Faults(dials)
        self._dials = dials

    def admit(self, twin: Twin, row: Row, asked: Asked, key: str) -> Admitted:
        """Return what to do for a request, or raise ``TurnedAway``. Names model and prompt."""
        self.account.knows(key)
        try:
            ask = twin.read(asked)
        except BadAsk as bad:
            raise TurnedAway(bad.fate, bad.message) from None
        row.model, row.prompt = ask.model, ask.prompt[:PROMPT_SHOWN]
        if ask.model:
            self.account.allows(key, ask.model)
        fate = self._faults.fate(row.sum, row.attempt)
        dials = self._dials
        plan = Plan(
            id=row.sum,
            attempt=row.attempt,
            dice=chance.Dice(dials.seed, row.sum),
            words=dials.answer_words,
            pings=dials.pings,
            flaw=cast("Flaw", fate.fault) if fate.fault in _FLAWS else None,
            tasks=self._tasks,
            models=tuple(self.account.models(key)),
            link=self._link,
        )
        prepared = twin.answer(ask, plan)
        billed = prepared.billed
        tokens = sum(billed.get(name, 0) for name in _TOKENS) if billed else 0
        told = self._rates.admit(tokens)
        if fate.fault and FAULTS[fate.fault] == "door":
            wait = dials.hint_seconds if fate.fault == "fail_429_hint" else None
            raise TurnedAway(fate.fault, headers=None if wait is None else hint(wait, "seconds"))
        self.money.hold(prepared.reserve)
        return Admitted(prepared, fate, billed, tokens, told)

    def fault_of(self, row: Row) -> str | None:
        """Return the fault that a request for a file meets."""
        return self._faults.fate(row.sum, row.attempt).fault
