"""Tokens that are declared by the minute, in front of models whose answers nobody can foresee."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from batch.errors import NoMoney
from batch.gate.gate import Gate
from batch.gate.settings import KeyLimits
from batch.records import Call
from batch.usage import Meter, Usage
from batch.wire import Estimate
from tests.gate.world import FETCH, FOREIGN, MODEL, POLL, SUBMIT, clock, gate, most_above
from tests.virtual import run

RATE = 1_000.0  # tokens a second: 60,000 a minute
BURST_SECONDS = 1 / 20  # of the rate that may go at once
LATE = 0.001  # seconds by which timers fire late
BUSY = 1e-4  # seconds that a pass of the loop takes
SPAN = 300.0
SETTLED = 60.0


class Asked(msgspec.Struct, frozen=True):
    """A call: of which model, as its format estimates it, and as it is reported."""

    estimate: Estimate
    used: tuple[int, int]
    model: str = MODEL

    @property
    def total(self) -> int:
        return sum(self.used)

    @property
    def error(self) -> int:
        """By how much more it takes than its format estimates, or less."""
        return self.total - self.estimate.input_tokens - self.estimate.output_tokens


def usage_of(asked: Asked) -> Usage:
    taken, given = asked.used
    return Usage({Meter.INPUT: taken, Meter.OUTPUT: given})


async def ask(at: Gate, asked: Asked, seconds: float = 0.1) -> int:
    """Send one call. Returns the tokens that were reserved."""
    visit = at.admit(at.lane(asked.model), asked.model, SUBMIT, asked.estimate)
    async with visit:
        await asyncio.sleep(seconds)
    at.answered(visit, usage_of(asked), seconds)
    assert visit.claim is not None
    return visit.claim.tokens


def test_ten_times_the_answer_that_was_estimated_is_reserved_after_a_few() -> None:
    long = Asked(Estimate(100, 256), (100, 2_560))

    async def main() -> None:
        at = gate(tpm=600_000)

        reserved = [await ask(at, long) for _ in range(4)]

        assert reserved == [356, 2_660, 2_660, 2_660]

    run(main())


def test_two_models_of_one_key_learn_apart() -> None:
    long = Asked(Estimate(100, 256), (100, 2_560), "long")
    short = Asked(Estimate(100, 256), (60, 10), "short")

    async def main() -> None:
        at = gate(tpm=600_000)

        reserved = [await ask(at, asked) for asked in (long, short) * 3]

        assert reserved == [356, 356, *(2_660, 70) * 2]

    run(main())


def test_a_call_that_waited_for_its_turn_reserves_what_was_learned_meanwhile() -> None:
    long = Asked(Estimate(100, 256), (100, 2_560))

    async def main() -> None:
        at = gate(tpm=60 * RATE)

        reserved = await asyncio.gather(*(ask(at, long) for _ in range(10)))

        # The second waits for its tokens already when the first is answered.
        assert reserved == [356, 356, *[2_660] * 8]

    run(main())


def keep_busy(at: Gate, asked: Sequence[Asked], seconds: float) -> list[tuple[float, float]]:
    """Have workers send calls, each of them again and again. Returns when, and what was used."""
    sent: list[tuple[float, float]] = []

    async def worker(number: int) -> None:
        while True:
            one = asked[number % len(asked)]
            visit = at.admit(at.lane(one.model), one.model, SUBMIT, one.estimate)
            async with visit:
                sent.append((clock(), one.total))
                await asyncio.sleep(seconds)
            at.answered(visit, usage_of(one), seconds)

    async def main() -> None:
        tasks = [asyncio.create_task(worker(number)) for number in range(200)]
        await asyncio.sleep(SPAN)
        at.halt()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main(), LATE, BUSY)
    return sent


MISJUDGED = {
    "prompts of four times the tokens, and answers of five times": [
        Asked(Estimate(100, 256), (400, 1_280))
    ],
    "prompts of a quarter of the tokens, and answers of five times": [
        Asked(Estimate(400, 256), (100, 1_280))
    ],
    "prompts of four times the tokens, and answers of a fifth": [
        Asked(Estimate(100, 256), (400, 51))
    ],
    "prompts of a quarter of the tokens, and answers of a fifth": [
        Asked(Estimate(400, 256), (100, 51))
    ],
    "two models, misjudged the other way round": [
        Asked(Estimate(100, 256), (400, 1_280), "one"),
        Asked(Estimate(400, 256), (100, 51), "two"),
    ],
}


@pytest.mark.parametrize("where", ["account", "key"])
@pytest.mark.parametrize("asked", MISJUDGED.values(), ids=MISJUDGED)
@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_misjudged_tokens_are_used_up_and_only_the_first_calls_go_beyond(
    asked: Sequence[Asked], where: str, seconds: float
) -> None:
    account = {"tpm": 60 * RATE} if where == "account" else {}
    keys = () if account else (KeyLimits(match="*", tpm=60 * RATE),)
    at = gate(concurrency=200, keys=keys, **account)

    sent = keep_busy(at, asked, seconds)

    # From the second minute on
    later = [(time, tokens) for time, tokens in sent if time >= SETTLED]
    (first, weight), (last, _) = later[0], later[-1]
    assert (sum(tokens for _, tokens in later) - weight) / (RATE * (last - first)) >= 0.99
    heaviest = max(one.total for one in asked)
    burst = heaviest + 2 * BURST_SECONDS * RATE + LATE * RATE
    assert most_above(later, RATE) <= burst

    # Before the first answers: as many calls as go while one is answered, each of its own error,
    # two that have paid already, and what may go at once. What was paid too much is given back.
    estimated = min(one.total - one.error for one in asked)
    unknown = 2 + (seconds + BURST_SECONDS + LATE) * RATE / estimated
    beyond = unknown * max(abs(one.error) for one in asked)
    assert most_above(sent, RATE) <= burst + beyond


def test_one_answer_forgives_a_call_that_waits_no_more_than_half_the_declared_bucket() -> None:
    short = Asked(Estimate(1_000, 0), (400, 0))

    async def main() -> None:
        at = gate(tpm=6_000, tpm_bucket=200)
        await ask(at, short, 0.0)
        before = clock()

        # Given: a call that pays for its tokens while the one before it is answered
        waiting = asyncio.create_task(ask(at, short, 0.0))
        late = at.admit(at.lane(MODEL), "another", SUBMIT, Estimate(1_000, 0))
        await asyncio.sleep(0.1)
        at.answered(late, usage_of(short), 0.1)
        await waiting

        # Then: of its 400 tokens 100 were in advance already, and 100 are forgiven
        assert clock() - before == pytest.approx(2.0, abs=0.1)

    run(main())


@pytest.mark.parametrize("settings", [{}, {"rpm": 600}], ids=["free", "requests"])
def test_without_a_limit_of_tokens_nobody_needs_to_estimate_them(
    settings: dict[str, float],
) -> None:
    async def main() -> None:
        at = gate(**settings)

        assert not at.lane(MODEL).needs_estimates

    run(main())


@pytest.mark.parametrize(
    "settings",
    [{"tpm": 600}, {"keys": (KeyLimits(match="*", tpm=600),)}],
    ids=["account", "key"],
)
def test_a_limit_of_tokens_on_either_side_wants_estimates(settings: dict[str, object]) -> None:
    async def main() -> None:
        at = gate(**settings)

        assert at.lane(MODEL).needs_estimates

    run(main())


async def accepted(at: Gate, call: Call, seconds: float) -> None:
    """Have a call answered that reports no usage, as one that submits a task."""
    lane = at.lane(MODEL)
    visit = at.admit(lane, MODEL, call)
    async with visit:
        await asyncio.sleep(seconds)
    at.answered(visit, None, seconds)


def test_a_task_that_was_accepted_tells_how_long_answers_take() -> None:
    async def main() -> None:
        at = gate()

        await accepted(at, SUBMIT, 0.25)

        assert at.answer_seconds == 0.25

    run(main())


@pytest.mark.parametrize("call", [POLL, FETCH, FOREIGN], ids=["poll", "fetch", "foreign"])
def test_an_answer_to_a_poll_or_a_fetch_is_a_sign_of_life_and_no_more(call: Call) -> None:
    async def main() -> None:
        at = gate()

        await accepted(at, call, 0.25)

        assert at.answer_seconds is None
        assert at.last_answer_at(at.lane(MODEL)) == clock()

    run(main())


@pytest.mark.parametrize(("call", "gone"), [(SUBMIT, False), (POLL, True)], ids=["task", "poll"])
def test_a_task_that_was_accepted_was_paid_for_and_a_poll_was_not(call: Call, gone: bool) -> None:
    async def refused(at: Gate) -> None:
        lane = at.lane(MODEL)
        async with at.admit(lane, MODEL, SUBMIT):
            at.failed(lane, MODEL, NoMoney("the balance is used up"), clock())

    async def main() -> None:
        at = gate()

        await refused(at)
        await accepted(at, call, 0.1)
        await refused(at)

        assert at.hopeless(at.lane(MODEL), MODEL, NoMoney("the balance is used up")) is gone

    run(main())
