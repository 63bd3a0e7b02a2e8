from __future__ import annotations

from collections.abc import Iterable

from batch.gate.schedule import SHORTER, Schedule


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def about(pauses: Iterable[float], most: Iterable[float]) -> bool:
    """Return whether pauses are none longer than so much, and none shorter than by a part of it."""
    pairs = zip(pauses, most, strict=True)
    return all((1 - SHORTER) * longest <= pause <= longest for pause, longest in pairs)


def test_pauses_nobody_asked_for_start_at_a_round_trip_and_double_up_to_a_minute() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    pauses: list[float] = []

    for _ in range(8):
        schedule.rejected(sent_at=clock.now, asked=None, trip=1.5)
        pauses.append(schedule.until - clock.now)
        clock.now = schedule.until

    assert about(pauses, [1.5, 3, 6, 12, 24, 48, 60, 60])


def test_pauses_at_their_longest_differ_so_that_nobody_knocks_in_the_same_rhythm_for_ever() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    pauses: list[float] = []

    for _ in range(40):
        schedule.rejected(sent_at=clock.now, asked=None, trip=60.0)
        pauses.append(schedule.until - clock.now)
        clock.now = schedule.until

    assert len({round(pause) for pause in pauses}) >= 15
    assert max(pauses) - min(pauses) >= 0.9 * SHORTER * 60


def test_calls_rejected_together_begin_one_pause() -> None:
    clock = Clock()
    schedule = Schedule(clock)

    news = []
    for _ in range(20):
        clock.now += 0.001
        news.append(schedule.rejected(sent_at=99.0, asked=None, trip=1.0))

    assert news == [True] + [False] * 19
    assert about([schedule.until - 100.001], [1.0])


def test_the_latest_wish_counts_and_a_shorter_one_changes_nothing() -> None:
    clock = Clock()
    schedule = Schedule(clock)

    for asked in (5.0, 30.0, 2.0):
        schedule.rejected(sent_at=99.0, asked=asked, trip=1.0)

    assert schedule.until == 130.0


def test_an_answer_makes_the_next_pause_short_again() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    for _ in range(5):
        schedule.rejected(sent_at=clock.now, asked=None, trip=1.0)
        clock.now = schedule.until

    schedule.answered(sent_at=clock.now)
    schedule.rejected(sent_at=clock.now, asked=None, trip=1.0)

    assert about([schedule.until - clock.now], [1.0])


def test_an_answer_to_a_call_from_before_a_pause_says_nothing_of_its_use() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    sent_at = clock.now - 0.5
    for _ in range(3):
        schedule.rejected(sent_at=clock.now, asked=None, trip=1.0)
        clock.now = schedule.until

    schedule.answered(sent_at)
    schedule.rejected(sent_at=clock.now, asked=None, trip=1.0)

    assert about([schedule.until - clock.now], [8.0])


def test_an_answer_to_a_call_from_between_two_pauses_says_that_the_first_had_helped() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    for _ in range(5):
        sent_at = clock.now
        clock.now += 0.5
        schedule.rejected(sent_at, asked=None, trip=1.0)
        schedule.answered(sent_at)  # sent with it, and answered later
        clock.now = schedule.until

    schedule.rejected(sent_at=clock.now, asked=None, trip=1.0)

    assert about([schedule.until - clock.now], [2.0])


def test_a_wish_of_no_time_at_all_is_no_wish() -> None:
    clock = Clock()
    schedule = Schedule(clock)

    schedule.rejected(sent_at=clock.now, asked=0.0, trip=2.0)

    assert about([schedule.until - clock.now], [2.0])


def test_only_a_pause_that_nobody_asked_for_is_ended_early() -> None:
    clock = Clock()
    schedule = Schedule(clock)

    schedule.asked(5.0)
    schedule.hold(30.0, "probing")
    schedule.resume()
    assert schedule.until == 105.0

    clock.now = 110.0
    schedule.hold(30.0, "probing")
    schedule.resume()
    assert schedule.is_open()
