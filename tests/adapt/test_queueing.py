from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from batch.adapt.queueing import Finding, Queueing

SECONDS = 0.5


class Client:
    """A client whose window stays what it is, but for what is found of queues."""

    def __init__(self, size: float, seconds: Callable[[float], float], noise: float = 0.2) -> None:
        self.size = size
        self.seconds = seconds  # that an answer takes, with so many on the wire
        self.noise = noise
        self.limiting = True
        self.queueing = Queueing()
        self.findings: list[Finding] = []
        self.now = 0.0
        self.chance = random.Random(7)

    def answers(self, count: int) -> None:
        """Hear so many answers, one after the other."""
        for _ in range(count):
            mean = self.seconds(self.size)
            self.now += mean / self.size
            trip = mean * self.chance.uniform(1 - self.noise, 1 + self.noise)
            found = self.queueing.trip(self.now, trip, self.size, self.limiting)
            if found is not None:
                self.findings.append(found)
                self.size = found.size

    def until_found(self, most: int = 5_000) -> Finding:
        """Hear answers until something is found that is no step of a test."""
        for _ in range(most):
            before = len(self.findings)
            self.answers(1)
            if len(self.findings) > before and not self.findings[-1].testing:
                return self.findings[-1]
        raise AssertionError("nothing was found")


def queue(capacity: float) -> Callable[[float], float]:
    """Answers of a gateway that works on so many at once."""
    return lambda size: SECONDS * max(1.0, size / capacity)


def shared(capacity: float, others: float) -> Callable[[float], float]:
    """The same with the calls of somebody else in its queue, who keeps as many there."""
    return lambda size: SECONDS * max(1.0, (size + others) / capacity)


def steady(seconds: float) -> Callable[[float], float]:
    return lambda _: seconds


def accustomed(size: float) -> Client:
    """A client that knows what an answer takes when no other waits."""
    client = Client(size, steady(SECONDS))
    client.answers(1_000)
    assert not client.findings
    return client


def test_answers_that_wait_for_each_other_are_found_and_the_window_shrinks() -> None:
    client = accustomed(100)

    client.seconds = queue(40)
    found = client.until_found()

    assert found.queued_at == 100
    assert found.size <= 80
    assert client.size == found.size


def test_one_finding_after_the_other_leads_to_what_the_gateway_works_on() -> None:
    client = accustomed(200)

    client.seconds = queue(40)
    client.answers(10_000)

    assert 40 <= client.size <= 60
    last = len(client.findings)
    client.answers(5_000)
    assert len(client.findings) == last


def test_a_queue_in_which_calls_of_as_large_a_client_wait_is_found_as_well() -> None:
    """To give up a fifth of a half of the calls in a queue does cost a little."""
    client = accustomed(100)

    client.seconds = shared(100, others=100)
    found = client.until_found()

    assert found.queued_at == 100


def test_answers_that_take_longer_for_another_reason_leave_the_window_what_it_was() -> None:
    client = accustomed(100)

    client.seconds = steady(4 * SECONDS)
    found = client.until_found()

    assert (found.size, found.testing, found.queued_at) == (100, False, None)
    assert any(step.size < 100 for step in client.findings)


def test_the_longer_time_is_the_new_measure_then() -> None:
    client = accustomed(100)
    client.seconds = steady(4 * SECONDS)
    client.until_found()
    before = len(client.findings)

    client.answers(10_000)

    assert len(client.findings) == before


def test_a_test_looks_twice_at_the_old_size_and_once_at_the_smaller_one() -> None:
    client = accustomed(100)

    client.seconds = queue(40)
    client.until_found()

    assert [one.testing for one in client.findings] == [True, True, False]
    assert client.findings[0].size == 100
    assert 50 <= client.findings[1].size <= 80


def test_answers_that_are_quick_again_end_a_test_before_the_window_shrinks() -> None:
    client = accustomed(100)
    client.seconds = steady(4 * SECONDS)
    while not client.findings:
        client.answers(1)

    client.seconds = steady(SECONDS)
    found = client.until_found()

    assert (found.size, found.queued_at) == (100, None)
    assert len(client.findings) == 2


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_noise_alone_is_never_put_to_the_test(noise: float) -> None:
    client = Client(100, steady(SECONDS), noise)

    client.answers(30_000)

    assert not client.findings


@pytest.mark.parametrize("seed", range(5))
def test_answers_of_very_different_length_are_noise_too(seed: int) -> None:
    client = Client(80, steady(SECONDS))
    chance = random.Random(seed)

    # One of a hundred takes a hundred times as long.
    client.seconds = lambda _: SECONDS * (100 if chance.random() < 0.01 else 1)
    client.answers(10_000)

    assert not client.findings


def test_a_window_that_holds_nothing_up_is_not_suspected() -> None:
    client = accustomed(100)
    client.limiting = False

    client.seconds = queue(10)
    client.answers(5_000)

    assert not client.findings


def test_a_window_of_one_is_not_made_smaller() -> None:
    client = accustomed(1)

    client.seconds = steady(10 * SECONDS)
    client.answers(1_000)

    assert not client.findings


def test_calls_that_were_sent_before_the_window_changed_do_not_count() -> None:
    # Given: a test has just made the window smaller
    client = accustomed(100)
    client.seconds = queue(40)
    while not any(one.size < 100 for one in client.findings):
        client.answers(1)
    steps, changed_at = len(client.findings), client.now

    # When: a thousand answers come to calls that were sent before
    for n in range(1_000):
        now = changed_at + n / 1_000
        assert client.queueing.trip(now, 1.001, client.size, True) is None

    # Then: the test goes on
    client.now = changed_at + 1
    client.until_found()
    assert len(client.findings) == steps + 1


def test_a_test_that_is_broken_off_is_forgotten() -> None:
    client = accustomed(100)
    client.seconds = steady(4 * SECONDS)
    while not any(one.size < 100 for one in client.findings):
        client.answers(1)
    client.findings.clear()

    client.queueing.abort()
    client.answers(5_000)

    # Then: it begins anew, at the size that is now
    assert client.findings[0].testing
    assert client.findings[0].size < 100
    assert client.findings[-1].size == client.findings[0].size


@pytest.mark.parametrize(("times", "slower"), [(1.0, False), (1.3, True)])
def test_it_is_noticed_when_answers_take_a_little_longer(times: float, slower: bool) -> None:
    client = accustomed(100)

    client.seconds = steady(times * SECONDS)
    client.answers(300)

    assert client.queueing.slower is slower
    assert not client.findings  # and nothing is put to the test for it


def test_answers_that_are_as_quick_as_before_are_not_slow_any_more() -> None:
    client = accustomed(100)
    client.seconds = steady(1.3 * SECONDS)
    client.answers(300)

    client.seconds = steady(SECONDS)
    client.answers(300)

    assert not client.queueing.slower


@pytest.mark.parametrize("seed", range(5))
def test_answers_of_differing_length_are_seldom_taken_for_slow(seed: int) -> None:
    client = Client(8, steady(SECONDS))
    chance = random.Random(seed)
    client.seconds = lambda _: SECONDS * chance.lognormvariate(0, 0.8)
    slow = 0

    for _ in range(200):
        client.answers(64)
        slow += client.queueing.slower

    assert slow <= 0.1 * 200
