from collections import Counter

import pytest

from batch.inputs.chosen import Choice, Chooser
from batch.inputs.lines import RawLine


def choose(choice, ordinals):
    chooser = Chooser(choice)
    for ordinal in ordinals:
        chooser.visit(RawLine(ordinal, ordinal, "in.jsonl", b"{}", 2))
    return chooser.chosen()


def test_without_a_choice_all_lines_are_asked():
    assert choose(Choice(), range(1, 9)) is None


def test_the_head_is_the_first_lines_that_are_not_blank():
    chosen = choose(Choice(head=3), [2, 3, 7, 8])

    assert (chosen.lines, chosen.last, chosen.words) == (3, 7, "--head 3")
    assert 7 in chosen
    assert 8 not in chosen


@pytest.mark.parametrize("choice", [Choice(head=9), Choice(sample=9)])
def test_more_than_there_are_is_all_of_them(choice):
    chosen = choose(choice, [1, 2, 4])

    assert chosen.lines == 3
    assert all(ordinal in chosen for ordinal in (1, 2, 4))


def test_a_sample_is_the_same_each_time_and_another_for_another_seed():
    same = [choose(Choice(sample=20, seed=seed), range(1, 1001)).only for seed in (0, 0, 1)]

    assert same[0] == same[1] != same[2]
    assert len(same[0]) == len(same[2]) == 20


def test_a_sample_favours_no_part_of_the_inputs():
    hits = Counter(
        ordinal // 250
        for seed in range(50)
        for ordinal in choose(Choice(sample=20, seed=seed), range(1000)).only
    )

    assert sum(hits.values()) == 1000
    assert all(200 <= hits[quarter] <= 300 for quarter in range(4))


def test_what_is_so_is_counted_among_the_chosen_lines():
    head = choose(Choice(head=3), [1, 2, 5, 6])
    sample = choose(Choice(sample=2), [1, 2])

    assert head.count({1, 5, 6}.__contains__) == 2
    assert sample.count({2, 3}.__contains__) == 1


def test_no_lines_are_no_choice_of_any():
    assert choose(Choice(sample=2), []).lines == choose(Choice(head=2), []).lines == 0
