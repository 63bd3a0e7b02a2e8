from __future__ import annotations

import asyncio
import itertools

import pytest

from batch.errors import (
    BadKey,
    Blocked,
    CallFailed,
    Interrupted,
    NoMoney,
    Overloaded,
    Saturated,
    ServerTrouble,
    Throttled,
    UnknownModel,
    Unreachable,
)
from batch.gate.gate import Gate
from batch.retry import Again, Block, Case, Past, RetryPolicy, judge
from tests.gate.world import MODEL, POLL, SUBMIT, Work, clock, gate, passes, send
from tests.virtual import run

POLICY = RetryPolicy()


async def nothing() -> None:
    pass


async def line(at: Gate, work: Work, model: str = MODEL) -> str:
    """A line's life at the gate: attempts until it is answered, fails or is turned away."""
    past, sent_at = Past(), clock()
    lane = at.lane(model)
    while True:
        previous, sent_at = sent_at, clock()
        try:
            await send(at, work, model)
        except Blocked:
            return "pending"
        except CallFailed as failure:
            answered_at = at.last_answer_at(lane)
            if failure.scope == "model":
                answered_at = at.model_answered_at(lane, model)
            answered = answered_at is not None and answered_at >= previous
            case = Case(
                chance=0.5,
                counts=answered and at.down_for(clock()) is None,
                hopeless=at.hopeless(lane, model, failure),
            )
            verdict = judge(POLICY, failure, past, case)
        else:
            return "answered"
        if isinstance(verdict, Block):
            at.block(verdict.scope, lane, model, verdict.failure)
            return "pending"
        if not isinstance(verdict, Again):
            return "error"
        if verdict.budgeted:
            await at.retry_budget(lane)
        await asyncio.sleep(verdict.wait)


async def lines(at: Gate, work: Work, count: int, workers: int, model: str = MODEL) -> list[str]:
    """Many lines, some at a time."""
    left = iter(range(count))

    async def worker() -> list[str]:
        return [await line(at, work, model) for _ in left]

    return [
        end for ends in await asyncio.gather(*(worker() for _ in range(workers))) for end in ends
    ]


def test_a_bad_key_is_tried_by_a_handful_of_five_hundred_lines() -> None:
    async def main() -> None:
        at = gate(concurrency=50)
        sent = 0

        async def work() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0.05 + sent / 1000)
            raise BadKey("invalid token", status=401)

        ends = await lines(at, work, 500, 50)

        assert sent <= 10
        assert ends == ["pending"] * 500
        [record] = at.blocked
        assert (record.scope, record.key, record.lines) == ("key", "key-of-*", 500)
        assert str(record) == "key 'key-of-*': invalid token"

    run(main())


def test_a_closed_model_leaves_the_keys_other_models_open() -> None:
    async def main() -> None:
        at = gate()

        async def unknown() -> None:
            raise UnknownModel("no channel", status=404)

        async def fine() -> None:
            pass

        assert await lines(at, unknown, 20, 20, "gtp-4o") == ["pending"] * 20
        assert await lines(at, fine, 20, 20, "gpt-4o") == ["answered"] * 20
        assert [str(record) for record in at.blocked] == [
            "key 'key-of-*', model 'gtp-4o': no channel"
        ]

    run(main())


def test_closing_a_key_wakes_its_waiting_calls_at_once_and_no_others() -> None:
    async def main() -> None:
        at = gate("a-*", "b-*", rpm=1)

        async def fine() -> None:
            pass

        await send(at, fine, "a-1")
        calls = [("a-1", SUBMIT), ("a-2", SUBMIT), ("a-1", POLL), ("b-1", SUBMIT), ("a-2", SUBMIT)]
        tasks = [asyncio.create_task(send(at, fine, model, call)) for model, call in calls]
        await asyncio.sleep(1)

        at.block("key", at.lane("a-1"), "a-1", BadKey("expired"))
        await asyncio.wait(tasks, timeout=0.01)

        assert [task.done() for task in tasks] == [True, True, True, False, True]
        with pytest.raises(Blocked, match="key-of-a"):
            tasks[0].result()
        assert at.blocked[0].lines == 5
        await tasks[3]

    run(main())


def test_an_empty_account_is_closed_after_a_handful_of_requests() -> None:
    async def main() -> None:
        at = gate(concurrency=50)
        sent = 0

        async def work() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0.1)
            raise NoMoney("quota exhausted", status=403)

        ends = await lines(at, work, 200, 50)

        assert ends == ["pending"] * 200
        assert sent <= 12
        assert [(one.scope, one.lines) for one in at.blocked] == [("account", 200)]

    run(main())


def test_money_reserved_by_calls_on_the_wire_slows_down_and_ends_nothing() -> None:
    async def main() -> None:
        # Given: an account whose money suffices for five calls at a time
        at = gate(concurrency=50)
        reserved = refused = 0

        async def work() -> None:
            nonlocal reserved, refused
            await asyncio.sleep(0.01)
            if reserved >= 5:
                refused += 1
                raise NoMoney("not enough quota to reserve")
            reserved += 1
            await asyncio.sleep(1)
            reserved -= 1

        ends = await lines(at, work, 200, 50)

        assert ends == ["answered"] * 200
        assert not at.blocked
        assert refused <= 40

    run(main())


def test_money_is_gone_only_when_a_call_alone_on_the_wire_is_refused_again() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        said: list[bool] = []

        def refused(after: float) -> Work:
            async def work() -> None:
                await asyncio.sleep(after)
                raise NoMoney("no quota")

            return work

        async def ask(*after: float) -> None:
            calls = (send(at, refused(seconds)) for seconds in after)
            await asyncio.gather(*calls, return_exceptions=True)
            said.append(at.hopeless(lane, MODEL, NoMoney("no quota")))

        # When: the last one of three ends alone, but others had money reserved when it was sent
        await ask(1, 2, 3)
        # And then: alone from beginning to end, after it was said before
        await ask(1)
        # And then: an answer, and alone, but for the first time
        await send(at, nothing)
        await ask(1)

        assert said == [False, True, False]

    run(main())


def test_an_account_that_is_gone_for_an_hour_is_probed_and_fails_no_line() -> None:
    async def main() -> None:
        # Given: a gateway that comes back after an hour
        at = gate(concurrency=50)
        sent: list[float] = []
        most = 0

        async def work() -> None:
            nonlocal most
            sent.append(clock())
            if clock() > 10:
                most = max(most, at.in_flight)
            await asyncio.sleep(0.01)
            if clock() < 3600:
                raise Unreachable("connection refused")

        task = asyncio.create_task(lines(at, work, 100, 50))
        await asyncio.sleep(3500)

        # Then: one call at a time, ever more seldom, and it is known for how long
        assert most == 1
        gaps = [later - time for time, later in itertools.pairwise(sent)]
        assert max(gaps) <= 31
        assert len(sent) <= 8 + 50 + 3600 / 30
        down = at.down_for(clock())
        assert down == pytest.approx(3500, abs=60)
        assert str(at.waiting_for()).startswith("no answer from the gateway")

        # And then: all go on within a pause
        assert await task == ["answered"] * 100
        assert clock() < 3600 + 35
        assert at.down_for(clock()) is None

    run(main())


@pytest.mark.parametrize("probes", [0, 3], ids=["no pause is left", "in the midst of a pause"])
def test_an_answer_to_any_call_opens_a_down_account_at_once(probes: int) -> None:
    async def main() -> None:
        # Given: two long calls on the wire while everything else fails, and calls that wait
        at = gate()
        lane = at.lane(MODEL)

        async def long() -> None:
            await asyncio.sleep(5)

        async def longer() -> None:
            await asyncio.sleep(100)

        first = [asyncio.create_task(send(at, work)) for work in (long, longer)]
        await asyncio.sleep(1)
        for _ in range(8 + 5):
            at.failed(lane, MODEL, ServerTrouble("500"), 0.5)
        for _ in range(probes):
            at.failed(lane, MODEL, ServerTrouble("500"), clock())
        waiting = [asyncio.create_task(send(at, nothing)) for _ in range(5)]

        # When: one of the long calls is answered
        await first[0]
        await asyncio.wait(waiting, timeout=0.01)

        # Then
        assert all(task.done() for task in waiting)
        await first[1]

    run(main())


def test_failures_of_calls_sent_before_the_pause_do_not_lengthen_it() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)

        for _ in range(64):
            at.failed(lane, MODEL, Unreachable("refused"), -1.0)
        await send(at, nothing)

        assert clock() == pytest.approx(1, abs=0.01)

    run(main())


@pytest.mark.parametrize("kind", [Unreachable, ServerTrouble, Interrupted, Throttled, Overloaded])
def test_an_account_that_gives_nothing_but_failures_is_down(kind: type[CallFailed]) -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)

        for _ in range(400):
            await asyncio.sleep(2)
            at.failed(lane, MODEL, kind("x"), clock())
            if at.down_for(clock()) is not None:
                break

        assert at.down_for(clock()) is not None

    run(main())


def test_rejections_that_come_together_are_one_sign_and_not_the_accounts_end() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        sent_at = clock()
        await asyncio.sleep(0.01)

        for kind in (Throttled, Overloaded):
            for _ in range(100):
                at.failed(lane, MODEL, kind("too many"), sent_at)

        assert at.down_for(clock()) is None

    run(main())


@pytest.mark.parametrize("kind", [Unreachable, ServerTrouble, Interrupted])
@pytest.mark.parametrize("apart", [0.0, 0.02], ids=["together", "one after the other"])
def test_a_gateway_that_hangs_up_on_everybody_is_down_after_eight_calls(
    kind: type[CallFailed], apart: float
) -> None:
    async def main() -> None:
        at = gate(concurrency=200)
        sent = 0

        async def work() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0.01 + apart * sent)
            raise kind("it hung up")

        going = asyncio.ensure_future(lines(at, work, 500, 200))
        while not at.down:
            await asyncio.sleep(0.001)

        assert sent == 8
        going.cancel()

    run(main())


def test_the_slots_of_calls_that_failed_are_filled_again_with_the_first_answer() -> None:
    async def main() -> None:
        at = gate(concurrency=200)
        held: list[asyncio.Future[None]] = []

        async def work() -> None:
            held.append(asyncio.get_running_loop().create_future())
            await held[-1]

        going = asyncio.ensure_future(lines(at, work, 500, 200))
        await passes()
        for one in held[:3]:
            one.set_exception(ServerTrouble("it hung up"))
        await passes()
        before = len(held), at.in_flight
        held[3].set_result(None)
        await passes()

        assert before == (8, 5)
        assert at.in_flight >= 8
        going.cancel()

    run(main())


def test_an_answer_between_failures_keeps_the_account_up() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)

        for _ in range(20):
            for _ in range(7):
                at.failed(lane, MODEL, ServerTrouble("500"), clock())
            at.answered(at.admit(lane, MODEL, SUBMIT), None, 0.1)

        assert at.down_for(clock()) is None

    run(main())


def test_a_probe_on_the_wire_is_waited_for() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        for _ in range(8):
            at.failed(lane, MODEL, Unreachable("refused"), clock())

        async def slow() -> None:
            await asyncio.sleep(1500)

        probe = asyncio.create_task(send(at, slow))
        await asyncio.sleep(1000)

        assert at.down_for(clock()) == pytest.approx(0, abs=2)
        await probe
        assert at.down_for(clock()) is None

    run(main())


def test_polls_of_a_down_account_are_probes_like_any_other_call() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        for _ in range(8):
            at.failed(lane, MODEL, Unreachable("refused"), clock())
        most = 0

        async def work() -> None:
            nonlocal most
            if clock() < 20:
                most = max(most, at.in_flight)
            await asyncio.sleep(0.1)
            if clock() < 20:
                raise Unreachable("refused")

        tasks = [asyncio.create_task(send(at, work, call=POLL)) for _ in range(10)]
        await asyncio.gather(*tasks, return_exceptions=True)

        assert most == 1
        assert at.in_flight == 0

    run(main())


def hidden(
    capacity: int, answer: float, settling: float, seconds: float, step: int
) -> tuple[float, float]:
    """Runs against a gateway with so many places: share of them used, share of calls rejected.

    So many seconds count, after others to find it. ``step`` is how the lengths of answers follow
    one another.
    """
    on_it = answered = rejected = begun = 0

    async def work() -> None:
        nonlocal on_it, answered, rejected, begun
        counts = clock() >= settling
        if on_it >= capacity:
            rejected += counts
            await asyncio.sleep(0.002)
            raise Throttled("too many")
        on_it += 1
        begun += 1
        await asyncio.sleep(answer * (0.5 + (begun * step % 101) / 100))
        on_it -= 1
        answered += clock() >= settling

    async def main() -> None:
        at = gate(concurrency=256)
        task = asyncio.create_task(lines(at, work, 10_000_000, 256))
        await asyncio.sleep(settling + seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())
    return answered * answer / capacity / seconds, rejected / (answered + rejected)


@pytest.mark.parametrize("capacity", [50, 120])
def test_a_hidden_capacity_is_found_and_used(capacity: int) -> None:
    # 200 round trips are what a gateway is given before it counts. When it has settled hangs on
    # which answers happen to be out together: one order of them says less than several.
    found = [
        hidden(capacity, answer=0.15, settling=30, seconds=40, step=step) for step in (7919, 6007)
    ]

    assert sum(used for used, _ in found) / len(found) >= 0.95
    assert sum(rejected for _, rejected in found) / len(found) <= 0.01
    assert all(used >= 0.9 and rejected <= 0.02 for used, rejected in found)


@pytest.mark.parametrize("kind", [Throttled, Saturated, Overloaded, Interrupted])
def test_a_gateway_that_rejects_everything_is_not_hammered_and_no_line_fails(
    kind: type[CallFailed],
) -> None:
    async def main() -> None:
        at = gate(concurrency=64)
        sent = 0

        async def work() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0.05)
            if clock() < 600:
                raise kind("too many")

        task = asyncio.create_task(lines(at, work, 200, 64))
        await asyncio.sleep(590)

        assert sent <= 100
        down = at.down_for(clock())
        assert down is not None
        assert down >= 500
        assert await task == ["answered"] * 200

    run(main())


def test_the_first_rejections_slow_down_and_only_those_that_go_on_pause() -> None:
    async def main() -> None:
        at = gate()
        lane = at.lane(MODEL)
        schedule, pauses = lane.account.schedule, []
        for _ in range(16):
            await asyncio.sleep(1)
            sent_at = clock()
            await asyncio.sleep(0.5)
            at.failed(lane, MODEL, Throttled("too many"), sent_at)
            pauses.append(max(0.0, schedule.until - clock()))
            await asyncio.sleep(pauses[-1])

        # Then: about as long as a rejection takes to come back, and twice as long each time
        asked = [pause for pause in pauses if pause]
        assert pauses[0] == 0
        assert len(asked) >= 4
        assert pauses[-len(asked) :] == asked
        most = (0.5, 1, 2, 4)
        assert all(0.6 * m <= pause <= m for pause, m in zip(asked, most, strict=False))

    run(main())
