"""The one account behind the gateway: its keys, what their groups may call, and its money."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b

from batch.errors import BadUsage
from batch.mock._errors import TurnedAway
from batch.mock.dials import Dials


@lru_cache(maxsize=1024)
def mark(key: str) -> str:
    """Return what may stand in the ledger for a key: a short hash, never the key."""
    return blake2b(key.encode(), digest_size=4).hexdigest() if key else "none"


class Account:
    """Keys, groups and models. Without keys in the dials anybody may call any model."""

    def __init__(self, dials: Dials) -> None:
        self._group_of = dict(dials.keys)
        self._patterns: dict[str, list[str]] = {}
        for group, pattern in dials.groups:
            self._patterns.setdefault(group, []).append(pattern)
        for group in self._group_of.values():
            if group not in self._patterns:
                raise BadUsage(f"group {group!r} has a key, but no pattern of models")
        self._requests_left = dials.key_requests
        self._models = dials.models
        self._unknown = dials.unknown_models

    def knows(self, key: str) -> None:
        """Raise ``TurnedAway`` for a key that is nobody's, or that has expired."""
        if self._group_of and key not in self._group_of:
            raise TurnedAway("unknown_key")
        if self._requests_left is not None:
            if not self._requests_left:
                raise TurnedAway("unknown_key")
            self._requests_left -= 1

    def allows(self, key: str, model: str) -> None:
        """Raise ``TurnedAway`` for a model that this key may not call, or that does not exist."""
        if not self._serves(key, model):
            raise TurnedAway("unknown_model")

    def models(self, key: str) -> list[str]:
        """Return the models that this key may call."""
        return [model for model in self._models if self._serves(key, model)]

    def _serves(self, key: str, model: str) -> bool:
        if any(fnmatchcase(model, pattern) for pattern in self._unknown):
            return False
        if not self._group_of:
            return True
        patterns = self._patterns[self._group_of[key]]
        return any(fnmatchcase(model, pattern) for pattern in patterns)


class Money:
    """A budget in tokens. An answer's tokens are held back until what it billed is known."""

    def __init__(self, dials: Dials) -> None:
        self._left = dials.money_tokens

    def hold(self, tokens: int) -> None:
        """Hold tokens back, or raise ``TurnedAway`` if not so many are left."""
        if self._left is None:
            return
        if tokens > self._left:
            raise TurnedAway("money")
        self._left -= tokens

    def settle(self, held: int, billed: int) -> None:
        """Give back what was held, and take what was billed; the last answer may overdraw."""
        if self._left is not None:
            self._left += held - billed
