from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.adapt.search import Search


def new(start: float = 8, ceiling: float = 1_000) -> Search:
    return Search(start, floor=1, ceiling=ceiling, grain=1)


def rounds(search: Search, count: int = 1, in_flight: int = 16) -> None:
    """So many rounds in which the size holds calls up all the time and none is dropped."""
    for _ in range(count * max(in_flight, 16)):
        search.filled(in_flight)
        search.answered()


def held(size: float) -> Search:
    """A search that has found a size, and holds it."""
    search = new()
    search.settle(size, good=size)
    return search


def test_it_doubles_with_each_round_of_answers_while_nothing_is_known() -> None:
    search, sizes = new(ceiling=100), []

    for _ in range(5):
        sizes.append(search.size)
        for _ in range(int(search.size)):
            search.filled(int(search.size))
            search.answered()

    assert sizes == pytest.approx([8, 16, 32, 64, 100], rel=0.05)


def test_answers_to_calls_that_the_size_did_not_hold_up_say_nothing() -> None:
    search = new()

    for _ in range(1_000):
        search.answered()

    assert search.size == 8
    assert not search.limiting


def test_a_size_that_held_calls_up_is_limiting_until_those_are_answered() -> None:
    search = new()

    search.filled(3)
    seen = []
    for _ in range(4):
        seen.append(search.limiting)
        search.answered()

    assert seen == [True, True, True, False]


def test_a_frozen_size_stays_what_it_is() -> None:
    search = new()
    search.frozen = True

    rounds(search, 10)

    assert search.size == 8


def test_calls_that_are_dropped_together_are_one_sign() -> None:
    search = held(100)

    signs = [search.dropped(5 + n / 1_000, 4, 100) for n in range(50)]

    assert signs == [1] + [0] * 49


def test_what_was_sent_before_the_last_cut_is_no_sign_and_what_was_sent_since_is_one() -> None:
    search = held(100)
    search.dropped(5, 4, 100)
    size = search.size

    assert search.dropped(8, 4.9, 100) == 0
    assert search.size == size
    assert search.dropped(9, 5.1, size) == 2
    assert search.size < size


def test_drops_in_a_row_cut_more_each_time() -> None:
    search, parts = new(start=1_000), []

    for now in range(5):
        before = search.size
        search.dropped(now, now, before)
        parts.append(search.size / before)

    assert parts == sorted(parts, reverse=True)
    assert len(set(parts)) == 5
    assert parts[-1] == pytest.approx(0.5)


def test_where_no_answer_comes_at_all_it_does_not_go_on_shrinking() -> None:
    search = new(start=1_000)
    for now in range(10):
        search.dropped(now, now, search.size)
    size = search.size

    assert search.dropped(20, 20, size) == 11
    assert search.size == size > 100

    search.answered()
    search.dropped(21, 21, size)
    search.answered()
    search.dropped(22, 22, search.size)
    assert search.size < size


def test_a_round_without_a_drop_ends_the_row() -> None:
    search = new(start=100)
    for now in range(3):
        search.dropped(now, now, search.size)

    rounds(search, 1)

    assert search.dropped(9, 9, search.size) == 1


def test_a_drop_with_few_calls_on_the_wire_counts_where_they_were() -> None:
    search = new(start=100)

    search.dropped(1, 0, 20)

    assert 10 < search.size < 20


@pytest.mark.parametrize("capacity", [10, 31, 50, 77, 200, 531, 900])
def test_it_finds_a_hidden_capacity_between_what_was_good_and_what_was_bad(capacity: int) -> None:
    search, now, sizes, drops = new(), 0.0, [], 0

    for _ in range(300):
        now += 1
        in_flight = int(search.size)
        for number in range(in_flight):
            search.filled(in_flight)
            if number < capacity:
                search.answered()
            else:
                search.dropped(now, now - 0.5, in_flight)
                drops += 1
        sizes.append(in_flight)

    settled = sizes[50:]
    assert sum(min(size, capacity) for size in settled) >= 0.95 * capacity * len(settled)
    assert drops <= 0.01 * sum(sizes) + capacity  # and what it took to find it


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["rounds", "drop", "late", "settle", "go", "find", "begin"]),
            st.integers(0, 3_000),
        ),
        max_size=40,
    )
)
def test_it_never_leaves_floor_and_ceiling(events: list[tuple[str, int]]) -> None:
    search = Search(8, floor=2, ceiling=300, grain=1)

    for now, (event, number) in enumerate(events):
        match event:
            case "rounds":
                rounds(search, number % 5, 1 + number)
            case "drop":
                search.dropped(now, now, number)
            case "late":
                search.dropped(now, now - 2, number)
            case "settle":
                search.settle(number, good=number)
            case "go":
                search.go(number)
            case "find":
                search.find(number)
            case _:
                search.begin(number)

        assert 2 <= search.size <= 300
