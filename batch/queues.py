"""The lines of one lane that were read and not handed out yet, and those who wait for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from batch.records import Row
from batch.weights import of_lines

QUEUE_ROWS: Final = 2000  # lines in one queue, at most
ALL_ROWS: Final = 4000  # in all queues together, each with the same share
ALL_BYTES: Final = 16 << 20  # of their bodies
IN_HAND_BYTES: Final = 192 << 20  # of those that were handed out, if nothing is said


class Unit(msgspec.Struct, frozen=True):
    """Lines that are handed out together."""

    rows: Sequence[Row]
    weight: int  # bytes, while they are in work


class Bounds(NamedTuple):
    """How much one queue holds."""

    rows: int
    bytes: int  # of bodies
    unit: int  # lines that are handed out together, at most
    in_hand: int  # bytes of bodies that were handed out and are still in work


def shared(lanes: int, width: int, in_hand: int = IN_HAND_BYTES) -> Bounds:
    """Return the bounds of each of so many queues that hand out ``width`` lines at once."""
    lanes = max(1, lanes)
    rows = max(1, min(QUEUE_ROWS, ALL_ROWS // lanes))
    return Bounds(rows, ALL_BYTES // lanes, min(width, rows), in_hand // lanes)


class Queue:
    """A lane's lines in order: the first of them in memory, then those that are spilled."""

    __slots__ = (
        "_bounds",
        "_bytes",
        "_idle",
        "_in_hand",
        "_rows",
        "_waiters",
        "lane",
        "refilling",
        "spilled",
    )

    def __init__(self, lane: str, bounds: Bounds) -> None:
        self._bounds = bounds
        self._rows: deque[Row] = deque()
        self._bytes = 0
        self._in_hand = 0  # bytes
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self.lane = lane
        self.spilled = 0  # lines
        self.refilling = False

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def waiting(self) -> int:
        """Return how many lines there are, spilled ones included."""
        return len(self._rows) + self.spilled

    @property
    def filled(self) -> bool:
        """Return whether a whole unit is there, or so much that none larger should be."""
        return len(self._rows) >= self._bounds.unit or self._bytes >= self._bounds.bytes

    @property
    def low(self) -> bool:
        """Return whether it is time to get spilled lines back, before somebody finds nothing.

        Lines so long that a few fill the queue are got back only when somebody takes them.
        """
        few = 4 * len(self._rows) < self._bounds.rows and 4 * self._bytes < self._bounds.bytes
        return few or not self.filled

    @property
    def room(self) -> tuple[int, int]:
        """Return how many lines fit in, and how many bytes."""
        return self._bounds.rows - len(self._rows), self._bounds.bytes - self._bytes

    def takes(self, row: Row) -> bool:
        """Add a line if there is room for it; return whether there was."""
        bounds, size = self._bounds, self._bytes + len(row.body)
        if len(self._rows) >= bounds.rows or size > bounds.bytes:
            return False
        self._rows.append(row)
        self._bytes = size
        return True

    def push(self, row: Row) -> None:
        """Add a line, whether there is room or not."""
        self._rows.append(row)
        self._bytes += len(row.body)

    def pop(self) -> Unit:
        """Take out the first line, and those that can be asked together with it."""
        first = self._rows.popleft()
        taken, size = [first], len(first.body)
        if self._bounds.unit > 1 and first.pack_key:
            taken += self._fellows(first)
            size = sum(len(row.body) for row in taken)
        unit = Unit(taken, of_lines(size))
        self._bytes -= size
        self._in_hand += unit.weight
        if self._idle:
            self._pass_on()
        return unit

    def _fellows(self, first: Row) -> list[Row]:
        """Take out the next lines that can be asked together with one; the others stay in order."""
        rows = self._rows
        taken: list[Row] = []
        others: deque[Row] = deque()
        while rows and 1 + len(taken) < self._bounds.unit:
            row = rows.popleft()
            (taken if _together(row, first) else others).append(row)
        rows.extendleft(reversed(others))
        return taken

    @property
    def busy(self) -> bool:
        """Return whether what is in work must end first, as there is no memory for more of it."""
        if not self._in_hand:
            return False
        free = self._bounds.in_hand - self._in_hand
        return of_lines(len(self._rows[0].body)) > max(0, free)

    async def ended(self) -> None:
        """Wait until some of what is in work has ended. Look again afterwards."""
        await _waited(self._idle)

    def end(self, unit: Unit) -> None:
        """Take note that a unit which was handed out is not in work any more."""
        self._in_hand -= unit.weight
        if self._idle:
            self._pass_on()

    def _pass_on(self) -> None:
        """Have one of those who wait for memory look again, if he finds some; he wakes the next.

        Where no line is left they all wait for lines, as anybody else.
        """
        if not (self._rows and self.busy):
            _wake(self._idle, 1 if self._rows else len(self._idle))

    def clear(self) -> None:
        """Forget all lines."""
        self._rows.clear()
        self._bytes = self.spilled = 0

    @property
    def awaited(self) -> bool:
        """Return whether anybody waits for a line."""
        return bool(self._waiters)

    async def wait(self) -> None:
        """Wait to be woken. Look again afterwards: somebody else may have been faster."""
        await _waited(self._waiters)

    def wake(self, count: int) -> None:
        """Have so many of those who wait look again."""
        if self._waiters:
            _wake(self._waiters, count)

    def wake_all(self) -> None:
        """Have all of them look again."""
        self.wake(len(self._waiters))


async def _waited(waiters: deque[asyncio.Future[None]]) -> None:
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    await waiter


def _wake(waiters: deque[asyncio.Future[None]], count: int) -> None:
    while count and waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            count -= 1


def _together(one: Row, other: Row) -> bool:
    """Return whether one request may ask both lines."""
    return (one.pack_key, one.format, one.model, one.path) == (
        other.pack_key,
        other.format,
        other.model,
        other.path,
    )
