"""Waiting in the gate: in order, for one thing at a time, and only until sent away."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from batch.errors import BatchError
from batch.gate.holdups import Holdup


class Waiter:
    """Somebody who waits, and can be sent away at any moment."""

    __slots__ = ("_future", "_reason", "why")

    def __init__(self) -> None:
        self._future: asyncio.Future[Any] | None = None
        self._reason: BatchError | None = None
        self.why: Holdup | None = None  # what is waited for; None: one's turn

    async def wait(self, future: asyncio.Future[Any], why: Holdup | None) -> None:
        """Wait for a future, which is cancelled if the wait ends otherwise.

        Raises what ``send_away`` was given, even if the future came true just before.
        """
        self._future, self.why = future, why
        try:
            await future
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._reason is None or (task is not None and task.cancelling()):
                raise
        finally:
            self._future = self.why = None
        if self._reason is not None:
            raise self._reason

    @property
    def leaving(self) -> bool:
        """Return whether the waiter was sent away, and has yet to notice."""
        return self._reason is not None

    def send_away(self, reason: BatchError) -> None:
        """Make the wait raise."""
        self._reason = reason
        if self._future is not None:
            self._future.cancel()


class Door:
    """Lets one through at a time, in the order they came."""

    __slots__ = ("_queue", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._queue: deque[asyncio.Future[None]] = deque()

    async def enter(self, waiter: Waiter) -> None:
        """Wait for one's turn; it lasts until ``leave``."""
        if not self.busy:
            self.busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await waiter.wait(turn, None)
        except BaseException:
            if not turn.cancelled():  # the turn came just when the wait ended
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to whoever has waited longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy = False


class Bell:
    """Wakes whoever waits, at a time or when rung before."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: dict[asyncio.Future[None], None] = {}  # in the order they came

    async def wait(self, waiter: Waiter, why: Holdup | None, seconds: float | None = None) -> None:
        """Wait for the bell, or so many seconds. Look again afterwards: it promises nothing."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _wake, future)
        self._futures[future] = None
        try:
            await waiter.wait(future, why)
        finally:
            del self._futures[future]
            if timer is not None:
                timer.cancel()

    @property
    def awaited(self) -> bool:
        """Return whether anybody waits."""
        return bool(self._futures)

    def ring(self) -> None:
        """Wake everybody."""
        for future in self._futures:
            _wake(future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
