"""What is hopeless at an account, and therefore closed: a model with a key, a key, all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from batch.errors import CallFailed
from batch.gate.trials import Trial, Trials
from batch.records import Call
from batch.retry import Closing
from batch.secret import Secret

Reason: TypeAlias = Closing | Literal["missing"]  # "missing": no key is for the model


class Breaker(msgspec.Struct):
    """One thing that is closed, and why."""

    scope: Reason
    model: str  # that was asked for; the breaker is for it alone only if the scope is "model"
    key: str = ""  # name of the key that was in use
    place: str = ""  # where that key came from
    code: str = "no_key"  # of the failure
    message: str = ""  # of the failure
    answered: frozenset[str] = frozenset()  # other models that the key has answered
    lines: int = 0  # turned away so far
    mended: bool = False  # it was answered again: only those that were turned away are waiting

    def __str__(self) -> str:
        """Return it in a few words."""
        if self.scope == "missing":
            return f"no key is for model {self.model!r}"
        model = f", model {self.model!r}" if self.scope == "model" else ""
        return f"key {self.key!r}{model}: {self.message}"

    def stops(self, key: str, model: str, call: Call) -> bool:
        """Return whether a call may not be sent with a key.

        To ask after work that is paid already needs the key alone, and another host not even that.
        """
        if self.mended or call.origin == "foreign":
            return False
        if self.scope == "key":
            return self.key == key
        if call.kind != "submit":
            return False
        return self.scope == "account" or (self.key == key and self.model == model)


class Breakers:
    """What is closed at one account, and which models are in doubt."""

    __slots__ = ("_trials", "records")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.records: list[Breaker] = []
        self._trials = Trials(clock)

    def open(self, scope: Closing, secret: Secret, model: str, failure: CallFailed) -> Breaker:
        """Close a scope, and return its breaker; the first message is kept."""
        if scope == "model":
            self._trials.close(secret.name, model, failure)
        return self._recorded(
            Breaker(
                scope=scope,
                model=model,
                key=secret.name,
                place=secret.place,
                code=failure.code,
                message=failure.message,
                answered=self._trials.answered_by(secret.name) - {model},
            )
        )

    def missing(self, model: str) -> Breaker:
        """Take note that no key is for a model, and return the breaker."""
        return self._recorded(Breaker("missing", model))

    def find(self, key: str, model: str, call: Call) -> Breaker | None:
        """Return the breaker that stops a call, if any."""
        found = [one for one in self.records if one.stops(key, model, call)]
        # What stops a model alone comes last, as it may be tried again.
        return min(found, key=lambda one: one.scope == "model", default=None)

    def trial(self, key: str, model: str) -> Trial | None:
        """Return what is known of a model that is in trouble."""
        return self._trials.of(key, model)

    def held(self, key: str, model: str) -> Trial | None:
        """Return what calls for a model must wait for, if anything."""
        trial = self._trials.of(key, model)
        return trial if trial is not None and trial.held else None

    def answered_at(self, key: str, model: str) -> float | None:
        """Return when a model with a key was answered last."""
        return self._trials.answered_at(key, model)

    def answered(self, key: str, model: str, sent_at: float) -> None:
        """Take note of an answer, and open what it shows to work again."""
        if self._trials.answered(key, model, sent_at):
            self._mend(key, model)

    def failed(self, key: str, model: str, failure: CallFailed, sent_at: float) -> None:
        """Take note of a failure, of which the model may be to blame."""
        if self._trials.failed(key, model, failure, sent_at):
            self._mend(key, model)

    def _mend(self, key: str, model: str) -> None:
        for record in self.records:
            if (record.scope, record.key, record.model) == ("model", key, model):
                record.mended = True

    def _recorded(self, wanted: Breaker) -> Breaker:
        """Return the breaker of the same thing if there was one, else the given one."""
        for record in self.records:
            if _identity(record) == _identity(wanted):
                record.mended = False
                return record
        self.records.append(wanted)
        return wanted


def _identity(record: Breaker) -> tuple[str, ...]:
    parts = {
        "missing": (record.model,),
        "account": (),
        "key": (record.key,),
        "model": (record.key, record.model),
    }
    return record.scope, *parts[record.scope]
