"""What is hopeless at an account, and therefore closed: a model with a key, a key, all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from batch.retry import Closing

Reason: TypeAlias = Closing | Literal["missing"]  # "missing": no key is for the model

_SENTENCES: Final[Mapping[Reason, str]] = {
    "missing": "no key is for model {model!r}: say where one is with --key '{model}=env:NAME'",
    "model": "key {key!r} is not used for model {model!r} any more: {message}",
    "key": "key {key!r} is not used any more: {message}. Put a valid one where it came from, and "
    "run the same command again",
    "account": "the account of key {key!r} is not used any more: {message}. Put money into it, and "
    "run the same command again",
}


class Breaker(msgspec.Struct):
    """One thing that is closed, and why."""

    scope: Reason
    key: str  # name of the key that was in use
    model: str  # that was asked for; the breaker is for it alone only if the scope is "model"
    message: str  # of the failure
    lines: int = 0  # turned away so far

    def __str__(self) -> str:
        """Return it as a sentence."""
        message = self.message.rstrip(". ")
        return _SENTENCES[self.scope].format(key=self.key, model=self.model, message=message)


class Breakers:
    """The breakers of one account that are open, for good."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records: list[Breaker] = []

    def open(self, scope: Reason, key: str, model: str, message: str) -> Breaker:
        """Close a scope, and return its breaker; the first message is kept."""
        wanted = Breaker(scope, key, model, message)
        for record in self.records:
            if _identity(record) == _identity(wanted):
                return record
        self.records.append(wanted)
        return wanted

    def find(self, key: str, model: str) -> Breaker | None:
        """Return the breaker that stops a key and a model, if any."""
        for record in self.records:
            if record.scope == "account" or (
                record.key == key and (record.scope == "key" or record.model == model)
            ):
                return record
        return None


def _identity(record: Breaker) -> tuple[str, ...]:
    parts = {
        "missing": (record.model,),
        "account": (),
        "key": (record.key,),
        "model": (record.key, record.model),
    }
    return record.scope, *parts[record.scope]
