"""Tasks of the mock gateway end by the clock, and fail by the dice."""

from __future__ import annotations

import pytest

from batch.errors import BadUsage
from batch.mock.dials import Dials
from batch.mock.tasks import REMEMBERED, Tasks


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_task_goes_on_by_the_clock_and_keeps_its_facts() -> None:
    clock = Clock()
    tasks = Tasks(Dials(task_ms=2000), clock)
    tasks.begin("t1", {"seconds": "4"})

    progress = []
    for clock.now in (0.0, 0.5, 1.999, 2.0, 9.0):
        task = tasks.find("t1")
        assert task is not None
        progress.append((task.progress, task.done, task.facts["seconds"]))

    assert progress == [
        (0, False, "4"),
        (25, False, "4"),
        (99, False, "4"),
        (100, True, "4"),
        (100, True, "4"),
    ]


def test_a_task_that_nobody_submitted_is_unknown() -> None:
    assert Tasks(Dials(), Clock()).find("t1") is None


def test_so_many_tasks_fail_as_the_dials_say_and_always_the_same() -> None:
    names = [f"t{n}" for n in range(400)]

    failing = [name for name in names if Tasks(Dials(task_fail=0.25), Clock()).fails(name)]

    assert 60 < len(failing) < 140
    assert failing == [n for n in names if Tasks(Dials(task_fail=0.25), Clock()).fails(n)]


def test_a_task_of_no_time_is_done_at_once() -> None:
    assert Tasks(Dials(task_ms=0), Clock()).begin("t1", {}).done


def test_old_tasks_are_forgotten_so_that_memory_is_bounded() -> None:
    tasks = Tasks(Dials(), Clock())

    for number in range(REMEMBERED + 1):
        tasks.begin(str(number), {})

    assert tasks.find("0") is None
    assert tasks.find("1") is not None


@pytest.mark.parametrize("dials", [Dials(task_ms=-1), Dials(task_fail=1.5), Dials(task_fail=-0.1)])
def test_dials_that_cannot_be_are_refused(dials: Dials) -> None:
    with pytest.raises(BadUsage):
        Tasks(dials, Clock())


def test_a_task_goes_on_by_the_dials_of_the_hour_in_which_it_began() -> None:
    clock = Clock()
    tasks = Tasks(Dials(task_ms=2000), clock)
    tasks.begin("early", {})

    tasks.turn(Dials(task_ms=8000, task_fail=1))
    tasks.begin("late", {})
    clock.now += 2.0

    early, late = tasks.find("early"), tasks.find("late")
    assert early is not None
    assert (early.done, early.failed) == (True, False)
    assert late is not None
    assert (late.done, late.failed) == (False, True)
