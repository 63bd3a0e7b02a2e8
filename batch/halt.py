"""The end of a run before its lines are done: asked for once, seen by everything that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from batch.errors import Halted


class Halt:
    """A request to stop sending. What is on the wire may still finish, unless it is hurried."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._asked = asyncio.Event()
        self._pressed = asyncio.Event()
        self._hurried = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called when the stop is asked for."""
        self._listeners.append(listener)

    def request(self, reason: str, *, patient: bool = False) -> None:
        """Ask for the stop; the first reason is kept.

        ``patient``: what is on the wire has all its time, until somebody asks who is not.
        """
        if not patient:
            self._pressed.set()
        if self.reason is None:
            self.reason = reason
            self._asked.set()
            for listener in self._listeners:
                listener()

    @property
    def is_pressed(self) -> bool:
        """Return whether somebody asked who has not all the time."""
        return self._pressed.is_set()

    async def pressed(self) -> None:
        """Return when somebody does."""
        await self._pressed.wait()

    def hurry(self) -> None:
        """Give up what is on the wire too."""
        self._hurried.set()

    async def wait(self) -> None:
        """Return when the stop is asked for."""
        await self._asked.wait()

    async def hurried(self) -> None:
        """Return when even the wire is not to be waited for."""
        await self._hurried.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, holding nothing. Raises Halted when the stop is asked for first."""
        if self.reason is None and seconds > 0:
            try:
                await asyncio.wait_for(self._asked.wait(), seconds)
            except TimeoutError:
                return
        if self.reason is not None:
            raise Halted(self.reason)
