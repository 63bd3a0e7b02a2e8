"""Waiting in the gate: in order, for one thing at a time, and only until sent away."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from batch.errors import BatchError
from batch.gate.holdups import Holdup

LONG_ROUND: Final = 1e-4  # seconds, of the event loop: it does something else meanwhile


class Waiter:
    """Somebody who waits, and can be sent away at any moment."""

    __slots__ = ("_future", "_reason", "late", "why")

    def __init__(self) -> None:
        self._future: asyncio.Future[Any] | None = None
        self._reason: BatchError | None = None
        self.why: Holdup | None = None  # what is waited for; None: one's turn
        self.late = False  # the last turn came a long round after it was given

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

    def passes(self) -> Door | None:
        """Take all that is behind a door, if nothing of it has to be waited for.

        Returns the door at which those are who come next, or None if nothing was taken.
        """
        return None

    def give_back(self) -> None:
        """Return what ``passes`` has taken."""

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
    """Lets one through at a time, in the order they came.

    A turn takes a round of the event loop. Where rounds are long, each brings others who come, and
    those who wait would never get fewer, with nothing to wait for: so who is inside may let the
    next ones through.
    """

    __slots__ = ("_queue", "busy")

    def __init__(self) -> None:
        self.busy = False
        # Those who wait, and what comes true with the time when they are given their turn, or with
        # None when they are let through without one.
        self._queue: deque[tuple[asyncio.Future[float | None], Waiter]] = deque()

    async def enter(self, waiter: Waiter) -> bool:
        """Wait for one's turn, which lasts until ``leave``. Returns False if none was needed."""
        if not self.busy:
            self.busy = True
            return True
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[float | None] = loop.create_future()
        self._queue.append((turn, waiter))
        try:
            await waiter.wait(turn, None)
        except BaseException:
            if not turn.cancelled():  # it came true just when the wait ended
                if turn.result() is None:
                    waiter.give_back()
                else:
                    self.leave()
            raise
        given_at = turn.result()
        if given_at is None:
            return False
        waiter.late = loop.time() - given_at >= LONG_ROUND
        return True

    def let_through(self) -> Door | None:
        """Let through whoever has waited longest, if that one needs no turn.

        Returns the door at which those are who come next, or None if nobody was let through.
        """
        while self._queue:
            turn, waiter = self._queue[0]
            door = None if turn.done() else waiter.passes()
            if door is None and not turn.done():
                return None
            self._queue.popleft()
            if door is not None:
                turn.set_result(None)
                return door
        return None

    def leave(self) -> None:
        """Give the turn to whoever has waited longest."""
        while self._queue:
            turn, _ = self._queue.popleft()
            if not turn.done():
                turn.set_result(turn.get_loop().time())
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
