"""Connections that go from post to post, and when they are left to the connector."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.client_proto import ResponseHandler

from batch.transport.at_hand import SECONDS, AtHand
from tests.raw_server import http
from tests.virtual import run


class Wire:
    """What may be closing."""

    def __init__(self) -> None:
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing


class Line:
    """A connection that notes what becomes of it."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.wire = Wire()
        self.protocol = ResponseHandler(asyncio.get_running_loop())
        self.protocol.transport = self.wire  # type: ignore[assignment]
        self.protocol.set_response_params(read_until_eof=True)

    def close(self) -> None:
        self.ends.append("closed")

    def release(self) -> None:
        self.ends.append("given back")


def put(at_hand: AtHand, *lines: Line) -> None:
    for line in lines:
        at_hand.put(line)  # type: ignore[arg-type]


def test_the_connection_that_was_used_last_is_taken_first() -> None:
    async def main() -> None:
        at_hand, first, second = AtHand(), Line(), Line()
        put(at_hand, first, second)

        assert [at_hand.take(), at_hand.take(), at_hand.take()] == [second, first, None]
        assert first.ends == second.ends == []

    run(main())


def spoil(line: Line, how: str) -> None:
    if how == "closing":
        line.wire.closing = True
    elif how == "lost":
        line.protocol.connection_lost(None)
    else:
        line.protocol.data_received(http(b"unasked"))


@pytest.mark.parametrize("how", ["closing", "lost", "an answer that nobody asked for"])
def test_a_connection_that_is_gone_or_on_which_somebody_spoke_is_closed(how: str) -> None:
    async def main() -> None:
        at_hand, good, spoilt = AtHand(), Line(), Line()
        put(at_hand, good, spoilt)

        spoil(spoilt, how)

        assert at_hand.take() is good
        assert spoilt.ends == ["closed"]

    run(main())


def test_a_connection_that_is_not_to_be_used_again_is_left_to_the_connector_at_once() -> None:
    async def main() -> None:
        at_hand, line = AtHand(), Line()
        line.protocol.force_close()

        put(at_hand, line)

        assert line.ends == ["given back"]
        assert at_hand.take() is None

    run(main())


def test_what_nobody_takes_goes_back_within_a_second_and_then_nothing_ticks() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        at_hand, line = AtHand(), Line()
        put(at_hand, line)

        await asyncio.sleep(SECONDS - 0.1)
        assert line.ends == []
        await asyncio.sleep(0.2)
        assert line.ends == ["given back"]
        assert not loop._scheduled  # type: ignore[attr-defined]

    run(main())


def test_all_go_back_when_somebody_else_needs_one() -> None:
    async def main() -> None:
        at_hand, lines = AtHand(), [Line(), Line()]
        put(at_hand, *lines)

        at_hand.give_back()

        assert [line.ends for line in lines] == [["given back"]] * 2
        assert at_hand.take() is None

    run(main())
