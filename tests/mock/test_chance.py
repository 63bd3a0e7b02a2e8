from __future__ import annotations

from batch.mock import chance


def test_rolls_hang_on_seed_body_and_attempt_and_on_nothing_else() -> None:
    first = chance.rolls(1, "ab", 1)

    assert first == chance.rolls(1, "ab", 1)
    assert len({first, chance.rolls(2, "ab", 1), chance.rolls(1, "cd", 1)}) == 3
    assert first != chance.rolls(1, "ab", 2)


def test_rolls_are_spread_evenly_from_0_to_1() -> None:
    rolls = [chance.rolls(0, str(n), 1) for n in range(4000)]

    for side in zip(*rolls, strict=True):
        assert 0 <= min(side) < 0.01
        assert 0.99 < max(side) < 1
        assert 0.48 < sum(side) / len(side) < 0.52


def test_dice_throw_every_side_about_as_often() -> None:
    dice = chance.Dice(0, "ab")
    seen = [0] * 6

    for _ in range(6000):
        seen[dice.below(6)] += 1

    assert min(seen) > 850
    assert max(seen) < 1150


def test_dice_are_the_same_for_the_same_seed_and_body() -> None:
    def throws(seed: int, body_sum: str) -> list[int]:
        dice = chance.Dice(seed, body_sum)
        return [dice.below(1000) for _ in range(8)]

    assert throws(1, "ab") == throws(1, "ab")
    assert throws(1, "ab") != throws(2, "ab")
    assert throws(1, "ab") != throws(1, "cd")


def test_attempts_count_each_body_apart() -> None:
    attempts = chance.Attempts()

    counted = [attempts.count(body) for body in ("a", "b", "a", "a", "b")]

    assert counted == [1, 1, 2, 3, 2]


def test_attempts_remember_as_many_bodies_as_they_say_and_stay_bounded() -> None:
    attempts = chance.Attempts(remembered=10)

    attempts.count("first")
    for number in range(9):
        attempts.count(str(number))

    assert attempts.count("first") == 2
    for number in range(20):
        attempts.count(f"later {number}")
    assert attempts.count("first") == 1
