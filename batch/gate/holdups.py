"""What holds calls up in the gate: a kind, for whoever counts, and a sentence, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

# "yours": a declared limit. "gateway": what it asked for, or how often it was found to take calls.
# "window": as many are on the wire as were found to be good for it. "ceiling": as many as may be.
# "silence": it gives no answer. "memory": as many bytes are in flight as may be.
HoldupKind: TypeAlias = Literal["yours", "gateway", "window", "ceiling", "silence", "memory"]


class Holdup(msgspec.Struct, frozen=True):
    """Why a call has to wait."""

    kind: HoldupKind
    text: str

    def __str__(self) -> str:
        """Return it in plain words."""
        return self.text


class Holdups(msgspec.Struct, frozen=True):
    """What holds calls up now: the account's limits, and those of its keys by their lanes."""

    account: Holdup | None
    lanes: Mapping[str, Holdup]
