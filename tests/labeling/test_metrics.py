"""What pairs of labels come to, by hand and by what must hold of any pairs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.labeling.metrics import Share, score, wilson

A, B, C = "abc"


def test_counts_and_rates_are_those_that_a_hand_counts() -> None:
    pairs = [(A, A)] * 4 + [(A, B)] * 1 + [(B, B)] * 3 + [(B, C)] * 2

    found = score(pairs)

    assert found.labels == (A, B, C)
    assert found.matrix == ((4, 1, 0), (0, 3, 2), (0, 0, 0))
    assert (found.right, found.pairs, found.accuracy.value) == (7, 10, 0.7)
    assert [one.precision.value for one in found.classes] == [1.0, 0.75, 0.0]
    assert [one.recall.value for one in found.classes] == [0.8, 0.6, None]
    assert [one.f1.value for one in found.classes] == pytest.approx([8 / 9, 6 / 9, 0.0])
    assert found.macro.f1 == pytest.approx((8 / 9 + 6 / 9) / 3)
    assert found.weighted.recall == pytest.approx(0.7)
    assert found.micro.f1 == 0.7
    # By chance 20 + 20 + 0 of 100 pairs would agree: 5 by 4, 5 by 4, none by 2.
    assert found.kappa == pytest.approx((0.7 - 0.4) / (1 - 0.4))


def test_labels_stand_in_the_order_of_the_settings_and_others_after_them() -> None:
    found = score([("z", "a"), ("m", "z"), ("b", "b")], ["z", "unused", "b"])

    assert found.labels == ("z", "b", "a", "m")


# From the formula with 1.959963984540054, worked out with 30 digits.
INTERVALS = [
    (0, 10, 0.0, 0.2775327998628892),
    (10, 10, 0.7224672001371107, 1.0),
    (5, 10, 0.2365930905125640, 0.7634069094874359),
    (182, 200, 0.8622342812328346, 0.9423125511378068),
    (1, 1, 0.2065493143772375, 1.0),
]


@pytest.mark.parametrize(("right", "every", "low", "high"), INTERVALS)
def test_intervals_are_wilsons(right: int, every: int, low: float, high: float) -> None:
    found = wilson(right, every)

    assert found.value == right / every
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_where_nothing_was_counted_nothing_is_told() -> None:
    found = score([])

    assert wilson(0, 0) == Share(None, None, None)
    assert (found.pairs, found.accuracy, found.kappa, found.classes) == (0, wilson(0, 0), None, ())


def test_where_chance_alone_would_always_agree_kappa_is_not_told() -> None:
    assert score([(A, A)] * 5).kappa is None
    assert score([(A, B)] * 5).kappa == 0.0


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), min_size=1))
def test_what_must_hold_of_any_pairs_holds(pairs: list[tuple[str, str]]) -> None:
    found = score(pairs)

    assert sum(map(sum, found.matrix)) == len(pairs)
    assert sum(one.support for one in found.classes) == len(pairs)
    assert sum(one.answered for one in found.classes) == len(pairs)
    assert found.weighted.recall == pytest.approx(found.micro.recall)
    assert found.kappa is None or -1 <= found.kappa <= 1
    for share in (found.accuracy, *(share for one in found.classes for share in one.rates)):
        if share.value is not None:
            assert share.low is not None
            assert share.high is not None
            assert 0 <= share.low <= share.value <= share.high <= 1
