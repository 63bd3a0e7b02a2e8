"""The majority of several votes, and what becomes of a tie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

# "first": of those with as many votes, the one that was cast first. "abstain": none of them.
Tie: TypeAlias = Literal["first", "abstain"]


class Elected(msgspec.Struct, frozen=True):
    """What was voted for most: the place of its first vote, and its share of all votes."""

    place: int
    share: float
    tie: bool


def elect(ballots: Sequence[str | None]) -> Elected | None:
    """Count votes; None is a spoiled one, which counts for nobody. None if all are spoiled.

    Of several with as many votes the one that was cast first is elected, and the tie is told.
    """
    counts = Counter(ballot for ballot in ballots if ballot is not None)
    if not counts:
        return None
    most = max(counts.values())
    leading = [ballot for ballot, count in counts.items() if count == most]
    place = ballots.index(leading[0])
    return Elected(place, most / len(ballots), len(leading) > 1)
