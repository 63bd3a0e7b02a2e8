"""Wire formats: what the gateway says and how, as step machines without I/O.

A format is one file, or one folder, here, and its twin in ``batch/mock/``. It ends with
``FORMAT = ...`` (a folder, in its ``__init__``) and is found by looking into this folder; nothing
else changes for a new one. Only these two spell the vendor's words. A format keeps no state of its
own: what it must know again travels in a step. ``_base`` has what most of them do alike,
``_answered`` and ``_tasked`` what those of one answer, and of tasks, do besides.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

import msgspec

from batch.records import Makes, Repeat, Reply, Request, State, Step
from batch.usage import Usage
from batch.wire._routes import Route

NO_MODEL: Final = "missing_model"  # the code of a line for which no model is known


class Ask(msgspec.Struct, frozen=True):
    """What a line says beside its body, and what the settings let us fill in."""

    method: str = "POST"
    url: str | None = None  # None: the format was told by the body's shape or by the settings
    model: str | None = None  # for bodies without one
    override_model: str | None = None  # for every body
    add_usage: bool = True  # a streamed request asks for its usage
    makes: tuple[tuple[str, Makes], ...] = ()  # pattern of models → what their calls make


class Shaped(msgspec.Struct, frozen=True):
    """A body ready to be sent, and what is known of it."""

    model: str
    body: bytes
    path: str  # at the gateway
    endpoint: str  # the path as usage totals name it: without ids and models
    method: str = "POST"
    makes: Makes = "text"
    pack_key: str = ""  # bodies with the same one may be asked together; "": only alone


class Estimate(msgspec.Struct, frozen=True):
    """How many tokens a request may take from the limits, before anything is known."""

    input_tokens: int
    output_tokens: int


class OutputLimit(msgspec.Struct, frozen=True):
    """How a body bounds the output of its answer."""

    names: tuple[str, ...]  # of fields: one of them does
    example: Mapping[str, Any]  # what may stand in a body for that


class Wrapper(msgspec.Struct, frozen=True):
    """The line of a vendor's own batch files: where its id and its body stand."""

    id_key: str
    body_key: str
    whose: str = "vendor's"  # for people


class Piece(msgspec.Struct, frozen=True):
    """A piece of what is asked or answered, for people to read."""

    who: str  # or what: a role, a call, a thought
    text: str


class Folder(Protocol):
    """Folds a stream of events into the body that the same call would have given unstreamed."""

    def feed(self, event: bytes) -> None:
        """Take the data of one event. Raises ``CallFailed`` when the event reports an error."""
        ...

    def body(self) -> bytes:
        """Return the folded body after the last event; what is missing in it shows in ``next``."""
        ...


class WireFormat(Protocol):
    """One dialect of the gateway. All methods are functions of their arguments."""

    name: str  # short and stable: it stands in files
    wrapper: Wrapper | None  # of the vendor's own batch files
    builds_for: tuple[str, ...]  # models whose prompts become bodies of this format, as patterns
    output_limit: OutputLimit | None  # None: no field of a body bounds what is made

    @property
    def routes(self) -> tuple[Route, ...]:
        """Return the paths it serves; a body whose line has no url goes to the first."""
        ...

    def claims(self, method: str, url: str) -> bool:
        """Return whether a line with this method and ``url`` is of this format."""
        ...

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Return whether a body without a ``url`` has this format's shape, and no other's."""
        ...

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check a line's body and fill it in, changing nothing else. Raises ``BadBody``."""
        ...

    def build(self, prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
        """Make a body, without a model, from a prompt, a system text and a JSON Schema."""
        ...

    def with_schema(self, body: bytes, schema: Mapping[str, Any]) -> bytes:
        """Have a body ask for an answer that fits a JSON Schema, if it does not ask for a form.

        Raises ``BadBody`` where answers are no text.
        """
        ...

    def go_on(self, body: bytes, said: str, then: str) -> bytes:
        """Return a body that goes on with the talk: what was answered, and what follows.

        Raises ``BadBody`` where answers are no text.
        """
        ...

    def pack(self, bodies: Sequence[bytes]) -> bytes:
        """Make one body that asks several, whose ``pack_key`` is the same and not empty."""
        ...

    def repeat(self, request: Request) -> Repeat:
        """Return "once" if the request's work must not be done, and paid, a second time."""
        ...

    def estimate(self, request: Request) -> Estimate:
        """Return the tokens the request is likely to take."""
        ...

    def bound(self, request: Request) -> Usage | None:
        """Return the most that the request can use, by meter, or None if nothing bounds it."""
        ...

    def start(self, request: Request) -> Step:
        """Return the first step."""
        ...

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the step that follows from a reply. Raises ``CallFailed``."""
        ...

    def resume(self, request: Request, state: State) -> Step:
        """Return the step that follows from a state kept before a crash; never one already paid."""
        ...

    def folder(self, request: Request) -> Folder | None:
        """Return a new folder if the request's answer may come as events."""
        ...

    def prompt(self, body: bytes) -> list[Piece]:
        """Return what a line's body asks, in its order."""
        ...

    def text(self, body: bytes) -> str | None:
        """Return what an answer's body says, as its ``content`` has it; None if it has no text."""
        ...

    def beside(self, body: bytes) -> list[Piece]:
        """Return what an answer's body holds beside its text: calls, refusals, thoughts."""
        ...

    def vectors(self, body: bytes) -> list[bytes]:
        """Return the vectors of an answer's body in their order, as little-endian float32."""
        ...


@cache
def formats() -> Mapping[str, WireFormat]:
    """Return every format by its name, found by looking into this folder."""
    found: dict[str, WireFormat] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            wire_format: WireFormat = importlib.import_module(f"{__name__}.{module.name}").FORMAT
            found[wire_format.name] = wire_format
    return found
