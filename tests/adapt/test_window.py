from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.adapt.window import Window


def busy(window: Window, answers: int, sent_at: float = 0.0) -> None:
    """So many answers while the window is full all the time."""
    for _ in range(answers):
        window.filled(window.limit)
        window.answered(sent_at)


class Queue:
    """A gateway that runs so many calls at once, and lets the others wait their turn."""

    def __init__(self, capacity: int, seconds: float) -> None:
        self.capacity = capacity
        self.seconds = seconds
        self.now = 0.0
        self.chance = random.Random(1)

    def serve(self, window: Window, answers: int) -> list[int]:
        """Answer so many calls of a client that always has more; returns the window meanwhile."""
        limits = []
        for _ in range(answers):
            in_flight = window.limit
            running = min(in_flight, self.capacity)
            self.now += self.seconds / running
            window.filled(in_flight)
            window.answered(self.now)
            noise = self.chance.uniform(0.8, 1.2)
            window.trip(self.now, self.seconds * in_flight / running * noise)
            limits.append(window.limit)
        return limits


def test_it_begins_with_eight_and_doubles_with_each_round_of_answers() -> None:
    window = Window(ceiling=64)
    sizes = [window.limit]

    for _ in range(4):
        busy(window, window.limit)
        sizes.append(window.limit)

    assert sizes == [8, 16, 32, 64, 64]


def test_it_never_starts_above_its_ceiling() -> None:
    assert Window(ceiling=3).limit == 3


def test_after_an_outage_a_window_begins_with_few_however_many_it_began_with_before() -> None:
    """A gateway that has just come up takes less than was declared of it, if anything."""
    window = Window(ceiling=400, start=250)

    window.restart()

    assert window.limit == 8


def test_it_does_not_grow_while_it_is_not_what_limits() -> None:
    window = Window(ceiling=64)

    for _ in range(100):
        window.answered(0.0)

    assert window.limit == 8
    assert not window.limiting


def test_calls_dropped_together_cut_it_once() -> None:
    window = Window(ceiling=100, start=100)

    drops = [window.dropped(5 + n / 1000, 4, 100) for n in range(50)]

    assert drops == [1] + [0] * 49
    assert 85 <= window.limit < 100


def test_what_was_dropped_with_few_on_the_wire_sets_the_level_there() -> None:
    window = Window(ceiling=100, start=100)

    window.dropped(5, 4, 9)

    assert 7 <= window.limit < 9


def test_halving_goes_by_what_is_on_the_wire() -> None:
    window = Window(ceiling=100, start=64)

    window.halve(in_flight=20)

    assert window.limit == 10


def test_a_collapsed_window_lets_one_through_until_it_restarts() -> None:
    window = Window(ceiling=100, start=8)
    busy(window, 20)

    window.collapse()
    assert window.limit == 1
    window.restart()
    assert window.limit == 8


def test_it_shrinks_to_what_a_gateway_works_on_at_once_when_the_others_only_wait() -> None:
    window, gateway = Window(ceiling=512), Queue(capacity=40, seconds=0.5)

    limits = gateway.serve(window, 20_000)[4_000:]

    # Then: latency is at most twice its base, and the gateway always has something to do
    assert sum(limits) / len(limits) <= 2 * 40
    assert sum(min(limit, 40) for limit in limits) >= 0.95 * 40 * len(limits)


def test_it_stays_wide_when_answers_take_longer_for_another_reason() -> None:
    window, gateway = Window(ceiling=100), Queue(capacity=1_000, seconds=0.5)
    gateway.serve(window, 2_000)

    gateway.seconds = 2.0
    limits = gateway.serve(window, 6_000)

    assert min(limits) < 100  # it was put to the test
    assert limits[-3_000:] == [100] * 3_000


@pytest.mark.parametrize(
    ("slower", "least", "most"), [(1.0, 180, 210), (1.3, 100, 120)], ids=["as usual", "slower"]
)
def test_it_climbs_slowly_while_answers_take_a_little_longer_as_calls_may_wait_already(
    slower: float, least: int, most: int
) -> None:
    # Given: a size far below that of the last drop
    window, gateway = Window(ceiling=1_000, start=200), Queue(capacity=1_000, seconds=0.5)
    window.answered(0.0)
    window.dropped(0.0, 0.0, 200)
    window.go(100)
    gateway.serve(window, 100)
    gateway.seconds *= slower
    gateway.serve(window, 200)

    # When
    window.go(100)
    gateway.serve(window, 1_500)

    assert least <= window.size <= most


def test_a_drop_ends_a_test_of_a_queue_so_that_the_size_is_free_again() -> None:
    # Given: a test, in which the size stays what it is
    window, gateway = Window(ceiling=400), Queue(capacity=1_000, seconds=0.5)
    gateway.serve(window, 4_000)
    gateway.seconds = 2.0
    while window.limit == 400:
        gateway.serve(window, 1)
    tested = window.limit
    busy(window, 4_000)
    assert window.limit == tested

    # When
    window.dropped(gateway.now, gateway.now, tested)
    low = window.limit
    for n in range(500):
        window.trip(gateway.now + 2.1 + n / 100, 2.0)

    # Then: answers finish no test that is broken off, and the window grows again
    assert window.limit == low < tested
    busy(window, 40_000)
    assert window.limit > tested


def rejected_share(capacity: int, rounds: int) -> tuple[float, float]:
    """At a gateway that drops what is above its capacity: share rejected, share used.

    So many rounds count, after a third as many to find it.
    """
    window = Window(ceiling=10_000)
    answered = rejected = 0
    for now in range(-rounds // 3, rounds):
        if not now:
            answered = rejected = 0
        sent = window.limit
        window.filled(sent)
        fine = min(sent, capacity)
        for _ in range(sent - fine):
            window.dropped(now + 0.1, float(now), sent)
        for _ in range(fine):
            window.answered(float(now))
        answered += fine
        rejected += sent - fine
    return rejected / (answered + rejected), answered / (capacity * rounds)


@pytest.mark.parametrize("capacity", [31, 50, 77, 200, 500, 900])
def test_it_uses_what_a_hidden_capacity_gives_and_is_seldom_rejected(capacity: int) -> None:
    rejected, used = rejected_share(capacity, rounds=300)

    assert rejected <= 0.01
    assert used >= 0.95


@pytest.mark.parametrize("capacity", [2, 4, 10])
def test_where_few_calls_go_one_more_is_tried_with_no_more_than_about_one_in_fifty(
    capacity: int,
) -> None:
    """One more is a large part of them, so it takes many answers to learn whether it goes."""
    rejected, used = rejected_share(capacity, rounds=2_000)

    assert rejected <= 0.022
    assert used >= 0.95


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["answer", "drop", "halve", "trip", "go", "find"]),
            st.integers(0, 80),
        )
    )
)
def test_it_stays_between_one_and_its_ceiling(events: list[tuple[str, int]]) -> None:
    window = Window(ceiling=64)

    for now, (event, number) in enumerate(events):
        match event:
            case "answer":
                busy(window, number)
            case "drop":
                window.dropped(now, now, number)
            case "halve":
                window.halve(number)
            case "trip":
                for _ in range(100):
                    window.filled(number)
                    window.trip(now, number / 100)
            case "go":
                window.go(number)
            case _:
                window.find(number)

        assert 1 <= window.limit <= 64


@pytest.mark.parametrize(("calls", "limit"), [(51, 49), (101, 97), (20, 19), (2, 1)])
def test_a_drop_that_is_surely_for_the_number_of_calls_leads_just_below_it(
    calls: int, limit: int
) -> None:
    window = Window(ceiling=400, start=calls)

    window.dropped(1.0, 0.5, calls, surely=True)

    assert window.limit == limit
