from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.adapt.search import IN_A_ROW, Search

SLOWLY = 0.01  # part of the size that is gained in a round of answers, near the last drop


def new(start: float = 8, floor: float = 1, ceiling: float = 1_000) -> Search:
    return Search(start, floor, ceiling, lambda size, in_flight: SLOWLY * size / in_flight)


def held(size: float) -> Search:
    """A search that was told what goes."""
    search = new()
    search.settle(size)
    return search


def answers(search: Search, count: int, sent_at: float = 0.0, in_flight: int = 16) -> None:
    """So many answers while the size holds calls up all the time, and none is dropped."""
    for _ in range(count):
        search.filled(in_flight)
        search.answered(sent_at)


def climbed(search: Search, in_flight: int = 16) -> float:
    """The part of the size that is gained with an answer, in parts of what it is near the drop."""
    before = search.size
    answers(search, 1, in_flight=in_flight)
    return (search.size / before - 1) / (SLOWLY / in_flight)


def test_it_doubles_with_each_round_of_answers_while_nothing_was_dropped() -> None:
    search, sizes = new(ceiling=100), []

    for _ in range(5):
        sizes.append(search.size)
        for _ in range(int(search.size)):
            answers(search, 1, in_flight=int(search.size))

    assert sizes == pytest.approx([8, 16, 32, 64, 100], rel=0.05)


@pytest.mark.parametrize(
    ("answered", "filled", "least", "most"),
    [(False, False, 24, 30), (True, False, 3, 4), (False, True, 3, 4)],
    ids=["nothing is known", "after an answer", "with as many calls as may go"],
)
def test_drops_that_say_nothing_of_the_size_do_not_end_the_doubling(
    answered: bool, filled: bool, least: float, most: float
) -> None:
    # Given: drops in a row, with four calls on the wire
    search = new()
    if answered:
        search.answered(0.0)
    if filled:
        search.filled(8)
    for now in (1.0, 2.0):
        search.dropped(now, now, 4)
    assert 3 < search.size < 4

    # When: three rounds of answers
    for _ in range(3):
        for _ in range(round(search.size)):
            answers(search, 1, sent_at=3.0, in_flight=round(search.size))

    assert least <= search.size <= most


def test_answers_to_calls_that_the_size_did_not_hold_up_say_nothing() -> None:
    search = new()

    for _ in range(1_000):
        search.answered(0.0)

    assert search.size == 8
    assert not search.limiting


def test_a_size_that_held_calls_up_is_limiting_until_those_are_answered() -> None:
    search = new()

    search.filled(3)
    seen = []
    for _ in range(4):
        seen.append(search.limiting)
        search.answered(0.0)

    assert seen == [True, True, True, False]


@pytest.mark.parametrize(
    ("size", "times"),
    [(100, 1), (98, 1), (102, 1), (94, 4), (106, 4), (91, 9), (109, 9)],
    ids=str,
)
def test_it_climbs_slowly_near_the_last_drop_and_faster_away_from_it_on_both_sides(
    size: float, times: float
) -> None:
    search = held(100)

    search.go(size)

    assert climbed(search) == pytest.approx(times, rel=0.01)


@pytest.mark.parametrize("size", [1, 10, 50, 200, 900])
@pytest.mark.parametrize("in_flight", [1, 16, 300])
def test_far_away_from_the_last_drop_it_gains_at_most_a_tenth_in_a_round(
    size: float, in_flight: int
) -> None:
    search = held(100)

    search.go(size)

    assert climbed(search, in_flight) == pytest.approx(0.1 / SLOWLY)


@pytest.mark.parametrize("size", [50, 100, 200])
def test_if_it_is_to_be_patient_it_climbs_slowly_wherever_it_is(size: float) -> None:
    search = held(100)
    search.patient = True

    search.go(size)

    assert climbed(search) == pytest.approx(1)


def test_a_capacity_that_grew_tenfold_is_found_in_sixty_rounds() -> None:
    search, rounds = held(100), 0

    while search.size < 1_000:
        answers(search, 16)
        rounds += 1

    assert rounds <= 60


def test_after_a_deep_cut_it_is_soon_back_at_what_went() -> None:
    # Given: for a moment next to nothing goes
    search = held(100)
    for now in range(1, 6):
        answers(search, 1, sent_at=now)
        search.dropped(now + 0.5, now, search.size)
    low = search.size
    assert low < 30

    # When: it was a moment
    search.settle(100)
    search.go(low)
    answers(search, 40 * 16, sent_at=9)

    assert search.size > 90


def test_calls_that_are_dropped_together_are_one_sign() -> None:
    search = held(100)

    signs = [search.dropped(5 + n / 1_000, 4, 100) for n in range(50)]

    assert signs == [1] + [0] * 49


def test_what_was_sent_before_the_last_drop_is_no_sign_and_what_was_sent_since_is_one() -> None:
    search = held(100)
    search.dropped(5, 4, 100)
    size = search.size

    assert search.dropped(8, 4.9, 100) == 0
    assert search.size == size
    assert search.dropped(9, 5.1, size) == 2
    assert search.size < size


def test_a_single_drop_cuts_a_little_and_drops_in_a_row_cut_more_each_time() -> None:
    search, parts = new(start=1_000), []

    for now in range(6):
        before = search.size
        search.dropped(now, now, before)
        parts.append(search.size / before)

    assert parts[0] >= 0.95
    assert parts == sorted(parts, reverse=True)
    assert len(set(parts)) == 6
    assert parts[-1] == pytest.approx(0.5)


@pytest.mark.parametrize(("sent_at", "in_a_row"), [(5.0, 1), (1.0, 4)])
def test_a_row_is_ended_by_answers_to_calls_that_were_sent_after_it(
    sent_at: float, in_a_row: int
) -> None:
    search = held(100)
    for now in (2.0, 3.0, 4.0):
        search.dropped(now, now, search.size)

    answers(search, IN_A_ROW, sent_at)

    assert search.dropped(9, 9, search.size) == in_a_row


def test_where_no_answer_comes_at_all_it_does_not_go_on_shrinking() -> None:
    search = new(start=1_000)
    for now in range(1, 10):
        search.dropped(now, now, search.size)
    size = search.size

    assert search.dropped(20, 20, size) == 10
    assert search.size == size > 100

    # Then: it does where some calls are answered, as then it is the size
    search.answered(20.5)
    search.dropped(21, 21, size)
    assert search.size < size


def test_what_was_sent_before_everything_was_dropped_does_not_speak_for_the_size() -> None:
    """A minute's worth is used up: its last answers come after the first rejections."""
    search = new(start=1_000)
    for now in range(1, 10):
        search.dropped(now, now, search.size)
        search.answered(0.5)
    size = search.size

    search.dropped(20, 20, size)

    assert search.size == size > 100


def test_drops_beside_which_nothing_was_answered_do_not_lower_what_it_climbs_back_to() -> None:
    # Given: 500 went, and then for a while nothing did
    search = held(500)
    answers(search, 1)
    for now in range(1, 60):
        search.dropped(now, now, search.size)
    assert search.size < 150

    # When: it goes again
    answers(search, 22 * 16, sent_at=61)

    assert search.size > 450


def test_drops_beside_which_calls_were_answered_do_lower_it() -> None:
    # Given: fewer and fewer go
    search = held(500)
    for now in range(1, 6):
        answers(search, 1, sent_at=now)
        search.dropped(now + 0.5, now, search.size)
    assert search.size < 150

    # When
    answers(search, 10 * 16, sent_at=9)

    # Then: it does not hurry back to where it came from
    assert search.size < 260


def test_a_drop_with_few_calls_on_the_wire_counts_where_they_were() -> None:
    search = new(start=100)

    search.dropped(1, 0, 20)

    assert 10 < search.size < 20


def test_what_is_known_outlasts_a_size_that_is_gone_to_for_now_but_not_a_new_search() -> None:
    gone, looking = held(100), held(100)
    gone.go(98)
    looking.find(98)

    answers(gone, 16)
    answers(looking, 16)

    assert gone.size < 100
    assert looking.size > 150


class Bucket:
    """A gateway that takes so many calls a second, and saves up as many."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.level = self.at = 0.0

    def takes(self, now: float) -> bool:
        self.level = min(self.rate, self.level + self.rate * (now - self.at))
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("first", [45.0, 5.0])
def test_two_who_share_a_gateway_come_to_equal_parts(first: float, seed: int) -> None:
    """As long as who sends more is rejected more often: here calls come whenever they like."""
    # Given: two rates, one of them nine times the other
    chance, bucket, now = random.Random(seed), Bucket(50), 0.0
    rates = [Search(1, 0.01, 1e9, lambda _size, _in_flight: 0.009) for _ in range(2)]
    for rate, size in zip(rates, (first, 50 - first), strict=True):
        rate.settle(size)
    taken = [0, 0]

    # When: each call is of either, as often as its rate says
    while now < 1_000:
        now += chance.expovariate(rates[0].size + rates[1].size)
        who = chance.choices((0, 1), [rate.size for rate in rates])[0]
        rate = rates[who]
        rate.filled(16)
        if bucket.takes(now):
            rate.answered(now)
            taken[who] += now > 400
        else:
            rate.dropped(now, now, rate.size)

    assert 0.4 <= taken[0] / sum(taken) <= 0.6
    assert sum(taken) >= 0.85 * 50 * 600


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["answers", "drop", "late", "settle", "go", "find", "begin"]),
            st.integers(0, 3_000),
        ),
        max_size=40,
    )
)
def test_it_never_leaves_floor_and_ceiling(events: list[tuple[str, int]]) -> None:
    search = new(floor=2, ceiling=300)

    for now, (event, number) in enumerate(events):
        match event:
            case "answers":
                answers(search, number % 100, now, 1 + number)
            case "drop":
                search.dropped(now, now, number)
            case "late":
                search.dropped(now, now - 2, number)
            case "settle":
                search.settle(number)
            case "go":
                search.go(number)
            case "find":
                search.find(number)
            case _:
                search.begin(number)

        assert 2 <= search.size <= 300
