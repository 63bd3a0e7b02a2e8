from __future__ import annotations

import pytest

from batch.adapt.estimates import MOST, SMOOTHING, Claim, Estimates
from batch.usage import Meter, Usage

MODEL = "qwen-max"


def reported(input_tokens: int, output_tokens: int) -> Usage:
    return Usage({Meter.INPUT: input_tokens, Meter.OUTPUT: output_tokens})


def taught(*reports: tuple[int, int], model: str = MODEL, estimated: tuple[int, int]) -> Estimates:
    """What was learned from reports of calls that were all estimated alike."""
    known = Estimates()
    for report in reports:
        known.learn(model, *estimated, reported(*report))
    return known


def test_before_anything_is_known_a_call_takes_what_its_format_estimates() -> None:
    assert Estimates().expected(MODEL, 100, 256) == 356


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ((100, 2_560), 2_660),  # long answers
        ((100, 5), 105),  # short ones
        ((400, 256), 656),  # bytes that are more tokens than most
        ((25, 256), 281),
        ((25, 2_560), 2_585),  # each side by itself
        ((1, 0), 1),
    ],
    ids=str,
)
def test_one_report_is_believed(report: tuple[int, int], expected: int) -> None:
    known = taught(report, estimated=(100, 256))

    assert known.expected(MODEL, 100, 256) == expected


def test_the_first_reports_count_alike_and_later_ones_for_a_sixteenth() -> None:
    few = taught((10, 100), (10, 200), (10, 600), estimated=(10, 256))
    many = taught(*[(10, 100)] * 100, (10, 1_700), estimated=(10, 256))

    assert few.expected(MODEL, 10, 256) == 10 + 300
    assert many.expected(MODEL, 10, 256) == 10 + 100 + SMOOTHING * 1_600


def test_input_is_scaled_by_what_others_of_about_its_size_took() -> None:
    known = taught((50, 10), estimated=(100, 256))

    assert known.expected(MODEL, 120, 256) == 60 + 10


def test_pictures_by_their_bytes_teach_nothing_of_text() -> None:
    # Given: a picture of a megabyte, which is a thousand tokens
    known = taught((1_000, 50), estimated=(333_333, 256))

    assert known.expected(MODEL, 300, 256) == 300 + 50
    assert known.expected(MODEL, 333_333, 256) == 1_050


def test_answers_that_may_be_long_teach_nothing_of_those_that_may_not() -> None:
    # Given: thousands of tokens are allowed, and taken
    known = taught((100, 3_000), estimated=(100, 4_096))

    # Then: ten at the most are still ten at the most
    assert known.expected(MODEL, 100, 10) == 100 + 10


def test_two_models_learn_apart() -> None:
    known = taught((100, 5_000), estimated=(100, 256))
    known.learn("other", 100, 256, reported(50, 10))

    assert known.expected(MODEL, 100, 256) == 5_100
    assert known.expected("other", 100, 256) == 60
    assert known.expected("third", 100, 256) == 356


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(), 356),
        (Usage({Meter.IMAGES: 3}), 356),
        (Usage({Meter.OUTPUT: 5}), 100 + 5),
        (Usage({Meter.INPUT: 5}), 5 + 256),
        (Usage({Meter.INPUT: 0, Meter.OUTPUT: 5}), 100 + 5),  # nothing is read for nothing
        (Usage({Meter.INPUT: 10, Meter.CACHED_INPUT: 90, Meter.INPUT_IMAGE: 5}), 105 + 256),
        (Usage({Meter.OUTPUT: 10, Meter.REASONING: 90, Meter.OUTPUT_AUDIO: 5}), 100 + 105),
    ],
    ids=str,
)
def test_what_is_not_reported_changes_nothing(usage: Usage, expected: int) -> None:
    known = Estimates()

    known.learn(MODEL, 100, 256, usage)

    assert known.expected(MODEL, 100, 256) == expected


def test_where_nothing_can_be_estimated_the_mean_of_what_was_reported_is_expected() -> None:
    # Given: sound that was written down, and pictures that were made
    sound = taught((500, 20), (700, 20), estimated=(0, 256))
    pictures = taught((30, 4_000), (30, 5_000), estimated=(30, 0))

    assert sound.expected(MODEL, 0, 256) == 620
    assert pictures.expected(MODEL, 30, 0) == 4_530


def test_what_is_not_counted_in_tokens_takes_none_and_all_else_at_least_one() -> None:
    nothing, least = Estimates(), taught((1, 0), estimated=(1_000, 256))

    assert nothing.expected(MODEL, 0, 0) == 0
    assert least.expected(MODEL, 300, 256) == 1


def test_of_any_number_of_models_only_the_latest_are_remembered() -> None:
    known = Estimates()
    for n in range(MOST):
        known.learn(f"model-{n}", 100, 256, reported(50, 10))
        known.learn("model-0", 100, 256, reported(50, 10))

    assert known.expected("model-0", 100, 256) == 60
    assert known.expected("model-1", 100, 256) == 356
    assert known.expected(f"model-{MOST - 1}", 100, 256) == 60


def test_a_claim_is_settled_against_what_it_reserved_and_not_against_what_is_known_by_now() -> None:
    known = Estimates()
    claim, other = Claim(known, MODEL, 100, 256), Claim(known, MODEL, 100, 256)

    # When: it is learned meanwhile that answers are ten times as long
    assert other.settle(reported(100, 2_560)) == 2_660 - 356

    # Then
    assert claim.settle(reported(100, 2_560)) == 2_660 - 356
    assert Claim(known, MODEL, 100, 256).settle(reported(100, 2_560)) == 0
    assert claim.settle(Usage()) is None


def test_a_claim_that_has_waited_reserves_what_is_known_by_now() -> None:
    known = Estimates()
    claim = Claim(known, MODEL, 100, 256)
    known.learn(MODEL, 100, 256, reported(100, 2_560))

    assert claim.tokens == 356
    assert claim.reckon() == 2_660
    assert claim.settle(reported(100, 2_560)) == 0
