"""What of the limits holds at which time, and when nobody is let in.

The clock is handed in; it is counted from the first request, so that a client that starts slowly
meets the same day as one that is quick.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from batch.errors import BadUsage
from batch.mock.dials import Dials


class Hours:
    """The day of one gateway, as the dials have it."""

    __slots__ = ("_factors", "_open", "_pause", "_started", "_starts", "now")

    def __init__(self, dials: Dials, now: Callable[[], float]) -> None:
        starts = [start for start, _ in dials.limit_steps]
        factors = [factor for _, factor in dials.limit_steps]
        if sorted(starts) != starts or min(starts, default=0.0) < 0 or min(factors, default=1) <= 0:
            raise BadUsage("steps of a limit come in the order of their seconds, each above 0")
        if dials.pause_seconds <= 0 or (dials.pause_after is not None and dials.pause_after <= 0):
            raise BadUsage("a pause, and the time before it, must be longer than 0 seconds")
        self._starts = starts
        self._factors = [1.0, *factors]
        self._open = dials.pause_after
        self._pause = dials.pause_seconds
        self._started: float | None = None
        self.now = now  # of the gateway's clock, in seconds

    def factor(self) -> float:
        """Return what every limit is multiplied with by now."""
        if not self._starts:
            return 1.0
        return self._factors[bisect_right(self._starts, self._elapsed())]

    def closed_for(self) -> float:
        """Return for how many seconds nobody is let in: 0 if it is open."""
        if self._open is None:
            return 0.0
        cycle = self._open + self._pause
        place = self._elapsed() % cycle
        return 0.0 if place < self._open else cycle - place

    def _elapsed(self) -> float:
        now = self.now()
        if self._started is None:
            self._started = now
        return now - self._started


def parse_steps(text: str) -> tuple[tuple[float, float], ...]:
    """Read ``60=10,120=1`` into steps for the dials. Raises ``BadUsage``."""
    steps = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        second, _, factor = part.partition("=")
        try:
            steps.append((float(second), float(factor)))
        except ValueError:
            raise BadUsage(
                f"step {part!r}: write the second and what the limits are multiplied with from "
                "then on, such as 60=10"
            ) from None
    return tuple(steps)
