from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from batch.adapt.doubt import Doubt

SIZE = 20


class Client:
    """Calls of which a share is dropped, at sizes that a test of them leads to."""

    def __init__(self, share: Callable[[float], float], seed: int = 1) -> None:
        self.share = share  # of calls, with so many on the wire
        self.size = float(SIZE)
        self.doubt = Doubt()
        self.said: list[str] = []
        self.chance = random.Random(seed)

    def calls(self, count: int) -> list[str]:
        """Hear of so many calls; returns what was said of those that were dropped."""
        of_drops = []
        for _ in range(count):
            if self.chance.random() < self.share(self.size):
                opinion = self.doubt.dropped(alone=True, in_flight=int(self.size))
                of_drops.append(opinion)
            else:
                opinion = self.doubt.answered(int(self.size))
            self.said.append(opinion)
            if opinion == "half":
                self.size = SIZE / 2
            elif opinion in ("vain", "load"):
                self.size = SIZE
        return of_drops

    def until(self, opinion: str, most: int = 5_000) -> int:
        """Hear of calls until something is said, and return how many it took."""
        for count in range(1, most):
            self.calls(1)
            if self.said[-1] == opinion:
                return count
        raise AssertionError(f"{opinion!r} was not said in {most} calls")


def random_drops(share: float) -> Callable[[float], float]:
    return lambda _: share


def load(size: float) -> float:
    """As much as 20 at once is a little too much."""
    return 0.05 if size >= SIZE else 0.0


def test_a_drop_is_a_sign_of_load_as_long_as_nothing_speaks_against_it() -> None:
    doubt = Doubt()

    assert [doubt.dropped(True, SIZE) for _ in range(3)] == ["sign"] * 3
    assert not doubt.testing


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.03, 0.05, 0.2])
def test_drops_in_the_same_share_at_half_the_size_are_no_sign_from_then_on(
    share: float, seed: int
) -> None:
    client = Client(random_drops(share), seed)

    client.until("vain")
    later = client.calls(2_000)

    assert later
    assert later.count("sign") <= 0.1 * len(later)


@pytest.mark.parametrize("seed", range(5))
def test_drops_that_end_at_half_the_size_were_for_load(seed: int) -> None:
    client = Client(load, seed)

    client.until("load")

    assert "half" in client.said
    assert "vain" not in client.said


def test_the_size_stays_what_it_is_while_drops_are_counted() -> None:
    client = Client(random_drops(0.05))
    testing = []

    for _ in range(2_000):
        testing.append(client.doubt.testing)
        client.calls(1)

    begun, ended = testing.index(True), client.said.index("vain") + 1
    assert all(testing[begun:ended])
    assert not any(testing[ended : ended + 100])


def test_drops_in_a_row_without_a_round_between_them_raise_no_doubt() -> None:
    doubt = Doubt()
    doubt.dropped(True, SIZE)

    for _ in range(15):
        for _ in range(20):
            doubt.answered(SIZE)
        assert doubt.dropped(False, SIZE) == "sign"

    assert not doubt.testing


def test_calls_that_were_sent_before_the_size_changed_are_not_counted() -> None:
    # Given: four drops, after which calls are counted, and a hundred on the wire
    doubt = Doubt()
    for _ in range(4):
        for _ in range(20):
            doubt.answered(100)
        doubt.dropped(True, 100)
    assert doubt.testing

    said = [doubt.dropped(True, 100) for _ in range(100)]

    assert said == ["none"] * 100


def test_a_gateway_that_rejects_nearly_everything_is_never_ignored() -> None:
    """Half the size does not help there either, but a pause might."""
    for share in (1.0, 0.9, 0.5):
        client = Client(random_drops(share))

        of_drops = client.calls(1_000)

        assert of_drops[-50:].count("sign") >= 25


def test_more_drops_than_were_found_to_be_no_sign_are_one_again() -> None:
    client = Client(random_drops(0.05))
    client.until("vain")

    client.share = random_drops(0.6)
    client.until("sign", most=40)

    assert client.doubt.recent > 0.1


def test_after_a_long_time_without_a_drop_the_next_one_is_a_sign_again() -> None:
    client = Client(random_drops(0.05))
    client.until("vain")

    client.share = random_drops(0.0)
    client.calls(1_100)

    assert client.doubt.dropped(True, SIZE) == "sign"


def test_so_few_drops_that_they_hold_nothing_up_end_a_test() -> None:
    client = Client(random_drops(0.05))
    begun = next(n for n in range(2_000) if client.calls(1) and client.doubt.testing)

    client.share = random_drops(0.0)
    client.calls(200)

    assert begun
    assert not client.doubt.testing
    assert not {"half", "vain", "load"} & set(client.said)


def test_signs_are_counted_anew_after_a_long_time_without_one() -> None:
    doubt = Doubt()

    for _ in range(5):
        for _ in range(3):
            doubt.dropped(True, SIZE)
        doubt.forget()

    assert not doubt.testing


def test_the_recent_share_follows_what_is_dropped() -> None:
    client = Client(random_drops(0.3))

    client.calls(500)
    high = client.doubt.recent
    client.share = random_drops(0.0)
    client.calls(500)

    assert 0.1 < high < 0.5
    assert client.doubt.recent < 0.001
