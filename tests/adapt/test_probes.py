"""A size that was found is held, and once in a while a little more is tried."""

from __future__ import annotations

from batch.adapt.search import Search
from tests.adapt.test_search import held, new, rounds


def probed(search: Search, at_most: int = 200) -> int:
    """Rounds without a drop until more is tried than now."""
    before = search.size
    for count in range(1, at_most):
        rounds(search)
        if search.size > before:
            return count
    raise AssertionError(f"nothing above {before} was tried in {at_most} rounds")


def test_a_drop_leads_back_to_what_was_good() -> None:
    # Given: 100 are good, and a probe has come to much more
    search = held(100)
    while search.size < 150:
        rounds(search)
    above = search.size

    # When
    for now in range(3):
        search.dropped(now, now, search.size)
        assert 100 <= search.size < above

    # Then: more is looked for in between, by halves, and what is found is held
    assert search.size == 100
    while search.phase != "hold":
        rounds(search)
    assert 110 < search.size < above


def test_a_probe_grows_faster_while_it_succeeds() -> None:
    search = held(1_000)
    search.ceiling = 1e9
    probed(search)

    growths = []
    for _ in range(12):
        before = search.size
        rounds(search)
        growths.append(search.size / before)

    assert growths == sorted(growths)
    assert growths[-1] > growths[0] + 0.04


def test_a_capacity_that_grew_tenfold_is_found_within_a_hundred_rounds() -> None:
    search = held(100)

    rounds(search, 100)

    assert search.size == 1_000


def test_a_probe_that_fails_leads_back_and_doubles_the_rest_up_to_a_bound() -> None:
    # Given: a gateway that drops what is above 102
    search, gaps, gap = held(100), [], 0

    for now in range(600):
        rounds(search)
        gap += 1
        if search.size > 102:
            search.dropped(now, now, search.size)
            assert 90 <= search.size <= 102
            gaps.append(gap)
            gap = 0

    # Then: between them a little less than what was too much is tried, and may be it as well
    rests = [gap for gap in gaps if gap > 5]
    assert rests[0] < rests[1] < rests[2]
    assert len(set(rests[-6:])) <= 2
    assert 25 <= min(rests[-6:]) <= max(rests[-6:]) <= 64


def test_a_held_size_that_is_dropped_yields_room_to_whoever_has_come() -> None:
    holding, testing = held(100), new(start=100)
    testing.dropped(0, 0, 100)
    holding.dropped(0, 0, 100)

    assert holding.size < testing.size

    while holding.phase != "hold":
        rounds(holding)
    assert holding.size < 92


def test_a_drop_is_news_unless_more_than_a_good_size_is_tried() -> None:
    search = held(100)
    assert search.steady

    probed(search)
    rounds(search, 3)
    assert not search.steady

    search.dropped(1, 0, search.size)
    search.dropped(2, 1.5, search.size)
    assert not search.steady


def test_what_is_known_outlasts_a_size_that_is_gone_to_for_now_but_not_a_new_beginning() -> None:
    search = held(100)

    search.go(20)
    rounds(search, 1)
    assert search.size == 20

    search.find(20)
    rounds(search, 2)
    assert search.size >= 60
