"""The gateway that needs no key: a server for ``wbatch mock``, in-process for ``run --mock``.

A twin answers one wire format as the real gateway would, and is the only file here that spells its
vendor's words. It has the name of its format's file in ``batch/wire/``, ends with ``TWIN = ...``,
and is found by that name; nothing else changes for a new one. A twin is a function of what it is
given: sockets, limits, faults, money and the ledger belong to the other files of this folder.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

import batch.wire
from batch.mock.chance import Dice
from batch.mock.tasks import Tasks

# A usage with the names that it has in files; the four that are always there are numbers here.
Billed: TypeAlias = dict[str, int]
Manner: TypeAlias = Literal["openai", "anthropic", "task", "midjourney"]
# Gives the address, at another host, of a file of a kind ("png", "mp4", "wav", "mp3"): always the
# same bytes for the same number.
Link: TypeAlias = Callable[[str, int], str]
# A fault that has to be spelt in the vendor's words, and so by the twin.
Flaw: TypeAlias = Literal["no_finish", "error_200", "empty_choices", "label"]


class Asked(msgspec.Struct, frozen=True):
    """A request as it came."""

    method: str
    path: str
    content_type: str
    raw: bytes


class Ask(msgspec.Struct, frozen=True):
    """A request, understood as far as the gateway itself must understand it."""

    model: str  # empty for what names none, such as the question after a task
    prompt: str  # the last text of the user
    body: dict[str, Any]
    holes: Mapping[str, str] = {}  # what stands in the path where the route has holes
    route: str = ""  # its template


class BadAsk(Exception):
    """The body is not what its format needs; ``fate`` names the refusal in ``_errors.py``."""

    def __init__(self, fate: Literal["bad_json", "bad_request"], message: str) -> None:
        super().__init__(message)
        self.fate = fate
        self.message = message


class Plan(msgspec.Struct, frozen=True):
    """How to answer: what does not stand in the request."""

    id: str  # for the answer's id: the same for the same body
    attempt: int  # how often this body has come, from 1
    dice: Dice  # all chance there is: the same throws for the same seed and body
    words: int  # of a text answer
    pings: bool  # keep-alive comments in streams
    flaw: Flaw | None
    tasks: Tasks  # what was submitted so far
    models: tuple[str, ...]  # those that the key may call
    link: Link


class Prepared(Protocol):
    """An answer that is decided, and priced, but not yet written."""

    @property
    def streamed(self) -> bool:
        """Return whether the answer goes out as events; else it is one body."""
        ...

    @property
    def billed(self) -> Billed | None:
        """Return what the answer bills and reports, or None for one that bills nothing."""
        ...

    @property
    def reserve(self) -> int:
        """Return the tokens that are held back while the answer is under way."""
        ...

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Return what the answer's headers say besides the usual."""
        ...

    def render(self) -> list[bytes]:
        """Return the answer as bytes: one whole event each, or the one body.

        Called once, when the work is done: what a request begins, it begins here.
        """
        ...


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is one body; one that begins a task is made when it is written."""

    body: bytes | Callable[[], bytes]
    billed: Billed | None = None
    reserve: int = 0
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    hint_ms: float | None = None  # when to ask again
    streamed: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the type, and when to ask again."""
        said = {"Content-Type": self.content_type}
        return said if self.hint_ms is None else {**said, "retry-after-ms": f"{self.hint_ms:g}"}

    def render(self) -> list[bytes]:
        """Return the body."""
        return [self.body() if callable(self.body) else self.body]


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is events, each of them whole with the blank line that ends it."""

    events: list[bytes]
    billed: Billed | None = None
    reserve: int = 0
    status: int = 200
    streamed: bool = True

    @property
    def headers(self) -> Mapping[str, str]:
        """Return nothing: events are events."""
        return {}

    def render(self) -> list[bytes]:
        """Return the events."""
        return self.events


class Twin(Protocol):
    """One wire format, seen from the gateway's side."""

    # How it says no once the gateway has understood what is asked: as OpenAI, Anthropic, the
    # gateway's tasks, or Midjourney.
    manner: Manner

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Return the key of a request, from where the vendor's own clients put it; or nothing."""
        ...

    def serves(self, method: str, path: str) -> bool:
        """Return whether requests of this method and path are of this format."""
        ...

    def read(self, asked: Asked) -> Ask:
        """Understand a request. Raises ``BadAsk``."""
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
