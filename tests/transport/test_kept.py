"""What comes on a kept connection without having been asked for is nobody's answer."""

from __future__ import annotations

import asyncio

import pytest

from batch.records import Call, Field, Form
from tests.raw_server import Act, RawServer, Step, head, http
from tests.transport.kit import ASK, KEY, run, transport

READ, HOLD = Act.READ, Act.HOLD
WAYS = {"JSON": ASK, "a form": Call("POST", "/v1/x", Form((Field("a", "b"),)))}
HALF = http(b"1", length=2)


async def passes() -> None:
    """Let the loop look often enough for what was sent to come."""
    for _ in range(500):
        await asyncio.sleep(0)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("call", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(
    ("first", "later"),
    [
        (HALF + b"1" + http(b"stale"), b""),
        (HALF, b"1" + http(b"stale")),
        (HALF + b"1", http(b"stale")),
        (HALF + b"1", http(b"stale", length=99)),
        (HALF + b"1", head(status="408 Request Timeout")),
    ],
    ids=["in one piece", "with the end of the first", "after it", "begun after it", "too slow"],
)
def test_a_second_answer_to_one_call_is_not_that_of_the_next(
    first: bytes, later: Step, call: Call, loop: str
) -> None:
    async def main() -> None:
        more = asyncio.Event()
        script = (READ, first, more, later, HOLD)
        async with (
            RawServer(script, (READ, http(b"fresh"), HOLD)) as server,
            transport(server.url) as network,
        ):
            asking = asyncio.create_task(network.send(call, KEY))
            await passes()  # until the first has come
            more.set()
            assert (await asking).body == b"11"
            await passes()

            assert (await network.send(call, KEY)).body == b"fresh"
            assert server.connections == 2

    run(main(), loop)


def test_a_connection_that_is_clean_is_used_again() -> None:
    async def main() -> None:
        script = (READ, head(status="100 Continue") + http(b"{}")) * 3
        async with RawServer(script) as server, transport(server.url) as network:
            for call in (ASK, WAYS["a form"], ASK):
                await network.send(call, KEY)

            assert server.connections == 1

    run(main())
