from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from batch.adapt.doubt import Doubt, Sizes

SIZE = 100.0
ROUND = 50  # calls that are on their way when the size is cut: their drops are no further reason


class Client:
    """Calls of which a share is dropped, at a size that climbs, and is cut by signs of load."""

    def __init__(self, share: Callable[[float], float], seed: int = 1, of: Sizes = "calls") -> None:
        self.share = share  # of calls, at a size
        self.size = self.most = SIZE
        self.of = of
        self.doubt = Doubt()
        self.chance = random.Random(seed)
        self.since = 0  # calls since the last cut

    def calls(self, count: int) -> list[str]:
        """Hear of so many calls; returns what was said of those that were dropped."""
        said = []
        for _ in range(count):
            self.since += 1
            if self.chance.random() < self.share(self.size):
                said.append(self.doubt.dropped(self.of, self.size))
                if said[-1] == "vain":
                    self.size = self.doubt.before
                elif said[-1] == "sign" and self.since > ROUND:
                    self.size *= 0.95
                    self.since = 0
            else:
                self.doubt.answered(self.of, self.size)
                self.size *= 1.0002
            self.most = max(self.most, self.size)
        return said

    def until_vain(self, most: int) -> None:
        """Hear of calls until drops are found to be no sign."""
        for _ in range(most):
            if "vain" in self.calls(1):
                return
        raise AssertionError(f"drops were taken for signs in {most} calls")


def by_chance(share: float) -> Callable[[float], float]:
    return lambda _: share


def load(share: float, width: float) -> Callable[[float], float]:
    """Up to 100 hardly a call is dropped; above, ever more of them are."""
    return lambda size: min(1.0, share * max(0.0, (size - SIZE) / (width * SIZE)))


def test_a_drop_is_a_sign_of_load_as_long_as_nothing_speaks_against_it() -> None:
    doubt = Doubt()

    assert [doubt.dropped("calls", SIZE) for _ in range(20)] == ["sign"] * 20


@pytest.mark.parametrize("of", ["calls", "rate"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_drops_in_the_same_share_at_smaller_sizes_are_no_sign_from_then_on(
    share: float, seed: int, of: Sizes
) -> None:
    client = Client(by_chance(share), seed, of)

    client.until_vain(most=round(150 / share))
    later = client.calls(2_000)

    assert later
    assert later.count("sign") <= 0.1 * len(later)


def dropped_beside(doubt: Doubt, size: float, answered: int) -> str:
    """Hear of one call that is dropped at a size, after so many that were not."""
    for _ in range(answered):
        doubt.answered("calls", size)
    return doubt.dropped("calls", size)


def test_smaller_sizes_are_compared_together_as_none_of_them_lasts() -> None:
    doubt = Doubt()
    large = [dropped_beside(doubt, SIZE, 19) for _ in range(12)]

    small = [dropped_beside(doubt, size, 19) for size in (70, 45, 60, 50, 55, 65, 40, 70)]

    assert set(large) == {"sign"}
    assert "vain" in small


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("share", "width"), [(1.0, 0.01), (0.5, 0.1), (0.2, 0.3)])
def test_load_is_never_taken_for_chance(share: float, width: float, seed: int) -> None:
    client = Client(load(share, width), seed)

    said = client.calls(50_000)

    assert len(said) > 100
    assert set(said) == {"sign"}


def test_load_that_is_met_from_above_is_seldom_taken_for_chance() -> None:
    """It is, now and then: on the way down a few drops more or less look like as large a share."""
    mistaken = 0

    for seed in range(40):
        client = Client(lambda size: max(0.0, 1 - SIZE / size), seed)
        client.size = 1.33 * SIZE
        mistaken += "vain" in client.calls(2_000)

    assert mistaken <= 16


def test_after_a_finding_it_is_known_how_large_a_size_was_before_all_those_signs() -> None:
    client = Client(by_chance(0.05))

    client.until_vain(most=3_000)

    assert client.doubt.before == pytest.approx(client.most, rel=0.05)


def test_drops_of_calls_that_others_held_up_are_counted_apart() -> None:
    """A pace of 50 a second and 100 calls at once are not two sizes of one thing."""
    doubt = Doubt()

    for of, size in [("calls", 100.0)] * 10 + [("rate", 50.0)] * 10:
        for _ in range(20):
            doubt.answered(of, size)  # type: ignore[arg-type]
        assert doubt.dropped(of, size) == "sign"  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_a_gateway_that_rejects_nearly_everything_is_never_ignored(share: float) -> None:
    """To send less does not help there either, but a pause might."""
    client = Client(by_chance(share))

    assert set(client.calls(3_000)) == {"sign"}


@pytest.mark.parametrize(("calls", "said"), [(20, {"sign", "vain", "none"}), (200, {"sign"})])
def test_drops_so_rare_that_others_may_have_caused_them_are_not_doubted(
    calls: int, said: set[str]
) -> None:
    doubt, opinions = Doubt(), set[str]()

    for size in (100.0, 50.0):
        for _ in range(10):
            for _ in range(calls):
                doubt.answered("calls", size)
            opinions.add(doubt.dropped("calls", size))

    assert opinions == said


def test_more_drops_than_were_found_to_be_no_sign_are_one_again() -> None:
    client = Client(by_chance(0.05))
    client.until_vain(most=3_000)

    client.share = by_chance(0.6)

    assert "sign" in client.calls(40)


def test_after_a_long_time_without_a_drop_the_next_one_is_a_sign_again() -> None:
    client = Client(by_chance(0.05))
    client.until_vain(most=3_000)

    client.share = by_chance(0.0)
    client.calls(1_100)

    assert client.doubt.dropped("calls", SIZE) == "sign"


def test_what_was_counted_long_ago_says_nothing_of_what_is_dropped_now() -> None:
    # Given: one drop is missing for a finding
    at_once, later = Doubt(), Doubt()
    for doubt in (at_once, later):
        for size in [100.0] * 10 + [50.0] * 5:
            for _ in range(20):
                doubt.answered("calls", size)
            assert doubt.dropped("calls", size) == "sign"

    # When: it does not come for a long time
    for _ in range(1_100):
        later.answered("rate", 5.0)

    assert at_once.dropped("calls", 50.0) == "vain"
    assert later.dropped("calls", 50.0) == "sign"


def test_the_recent_share_follows_what_is_dropped() -> None:
    client = Client(by_chance(0.3))

    client.calls(500)
    high = client.doubt.recent
    client.share = by_chance(0.0)
    client.calls(500)

    assert 0.1 < high < 0.5
    assert client.doubt.recent < 0.001
