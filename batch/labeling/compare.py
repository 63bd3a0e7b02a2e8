"""A run's labels beside those that people gave: how many are right, which are not, how many miss.

Accuracy is of the lines that have a label, and never stands without its coverage: a run that
answers only what is easy would else look best.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batch.labeling.finished import Finished
from batch.labeling.gold import Gold
from batch.labeling.metrics import Score, Share, score, wilson

UNANSWERED: Final = "not answered"


class Disagreement(msgspec.Struct, frozen=True):
    """A line of which a run and people say different things."""

    custom_id: str
    line: int
    gold: str
    label: str
    confidence: float | None
    said: str
    text: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """What the two come to."""

    score: Score
    gold: int  # lines that people labeled
    coverage: Share  # share of these that have a label
    missing: Mapping[str, int]  # the others, by why they have none
    disagreements: tuple[Disagreement, ...]  # the surest first
    strange: Mapping[str, int]  # labels of people that the run could not give, with their count

    def document(self) -> dict[str, Any]:
        """Return it as one object, for programs."""
        found: dict[str, Any] = msgspec.to_builtins(self.score)
        return {
            "object": "score",
            "gold": self.gold,
            "coverage": msgspec.to_builtins(self.coverage),
            "missing": dict(self.missing),
            "strange_gold_labels": dict(self.strange),
            "labels": list(self.score.labels),
            **found,
            "disagreements": len(self.disagreements),
        }


def compare(gold: Gold, run: Finished) -> Comparison:
    """Put a run beside gold, by custom_id."""
    pairs: list[tuple[str, str]] = []
    missing: Counter[str] = Counter()
    wrong: list[Disagreement] = []
    for custom_id, person in gold.lines.items():
        found = run.lines.get(custom_id)
        if found is None:
            missing[UNANSWERED] += 1
            continue
        if found.fate != "label":
            missing[found.fate] += 1
            continue
        pairs.append((person.label, found.label))
        if person.label != found.label:
            one = Disagreement(
                custom_id=custom_id,
                line=found.line,
                gold=person.label,
                label=found.label,
                confidence=found.confidence,
                said=found.said,
                text=person.text,
            )
            wrong.append(one)
    wrong.sort(key=lambda one: (-(one.confidence or 1.0), one.line))
    strange = Counter(
        one.label for one in gold.lines.values() if run.labels and one.label not in run.labels
    )
    return Comparison(
        score=score(pairs, run.labels),
        gold=len(gold.lines),
        coverage=wilson(len(pairs), len(gold.lines)),
        missing=missing,
        disagreements=tuple(wrong),
        strange=strange,
    )


def with_texts(found: Comparison, texts: Mapping[int, str]) -> Comparison:
    """Return it with the texts of lines where the gold file has none."""
    told = tuple(
        one if one.text else msgspec.structs.replace(one, text=texts.get(one.line, ""))
        for one in found.disagreements
    )
    return msgspec.structs.replace(found, disagreements=told)
