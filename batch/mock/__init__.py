"""The gateway that needs no key: a server for ``wbatch mock``, in-process for ``run --mock``.

A twin answers one wire format as the real gateway would, and is the only file here that spells its
vendor's words. It has the name of its format's file in ``batch/wire/``, ends with ``TWIN = ...``,
and is found by that name; nothing else changes for a new one. A twin is a function of what it is
given: sockets, limits, faults, money and the ledger belong to the other files of this folder.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

import batch.wire
from batch.mock.chance import Dice

# A usage with the names that it has in files; the four that are always there are numbers here.
Billed: TypeAlias = dict[str, int]
# A fault that has to be spelt in the vendor's words, and so by the twin.
Flaw: TypeAlias = Literal["no_finish", "error_200", "empty_choices"]


class Ask(msgspec.Struct, frozen=True):
    """A request's body, understood as far as the gateway itself must understand it."""

    model: str
    prompt: str  # the last text of the user
    body: dict[str, Any]


class BadAsk(Exception):
    """The body is not what its format needs; ``fate`` names the refusal in ``_errors.py``."""

    def __init__(self, fate: Literal["bad_json", "bad_request"], message: str) -> None:
        super().__init__(message)
        self.fate = fate
        self.message = message


class Plan(msgspec.Struct, frozen=True):
    """How to answer: what does not stand in the request."""

    id: str  # for the answer's id: the same for the same body
    dice: Dice  # all chance there is: the same throws for the same seed and body
    words: int  # of a text answer
    pings: bool  # keep-alive comments in streams
    flaw: Flaw | None


class Prepared(Protocol):
    """An answer that is decided, and priced, but not yet written."""

    @property
    def streamed(self) -> bool:
        """Return whether the answer goes out as events; else it is one body of JSON."""
        ...

    @property
    def billed(self) -> Billed | None:
        """Return what the answer bills and reports, or None for one that bills nothing."""
        ...

    @property
    def reserve(self) -> int:
        """Return the tokens that are held back while the answer is under way."""
        ...

    def render(self) -> list[bytes]:
        """Return the answer as bytes: one whole event each, or the one body."""
        ...


class Twin(Protocol):
    """One wire format, seen from the gateway's side."""

    def serves(self, method: str, path: str) -> bool:
        """Return whether requests of this method and path are of this format."""
        ...

    def read(self, raw: bytes) -> Ask:
        """Understand a body. Raises ``BadAsk``."""
        ...

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        """Decide the answer: a function of the arguments alone."""
        ...


@cache
def twins() -> tuple[Twin, ...]:
    """Return the twin of every wire format that has one, found by the names of the files."""
    formats = {module.name for module in pkgutil.iter_modules(batch.wire.__path__)}
    here = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(
        importlib.import_module(f"{__name__}.{name}").TWIN
        for name in here
        if name in formats and not name.startswith("_")
    )
