from __future__ import annotations

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
    assert reach.at_top(1)


def test_a_rejection_beside_fewer_than_were_answered_is_not_of_their_number() -> None:
    reach = after(3, 40, 20)

    assert reach.most == 40
    assert reach.beyond(30)
    assert reach.beyond(38)


def test_a_rejection_beside_as_many_as_were_answered_may_be_of_their_number() -> None:
    """Those that were answered were perhaps just on their way."""
    reach = after(40)

    assert not reach.beyond(40)
    assert not reach.at_top(40)
    assert reach.at_top(41)


@pytest.mark.parametrize("among", [1, 2, 10, 19])
def test_beside_few_one_more_or_less_is_enough_to_tell(among: int) -> None:
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
