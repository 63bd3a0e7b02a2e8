"""A gate in virtual time, and lines that go through it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from batch.errors import CallFailed
from batch.gate.gate import Gate
from batch.gate.settings import GateSettings
from batch.records import Call
from batch.secret import Secret
from batch.wire import Estimate

SUBMIT = Call("POST", "/v1/chat/completions", b"{}")
POLL = Call("GET", "/v1/videos/1", kind="poll")
FETCH = Call("GET", "/v1/videos/1/content", kind="fetch", expect="file")
FOREIGN = Call("GET", "https://files.example/1.png", kind="fetch", origin="foreign", expect="file")
MODEL = "gpt-4o"
Work: TypeAlias = Callable[[], Awaitable[None]]


def clock() -> float:
    return asyncio.get_running_loop().time()


def gate(*patterns: str, **settings: object) -> Gate:
    """A gate with a key for each pattern, or with one key for all."""
    secrets = [(p, Secret(f"key-of-{p}", f"sk-{p}")) for p in patterns or ("*",)]
    return Gate(GateSettings(**settings), secrets, clock)  # type: ignore[arg-type]


async def send(
    at: Gate,
    work: Work,
    model: str = MODEL,
    call: Call = SUBMIT,
    tokens: int = 10,
) -> None:
    """One attempt, as the engine makes it. Raises what the gate or the work raises."""
    lane = at.lane(model)
    visit = at.admit(lane, model, call, Estimate(tokens, 0))
    async with visit:
        sent_at = clock()
        try:
            await work()
        except CallFailed as failure:
            at.failed(lane, model, failure, sent_at)
            raise
    at.answered(visit, None, clock() - sent_at)


async def passes() -> None:
    """Let everything that can go on do so, without time going by to speak of."""
    for _ in range(20):
        await asyncio.sleep(0)


def most_above(times: list[tuple[float, float]], rate: float) -> float:
    """The most by which any window's weight exceeds rate x length, over all windows.

    ``times`` are admissions as (time, weight), in order; ``rate`` is per second.
    """
    worst = total = 0.0
    lowest = float("inf")
    for time, weight in times:
        lowest = min(lowest, total - rate * time)
        total += weight
        worst = max(worst, total - rate * time - lowest)
    return worst
