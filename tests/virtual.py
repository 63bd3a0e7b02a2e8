"""An event loop whose clock is not the world's: waiting costs nothing, so an hour takes a moment.

``loop.time()`` is the only clock: nothing in a simulated run may use a socket or the real time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Clock(selectors.DefaultSelector):
    """Advances by the time that the loop is willing to wait, instead of waiting."""

    now = 0.0
    late = 0.0  # seconds by which every timer fires too late, as real ones do
    # What a pass costs, at the least. Not nothing: aiolimiter computes wake-up times that round to
    # "now", and would wake itself for ever on a clock that stands still while code runs.
    busy = 1e-9

    def __init__(self, at_rest: Callable[[], None]) -> None:
        super().__init__()
        self._at_rest = at_rest  # called whenever nobody can go on before time goes by

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0:
            self._at_rest()
        if timeout is None:
            # Only another thread can go on from here; it gets some real time for that.
            ready = super().select(5)
            assert ready, "nothing is left to wait for: the simulated run stands still"
            return ready
        self.now += self.busy + (timeout + self.late if timeout > 0 else 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop on such a clock."""

    def __init__(self, late: float, busy: float, at_rest: Callable[[], None]) -> None:
        self._clock = Clock(at_rest)
        self._clock.late = late
        self._clock.busy = busy
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(
    main: Coroutine[Any, Any, T],
    late: float = 0.0,
    busy: float = 1e-9,
    at_rest: Callable[[], None] = lambda: None,
) -> T:
    """Run a coroutine to its end in virtual time, and return its result."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(late, busy, at_rest)) as runner:
        return runner.run(main)
