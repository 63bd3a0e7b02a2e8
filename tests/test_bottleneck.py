"""What holds a run back: told from one moment, and summed up over many."""

from __future__ import annotations

from typing import Any

import pytest

from batch.bottleneck import Sample, Tally, cause_of

FREE: dict[str, Any] = {"in_flight": 10, "ceiling": 64}
FULL: dict[str, Any] = {"in_flight": 64, "ceiling": 64}
END: dict[str, Any] = {"more": False, "ceiling": 64}


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        # Whoever waits in the gate says it.
        (FREE | {"held": "yours"}, "yours"),
        (FREE | {"held": "gateway"}, "gateway"),
        (FREE | {"held": "silence"}, "silence"),
        (FREE | {"held": "window"}, "window"),
        (FULL | {"held": "ceiling"}, "ceiling"),
        (FREE | {"held": "memory"}, "memory"),
        # As many workers as calls may be out: nobody waits in the gate, and the ceiling holds.
        (FULL, "ceiling"),
        (FULL | {"in_flight": 58}, "ceiling"),
        (FULL | {"in_flight": 57}, None),
        # Who waits for the disk holds a slot.
        (FULL | {"behind": True}, "disk"),
        (FULL | {"held": "ceiling", "behind": True}, "disk"),
        (FREE | {"held": "yours", "behind": True}, "disk"),
        # A loop that is always at work finds slots taken by answers that it has yet to see.
        (FULL | {"cpu": 0.97}, "cpu"),
        (FREE | {"held": "window", "cpu": 0.97}, "cpu"),
        (FREE | {"cpu": 0.97}, "cpu"),
        (FREE | {"late": 0.2}, "cpu"),
        (FREE | {"behind": True, "cpu": 0.97}, "cpu"),
        (FREE | {"cpu": 0.6}, None),
        # A rate that is reached is reached, however busy the loop is.
        (FREE | {"held": "yours", "cpu": 0.97}, "yours"),
        (FREE | {"held": "gateway", "cpu": 0.97}, "gateway"),
        # Nothing is on its way although lines are left.
        (FREE | {"in_flight": 0}, "inputs"),
        (FREE | {"in_flight": 0, "resting": 3}, None),
        (FREE | {"in_flight": 0, "tasks": 3}, None),
        # Everything is sent.
        (END | {"in_flight": 64}, "answers"),
        (END | {"in_flight": 1, "resting": 5}, "answers"),
        (END | {"resting": 5}, "retries"),
        (END | {"tasks": 5, "in_flight": 1}, "tasks"),
        (END | {"in_flight": 3, "held": "gateway"}, "gateway"),
        (END, None),
    ],
)
def test_the_cause_is_what_would_have_to_give_way(seen: dict[str, Any], kind: str | None) -> None:
    cause = cause_of(Sample(**seen))

    assert (cause and cause[0]) == kind


def tally(*stretches: tuple[float, Sample]) -> Tally:
    """A tally of so many seconds of each, four samples a second."""
    told = Tally()
    for seconds, seen in stretches:
        for _ in range(round(4 * seconds)):
            told.note(seen, 0.25)
    return told


YOURS = Sample(held="yours", detail="limit of 500 requests/min")
GATEWAY = Sample(held="gateway", detail="gateway asked for 60 s")
CEILING = Sample(in_flight=64, ceiling=64, answer_seconds=12.4)
NOTHING = Sample(in_flight=10, ceiling=64)


def test_shares_are_of_all_the_time_and_the_greatest_comes_first() -> None:
    told = tally((10, YOURS), (60, GATEWAY), (30, NOTHING)).overall()

    assert [(one.kind, round(one.share, 6)) for one in told] == [("gateway", 0.6), ("yours", 0.1)]


def test_a_sample_counts_as_long_as_it_stands_for() -> None:
    told = Tally()
    told.note(YOURS, 1.0)
    told.note(GATEWAY, 3.0)

    assert {one.kind: one.share for one in told.overall()} == {"yours": 0.25, "gateway": 0.75}


@pytest.mark.parametrize(
    ("stretches", "kind", "share"),
    [
        ([(60, YOURS)], "yours", (1.0, 1.0)),
        ([(3, YOURS)], "yours", (1.0, 1.0)),  # from the first seconds on
        ([(1, YOURS)], None, (0, 0)),  # which tell too little
        ([(3600, YOURS), (10, GATEWAY)], "yours", (0.5, 0.7)),
        ([(3600, YOURS), (20, GATEWAY)], "gateway", (0.5, 0.7)),  # soon seen after an hour
        ([(3600, YOURS), (60, GATEWAY)], "gateway", (0.94, 1.0)),
        ([(60, YOURS), (60, NOTHING)], None, (0, 0)),
        ([(60, NOTHING)], None, (0, 0)),
    ],
)
def test_what_holds_a_run_back_now_is_that_of_the_last_minute(
    stretches: list[tuple[float, Sample]], kind: str | None, share: tuple[float, float]
) -> None:
    told = tally(*stretches).lately()

    assert (told and told.kind) == kind
    if told is not None:
        assert share[0] <= round(told.share, 6) <= share[1]


@pytest.mark.parametrize(
    ("seen", "short", "text", "advice"),
    [
        (
            YOURS,
            "your limit (100 %)",
            "your limit of 500 requests/min",
            "raise it if the gateway allows more",
        ),
        (
            Sample(held="yours", detail="limit of 60 requests/min", key="claude-* with K"),
            "your limit (100 %)",
            "your limit of 60 requests/min for claude-* with K",
            "raise it if the gateway allows more",
        ),
        (
            GATEWAY,
            "gateway's limit (100 %): gateway asked for 60 s",
            "the gateway's limit",
            "that is as fast as it lets this key go; another key or a higher quota would help",
        ),
        (
            CEILING,
            "-c 64 (100 %)",
            "-c 64",
            "all 64 calls are out and an answer takes 12 s; -c 128 may be twice as fast",
        ),
        (
            Sample(in_flight=4, ceiling=4),
            "-c 4 (100 %)",
            "-c 4",
            "all 4 calls are out; -c 8 may be twice as fast",
        ),
        (
            Sample(in_flight=1, ceiling=1),
            "-c 1 (100 %)",
            "-c 1",
            "its one call is out; -c 2 may be twice as fast",
        ),
        (
            Sample(held="ceiling", key="key K"),
            "concurrency (100 %)",
            "the concurrency for key K",
            "all of its calls are out; raise its concurrency if the gateway takes more at once",
        ),
        (
            Sample(behind=True),
            "disk (100 %)",
            "the disk",
            "answers come faster than it stores them; an --output on a faster disk would help",
        ),
        (
            Sample(held="silence", detail="no answer from the gateway, trying: refused"),
            "trouble (100 %): no answer from the gateway, trying: refused",
            "trouble of the gateway",
            "trying again and again whether it answers",
        ),
    ],
)
def test_a_cause_is_told_in_few_words_and_in_more_with_advice(
    seen: Sample, short: str, text: str, advice: str
) -> None:
    told = tally((5, seen)).lately()

    assert told is not None
    assert (told.short, told.text, told.advice) == (short, text, advice)
    assert told.sentence("the time") == f"{text} (100 % of the time): {advice}"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0204, "20 ms"), (0.9996, "1.0 s"), (1.24, "1.2 s"), (12.4, "12 s")]
)
def test_how_long_answers_take_is_said_in_two_digits(seconds: float, words: str) -> None:
    told = tally((5, Sample(in_flight=64, ceiling=64, answer_seconds=seconds))).lately()

    assert told is not None
    assert f"an answer takes {words};" in told.advice


@pytest.mark.parametrize(
    ("kind", "helped"),
    [
        *((kind, True) for kind in ("yours", "gateway", "ceiling", "memory")),
        *((kind, False) for kind in ("window", "silence")),
    ],
)
def test_advice_is_for_what_people_can_change(kind: Any, helped: bool) -> None:
    told = tally((5, Sample(held=kind))).lately()

    assert told is not None
    assert told.can_be_helped is helped


def test_each_keys_limit_is_counted_on_its_own() -> None:
    one, other = Sample(held="yours", key="key A"), Sample(held="yours", key="key B")

    told = tally((10, one), (30, other)).overall()

    assert [(cause.key, cause.share) for cause in told] == [("key B", 0.75), ("key A", 0.25)]
