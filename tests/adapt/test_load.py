from __future__ import annotations

import random
from itertools import pairwise

import pytest

from batch.adapt.load import Load
from tests.adapt.world import ROUND, Client


def full(load: Load, answers: int, among: int | None = None, sent_at: float = 0.0) -> None:
    """So many answers while the window holds calls up."""
    for _ in range(answers):
        in_flight = load.window.limit
        load.window.filled(in_flight)
        load.answered(sent_at, among or in_flight, in_flight)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.01, 0.02])
def test_rejections_at_any_size_alike_do_not_keep_it_small(share: float, seed: int) -> None:
    chance = random.Random(seed)
    client = Client(64, lambda _now, _working: chance.random() < share)

    client.run(200)

    assert sum(client.limits[-2_000:]) / 2_000 >= 0.8 * 64
    assert client.rate(since=100) >= 0.8 * 64 / ROUND * (1 - share)


def test_a_number_of_calls_that_is_too_much_is_found_and_kept_to() -> None:
    client = Client(256, lambda _now, working: working >= 40)

    client.run(120)

    assert client.rate(since=50) >= 0.9 * 40 / ROUND
    assert client.rejected(since=50) <= 0.015


def test_calls_that_come_too_often_are_paced_and_need_no_smaller_window() -> None:
    """A gateway that takes 30 a second, and a few at once, whatever is on the wire."""
    level = [3.0, 0.0]

    def drops(now: float, _working: int) -> bool:
        level[0] = min(3.0, level[0] + 30 * (now - level[1]))
        level[1] = now
        if level[0] < 1:
            return True
        level[0] -= 1
        return False

    client = Client(256, drops)

    client.run(120)

    assert client.load.pace is not None
    assert client.rate(since=60) >= 0.9 * 30
    assert client.rejected(since=60) <= 0.03


def test_the_first_rejections_alone_are_no_sign_and_many_are() -> None:
    load = Load(64)
    full(load, 200)

    said = [load.rejected(n, n - 0.1, 64, None) for n in range(12)]

    assert said[:3] == [0, 0, 0]
    assert max(said) >= 3
    assert load.window.limit < 64


def many_dropped(at: int) -> Load:
    """A gateway that dropped many calls with so many on the wire, and none since."""
    load = Load(64)
    full(load, 500)
    for n in range(6):
        load.overloaded(100 + n / 1_000, 99.0, at)
    load.window.find(at / 2)
    for _ in range(600):
        load.answered(200.0, at // 2, at // 2)
    return load


@pytest.mark.parametrize(
    ("in_flight", "sign"), [(60, True), (50, True), (40, False), (10, False)], ids=str
)
def test_a_single_drop_counts_only_near_where_many_were_dropped(in_flight: int, sign: bool) -> None:
    load = many_dropped(at=60)

    assert bool(load.overloaded(300, 299.0, in_flight)) is sign


def test_a_single_drop_with_few_on_the_wire_never_counts() -> None:
    load = many_dropped(at=4)

    assert load.overloaded(300, 299.0, 4) == 0


def test_a_rejection_beside_fewer_calls_than_were_answered_sets_a_pace() -> None:
    load = Load(64)
    full(load, 500, among=64)

    for n in range(5):
        load.rejected(100 + n, 99.5 + n, 30, 60.0)

    assert load.pace is not None
    assert load.pace.size < 60
    assert load.window.limit == 64


def test_a_pace_lets_one_slow_call_at_a_time_go_however_many_are_rejected() -> None:
    load = Load(256)
    full(load, 10, among=60)
    trip = 20.0

    for n in range(60):
        load.rejected(100 + n, 99.5 + n, 6, 6 / trip)
        load.answered(100 + n, 6, 6)

    assert load.pace is not None
    assert load.pace.size >= 0.99 / trip


def test_where_the_pace_is_what_is_too_much_the_window_holds_nothing_up() -> None:
    load = Load(200)
    full(load, 500, among=64)
    load.window.go(64)

    for n in range(5):
        load.rejected(100 + n, 99.5 + n, 30, 60.0)

    assert load.pace is not None
    assert load.window.limit > 64


def test_a_rejection_beside_more_calls_than_were_answered_narrows_the_window() -> None:
    load = Load(64)
    full(load, 500, among=20)
    load.window.find(64)

    for n in range(5):
        load.rejected(100 + n, 99.5 + n, 60, 120.0)

    assert load.window.limit < 60
    # Then: how often calls came is kept, as a bound that must not be passed in a hurry
    assert load.pace is not None
    assert load.pace.size <= 1.25 * 120


def paced() -> Load:
    """A gateway with a pace, which holds calls up: at 60 a second about 30 are on the wire."""
    load, chance = Load(64), random.Random(3)
    full(load, 500, among=64)
    for n in range(5):
        load.rejected(100 + n, 99.5 + n, 30, 60.0)
    assert load.pace is not None
    load.pace.settle(60)
    for _ in range(2_000):
        load.pace.filled(30)
        load.answered(200.0, round(chance.gauss(30, 3)), 30)
    load.pace.settle(60)
    load.pace.filled(30)
    return load


def test_where_a_pace_holds_calls_up_a_rejection_beside_as_many_as_ever_is_of_the_pace() -> None:
    load = paced()
    assert load.pace is not None
    window = load.window.limit

    for n in range(20):
        load.pace.filled(30)
        load.rejected(300 + n, 299.5 + n, 30, 60.0)

    assert load.pace.size < 50
    assert load.window.limit >= window


def test_where_calls_are_rejected_only_beside_more_than_usual_it_is_not_the_pace() -> None:
    load = paced()
    assert load.pace is not None

    sizes = []
    for n in range(20):
        load.pace.filled(30)
        load.rejected(300 + n, 299.5 + n, 42, 60.0)
        sizes.append(load.pace.size)

    assert load.window.limit < 42
    assert sizes[10:] == sorted(sizes[10:])  # and the pace is made no slower for it


def test_a_pace_at_which_calls_went_a_few_together_in_vain_is_again_what_it_was() -> None:
    # Given: a trial, after rejections at sixty calls a second
    load, now = paced(), 300.0
    assert load.pace is not None
    while not load.spread.on:
        now += 10
        load.pace.settle(60)
        load.pace.filled(30)
        load.rejected(now, now - 1, 30, 60.0)

    # When: such calls are rejected in a row
    while load.spread.on:
        now += 1
        load.pace.filled(30)
        load.rejected(now, now - 0.1, 30, 60.0)

    assert load.pace.size == pytest.approx(60, rel=0.05)


def test_drops_that_turn_out_to_be_no_sign_lead_back_at_once_to_what_was_sent_before() -> None:
    """One channel of several rejects whatever comes."""
    load = Load(64)
    chance = random.Random(1)
    full(load, 500)
    assert load.window.limit == 64

    limits, now = [], 0.0
    for _ in range(4_000):
        now += 0.01
        if chance.random() < 0.08:
            load.overloaded(now, now - 0.5, load.window.limit)
        else:
            full(load, 1, sent_at=now - 0.5)
        limits.append(load.window.limit)

    low = min(limits)
    assert low < 50
    assert limits[-1_000:] == [64] * 1_000
    assert max(later - earlier for earlier, later in pairwise(limits)) > 5


def test_rejections_that_turn_out_to_be_no_sign_end_the_pace() -> None:
    load, chance, now = paced(), random.Random(1), 300.0

    for _ in range(4_000):
        now += 0.02
        if load.pace is None:
            break
        load.pace.filled(30)
        if chance.random() < 0.08:
            load.rejected(now, now - 0.5, 30, load.pace.size)
        else:
            load.answered(now - 0.5, 30, 30)

    assert load.pace is None


def test_without_a_round_trip_no_rate_is_known_and_the_window_is_narrowed() -> None:
    load = Load(64)
    full(load, 500, among=64)

    for n in range(5):
        load.rejected(100 + n, 99.5 + n, 30, None)

    assert load.pace is None
    assert load.window.limit < 30


def test_other_drops_are_of_the_number_whatever_was_answered() -> None:
    load = Load(64)
    full(load, 500, among=64)

    drops = [load.overloaded(100 + n, 99.5 + n, 30) for n in range(5)]

    assert max(drops) >= 1
    assert load.pace is None
    assert load.window.limit < 30


def test_rejections_that_came_together_are_one_sign() -> None:
    load = Load(64)
    full(load, 500)

    said = [load.rejected(100, 99.0, 60, None) for _ in range(40)]

    assert [one for one in said if one] == [1]


def test_it_forgets_everything_when_it_begins_anew() -> None:
    load = Load(64)
    full(load, 500, among=64)
    for n in range(5):
        load.rejected(100 + n, 99.5 + n, 30, 60.0)

    load.restart()

    assert load.pace is None
    assert load.window.limit == 8
    assert load.rejected(200, 199, 8, None) == 0


def test_a_gateway_that_rejects_most_calls_is_burdened_ever_less() -> None:
    chance = random.Random(2)
    load, drops = Load(64), []
    full(load, 100)

    for now in range(600):
        if chance.random() < 0.6:
            drops.append(load.rejected(now, now - 0.5, load.window.limit, None))
        else:
            full(load, 1, sent_at=now - 0.5)

    assert load.window.limit == 1
    assert drops[-100:].count(0) <= 5


def test_a_gateway_that_rejects_everything_is_counted_as_such() -> None:
    """Smaller and smaller does not help there: a pause does, which goes by drops in a row."""
    load = Load(64)
    full(load, 100)

    drops = [load.rejected(now, now - 0.5, load.window.limit, None) for now in range(100)]

    assert load.window.limit <= 64 / 4
    assert drops[-1] >= 80
