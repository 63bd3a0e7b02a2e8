"""What a call costs, counted in calls of the system and of our own functions.

On asyncio's own loop, where each call of the system is a call of a function of C that can be seen.
The server has a thread of its own, so that what it does is not counted.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.counting import counting
from tests.raw_server import Act, RawServer, http
from tests.transport.kit import ASK, KEY, Joined, run, transport

ANSWER = http(b'{"choices":[]}', "Content-Type: application/json")
EVENTS = http(b"data: {}\n\n" * 20, "Content-Type: text/event-stream")
FEW, MANY = 5, 45
CALLS_A_CALL = 17  # of our functions, for a plain answer
CALLS_A_STREAM = 27  # of our functions, for one that comes at once


@pytest.fixture
def served() -> Iterator[Callable[[bytes], str]]:
    """Serves one answer to all requests of kept connections, from a thread; returns its address."""
    begun: list[tuple[threading.Thread, Callable[[], Any]]] = []

    def serve(answer: bytes) -> str:
        ready, over = threading.Event(), asyncio.Event()
        at: list[tuple[asyncio.AbstractEventLoop, int]] = []

        async def main() -> None:
            async with RawServer((Act.READ, answer) * (FEW + MANY + 1)) as server:
                at.append((asyncio.get_running_loop(), server.port))
                ready.set()
                await over.wait()

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        assert ready.wait(10)
        loop, port = at[0]
        begun.append((thread, lambda: loop.call_soon_threadsafe(over.set)))
        return f"http://127.0.0.1:{port}"

    yield serve
    for thread, end in begun:
        end()
        thread.join()


def a_call(address: str) -> Callable[[str], float]:
    """How often each thing is called for one call more, over a kept connection."""
    calls: Counter[str] = Counter()

    async def count(times: int) -> Counter[str]:
        async with transport(address) as network:
            await network.send(ASK, KEY, Joined)  # it connects, and makes what is made once
            calls.clear()
            with counting(calls):
                for _ in range(times):
                    await network.send(ASK, KEY, Joined)
            return calls.copy()

    counts: list[Counter[str]] = []

    async def main() -> None:
        counts.extend([await count(FEW), await count(MANY)])

    run(main())
    few, many = counts
    return lambda name: (many[name] - few[name]) / (MANY - FEW)


@pytest.mark.parametrize("answer", [ANSWER, EVENTS], ids=["plain", "events"])
def test_a_call_is_written_at_once_and_its_answer_read_at_once(
    served: Callable[[bytes], str], answer: bytes
) -> None:
    call = a_call(served(answer))

    assert call("socket.send") == 1
    assert call("socket.recv") == 1
    assert call("epoll.poll") <= 2


def test_a_call_has_no_task_and_no_timer_of_its_own(served: Callable[[bytes], str]) -> None:
    call = a_call(served(ANSWER))

    assert call("create_task") == 0
    assert call("call_later") == call("call_at") == 0


@pytest.mark.parametrize(
    ("answer", "most"), [(ANSWER, CALLS_A_CALL), (EVENTS, CALLS_A_STREAM)], ids=["plain", "events"]
)
def test_a_call_takes_few_of_our_functions(
    served: Callable[[bytes], str], answer: bytes, most: int
) -> None:
    assert 10 < a_call(served(answer))("ours") <= most
