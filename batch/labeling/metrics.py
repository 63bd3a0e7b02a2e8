"""How good labels are: counts beside what people said, and what follows from the counts.

A few exact functions of our own, so that a score needs no array library. Intervals are Wilson's,
at 95 %: samples that people label are small, and rates near 1 are what is hoped for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

Z95: Final = 1.959963984540054  # of the normal distribution, both sides together 5 %


class Share(msgspec.Struct, frozen=True):
    """A rate with its interval; None of all three where nothing could be counted."""

    value: float | None
    low: float | None
    high: float | None


class ClassScore(msgspec.Struct, frozen=True):
    """One label: of those that people gave and of those that were answered, the right ones."""

    label: str
    support: int  # times that people gave it
    answered: int  # times that it was answered
    right: int
    precision: Share
    recall: Share
    f1: Share

    @property
    def rates(self) -> tuple[Share, Share, Share]:
        """Return the three rates in the usual order."""
        return self.precision, self.recall, self.f1


class Average(msgspec.Struct, frozen=True):
    """A mean over labels."""

    precision: float
    recall: float
    f1: float


class Score(msgspec.Struct, frozen=True):
    """What pairs of labels come to."""

    pairs: int
    right: int
    accuracy: Share
    kappa: float | None  # Cohen's; None where chance alone would agree always
    classes: tuple[ClassScore, ...]
    macro: Average  # every label counts the same
    micro: Average  # every line counts the same
    weighted: Average  # every label counts as often as people gave it
    matrix: tuple[tuple[int, ...], ...]  # a row for what people gave, a column for each answer

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels in the order of the matrix."""
        return tuple(one.label for one in self.classes)


def score(pairs: Iterable[tuple[str, str]], order: Sequence[str] = ()) -> Score:
    """Count pairs of what people gave and what was answered; ``order`` is that of the labels.

    Labels that are in no pair are left out.
    """
    counts = Counter(pairs)
    gold, said = _sums(counts, 0), _sums(counts, 1)
    there = gold.keys() | said.keys()
    labels = [one for one in order if one in there]
    labels += sorted(there - set(labels))
    every = counts.total()
    right = sum(counts[one, one] for one in labels)
    classes = tuple(_class(one, gold[one], said[one], counts[one, one]) for one in labels)
    rate = right / every if every else 0.0
    return Score(
        pairs=every,
        right=right,
        accuracy=wilson(right, every),
        kappa=_kappa(gold, said, right, every),
        classes=classes,
        macro=_average(classes, [1] * len(classes)),
        micro=Average(rate, rate, rate),
        weighted=_average(classes, [one.support for one in classes]),
        matrix=tuple(tuple(counts[row, column] for column in labels) for row in labels),
    )


def wilson(right: int, every: int, z: float = Z95) -> Share:
    """Return a rate with Wilson's interval."""
    if not every:
        return Share(None, None, None)
    rate, square = right / every, z * z / every
    middle = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(rate * (1 - rate) / every + square / (4 * every))
    # At the ends the bound is the rate itself, whatever is lost in rounding.
    low = 0.0 if right == 0 else middle - half
    high = 1.0 if right == every else middle + half
    return Share(rate, low, high)


def _class(label: str, support: int, answered: int, right: int) -> ClassScore:
    # F1 grows with the share of hits among all pairs that have the label on either side, and
    # that share is a rate: its interval, carried over, is one of F1.
    hits = wilson(right, support + answered - right)
    f1 = Share(_f1(hits.value), _f1(hits.low), _f1(hits.high))
    return ClassScore(
        label=label,
        support=support,
        answered=answered,
        right=right,
        precision=wilson(right, answered),
        recall=wilson(right, support),
        f1=f1,
    )


def _f1(hits: float | None) -> float | None:
    return None if hits is None else 2 * hits / (1 + hits)


def _average(classes: Sequence[ClassScore], weights: Sequence[int]) -> Average:
    """Return the means; a rate that could not be counted is 0 in them."""
    whole = sum(weights)

    def mean(rates: Iterable[float | None]) -> float:
        if not whole:
            return 0.0
        parts = ((rate or 0.0) * weight for rate, weight in zip(rates, weights, strict=True))
        return math.fsum(parts) / whole

    return Average(
        mean(one.precision.value for one in classes),
        mean(one.recall.value for one in classes),
        mean(one.f1.value for one in classes),
    )


def _kappa(
    gold: Mapping[str, int], said: Mapping[str, int], right: int, every: int
) -> float | None:
    by_chance = sum(gold[one] * said.get(one, 0) for one in gold)
    whole = every * every
    if not whole or by_chance == whole:
        return None
    return (every * right - by_chance) / (whole - by_chance)


def _sums(counts: Mapping[tuple[str, str], int], side: int) -> Counter[str]:
    sums: Counter[str] = Counter()
    for pair, count in counts.items():
        sums[pair[side]] += count
    return sums
