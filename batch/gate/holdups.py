"""What holds calls up in the gate: a kind, for whoever counts, and a sentence, for people."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from batch.bottleneck import Held


class Holdup(msgspec.Struct, frozen=True):
    """Why a call has to wait."""

    kind: Held
    text: str

    def __str__(self) -> str:
        """Return it in plain words."""
        return self.text


class Holdups(msgspec.Struct, frozen=True):
    """What holds calls up now: the account's limits, and those of its keys by their lanes."""

    account: Holdup | None
    lanes: Mapping[str, Holdup]
