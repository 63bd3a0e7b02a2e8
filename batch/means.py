"""What delivering needs, each handed in: so that a whole run can be simulated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import msgspec

from batch.errors import CallFailed
from batch.gate.gate import Gate
from batch.gate.memory import Memory
from batch.gate.purse import Purse
from batch.ledger.entries import Entry
from batch.records import Answer
from batch.retry import RetryPolicy
from batch.script import Script
from batch.transport import Transport
from batch.wire import WireFormat

# By name of a lane: while a unit is in this, another one is worked on in its place.
Resting: TypeAlias = Callable[[str], AbstractContextManager[None]]
# Told of every repeat: the line, its attempts so far, why, and the seconds until then.
Retried: TypeAlias = Callable[[int, int, CallFailed, float], None]


class Journal(Protocol):
    """Where a unit writes what must outlive a crash before it goes on."""

    def note(self, entry: Entry) -> None:
        """Write; durable some time later."""
        ...

    async def keep(self, entry: Entry) -> None:
        """Write, and return when durable."""
        ...

    @property
    def behind(self) -> bool:
        """Return whether as many replies wait for their commit as may."""
        ...

    async def room(self) -> None:
        """Return when another reply may wait for its commit."""
        ...


class Media(Protocol):
    """Where what an answer holds beside text becomes files."""

    async def keep(self, answer: Answer) -> Answer:
        """Return the answer with its blobs as files, whole and durable, and named in its body."""
        ...


class Means(msgspec.Struct, frozen=True):
    """What delivering needs, each handed in."""

    script: Script
    formats: Mapping[str, WireFormat]
    gate: Gate
    transport: Transport
    journal: Journal
    media: Media
    policy: RetryPolicy
    resting: Resting
    sleep: Callable[[float], Awaitable[None]]  # raises Halted when the run ends first
    chance: Callable[[], float]  # uniform in [0, 1)
    clock: Callable[[], float]  # monotonic seconds
    now: Callable[[], float]  # seconds since the epoch
    retried: Retried
    purse: Purse = msgspec.field(default_factory=Purse)  # for what it may cost
    memory: Memory = msgspec.field(default_factory=Memory)  # for what is in flight
