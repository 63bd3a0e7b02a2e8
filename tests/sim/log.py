"""What is remembered of a simulation. Times in seconds of it."""

from __future__ import annotations

from typing import NamedTuple


class Sent(NamedTuple):
    """One request on the wire. Times in seconds of the simulation."""

    client: int
    line: int
    lane: int
    asked: float  # when it came to the gate
    sent: float
    ended: float
    outcome: str  # "ok", or the failure's code
    trip: float  # what its work took, without waiting in the gateway's line
    tokens: int  # that it used


class Ended(NamedTuple):
    """One line that has its record."""

    client: int
    line: int
    outcome: str  # "ok", its error's code, or "blocked": it stays pending
    attempts: int
    began: float
    ended: float


class Sample(NamedTuple):
    """The gate at a moment."""

    client: int
    at: float
    account: float  # window
    lane: float
    in_flight: int
    paused: bool
    pace: float | None  # requests a second, if there is one


class Log:
    """All that happened in a simulation, in its order."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []  # in the order in which they ended
        self.ended: list[Ended] = []
        self.samples: list[Sample] = []
        self.begun = 0  # lines
