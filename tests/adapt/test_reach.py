from __future__ import annotations

import random

import pytest

from batch.adapt.reach import Reach


def after(*among: int) -> Reach:
    reach = Reach()
    for number in among:
        reach.answered(number)
    return reach


def test_nothing_is_known_of_a_gateway_before_it_has_answered() -> None:
    reach = Reach()

    assert reach.most == 0
    assert not reach.beyond(5)
    assert not reach.crowded(5)


def test_a_rejection_beside_clearly_fewer_than_were_answered_is_not_of_their_number() -> None:
    reach = after(3, 40, 20)

    assert reach.most == 40
    assert reach.beyond(20)
    assert reach.beyond(34)


@pytest.mark.parametrize("among", [36, 40, 41])
def test_a_rejection_beside_about_as_many_as_were_answered_may_be_of_their_number(
    among: int,
) -> None:
    """Those that were answered were perhaps just on their way."""
    assert not after(40).beyond(among)


@pytest.mark.parametrize("among", [1, 2, 6])
def test_beside_few_as_many_are_enough_to_tell(among: int) -> None:
    assert after(among).beyond(among)


def test_a_size_that_was_too_much_is_what_calls_reached_only_on_their_way() -> None:
    reach = after(100)

    reach.lower(60)

    assert reach.most < 60
    assert not reach.beyond(60)


def test_a_size_above_all_that_was_answered_lowers_nothing() -> None:
    reach = after(40)

    reach.lower(60)

    assert reach.most == 40


def test_what_was_reached_long_ago_is_forgotten() -> None:
    reach = after(100)

    for _ in range(1_000):
        reach.answered(10)
    kept = reach.most
    for _ in range(1_000):
        reach.answered(10)

    assert (kept, reach.most) == (100, 10)


def test_with_many_on_the_wire_it_is_kept_for_some_rounds_of_them() -> None:
    reach = after(*[1_000] * 512)

    for _ in range(10 * 1_000):
        reach.answered(500)

    assert reach.most == 1_000


def varying(share: float, above: int, seed: int) -> Reach:
    """About 100 calls are on the wire; of those beside more than so many, a share is rejected."""
    reach, chance = Reach(), random.Random(seed)
    for _ in range(2_000):
        among = round(chance.gauss(100, 8))
        if among > above and chance.random() < share:
            reach.rejected(among)
        else:
            reach.answered(among)
    return reach


@pytest.mark.parametrize("seed", range(5))
def test_where_calls_are_rejected_only_beside_more_than_usual_they_are_too_many(seed: int) -> None:
    assert varying(share=1.0, above=112, seed=seed).crowded(113)


@pytest.mark.parametrize(("among", "crowded"), [(114, [False, True]), (117, [True, True])])
def test_where_some_beside_clearly_more_were_answered_a_crowd_takes_more_to_tell(
    among: int, crowded: list[bool]
) -> None:
    """Else a rate that climbs just when others come would be taken for a number."""
    reach = after(*[90, 110] * 400, 130)

    for _ in range(100):
        reach.rejected(among)

    assert [reach.crowded(112), reach.crowded(114)] == crowded


@pytest.mark.parametrize("seed", range(5))
def test_where_calls_are_rejected_beside_any_number_of_others_it_is_not_that(seed: int) -> None:
    assert not varying(share=0.02, above=0, seed=seed).crowded(113)


def test_one_rejection_far_above_what_is_usual_decides_nothing_alone() -> None:
    reach = after(*[100, 104] * 100)

    reach.rejected(10_000)

    assert not reach.crowded(10_000)
