"""Models that are in trouble by themselves: few calls try them, and they may come back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from batch.errors import (
    BadFile,
    BadKey,
    Blocked,
    CallFailed,
    NotAnAnswer,
    Overloaded,
    Refused,
    ServerTrouble,
    Throttled,
    UnknownModel,
    Unreachable,
    UpstreamAccount,
)
from batch.gate.gate import Gate
from tests.gate.test_account import lines, nothing
from tests.gate.world import FETCH, FOREIGN, MODEL, POLL, SUBMIT, Work, clock, gate, send
from tests.virtual import run


def unknown() -> CallFailed:
    return UnknownModel("no channel", status=503)


def empty() -> CallFailed:
    return UpstreamAccount("upstream is empty", status=429)


class Model:
    """A model that fails until a time, and from a time on; it notes when it was asked."""

    def __init__(
        self, failure: Callable[[], CallFailed], good: tuple[float, float] = (0, 0)
    ) -> None:
        self.failure = failure
        self.good = good
        self.asked: list[float] = []

    @property
    def failed(self) -> list[float]:
        """When it was asked in vain."""
        return [at for at in self.asked if not self.answers(at)]

    def answers(self, now: float) -> bool:
        start, end = self.good
        return start <= now < end

    async def __call__(self) -> None:
        self.asked.append(clock())
        good = self.answers(clock())
        await asyncio.sleep(0.05)
        if not good:
            raise self.failure()


@pytest.mark.parametrize(("failure", "most", "within"), [(unknown, 10, 10), (empty, 12, 200)])
def test_a_model_that_was_never_answered_is_closed_after_a_handful_of_calls(
    failure: Callable[[], CallFailed], most: int, within: float
) -> None:
    async def main() -> None:
        at = gate(concurrency=64)
        model = Model(failure)

        ends = await lines(at, model, 500, 64)

        assert ends == ["pending"] * 500
        assert len(model.asked) <= most
        assert clock() < within
        [record] = at.blocked
        assert (record.scope, record.model, record.lines) == ("model", MODEL, 500)

    run(main())


def test_a_model_that_is_away_for_a_moment_costs_no_line() -> None:
    async def main() -> None:
        at = gate(concurrency=64)
        model = Model(empty, good=(20, 10_000))

        ends = await lines(at, model, 200, 64)

        assert ends == ["answered"] * 200
        assert len(model.failed) <= 8 + 1 + 2
        assert at.blocked == []

    run(main())


def test_a_model_that_fails_in_the_middle_is_tried_by_one_call_at_a_time() -> None:
    async def main() -> None:
        # Given: a model that goes away while all slots are taken
        at = gate(concurrency=64)
        model = Model(empty, good=(0, 5))

        ends = await lines(at, model, 100_000, 64)

        assert set(ends) == {"answered", "pending"}
        late = [at for at in model.failed if at > 5.1]
        assert len(model.failed) - len(late) <= 64 + 8
        assert len(late) == 3
        assert min(b - a for a, b in itertools.pairwise(late)) >= 15

    run(main())


def test_some_bad_channels_behind_a_model_hold_nobody_up() -> None:
    async def main() -> None:
        at = gate(concurrency=32)
        count = itertools.count()

        async def work() -> None:
            await asyncio.sleep(0.1)
            if next(count) % 3 == 0:
                raise UpstreamAccount("this channel is empty", status=401)

        ends = await lines(at, work, 600, 32)

        assert set(ends) <= {"answered", "error"}
        assert ends.count("answered") >= 590
        assert at.blocked == []

    run(main())


@pytest.mark.parametrize(("failures", "wait"), [(7, 0), (8, 3)])
def test_eight_failures_in_a_row_put_a_model_in_doubt_that_was_answered(
    failures: int, wait: float
) -> None:
    async def main() -> None:
        at = gate()
        await send(at, nothing)

        async def work() -> None:
            raise UpstreamAccount("this channel is empty", status=401)

        for _ in range(failures):
            with pytest.raises(UpstreamAccount):
                await send(at, work)
        await send(at, nothing)

        assert clock() == pytest.approx(wait, abs=0.01)

    run(main())


async def one_by_one(at: Gate, work: Work, seconds: float) -> list[str]:
    """Lines that come by once a second, as in a file where other models' lines stand between."""
    ends = []
    while clock() < seconds:
        ends += await lines(at, work, 1, 1)
        await asyncio.sleep(1)
    return ends


def test_a_closed_model_is_tried_by_one_call_after_1_2_4_minutes_and_opens_when_it_answers() -> (
    None
):
    async def main() -> None:
        at = gate()
        model = Model(empty, good=(1000, 5000))

        ends = await one_by_one(at, model, 2500)

        closed = next(n for n, end in enumerate(ends) if end == "pending")
        tries = [time for time in model.asked[4:] if time < 1000]
        gaps = [b - a for a, b in itertools.pairwise(tries)]
        assert gaps == pytest.approx([120, 240, 480], abs=3)
        assert closed < 5
        # And then: the next try is the first answer, and all who come later are answered
        opened = ends.index("answered")
        assert set(ends[opened:]) == {"answered"}
        [record] = at.blocked
        assert record.mended
        assert record.lines == ends.count("pending")

    run(main())


def test_nobody_waits_for_a_closed_model() -> None:
    async def main() -> None:
        at = gate()
        await lines(at, Model(empty), 1, 1)
        closed_at = clock()

        ends = await lines(at, Model(empty), 10_000, 8)

        assert ends == ["pending"] * 10_000
        assert clock() - closed_at < 1

    run(main())


def test_a_model_that_opened_and_fails_again_is_closed_again() -> None:
    async def main() -> None:
        at = gate()
        model = Model(empty, good=(200, 400))

        ends = await one_by_one(at, model, 1000)

        assert [end for end, _ in itertools.groupby(ends)] == ["pending", "answered", "pending"]
        [record] = at.blocked
        assert not record.mended

    run(main())


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_model_that_is_not_there_is_asked_for_no_more(status: int) -> None:
    async def main() -> None:
        at = gate()
        model = Model(lambda: UnknownModel("no such model", status=status))

        await one_by_one(at, model, 5000)

        assert len(model.asked) == 1

    run(main())


@pytest.mark.parametrize(
    ("kind", "opens"),
    [
        (Refused, True),
        (NotAnAnswer, True),
        (ServerTrouble, False),
        (Unreachable, False),
        (Overloaded, False),
        (BadFile, False),  # it was not asked at all
    ],
)
def test_a_closed_model_is_opened_only_by_what_comes_from_it(
    kind: type[CallFailed], opens: bool
) -> None:
    async def main() -> None:
        at = gate()
        await lines(at, Model(empty), 1, 1)

        async def other() -> None:
            raise kind("x")

        await asyncio.sleep(61)
        with pytest.raises(kind):
            await send(at, other)

        assert at.blocked[0].mended == opens

    run(main())


def test_another_trouble_ends_the_waiting_for_a_model() -> None:
    """Else its lines would be tried one by one, each half a minute after the other."""

    async def main() -> None:
        at = gate(concurrency=8)
        asked = 0

        async def work() -> None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.05)
            raise UpstreamAccount("empty") if asked <= 8 else Refused("not this one")

        ends = await lines(at, work, 100, 8)

        assert ends == ["error"] * 100
        assert clock() < 60

    run(main())


def test_an_answer_to_a_call_that_was_sent_before_the_trouble_opens_nothing() -> None:
    async def main() -> None:
        at = gate()
        model = Model(empty)

        async def long() -> None:
            await asyncio.sleep(2)

        first = asyncio.create_task(send(at, long))
        await asyncio.sleep(0.5)
        waiting = asyncio.create_task(lines(at, model, 100, 32))
        await asyncio.sleep(1)
        asked = len(model.asked)
        await first
        await asyncio.sleep(0.5)

        assert len(model.asked) == asked < 10
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(main())


def test_calls_that_wait_for_their_turn_are_held_up_by_a_model_that_gets_into_trouble() -> None:
    async def main() -> None:
        # Given: a declared rate that lets one call a second through, and many that wait for it
        at = gate(concurrency=64, rpm=60)
        model = Model(empty)

        ends = await lines(at, model, 300, 64)

        assert ends == ["pending"] * 300
        assert len(model.asked) <= 12

    run(main())


def test_another_model_of_the_key_goes_on() -> None:
    async def main() -> None:
        at = gate()
        await lines(at, Model(empty), 5, 1, "claude-1")

        assert await lines(at, nothing, 100, 8, "claude-2") == ["answered"] * 100

    run(main())


def test_who_waits_for_a_model_is_sent_away_when_the_key_is_closed_and_when_the_run_ends() -> None:
    async def main() -> None:
        for end in ("key", "run"):
            at = gate()
            model = Model(empty)
            waiting = asyncio.create_task(lines(at, model, 20, 10))
            await asyncio.sleep(5)
            if end == "key":
                at.block("key", at.lane(MODEL), MODEL, BadKey("expired"))
                assert await waiting == ["pending"] * 20
            else:
                at.halt()
                with pytest.raises(Exception, match="ending"):
                    await waiting

    run(main())


def test_what_is_waited_for_is_said() -> None:
    async def main() -> None:
        at = gate()
        waiting = asyncio.create_task(lines(at, Model(empty), 20, 10))
        await asyncio.sleep(40)

        said = at.waiting_for()

        assert said is not None
        assert str(said) == f"model {MODEL!r} is in trouble, trying it: upstream is empty"
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(main())


CLOSINGS = {
    "model": (lambda: UnknownModel("no", status=404), {SUBMIT}),
    "account": (lambda: UnknownModel("no", status=404), {SUBMIT}),
    "key": (lambda: BadKey("no", status=401), {SUBMIT, POLL, FETCH}),
}


@pytest.mark.parametrize("scope", CLOSINGS)
def test_paid_work_is_asked_after_and_fetched_as_long_as_its_key_is_good(scope: str) -> None:
    failure, stopped = CLOSINGS[scope]

    async def main() -> None:
        at = gate()
        at.block(scope, at.lane(MODEL), MODEL, failure())  # type: ignore[arg-type]
        turned_away = set()
        for call in (SUBMIT, POLL, FETCH, FOREIGN):
            try:
                await send(at, nothing, call=call)
            except Blocked:
                turned_away.add(call)

        assert turned_away == stopped

    run(main())


def test_a_dead_key_is_not_used_to_try_a_closed_model() -> None:
    async def main() -> None:
        at = gate()
        model = Model(empty)
        await lines(at, model, 1, 1)
        asked = len(model.asked)
        at.block("key", at.lane(MODEL), MODEL, BadKey("expired"))

        await one_by_one(at, model, 1000)

        assert len(model.asked) == asked

    run(main())


@pytest.mark.parametrize("kind", [Throttled, ServerTrouble])
def test_trouble_that_is_not_the_models_own_closes_no_model(kind: type[CallFailed]) -> None:
    async def main() -> None:
        at = gate()
        tasks = asyncio.create_task(lines(at, Model(lambda: kind("x")), 100, 8))
        await asyncio.sleep(300)

        assert at.blocked == []
        tasks.cancel()
        await asyncio.gather(tasks, return_exceptions=True)

    run(main())
