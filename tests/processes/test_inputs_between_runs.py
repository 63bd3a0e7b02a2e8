"""What somebody may do to the input between two sessions, a row each."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.processes.desk import (
    ANSWERS,
    ENDED,
    LINES,
    MUTE,
    Desk,
    line_of,
)
from tests.proofs.processes import wbatch

PENDING: Final = LINES - ENDED
EDITED: Final = 7  # has its answer

Change = Callable[[Path], object]


@pytest.fixture
def desk(made: Desk, tmp_path: Path) -> Desk:
    return made.copied(tmp_path / "here")


def with_lines(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    """Write the input anew, into the same file."""
    return lambda path: path.write_bytes(b"".join(change(path.read_bytes().splitlines(True))))


def with_line(number: int, words: str) -> Change:
    """Edit one line."""
    return with_lines(lambda lines: [*lines[: number - 1], line_of(number, words), *lines[number:]])


def unseen(path: Path) -> None:
    """Edit an answered line so that neither size nor time of the file tells."""
    before = path.stat()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Line 7", b"Lime 7"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def copied_over(path: Path) -> None:
    """Put another file in its place, that says the same."""
    other = path.with_name("other.jsonl")
    other.write_bytes(path.read_bytes())
    other.replace(path)


class Accepted(NamedTuple):
    """What was done, how many requests complete the run, and how many lines there are."""

    change: Change
    sent: int
    lines: int = LINES
    flags: tuple[str, ...] = ()


ACCEPTED: Final[dict[str, Accepted]] = {
    "grown at the end": Accepted(
        with_lines(lambda lines: [*lines, line_of(LINES + 1)]), PENDING + 1, LINES + 1
    ),
    "its last line break gone": Accepted(
        with_lines(lambda lines: [*lines[:-1], lines[-1].rstrip()]), PENDING
    ),
    "replaced by a file that says the same": Accepted(copied_over, PENDING),
    "touched": Accepted(lambda path: os.utime(path, (0, 0)), PENDING),
    "line ends of Windows": Accepted(
        with_lines(lambda lines: [line.replace(b"\n", b"\r\n") for line in lines]), PENDING
    ),
    "a line edited that was not asked": Accepted(with_line(LINES, "!"), PENDING),
    "cut after the lines that were asked": Accepted(
        with_lines(lambda lines: lines[:-4]), PENDING - 4, LINES - 4
    ),
    "a failed line edited, answers kept": Accepted(
        with_line(MUTE, " is mended"), PENDING + 1, flags=("--keep-answers",)
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_change_that_no_answer_hangs_on_is_gone_on_with(desk: Desk, name: str) -> None:
    row = ACCEPTED[name]
    row.change(desk.input)

    code, said, sent = desk.run(*row.flags)

    assert code == (0 if row.flags else 3), said
    assert sent == row.sent, said
    assert set(desk.recorded()) == set(range(1, row.lines + 1))


ASKED: Final = "lines of the inputs have changed since they were asked: "
CHANGED: Final = (
    rf".*; \S*out\.jsonl has {ANSWERS} answers, [\d,]+ of them to lines that changed\. "
    r"Nothing was changed\. Bring .* or start over with --new-run"
)
SHORTER: Final = (
    rf"become shorter: [\d,]+ lines that were done are no .*has {ANSWERS} answers\. Nothing was "
    r"changed\. Bring the lines back, or start over with --new-run"
)
# What was done, the exit code, and what is said.
REFUSED: Final[dict[str, tuple[Change, int, str]]] = {
    "an answered line edited": (with_line(EDITED, "!"), 65, rf"{ASKED}line {EDITED}{CHANGED}"),
    "an answered line edited unseen": (unseen, 65, rf"{ASKED}line {EDITED};"),
    "a failed line edited": (with_line(MUTE, " is mended"), 65, "again with --keep-answers"),
    "a line put before all others": (
        with_lines(lambda lines: [line_of(99), *lines]),
        65,
        rf"{ASKED}lines 1, 2, 3 and 17 more{CHANGED}",
    ),
    "a line deleted": (with_lines(lambda lines: [*lines[:4], *lines[5:]]), 65, CHANGED),
    "in the other order": (with_lines(lambda lines: lines[::-1]), 65, CHANGED),
    "two lines that changed places": (
        with_lines(lambda lines: [lines[1], lines[0], *lines[2:]]),
        65,
        rf"{ASKED}lines 1, 2{CHANGED}",
    ),
    "replaced by another file": (
        lambda path: path.write_bytes(b"".join(line_of(n, "?") for n in range(1, LINES))),
        65,
        CHANGED,
    ),
    "cut": (with_lines(lambda lines: lines[: ENDED // 2]), 65, SHORTER),
    "cut within a line": (
        lambda path: os.truncate(path, path.stat().st_size // 3),
        65,
        rf"{SHORTER}|{CHANGED}",
    ),
    "emptied": (lambda path: path.write_bytes(b""), 65, SHORTER),
    "deleted": (lambda path: path.unlink(), 66, r"in\.jsonl: No such file .*Check the path"),
    "renamed": (lambda path: path.rename(path.with_name("new.jsonl")), 66, "Check the path"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_change_under_the_answers_is_refused_and_nothing_is_written(
    desk: Desk, name: str
) -> None:
    change, expected, words = REFUSED[name]
    change(desk.input)
    before = desk.snapshot()

    code, said, sent = desk.run()

    assert (code, sent) == (expected, 0), said
    assert re.search(words, " ".join(said.split())), said
    assert desk.snapshot() == before


def test_an_answer_is_never_kept_for_another_line(desk: Desk) -> None:
    with_line(EDITED, "!")(desk.input)
    before = desk.snapshot()

    code, said, sent = desk.run("--keep-answers")

    assert (code, sent) == (65, 0), said
    assert desk.snapshot() == before


# Standard input.


def piped(desk: Desk, data: bytes, *command: object) -> tuple[int, str, int]:
    """Run with these lines on standard input."""
    before = desk.mock.counts()["arrived"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = wbatch(desk.folder, *command, **pipes)
    said, _ = process.communicate(data)
    return process.returncode, said.decode(), desk.mock.counts()["arrived"] - before


def test_what_came_on_standard_input_must_come_again_as_it_was(desk: Desk) -> None:
    lines = [line_of(number) for number in range(1, LINES + 1)]
    data = b"".join(lines)
    command = ("run", "-", "-o", "piped.jsonl", *desk.at)

    code, said, sent = piped(desk, data, *command, "--head", ENDED)
    assert (code, sent) == (3, ANSWERS), said

    other = b"".join([*lines[:3], line_of(99), *lines[4:]])
    for wrong, words in ((other, "asked: line 4;"), (b"", "become shorter")):
        code, said, sent = piped(desk, wrong, *command)
        assert (code, sent) == (65, 0), said
        assert words in " ".join(said.split())
        copies = (desk.folder / "piped.run" / "cache").glob("stdin*")
        assert [one.read_bytes() for one in copies] == [data]  # for a retry

    code, said, sent = piped(desk, data, *command)
    assert (code, sent) == (3, PENDING), said

    # What can be asked again needs no pipe, as long as the copy is there.
    again = ("retry", "piped.jsonl", *desk.at)
    code, said, sent = piped(desk, b"", *again, "--only", "invalid_request")
    assert (code, sent) == (3, 0), said
    (desk.folder / "piped.run" / "cache" / "stdin.jsonl").unlink()
    code, said, sent = piped(desk, b"", *again)
    assert (code, sent) == (66, 0), said
    assert "which is no longer there. Pipe it in again with" in " ".join(said.split())
