"""That each invariant is found broken where it is, and a sound run is not accused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from batch.gate.retry_budget import FIRST
from tests.sim.invariants import broken
from tests.sim.log import Ended, Log, Sent
from tests.sim.scenario import Known, Scenario, Weights
from tests.sim.world import Outcome

PLAIN = Scenario(case="", kind="open", latency=1.0, ceiling=100, seconds=100)
Story = tuple[dict[str, Any], Sequence[Sent]]


def sent(line: int, asked: float, at: float, outcome: str = "ok", **more: Any) -> Sent:
    """A request that takes a second."""
    plain = Sent(
        client=0,
        line=line,
        lane=0,
        asked=asked,
        sent=at,
        ended=at + 1,
        outcome=outcome,
        trip=1.0,
        tokens=10,
    )
    return plain._replace(**more)


def outcome_of(story: Story, pauses: list[tuple[float, float]] | None = None) -> Outcome:
    """A simulation in which this was sent, and every line has its end."""
    settings, requests = story
    log = Log()
    log.sent = sorted(requests, key=lambda one: one.ended)
    lines = sorted({(one.client, one.line) for one in requests})
    log.ended = [Ended(client, line, "ok", 1, 0.0, 1.0) for client, line in lines]
    log.begun = len(lines)
    return Outcome(msgspec.structs.replace(PLAIN, **settings), log, pauses or [])


def row(count: int, step: float, **more: Any) -> list[Sent]:
    """So many requests, one after the other, none of which has to wait."""
    return [sent(n, n * step, n * step, **more) for n in range(count)]


SOUND: dict[str, Story] = {
    "a steady row": ({}, row(50, 0.5)),
    "a declared rate, kept": ({"known": Known(rpm=60)}, row(50, 1.0)),
    "declared tokens, kept": ({"known": Known(tpm=600)}, row(50, 1.0)),
    "one that is heavier than its bucket": (
        {"known": Known(tpm=600), "weights": Weights(heavy=500)},
        [sent(1, 0.0, 50.0, tokens=500), sent(2, 50.0, 51.0)],
    ),
    "two keys that pass each other": ({"lanes": 2}, [sent(1, 0.0, 2.0), sent(2, 1.0, 1.0, lane=1)]),
    "as many retries as the budget begins with": (
        {},
        [one for n in range(int(FIRST)) for one in (sent(n, 0, 0, "500"), sent(n, 1, 1))],
    ),
}
BROKEN: dict[str, tuple[Story, str]] = {
    "a declared rate is overrun": (
        ({"known": Known(rpm=60)}, row(10, 0.5)),
        "the account: 5.50 requests above 60.00 a minute",
    ),
    "a key's declared rate is overrun": (
        ({"lanes": 2, "keys": (Known(), Known(rpm=60))}, row(10, 0.5, lane=1)),
        "key 1: 5.50 requests above 60.00 a minute",
    ),
    "declared tokens are overrun": (
        ({"known": Known(tpm=60)}, row(10, 1.0)),
        "the account: 91 tokens above 60 a minute, a burst is 10",
    ),
    "a request is overtaken": (
        ({}, [sent(1, 0.0, 9.0), sent(2, 1.0, 1.0), sent(3, 2.0, 2.0)]),
        "line 1 of key 0 was overtaken by 2 others: it came at 0.000 and was sent at 9.000",
    ),
    "a request starves": (
        ({"kind": "rate", "capacity": 1.0}, [sent(1, 0.0, 400.0)]),
        "line 1 of key 0 waited 400.0 s from 0.0 on, 1.0 s would do",
    ),
    "a heavy request starves": (
        ({"known": Known(tpm=6000)}, [sent(1, 0.0, 30.0, tokens=1000)]),
        "line 1 of key 0 waited 30.0 s from 0.0 on, 10.0 s would do",
    ),
    "the retry budget is overrun": (
        ({}, [one for n in range(20) for one in (sent(n, 0, 0, "500"), sent(n, 1, 1))]),
        "client 0 had repeated more than its budget at 1.000",
    ),
    "more is on the wire than may be": (
        ({"ceiling": 2}, [sent(n, 0.0, 0.0) for n in range(3)]),
        "client 0 had 3 requests on the wire",
    ),
}


@pytest.mark.parametrize("story", SOUND.values(), ids=SOUND)
def test_a_sound_run_is_not_accused(story: Story) -> None:
    assert broken(outcome_of(story)) == []


@pytest.mark.parametrize(("story", "found"), BROKEN.values(), ids=BROKEN)
def test_what_broke_an_invariant_is_named(story: Story, found: str) -> None:
    assert broken(outcome_of(story)) == [found]


def test_a_request_that_is_sent_into_a_named_pause_is_found() -> None:
    story: Story = {}, [sent(1, 1.0, 1.0, "429"), sent(2, 3.0, 3.0, "429"), sent(3, 9.0, 62.0)]

    found = broken(outcome_of(story, pauses=[(1.5, 61.5)]))

    assert found == ["client 0 sent 1 requests into a pause that was named"]


def _lose(log: Log) -> None:
    log.ended.pop()


def _double(log: Log) -> None:
    log.ended.append(log.ended[0])


def _block(log: Log) -> None:
    log.ended[0] = log.ended[0]._replace(outcome="blocked")


@pytest.mark.parametrize(
    ("happens", "found"),
    [
        (_lose, "1 lines of 3 never ended"),
        (_double, "1 lines ended twice"),
        (_block, "lines were blocked though nothing was hopeless"),
    ],
)
def test_a_line_without_its_one_end_is_found(happens: Callable[[Log], None], found: str) -> None:
    outcome = outcome_of(({}, row(3, 1.0)))

    happens(outcome.log)

    assert broken(outcome) == [found]
