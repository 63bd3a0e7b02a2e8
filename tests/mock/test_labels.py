"""How the mock gateway labels, and how it errs when it is told to."""

from __future__ import annotations

from collections import Counter

import orjson

from batch.mock._labels import choose, spoiled
from batch.mock.chance import Dice

MOODS = ("positive", "negative", "neutral")
TEXTS = {
    "It is great, I love it": "positive",
    "It broke and I want a refund": "negative",
    "It is made of wood": "neutral",
    "房间很好 推荐": "positive",
    "质量太差 很失望": "negative",
}


def test_a_choice_mostly_follows_what_the_text_says_however_the_choices_are_ordered() -> None:
    for text, mood in TEXTS.items():
        for order in (MOODS, MOODS[::-1]):
            said = Counter(choose(order, text, Dice(0, str(n))) for n in range(200))

            assert said.most_common(1)[0][0] == mood
            assert 150 < said[mood] < 200


def test_choices_of_another_kind_follow_the_text_too() -> None:
    animals = ("cat", "dog", "horse")
    usual = {
        text: Counter(choose(animals, text, Dice(0, str(n))) for n in range(200)).most_common(1)
        for text in map(str, range(20))
    }

    assert all(count > 150 for ((_, count),) in usual.values())
    assert {name for ((name, _),) in usual.values()} == set(animals)


def test_a_spoiled_answer_is_spoiled_in_several_ways() -> None:
    said = orjson.dumps({"label": "positive"}).decode()

    ways = {spoiled(said, Dice(0, str(n))) for n in range(200)}

    assert len(ways) == 7
    assert said not in ways
    assert any(one.startswith("```json\n") for one in ways)
    assert '{"label":"Positive"}' in {one.replace("POSITIVE", "Positive") for one in ways}
    assert '{"label":"hard to say"}' in ways
