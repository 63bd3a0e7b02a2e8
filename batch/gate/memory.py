"""Memory for what is in flight: so many bytes, given out in the order in which they are asked for.

A call asks for its bytes after the gate has admitted it and before it is sent: for those of its
payload, and for as many as answers of its model took of late. An answer that turns out larger takes
more without asking, and so do the lines that are in work, on the wire or not: the debt is paid by
those who ask next. Whoever has got bytes never waits for others, so that nobody waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from batch.errors import Halted
from batch.gate.holdups import Holdup
from batch.gate.settings import INFLIGHT_BYTES
from batch.gate.waits import Waiter
from batch.weights import LIGHT

# Calls of a model that go at once before its first answer, if that may be large: how large, nobody
# knows, and the answers of those that are out by then are taken whatever their size.
FIRST_AT_ONCE: Final = 2
_FORGETS: Final = 8  # part by which an estimate comes down with each smaller answer


class Memory:
    """So many bytes for all calls together. One that wants more than there are goes alone."""

    __slots__ = ("_capacity", "_halted", "_late", "_queue", "carried", "taken")

    def __init__(self, capacity: int = INFLIGHT_BYTES) -> None:
        self._capacity = capacity
        self._halted = False
        self._queue: deque[Asker] = deque()  # in the order they came
        self._late: dict[str, int] = {}  # model → bytes of its answers of late, if they are large
        self.taken = 0  # by calls
        self.carried = 0  # by lines in work

    @property
    def for_lines(self) -> int:
        """Return how many bytes lines in work may have, so that as many are left for answers."""
        return self._capacity // 2

    def held(self, model: str) -> Held:
        """Return what a call of a model is going to hold: nothing yet."""
        return Held(self, model)

    def needed(self, model: str, sent: int, unknown: int) -> int:
        """Return how many bytes a call is likely to take in all.

        Before the first answer of its model these are ``unknown``, and so much that few go at once.
        """
        late = self._late.get(model)
        if late is None and unknown:
            return max(sent + unknown, self._capacity // FIRST_AT_ONCE)
        return sent + (late or 0)

    def learn(self, model: str, amount: int, expected: int) -> None:
        """Take note of what an answer took: estimates rise at once, and come down slowly."""
        if amount or expected:
            late = self._late.get(model, 0)
            self._late[model] = max(amount, late + (amount - late) // _FORGETS)

    async def take(self, needed: Callable[[], int]) -> int:
        """Wait until there is room for what is needed, and return how many bytes that was.

        Who waits is asked anew when it is its turn, as more is known then. Raises Halted if the run
        ends first.
        """
        amount = needed()
        if not self._queue and self._fits(amount):
            self.taken += amount
            return amount
        if self._halted:
            raise Halted("the run is ending")
        asker = Asker(needed)
        self._queue.append(asker)
        why = Holdup("memory", "room for what is in flight (--max-inflight-bytes)")
        try:
            await asker.wait(asker.turn, why)
        except BaseException:
            if asker.turn.cancelled():
                self._queue.remove(asker)
                self._serve()
            else:  # the turn came just when the wait ended
                self.give_back(asker.turn.result())
            raise
        return asker.turn.result()

    def owe(self, amount: int) -> None:
        """Take bytes that are there already, room or not."""
        self.taken += amount

    def give_back(self, amount: int) -> None:
        """Return bytes, and let those who wait have them."""
        self.taken -= amount
        self._serve()

    def carry(self, amount: int) -> None:
        """Take note of lines that are worked on from now on."""
        self.carried += amount

    def put_down(self, amount: int) -> None:
        """Take note of lines that are not worked on any more."""
        self.carried -= amount
        self._serve()

    def halt(self) -> None:
        """Send away everybody who waits, and whoever would have to."""
        self._halted = True
        for asker in self._queue:
            asker.send_away(Halted("the run is ending"))

    def waiting_for(self) -> Holdup | None:
        """Return what holds up the first who waits, or None."""
        return self._queue[0].why if self._queue else None

    def _fits(self, amount: int) -> bool:
        return not self.taken or self.carried + self.taken + amount <= self._capacity

    def _serve(self) -> None:
        """Let in, in order, who fits: a small one never goes before a large one that waits."""
        queue = self._queue
        while queue and not queue[0].turn.done():
            amount = queue[0].needed()
            if not self._fits(amount):
                return
            self.taken += amount
            queue.popleft().turn.set_result(amount)


class Asker(Waiter):
    """Somebody who waits for bytes."""

    __slots__ = ("needed", "turn")

    def __init__(self, needed: Callable[[], int]) -> None:
        super().__init__()
        self.needed = needed
        self.turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Held:
    """The bytes that one call holds."""

    __slots__ = ("_amount", "_came", "_expected", "_memory", "_model", "_sent")

    def __init__(self, memory: Memory, model: str) -> None:
        self._memory = memory
        self._model = model
        self._sent = 0  # of the payload
        self._expected = 0  # reserved for what comes
        self._came = 0
        self._amount = 0  # in all

    def needs(self, sent: int, unknown: int) -> bool:
        """Return whether there is anything to be taken: of most calls, there is not."""
        return self._memory.needed(self._model, sent, unknown) > 0

    async def take(self, sent: int, unknown: int = 0) -> None:
        """Wait for the bytes of the payload and of the answer. Raises Halted.

        ``unknown``: what an answer may take as long as none of the model is known.
        """
        memory, model = self._memory, self._model
        if memory.needed(model, sent, unknown):
            self._amount = await memory.take(lambda: memory.needed(model, sent, unknown))
            self._sent, self._expected = sent, self._amount - sent

    def grew(self, amount: int) -> None:
        """Take note of so many bytes that came."""
        self._came += amount
        self._at_least(self._sent + self._came)

    def answered(self, amount: int) -> None:
        """Take note of how many bytes the whole answer takes, and learn from it."""
        came = max(amount, self._came)
        if not (came or self._expected):
            return  # nearly always
        self._at_least(self._sent + came)
        self._memory.learn(self._model, came if came >= LIGHT else 0, self._expected)

    def release(self) -> None:
        """Give all of it back; once is enough."""
        if amount := self._amount:
            self._amount = self._sent = self._expected = self._came = 0
            self._memory.give_back(amount)

    def _at_least(self, amount: int) -> None:
        if amount > self._amount:
            self._memory.owe(amount - self._amount)
            self._amount = amount
