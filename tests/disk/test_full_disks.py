"""Full disks, and files in the way: what was answered stays, and the same command completes."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.disk.cases import LINES as FEW
from tests.disk.cases import RUN, Ended, command, write_lines
from tests.disk.limited import CANNOT_WRITE, complaint, limited, lines_answered
from tests.proofs.processes import Gateway, gateway, write_prompts

LINES = 150
AT_ONCE = 16
KB = 1000


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), "--latency", 5, ledger=False) as mock:
        yield mock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, LINES + 1)})
    return tmp_path


def asking(mock: Gateway, source: str = "in.jsonl") -> tuple[object, ...]:
    return ("run", source, "-o", "out.jsonl", "-c", AT_ONCE, "--base-url", mock.url)


# A limit on the size of a file is what stands in here for a disk that fills up: the last write is
# a short one, and the next one is refused. A header has about 1 kB, the trial before the first
# request 64 KiB, and the results would have 130 kB.
@pytest.mark.parametrize(("room", "begins"), [(0, False), (30 * KB, False), (100 * KB, True)])
def test_a_file_that_may_not_grow_ends_the_run_which_keeps_what_was_counted(
    folder: Path, mock: Gateway, room: int, begins: bool
) -> None:
    asked_before = mock.counts()["arrived"]

    # When
    said = limited(folder, *asking(mock), "--json", limits={resource.RLIMIT_FSIZE: room})

    # Then
    assert said.code == CANNOT_WRITE
    assert "File too large" in complaint(said)
    assert str(folder) in complaint(said)
    assert "same command" in complaint(said)
    results = folder / "out.jsonl"
    before = lines_answered(results)
    assert results.stat().st_size <= room
    asked = mock.counts()["arrived"] - asked_before
    assert bool(before) == (asked > 0) == begins
    if begins:
        assert orjson.loads(said.out)["request_counts"]["completed"] == len(before)
        # Of what was asked, no more is lost than what was on its way or waited for the disk.
        assert asked - len(before) <= 2 * AT_ONCE

    # And when there is room again
    said = limited(folder, *asking(mock))
    assert said.code == 0, said.err
    after = lines_answered(results)
    assert after[: len(before)] == before
    assert sorted(after) == list(range(1, LINES + 1))


def test_a_stream_that_finds_no_room_is_refused_before_anything_is_sent(
    folder: Path, mock: Gateway
) -> None:
    asked_before = mock.counts()["arrived"]

    with (folder / "in.jsonl").open("rb") as stream:
        small = {resource.RLIMIT_FSIZE: 4 * KB}
        said = limited(folder, *asking(mock, "-"), stdin=stream, limits=small)

    assert said.code == CANNOT_WRITE
    assert "cannot keep a copy of the input stream: File too large" in complaint(said)
    assert "Free some space" in complaint(said)
    assert mock.counts()["arrived"] == asked_before
    assert not (folder / "out.jsonl").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("status", "out.jsonl", "--json"),
        ("run", "in.jsonl", "-o", "out.jsonl", "--mock", "--json"),
        ("show", "out.jsonl"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_a_full_disk_behind_stdout_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    write_lines(tmp_path)
    assert command(tmp_path, RUN).code == 3

    with open("/dev/full", "wb") as full:
        said = limited(tmp_path, *words, stdout=full)

    assert said.code == CANNOT_WRITE, said
    assert os.strerror(28) in complaint(said)


# What is in the way cannot be written to by anybody, whatever the rights of who runs this.
def _folder(path: Path) -> None:
    (path / "in the way").mkdir(parents=True)


def _file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def _nothing(path: Path) -> None:
    assert path


@pytest.mark.parametrize(
    ("output", "in_the_way", "put", "says"),
    [
        ("{}/in.jsonl/out.jsonl", "in.jsonl", _nothing, "in.jsonl/out.run: Not a directory"),
        ("/proc/no/such/out.jsonl", "", _nothing, "/proc/no: No such file or directory"),
        ("/dev/full", "", _nothing, "/dev/full is a device or a pipe"),
        ("/dev/null/out.jsonl", "", _nothing, "/dev/null/out.run: Not a directory"),
        ("{}", "", _nothing, " is a folder"),
        ("{}/out.jsonl", "out.jsonl", _folder, "out.jsonl is a folder"),
        ("{}/out.jsonl", "out.run", _file, "out.run/cache: Not a directory"),
        ("{}/out.jsonl", "out.run/lock", _folder, "lock: Is a directory"),
        ("{}/out.jsonl", "out.run/cache", _file, "checkpoint.probe: Not a directory"),
        ("{}/out.jsonl", "out.run/journal.jsonl", _folder, "journal.jsonl: Is a directory"),
        ("{}/out.jsonl", "out.run/errors.jsonl", _folder, "errors.jsonl: Is a directory"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_and_nothing_is_sent(
    tmp_path: Path, output: str, in_the_way: str, put: Callable[[Path], None], says: str
) -> None:
    write_lines(tmp_path)
    put(tmp_path / in_the_way)

    ended = run(tmp_path, output)

    assert ended.code == CANNOT_WRITE, ended.said
    assert says in ended.said
    assert not ended.summary


@pytest.mark.parametrize("kept", ["run.json", "usage.jsonl", "status.json", "cache/checkpoint"])
def test_what_can_be_made_again_keeps_no_run_from_its_end(tmp_path: Path, kept: str) -> None:
    write_lines(tmp_path)
    path = tmp_path / "out.run" / kept
    _folder(path)

    ended = run(tmp_path)

    assert ended.code == 3, ended.said
    assert len(lines_answered(tmp_path / "out.jsonl")) == len(FEW) - 1
    told = "usage.jsonl and run.json may be out of date: Is a directory" in ended.said
    assert told == (kept in ("run.json", "usage.jsonl"))

    # And it is made once there is a place for it
    (path / "in the way").rmdir()
    path.rmdir()
    assert run(tmp_path).code == 3
    assert (tmp_path / "out.run" / "run.json").is_file()
    assert (tmp_path / "out.run" / "usage.jsonl").is_file()


def test_a_folder_of_files_that_cannot_be_made_ends_the_run_and_is_told(tmp_path: Path) -> None:
    write_lines(tmp_path)
    _file(tmp_path / "out.run" / "files")

    ended = run(tmp_path)

    assert ended.code == CANNOT_WRITE, ended.said
    assert f"cannot write {tmp_path}/out.run/files" in ended.said
    assert "Not a directory" in ended.said
    assert "the same command goes on" in ended.said


def run(folder: Path, output: str = "{}/out.jsonl") -> Ended:
    return command(folder, [word.replace("{}/out.jsonl", output) for word in RUN])
