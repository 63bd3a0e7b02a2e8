"""What is around a run: pipes as inputs, rights, streams, terminals, and inputs that change."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.catalogues.bad_inputs_kit import (
    LIMIT,
    MODEL,
    PROMPT,
    Gateway,
    Ran,
    answer_of,
    by_line,
    code_of,
    finish,
    gateway,
    run,
    run_here,
    start,
    told,
)

COMMAND: Final = ("run", "in.jsonl", "-o", "out.jsonl", "-m", MODEL)
PIPES: Final = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
LARGE: Final = 19  # lines of 1 MB each: more than are read ahead
FEW: Final = 64  # files that a confined process may open


@pytest.fixture
def there() -> Iterator[Gateway]:
    with gateway() as one:
        yield one


@pytest.fixture
def dead_pipe() -> Iterator[int]:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def prompts(folder: Path, lines: int) -> None:
    (folder / "in.jsonl").write_bytes(PROMPT * lines)


def fed(path: str | int, content: bytes) -> threading.Thread:
    """Write to a pipe, which waits for its reader, in a thread."""

    def feed() -> None:
        with open(path, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


def check_all_answered(folder: Path, there: Gateway, lines: int) -> None:
    records = by_line(folder)
    assert sorted(records) == list(range(1, lines + 1))
    assert sorted(map(answer_of, records.values())) == sorted(map(told, there.bodies()))


def test_a_named_pipe_is_read_once_and_asked_again_in_full(tmp_path: Path, there: Gateway) -> None:
    os.mkfifo(tmp_path / "in.jsonl")

    for sent in (3, 0, 1):
        there.forget()
        thread = fed(str(tmp_path / "in.jsonl"), PROMPT * (4 if sent == 1 else 3))
        ran = run_here(tmp_path, *COMMAND, there=there)
        thread.join()
        assert (ran.code, len(there.asked)) == (0, sent), ran.show()


def test_what_a_shell_substitutes_is_an_input(tmp_path: Path, there: Gateway) -> None:
    reading, writing = os.pipe()
    thread = fed(writing, PROMPT * 3)
    name = f"/dev/fd/{reading}"

    ran = run(tmp_path, "run", name, *COMMAND[2:], there=there, pass_fds=(reading,))

    thread.join()
    os.close(reading)
    assert ran.code == 0, ran.show()
    check_all_answered(tmp_path, there, 3)


def test_standard_input_is_compared_with_what_it_was(tmp_path: Path, there: Gateway) -> None:
    command = ("run", "-", *COMMAND[2:])
    run(tmp_path, *command, there=there, given=PROMPT * 3)
    there.forget()

    again = run(tmp_path, *command, there=there, given=PROMPT * 3)
    changed = run(tmp_path, *command, there=there, given=b'{"prompt":"Other."}\n' * 3)
    gone = run(tmp_path, *command, there=there, given=b"")

    assert (again.code, changed.code, gone.code) == (0, 65, 65)
    assert "lines of the inputs have changed" in changed.err
    assert "the inputs have become shorter" in gone.err
    assert there.asked == []


def test_a_stream_that_was_closed_is_no_input(tmp_path: Path, there: Gateway) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "-"]

    ran = run(tmp_path, "run", "-", *COMMAND[2:], there=there, before=closed)

    assert (ran.code, there.asked) == (66, [])
    assert "standard input is a device" in ran.err


@pytest.mark.parametrize(
    ("name", "mode", "code", "says"),
    [
        ("in.jsonl", 0o000, 66, "in.jsonl: cannot be read: Permission denied"),
        (".", 0o500, 73, "Choose an --output in a folder that can be written"),
        ("out.jsonl", 0o400, 73, "Permission denied"),
        ("out.run/journal.jsonl", 0o000, 73, "its files must be readable and writable"),
    ],
)
def test_what_may_not_be_read_or_written_is_said_before_anything_is_sent(
    tmp_path: Path, there: Gateway, name: str, mode: int, code: int, says: str
) -> None:
    prompts(tmp_path, 2)
    if name.startswith("out"):
        assert run_here(tmp_path, *COMMAND, there=there).code == 0
        prompts(tmp_path, 3)
        there.forget()
    path = tmp_path / name
    before = path.stat().st_mode
    path.chmod(mode)

    ran = run(tmp_path, *COMMAND, there=there, confined=FEW)

    path.chmod(before)
    assert ran.code == code, ran.show()
    assert says in ran.err, ran.show()
    assert there.asked == []
    assert run_here(tmp_path, *COMMAND, there=there).code == 0


def test_few_files_are_enough_for_many_calls(tmp_path: Path, there: Gateway) -> None:
    prompts(tmp_path, 150)

    ran = run(tmp_path, *COMMAND, "-c", "1000", there=there, confined=FEW)

    assert ran.code == 0, ran.show()
    check_all_answered(tmp_path, there, 150)


@pytest.mark.parametrize("broken", ["stdout", "stderr"])
def test_a_reader_who_left_changes_nothing(
    tmp_path: Path, there: Gateway, dead_pipe: int, broken: str
) -> None:
    prompts(tmp_path, 3)
    streams = {**PIPES, broken: dead_pipe}

    ran = finish(start(tmp_path, *COMMAND, "--json", there=there, **streams))

    assert ran.code == 0, ran.show()
    check_all_answered(tmp_path, there, 3)


def test_a_command_without_any_stream_does_its_work(tmp_path: Path, there: Gateway) -> None:
    prompts(tmp_path, 3)
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "-"]

    process = start(tmp_path, *COMMAND, there=there, before=shell)

    assert process.wait(LIMIT) == 0
    check_all_answered(tmp_path, there, 3)


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C", "COLUMNS": "0", "LINES": "0"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "xx_YY.UTF-99", "TERM": "", "TZ": "Nowhere/At-All"},
        {"PYTHONIOENCODING": "ascii:strict", "NO_COLOR": "1", "TERM": "dumb"},
    ],
    ids=lambda environ: " ".join(f"{name}={value}" for name, value in environ.items()),
)
def test_a_bare_environment_changes_no_answer(
    tmp_path: Path, there: Gateway, environ: dict[str, str]
) -> None:
    content = '{"id":"é","prompt":"Was heißt 颜色?"}\n{"id":"好","prompt":""}\n'
    (tmp_path / "in.jsonl").write_bytes(content.encode())

    ran = run(tmp_path, *COMMAND, there=there, environ=environ)

    assert ran.code == 3, ran.show()
    records = by_line(tmp_path)
    assert [records[n]["custom_id"] for n in (1, 2)] == ["é", "好"]
    assert "Was heißt 颜色?".encode() in there.bodies()[0]


def test_a_terminal_of_no_size_changes_nothing(tmp_path: Path, there: Gateway) -> None:
    prompts(tmp_path, 3)
    mine, its = os.openpty()
    said: list[bytes] = []

    def listen() -> None:
        try:
            while piece := os.read(mine, 65536):
                said.append(piece)
        except OSError:  # Linux says so when the other side has gone
            return

    thread = threading.Thread(target=listen)
    thread.start()
    process = start(tmp_path, *COMMAND, there=there, stdin=its, stdout=its, stderr=its)
    os.close(its)

    code = process.wait(LIMIT)

    thread.join()
    os.close(mine)
    assert code == 0, b"".join(said)
    assert b"Traceback" not in b"".join(said)
    check_all_answered(tmp_path, there, 3)


def test_of_two_runs_at_once_the_second_says_who_is_first(tmp_path: Path, there: Gateway) -> None:
    prompts(tmp_path, 3)
    there.open.clear()
    first = start(tmp_path, *COMMAND, there=there, **PIPES)
    assert there.met.wait(LIMIT)

    second = run(tmp_path, *COMMAND, there=there)
    there.open.set()

    assert second.code == 75
    assert f"is held by another process (pid {first.pid} since" in second.err
    assert "choose another --output" in second.err
    assert finish(first).code == 0
    check_all_answered(tmp_path, there, 3)


def large(folder: Path) -> None:
    with (folder / "in.jsonl").open("wb") as file:
        for number in range(1, LARGE + 1):
            file.write(b'{"prompt":"%d %b"}\n' % (number, b"x" * 1_000_000))


def during(folder: Path, there: Gateway, change: Callable[[Path], object]) -> Ran:
    """Run, and change the input while the first line is on its way."""
    there.open.clear()
    process = start(folder, *COMMAND, "-c", "1", there=there, **PIPES)
    assert there.met.wait(LIMIT)
    change(folder / "in.jsonl")
    there.open.set()
    return finish(process)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(PROMPT)


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(b'{"prompt":"Other."}\n' * 3)
    path.with_name("new").replace(path)


@pytest.mark.parametrize(
    ("change", "then", "sent", "says"),
    [
        (grow, 0, 1, ""),
        (Path.unlink, 66, 0, "Check the path"),
        (replace, 65, 0, "lines of the inputs have changed"),
    ],
    ids=["grows", "is taken away", "is replaced"],
)
def test_an_input_that_changes_its_name_or_end_is_answered_as_it_was(
    tmp_path: Path,
    there: Gateway,
    change: Callable[[Path], object],
    then: int,
    sent: int,
    says: str,
) -> None:
    prompts(tmp_path, 3)

    ran = during(tmp_path, there, change)

    assert ran.code == 0, ran.show()
    check_all_answered(tmp_path, there, 3)
    there.forget()
    again = run_here(tmp_path, *COMMAND, there=there)
    assert (again.code, len(there.asked)) == (then, sent), again.show()
    assert says in again.err


def test_an_input_that_is_cut_during_a_run_stops_it_and_is_asked_when_it_is_back(
    tmp_path: Path, there: Gateway
) -> None:
    large(tmp_path)

    ran = during(tmp_path, there, lambda path: os.truncate(path, 2_000_000))

    assert ran.code == 65, ran.show()
    assert "in.jsonl:" in ran.err
    assert "the file became shorter while it was read" in ran.err
    answered = by_line(tmp_path)
    assert {code_of(one) for one in answered.values()} == {None}
    assert len(answered) == len(there.asked)
    large(tmp_path)
    assert run_here(tmp_path, *COMMAND, there=there).code == 0
    check_all_answered(tmp_path, there, LARGE)


def test_a_folder_moved_while_nothing_runs_goes_on(tmp_path: Path, there: Gateway) -> None:
    prompts(tmp_path, 3)
    (tmp_path / "a").mkdir()
    shutil.move(tmp_path / "in.jsonl", tmp_path / "a" / "in.jsonl")
    run_here(tmp_path / "a", *COMMAND, there=there)
    there.forget()

    shutil.move(tmp_path / "a", tmp_path / "b")

    assert run_here(tmp_path / "b", *COMMAND, there=there).code == 0
    assert there.asked == []
