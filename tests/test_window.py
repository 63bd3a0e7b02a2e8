from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.window import Window


def busy(window: Window, answers: int) -> None:
    """So many answers while the window is full all the time."""
    for _ in range(answers):
        window.filled(window.limit)
        window.answered()


def test_it_begins_with_eight_and_doubles_with_each_round_of_answers() -> None:
    window = Window(ceiling=64)
    sizes = [window.limit]

    for _ in range(4):
        busy(window, window.limit)
        sizes.append(window.limit)

    assert sizes == [8, 16, 32, 64, 64]


def test_it_never_starts_above_its_ceiling() -> None:
    assert Window(ceiling=3).limit == 3


def test_it_does_not_grow_while_it_is_not_what_limits() -> None:
    window = Window(ceiling=64)

    for _ in range(100):
        window.answered()

    assert window.limit == 8


def test_a_full_window_grows_by_its_own_answers_alone() -> None:
    window = Window(ceiling=64)

    window.filled(8)
    for _ in range(100):
        window.answered()

    assert window.limit == 16


def test_calls_dropped_together_cut_it_by_a_tenth_once() -> None:
    window = Window(ceiling=100, start=100)

    cuts = [window.dropped(now=5 + n / 1000, sent_at=4, trip=1, in_flight=100) for n in range(50)]

    assert cuts == [True] + [False] * 49
    assert window.limit == 90


def test_it_is_cut_again_after_a_round_trip_by_calls_that_were_sent_since() -> None:
    window = Window(ceiling=100, start=100)
    window.dropped(now=5, sent_at=4, trip=1, in_flight=100)

    assert not window.dropped(now=5.5, sent_at=5.2, trip=1, in_flight=90)
    assert not window.dropped(now=7, sent_at=4.9, trip=1, in_flight=90)
    assert window.dropped(now=7, sent_at=6, trip=1, in_flight=90)
    assert window.limit == 81


def test_it_holds_just_below_the_level_where_calls_were_dropped() -> None:
    window = Window(ceiling=1000, start=100)
    window.dropped(now=5, sent_at=4, trip=1, in_flight=100)

    busy(window, 1000)

    assert window.limit == 99


def test_what_was_dropped_with_few_on_the_wire_sets_the_level_there() -> None:
    window = Window(ceiling=100, start=100)

    window.dropped(now=5, sent_at=4, trip=1, in_flight=9)

    assert window.limit == 9


def test_it_finds_a_greater_capacity_after_clean_probes() -> None:
    window = Window(ceiling=1000, start=100)
    window.dropped(now=5, sent_at=4, trip=1, in_flight=100)

    busy(window, 100 * 16 * 6)

    assert window.limit == 1000


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


def rejected_share(capacity: int, rounds: int) -> tuple[float, float]:
    """Rounds at a gateway that drops what is above its capacity: share rejected, share used."""
    window = Window(ceiling=10_000)
    answered = rejected = 0
    for now in range(rounds):
        sent = window.limit
        for number in range(1, sent + 1):
            if number >= window.limit:
                window.filled(number)
        fine = min(sent, capacity)
        for _ in range(sent - fine):
            window.dropped(now + 0.1, float(now), 1.0, sent)
        for _ in range(fine):
            window.answered()
        answered += fine
        rejected += sent - fine
    return rejected / (answered + rejected), answered / (capacity * rounds)


@pytest.mark.parametrize("capacity", [10, 50, 77, 200, 500])
def test_it_uses_what_a_hidden_capacity_gives_and_is_seldom_rejected(capacity: int) -> None:
    rejected, used = rejected_share(capacity, rounds=300)

    assert rejected <= 0.01
    assert used >= 0.95


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["answer", "drop", "halve"]), st.integers(0, 80))))
def test_it_stays_between_one_and_its_ceiling(events: list[tuple[str, int]]) -> None:
    window = Window(ceiling=64)

    for now, (event, in_flight) in enumerate(events):
        if event == "answer":
            busy(window, in_flight)
        elif event == "drop":
            window.dropped(now, now, 0.0, in_flight)
        else:
            window.halve(in_flight)

        assert 1 <= window.limit <= 64
