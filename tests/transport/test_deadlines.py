"""When the time of answers is over, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp.client_proto import ResponseHandler

from batch.transport.at_hand import AtHand
from batch.transport.deadlines import Deadlines
from batch.transport.posts import Arrived
from tests.raw_server import head, http
from tests.virtual import run

SECONDS = 10.0


class Ends:
    """Notes when it is ended, and does then what it is told to."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.at: list[float] = []
        self.errors: list[Exception] = []
        self._then = then

    def fail(self, error: Exception) -> None:
        self.at.append(asyncio.get_running_loop().time())
        self.errors.append(error)
        self._then()


def test_each_ends_when_its_own_time_is_over() -> None:
    async def main() -> None:
        deadlines, ones = Deadlines(SECONDS), [Ends() for _ in range(5)]
        for one in ones:
            deadlines.start(one)
            await asyncio.sleep(3)
        await asyncio.sleep(60)

        assert [one.at for one in ones] == [
            [pytest.approx(3 * n + SECONDS, abs=1e-3)] for n in range(5)
        ]
        assert {type(error) for one in ones for error in one.errors} == {TimeoutError}

    run(main())


def test_one_that_is_left_does_not_end() -> None:
    async def main() -> None:
        deadlines, early, late = Deadlines(SECONDS), Ends(), Ends()
        deadlines.start(early)
        deadlines.start(late)
        await asyncio.sleep(SECONDS - 1)
        deadlines.leave(early)
        deadlines.leave(early)
        await asyncio.sleep(60)

        assert (early.at, len(late.at)) == ([], 1)

    run(main())


def test_the_time_of_one_that_is_left_is_not_that_of_the_next() -> None:
    async def main() -> None:
        deadlines, first, second = Deadlines(SECONDS), Ends(), Ends()
        deadlines.start(first)
        await asyncio.sleep(5)
        deadlines.leave(first)
        deadlines.start(second)
        await asyncio.sleep(60)

        # And one that starts when nothing runs any more
        third = Ends()
        deadlines.start(third)
        await asyncio.sleep(60)
        assert second.at == [pytest.approx(5 + SECONDS, abs=1e-3)]
        assert third.at == [pytest.approx(65 + SECONDS, abs=1e-3)]

    run(main())


def test_who_ends_may_have_others_leave_and_start() -> None:
    async def main() -> None:
        deadlines, left, again = Deadlines(SECONDS), Ends(), Ends()

        def then() -> None:
            deadlines.leave(left)
            deadlines.start(again)

        first, last = Ends(then), Ends()
        for one in (first, left, last):
            deadlines.start(one)
        await asyncio.sleep(60)

        assert [len(one.at) for one in (first, left, last, again)] == [1, 0, 1, 1]
        assert again.at == [pytest.approx(2 * SECONDS, abs=1e-3)]

    run(main())


def test_all_of_them_need_one_timer() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines, ones = Deadlines(SECONDS), [Ends() for _ in range(1000)]
        timers = len(loop._scheduled)  # type: ignore[attr-defined]
        for one in ones:
            deadlines.start(one)

        assert len(loop._scheduled) == timers + 1  # type: ignore[attr-defined]

    run(main())


class Wire:
    """What has sent all there was to send."""

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        """Be given up."""


class Line:
    """A connection on which nothing is sent."""

    def __init__(self) -> None:
        self.transport = Wire()
        self.protocol = ResponseHandler(asyncio.get_running_loop())
        self.protocol.set_response_params(read_until_eof=True)

    def close(self) -> None:
        """Be given up."""

    def release(self) -> None:
        """Be kept."""


@pytest.mark.parametrize(
    "came", [http(b"a", length=9), head(status="102 Processing") * 9, b""], ids=["head", "1xx", "-"]
)
def test_a_time_that_is_over_just_as_something_comes_is_over(came: bytes) -> None:
    async def main() -> None:
        line = Line()
        arrived = Arrived(line, Deadlines(SECONDS), AtHand())  # type: ignore[arg-type]
        waiting = asyncio.create_task(arrived.head(line.protocol))
        await asyncio.sleep(0)
        line.protocol.data_received(came)
        arrived.fail(TimeoutError())

        with pytest.raises(TimeoutError):
            await waiting

    run(main())


class Noted:
    """Deadlines that are none, and who left them."""

    def __init__(self) -> None:
        self.left: list[Arrived] = []

    def leave(self, one: Arrived) -> None:
        self.left.append(one)


@pytest.mark.parametrize("more", [b"b", b""], ids=["whole", "given up"])
def test_an_answer_that_is_whole_or_given_up_is_held_no_longer(more: bytes) -> None:
    async def main() -> None:
        line, deadlines = Line(), Noted()
        arrived = Arrived(line, deadlines, AtHand())  # type: ignore[arg-type]
        line.protocol.data_received(http(b"a", length=2))
        await arrived.head(line.protocol)
        assert deadlines.left == []

        if more:
            line.protocol.data_received(more)
        else:
            arrived.close()
        assert deadlines.left == [arrived]
        assert arrived.closed

    run(main())
