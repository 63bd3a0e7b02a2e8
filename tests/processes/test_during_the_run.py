"""What others do to logs, cache and input while a run works: a row each.

What was counted is never counted in vain: a run whose logs are taken away ends at once, and says
what to do. A cache that is taken away is missed by nobody.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.processes import child
from tests.processes.child import Child
from tests.processes.desk import LINES, MUTE, Desk, line_of
from tests.proofs.processes import Gateway, wait_until

AT_ONCE: Final = 4
LATENCY: Final = 250  # milliseconds
CODE: Final = 3  # of a run that is complete: one line asks nothing, and is an error
LONG: Final = 100  # lines
FILLER: Final = "." * 30_000  # a run reads its input as it goes on, if that is long enough


@contextmanager
def working(desk: Desk) -> Iterator[Child]:
    """A run that has recorded some answers, and has most of its lines still before it."""
    with child.working(desk.folder, *desk.command("-c", AT_ONCE)) as process:
        wait_until(lambda: answers(desk) >= AT_ONCE, "some answers are on record")
        yield process


def answers(desk: Desk) -> int:
    return desk.results.read_bytes().count(b"\n") if desk.results.exists() else 0


class Disturbance(NamedTuple):
    """What is done to the files of a run that works, and how the next one finds them again."""

    do: Callable[[Desk], object]
    says: str
    undo: Callable[[Desk], object]


def moved_away(desk: Desk, name: str) -> None:
    """As logrotate does it."""
    (desk.folder / name).rename(desk.folder / "rotated")


def put_back(desk: Desk, name: str) -> None:
    (desk.folder / "rotated").replace(desk.folder / name)


def moved(name: str) -> Disturbance:
    return Disturbance(
        lambda desk: moved_away(desk, name),
        rf"{name.rpartition('/')[2]}: the file was moved, removed or replaced while the run was "
        r"writing to it\. Nothing more was written\. Put it back as it is now",
        lambda desk: put_back(desk, name),
    )


def copied_and_cut(desk: Desk) -> None:
    """As logrotate does it with ``copytruncate``."""
    shutil.copy(desk.results, desk.folder / "rotated")
    os.truncate(desk.results, 0)


def written_to(desk: Desk) -> None:
    """As somebody does who takes the results for a place to add a line to."""
    shutil.copy(desk.results, desk.folder / "rotated")
    with desk.results.open("ab") as file:
        file.write(b'{"note":"mine"}\n')


OTHERS_WROTE: Final = r"out\.jsonl: another process has cut the file, or has written to it, while"
DISTURBANCES: Final[dict[str, Disturbance]] = {
    "results moved": moved("out.jsonl"),
    "journal moved": moved("out.run/journal.jsonl"),
    "errors moved": moved("out.run/errors.jsonl"),
    "results copied and cut": Disturbance(
        copied_and_cut, OTHERS_WROTE, lambda desk: put_back(desk, "out.jsonl")
    ),
    "results written to": Disturbance(
        written_to, OTHERS_WROTE, lambda desk: put_back(desk, "out.jsonl")
    ),
}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_run_whose_log_is_taken_away_ends_and_goes_on_once_it_is_back(
    folder: Path, mock: Gateway, name: str
) -> None:
    row = DISTURBANCES[name]
    desk = Desk(folder, mock)
    before = mock.counts()["arrived"]
    with working(desk) as process:
        with process.held_up():
            row.do(desk)

        assert process.wait() == 73, process.words()
    assert re.search(row.says, " ".join(process.words().split())), process.words()

    row.undo(desk)
    code, words, _ = desk.run()

    assert code == CODE, words
    assert set(desk.recorded()) == set(range(1, LINES + 1))
    # A picture is paid once at most, and of all else what was under way and not yet recorded.
    assert mock.counts()["arrived"] - before <= LINES - 1 + 2 * AT_ONCE


def test_the_folder_of_a_run_that_is_deleted_under_it_takes_no_answer_along(
    folder: Path, mock: Gateway
) -> None:
    desk = Desk(folder, mock)
    with working(desk) as process:
        with process.held_up():
            shutil.rmtree(desk.run_folder)

        assert process.wait() == 73, process.words()
    assert "journal.jsonl: the file was moved, removed or replaced" in process.words()
    kept = answers(desk)
    assert kept >= AT_ONCE

    code, words, sent = desk.run()

    assert (code, sent) == (65, 0), words
    assert f"has {kept} records of a run" in " ".join(words.split())
    assert answers(desk) == kept


def test_the_cache_can_be_deleted_again_and_again_while_a_run_works(
    folder: Path, mock: Gateway
) -> None:
    desk = Desk(folder, mock)
    before = mock.counts()["arrived"]
    deleted = 0
    with working(desk) as process:
        while process.poll() is None:
            seen = answers(desk)
            deleted += desk.cache.exists()
            shutil.rmtree(desk.cache, ignore_errors=True)
            wait_until(
                lambda seen=seen: answers(desk) > seen or process.poll() is not None,
                "more answers are on record",
            )

    assert process.returncode == CODE, process.words()
    assert deleted
    assert set(desk.recorded()) == set(range(1, LINES + 1))
    assert mock.counts()["arrived"] - before == LINES - 1
    code, words, sent = desk.run()
    assert (code, sent) == (CODE, 0), words


# The input, while it is read.


def write_long_input(desk: Desk) -> bytes:
    data = b"".join(line_of(number, FILLER) for number in range(1, LONG + 1) if number != MUTE)
    desk.input.write_bytes(data)
    return data


def cut(desk: Desk) -> None:
    os.truncate(desk.input, desk.input.stat().st_size // 2)


def replaced(desk: Desk) -> None:
    other = desk.folder / "other.jsonl"
    other.write_bytes(b"".join(line_of(number, "!") for number in range(1, LONG)))
    other.replace(desk.input)


def deleted(desk: Desk) -> None:
    desk.input.unlink()


@pytest.mark.parametrize("change", [cut, replaced, deleted])
def test_an_input_that_is_changed_under_a_run_is_told_and_the_run_goes_on_once_it_is_back(
    folder: Path, mock: Gateway, change: Callable[[Desk], None]
) -> None:
    desk = Desk(folder, mock)
    data = write_long_input(desk)
    with working(desk) as process:
        with process.held_up():
            change(desk)
        code = process.wait()

    # What was read before the change is asked; a file that is still open is read to its end.
    assert code in (0, 65), process.words()
    if code:
        assert re.search(
            r"in\.jsonl:.* (was replaced or cut|became shorter) while .* Run the same command",
            " ".join(process.words().split()),
        )

    desk.input.write_bytes(data)
    code, words, _ = desk.run("-c", 32)

    assert code == 0, words
    assert set(desk.recorded()) == set(range(1, LONG))


def test_lines_that_are_added_while_a_run_works_are_the_next_ones(
    folder: Path, mock: Gateway
) -> None:
    desk = Desk(folder, mock)
    with working(desk) as process:
        with desk.input.open("ab") as file:
            file.write(line_of(LINES + 1))

        assert process.wait() == CODE, process.words()
    assert set(desk.recorded()) == set(range(1, LINES + 1))

    code, words, sent = desk.run()

    assert (code, sent) == (CODE, 1), words
    assert set(desk.recorded()) == set(range(1, LINES + 2))
