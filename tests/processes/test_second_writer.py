"""Two processes for one output: by turns, at once, by other names, and without their lock."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.processes import child
from tests.processes.child import Child, run_in_child
from tests.processes.desk import LINES, MUTE, Desk
from tests.proofs.processes import Gateway, background, gateway, wait_until

AT_ONCE = 4
LATENCY, NEVER = 400, 60_000  # milliseconds to an answer
CODE = 3  # of a run that is complete: one line asks nothing, and is an error
HELD = "is held by another process"
LOGS = ("out.jsonl", "out.run/errors.jsonl", "out.run/journal.jsonl")


@contextmanager
def working(desk: Desk) -> Iterator[Child]:
    """A run with as many requests under way as are allowed."""
    with child.working(desk.folder, *desk.command("-c", AT_ONCE)) as process:
        wait_until(lambda: desk.mock.counts()["in_flight"] == AT_ONCE, "requests are under way")
        yield process


def assert_complete(desk: Desk) -> None:
    assert set(desk.recorded()) == set(range(1, LINES + 1))


def turned_away(desk: Desk, output: str = "out.jsonl") -> str:
    """Have a second process try, and return what it says; nothing may come of it."""
    before = desk.snapshot()
    code, words = run_in_child(desk.folder, "run", "in.jsonl", "-o", output, *desk.at)
    assert code == 75, words
    assert HELD in words
    # What was there is as it was; the first one may have written more meanwhile.
    after = desk.snapshot()
    for log in LOGS:
        assert after[log].startswith(before[log])
    return words


def test_of_four_that_start_at_once_one_works_and_a_kill_leaves_the_way_free(folder: Path) -> None:
    with gateway(folder, "--latency", NEVER) as mock, ExitStack() as stack:
        desk = Desk(folder, mock)
        four = [
            stack.enter_context(
                background(folder, *desk.command("-c", AT_ONCE), said=f"said-{number}.txt")
            )
            for number in range(4)
        ]

        wait_until(lambda: sum(one.poll() is not None for one in four) == 3, "three have left")
        wait_until(lambda: mock.counts()["in_flight"] == AT_ONCE, "the fourth works")

        for number, one in enumerate(four):
            if one.poll() is not None:
                words = (folder / f"said-{number}.txt").read_text()
                assert one.returncode == 75, words
                assert HELD in words
        assert mock.counts()["arrived"] == AT_ONCE
        (winner,) = (one for one in four if one.poll() is None)
        assert f"(pid {winner.pid} since " in turned_away(desk)
        winner.send_signal(signal.SIGKILL)
        winner.wait()

    with gateway(folder, ledger=False) as mock:
        desk = Desk(folder, mock)
        code, words, _ = desk.run()

        assert code == CODE, words
        assert_complete(desk)


NAMES: Mapping[str, Callable[[Path], str]] = {
    "a longer way": lambda folder: "deep/../out.jsonl",
    "the whole path": lambda folder: str(folder / "out.jsonl"),
    "a link": lambda folder: "link.jsonl",
    "a link to its folder": lambda folder: "linked/out.jsonl",
    "a hard link": lambda folder: "hard.jsonl",
}


def test_a_second_run_is_turned_away_by_whatever_name_it_comes(folder: Path) -> None:
    with gateway(folder, "--latency", NEVER, ledger=False) as mock:
        desk = Desk(folder, mock)
        with working(desk) as process:
            (folder / "deep").mkdir()
            (folder / "link.jsonl").symlink_to("out.jsonl")
            (folder / "linked").symlink_to(".")
            os.link(folder / "out.jsonl", folder / "hard.jsonl")

            for what, name in NAMES.items():
                words = turned_away(desk, name(folder))
                who = "second name" if what == "a hard link" else f"(pid {process.pid} since "
                assert who in words, what

            assert process.poll() is None
            assert mock.counts()["arrived"] == AT_ONCE


@pytest.mark.parametrize("gone", ["out.run/lock", "out.run/cache", "both"])
def test_a_lock_that_was_removed_lets_nobody_else_in(
    folder: Path, mock: Gateway, gone: str
) -> None:
    desk = Desk(folder, mock)
    before = mock.counts()["arrived"]
    with working(desk) as process:
        with process.held_up():
            if gone != "out.run/cache":
                (folder / "out.run/lock").unlink()
            if gone != "out.run/lock":
                shutil.rmtree(folder / "out.run/cache", ignore_errors=True)

            words = turned_away(desk)

        assert ("has no lock in" in words) == (gone != "out.run/cache")
        assert process.wait() == CODE, process.words()
    assert_complete(desk)
    assert mock.counts()["arrived"] - before == LINES - 1
    code, words, sent = desk.run()
    assert (code, sent) == (CODE, 0), words


def test_who_finds_everything_removed_may_begin_anew_and_the_first_one_leaves(
    folder: Path, mock: Gateway
) -> None:
    desk = Desk(folder, mock)
    with working(desk) as process:
        with process.held_up():
            shutil.rmtree(folder / "out.run")
            (folder / "out.jsonl").unlink()
            code, words, _ = desk.run()

        assert code == CODE, words
        assert process.wait() == 73, process.words()
    assert "was moved, removed or replaced while the run was writing" in process.words()
    assert_complete(desk)


def test_a_run_on_another_output_is_nobodys_business(folder: Path, mock: Gateway) -> None:
    desk = Desk(folder, mock)
    with working(desk) as process:
        code, words = run_in_child(folder, "run", "in.jsonl", "-o", "other.jsonl", *desk.at)

        assert code == CODE, words
        assert process.wait() == CODE, process.words()
    assert_complete(desk)
    assert MUTE in desk.recorded()
