"""The group commit: workers run ahead, one thread writes and syncs, then they are told.

A group is written in the order of the logs: journal, results, errors, each synced before the next
begins. So a paid attempt is on record before the error that follows from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeAlias

from batch.ledger.log import Log

GAP_SECONDS: Final = 0.010  # between two groups: a sync costs milliseconds, whatever its size
BLOCK: Final = 1 << 20  # bytes of one write, or one line if that is longer
Offload: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
Acknowledge: TypeAlias = Callable[[int, Sequence[bytes]], None]


class Group:
    """Lines by log that are written together, and the future that says they are safe."""

    __slots__ = ("done", "lines")

    def __init__(self, logs: int, done: asyncio.Future[None]) -> None:
        self.lines: list[list[bytes]] = [[] for _ in range(logs)]
        self.done = done


class Writer:
    """Collects lines and commits them in groups. The first failure is kept and ends everything."""

    def __init__(self, logs: Sequence[Log], acknowledge: Acknowledge, offload: Offload) -> None:
        self._logs = logs
        self._acknowledge = acknowledge
        self._offload = offload
        self._collecting: Group | None = None
        self._committing: Group | None = None
        self._wake = asyncio.Event()
        self._closing = False
        self.failure: BaseException | None = None
        self.after_commit: Callable[[], Awaitable[None]] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="commit")

    def put(self, log: int, lines: Sequence[bytes]) -> asyncio.Future[None]:
        """Add lines to the next group; the future is done when they are on stable storage.

        Never await it unshielded: a cancelled waiter would cancel it for everybody.
        """
        if self.failure is not None:
            raise self.failure
        group = self._collecting
        if group is None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.add_done_callback(_seen)
            group = self._collecting = Group(len(self._logs), done)
            self._wake.set()
        group.lines[log].extend(lines)
        return group.done

    def next_commit(self) -> asyncio.Future[None] | None:
        """Return the future of the oldest group that is not yet safe, if there is one.

        Raises what the last commit raised: nothing will be safe any more.
        """
        if self.failure is not None:
            raise self.failure
        group = self._committing or self._collecting
        return group.done if group is not None else None

    async def close(self) -> None:
        """Commit what is left and end. Raises what the last commit raised."""
        self._closing = True
        self._wake.set()
        await self._task
        if self.failure is not None:
            raise self.failure

    async def _run(self) -> None:
        try:
            while self._collecting is not None or not self._closing:
                if self._collecting is None:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                self._committing, self._collecting = self._collecting, None
                await self._commit(self._committing)
                self._committing = None
                if self.after_commit is not None:
                    await self.after_commit()
                if not self._closing:
                    await asyncio.sleep(GAP_SECONDS)
        except Exception as error:  # noqa: BLE001 - kept, and raised to everyone who waits or puts
            self.failure = error
            for group in (self._committing, self._collecting):
                if group is not None:
                    group.done.set_exception(error)

    async def _commit(self, group: Group) -> None:
        await self._offload(lambda: self._write(group))
        for log, lines in enumerate(group.lines):
            if lines:
                self._acknowledge(log, lines)
        group.done.set_result(None)

    def _write(self, group: Group) -> None:
        for log, lines in zip(self._logs, group.lines, strict=True):
            if lines:
                log.write(_blocks(lines))
        # One that has no lines now, too: answers without their journal are no run.
        for log in self._logs:
            log.require_place()


def _blocks(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Join lines to blocks worth a write each; all in one, large ones would be there twice."""
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= BLOCK:
            yield b"".join(block)
            block, size = [], 0
    if block:
        yield b"".join(block)


def _seen(done: asyncio.Future[None]) -> None:
    """Mark a failed group's exception as seen, also when nobody waits for that group."""
    if not done.cancelled():
        done.exception()
