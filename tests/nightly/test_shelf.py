"""Looking at a day's folders, keeping others off it, and publishing it, cut short anywhere."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch.errors import Busy, CannotWrite
from batch.files import OsFiles
from batch.ledger.hold import held
from batch.ledger.paths import Paths
from batch.nightly.partition import Partition, partition_of
from batch.nightly.shelf import (
    claimed,
    look,
    missing,
    point,
    publish,
    tidy,
    vanished,
    whereabouts,
)

DAY = "2026-11-26"
RESULTS = b'{"id":"1"}\n'


class Crash(BaseException):
    """The process is gone: nothing that it would still do happens."""


class CrashingFiles(OsFiles):
    """Files of a process that crashes before one of its operations."""

    def __init__(self, at: int) -> None:
        self.left = at
        self._locks: list[int] = []

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash

    def create(self, path: str) -> int:
        self._step()
        return super().create(path)

    def write(self, fd: int, data: bytes) -> int:
        self._step()
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._step()
        super().sync(fd)

    def truncate(self, fd: int, length: int) -> None:
        self._step()
        super().truncate(fd, length)

    def replace(self, old: str, new: str) -> None:
        self._step()
        super().replace(old, new)

    def remove(self, path: str) -> None:
        self._step()
        super().remove(path)

    def make_folder(self, path: str) -> None:
        self._step()
        super().make_folder(path)

    def sync_folder(self, path: str) -> None:
        self._step()
        super().sync_folder(path)

    def lock(self, path: str) -> int:
        self._step()
        fd = super().lock(path)
        self._locks.append(fd)
        return fd

    def close(self, fd: int) -> None:
        if fd in self._locks:
            self._locks.remove(fd)
        super().close(fd)

    def die(self) -> None:
        """Let go of the locks, as the system does for a process that is gone."""
        for fd in self._locks:
            os.close(fd)


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    return partition_of(DAY, str(tmp_path / "triage" / DAY / "answers.jsonl"))


def made(partition: Partition) -> dict[str, Any]:
    """Write a day that was made to its end; return its summary."""
    paths = Paths(partition.building)
    Path(paths.cache).mkdir(parents=True)
    Path(paths.journal).write_bytes(b"{}\n")
    Path(paths.results).write_bytes(RESULTS)
    summary = {"id": "r1", "x_run": {"output": paths.results, "folder": paths.folder}}
    Path(paths.manifest).write_bytes(orjson.dumps(summary))
    return summary


@contextmanager
def another_process(path: str) -> Iterator[None]:
    """Hold a lock, by a descriptor of its own, as another process does."""
    fd = OsFiles().lock(path)
    try:
        yield
    finally:
        os.close(fd)


def is_whole(partition: Partition) -> bool:
    """Return whether a reader finds the whole day, and fail if he finds a part of it."""
    if not os.path.isdir(partition.folder):
        return False
    after = Paths(partition.output)
    assert Path(after.results).read_bytes() == RESULTS
    told = orjson.loads(Path(after.manifest).read_bytes())
    assert told["id"] == "r1"
    assert (told["x_run"]["output"], told["x_run"]["folder"]) == (after.results, after.folder)
    return True


def test_a_day_that_is_published_is_in_its_place_and_says_so(partition: Partition) -> None:
    summary = made(partition)

    publish(OsFiles(), partition, summary)

    assert is_whole(partition)
    assert os.listdir(partition.parent) == [DAY]


def test_publishing_cut_short_before_any_operation_is_done_by_the_next_one(
    tmp_path: Path,
) -> None:
    whole_after, at = [], 0
    while True:
        folder = tmp_path / str(at)
        partition = partition_of(DAY, str(folder / DAY / "answers.jsonl"))
        summary = made(partition)
        files = CrashingFiles(at)
        try:
            with claimed(files, partition):
                publish(files, partition, summary)
        except Crash:
            files.die()
        else:
            break
        whole_after.append(is_whole(partition))
        assert look(OsFiles(), partition) == ("published" if whole_after[-1] else "begun")
        if not whole_after[-1]:
            with claimed(OsFiles(), partition):
                publish(OsFiles(), partition, summary)
        tidy(OsFiles(), partition)
        assert is_whole(partition)
        assert os.listdir(partition.parent) == [DAY]
        at += 1

    # Once it is there it stays; and there were operations on both sides of that.
    assert whole_after == sorted(whole_after)
    assert (whole_after.count(False) > 8, whole_after.count(True) > 0) == (True, True)


@pytest.mark.parametrize(
    ("state", "prepare"),
    [
        ("absent", lambda p: None),
        ("absent", lambda p: os.makedirs(p.folder)),
        ("absent", lambda p: os.makedirs(p.partial)),
        ("begun", made),
        ("published", lambda p: publish(OsFiles(), p, made(p))),
        ("foreign", lambda p: os.makedirs(os.path.join(p.folder, "notes"))),
        ("foreign", lambda p: (os.makedirs(p.parent), Path(p.folder).touch())),
    ],
)
def test_the_state_of_a_day_is_told_by_what_is_there(
    state: str, prepare: Any, partition: Partition
) -> None:
    prepare(partition)

    assert look(OsFiles(), partition) == state


def test_an_empty_folder_in_its_place_is_in_nobodys_way(partition: Partition) -> None:
    summary = made(partition)
    os.makedirs(partition.folder)

    publish(OsFiles(), partition, summary)

    assert is_whole(partition)


def test_what_came_to_stand_in_its_place_is_left_alone(partition: Partition) -> None:
    summary = made(partition)
    os.makedirs(os.path.join(partition.folder, "notes"))

    with pytest.raises(CannotWrite, match="is made, and was not published"):
        publish(OsFiles(), partition, summary)

    assert os.listdir(partition.folder) == ["notes"]
    assert Path(partition.building).read_bytes() == RESULTS


def test_a_day_without_its_summary_is_published_with_the_one_at_hand(partition: Partition) -> None:
    summary = made(partition)
    os.remove(Paths(partition.building).manifest)

    publish(OsFiles(), partition, summary)

    assert is_whole(partition)


def test_a_day_is_claimed_by_one_process_and_nothing_is_left_of_it(partition: Partition) -> None:
    os.makedirs(partition.parent)
    with (
        another_process(partition.lock),
        pytest.raises(Busy, match=f"{DAY} is made by another process"),
        claimed(OsFiles(), partition),
    ):
        pass

    with (
        claimed(OsFiles(), partition),
        pytest.raises(Busy, match=f"pid {os.getpid()} since"),
        claimed(OsFiles(), partition),
    ):
        pass

    assert os.listdir(partition.parent) == []


def test_a_claim_that_came_to_nothing_leaves_no_folder(partition: Partition) -> None:
    with claimed(OsFiles(), partition):
        assert os.path.isdir(partition.parent)

    assert not os.path.exists(partition.parent)


def test_nor_does_one_where_nothing_can_be_locked(partition: Partition) -> None:
    class Lockless(OsFiles):
        def lock(self, path: str) -> int:
            Path(path).touch()
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), path)

    with (
        pytest.raises(CannotWrite, match="No locks available"),
        claimed(Lockless(), partition),
    ):
        pytest.fail("held by nothing")

    assert not os.path.exists(partition.parent)


def test_a_day_that_somebody_retries_is_not_taken_from_him(partition: Partition) -> None:
    summary, paths = made(partition), Paths(partition.building)

    with held(OsFiles(), paths), pytest.raises(Busy):
        publish(OsFiles(), partition, summary)

    assert look(OsFiles(), partition) == "begun"


def test_where_a_day_stands_is_told_to_whoever_reads_it(partition: Partition) -> None:
    nowhere = whereabouts(DAY, partition.output)
    summary = made(partition)
    begun = whereabouts(DAY, partition.output)
    publish(OsFiles(), partition, summary)
    published = whereabouts(DAY, partition.output)

    assert (nowhere, begun, published) == (partition.output, partition.building, partition.output)


def test_inputs_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    assert missing([str(tmp_path / "a"), "-", str(tmp_path / "b")]) == [str(tmp_path / "b")]


@pytest.mark.parametrize("journal", [b"", b'{"kind":"hea', b"\0\0\0\n", b"[]\n", b'{"run":null}\n'])
def test_a_journal_without_a_whole_header_names_no_input_that_is_gone(
    partition: Partition, journal: bytes
) -> None:
    path = Path(Paths(partition.building).journal)
    path.parent.mkdir(parents=True)
    path.write_bytes(journal)

    assert vanished(OsFiles(), partition, []) == []


def publish_days(folder: Path, *days: str) -> list[Partition]:
    partitions = [partition_of(day, str(folder / "triage" / day / "a.jsonl")) for day in days]
    for partition in partitions:
        os.makedirs(partition.folder)
    return partitions


def test_the_link_leads_to_the_latest_day_and_never_back(tmp_path: Path) -> None:
    first, second, third = publish_days(tmp_path, "2026-11-24", "2026-11-25", "2026-11-26")
    link = str(tmp_path / "triage" / "latest")
    led = []

    for partition in (second, first, third, third):
        point(OsFiles(), link, partition)
        led.append(os.readlink(link))

    assert led == ["2026-11-25", "2026-11-25", "2026-11-26", "2026-11-26"]
    assert sorted(os.listdir(tmp_path / "triage")) == [
        *(p.day for p in (first, second, third)),
        "latest",
    ]


def test_a_link_elsewhere_finds_its_way_and_one_to_a_day_that_is_gone_is_given_up(
    tmp_path: Path,
) -> None:
    first, second = publish_days(tmp_path, "2026-11-24", "2026-11-25")
    link = str(tmp_path / "links" / "latest")
    point(OsFiles(), link, second)
    os.rmdir(second.folder)

    point(OsFiles(), link, first)

    assert os.readlink(link) == "../triage/2026-11-24"
    assert os.path.isdir(link)


def test_a_link_to_something_else_leads_to_the_day_from_now_on(tmp_path: Path) -> None:
    (day,) = publish_days(tmp_path, DAY)
    (tmp_path / "the-old-place").mkdir()
    (tmp_path / "latest").symlink_to("the-old-place")

    point(OsFiles(), str(tmp_path / "latest"), day)

    assert os.readlink(tmp_path / "latest") == f"triage/{DAY}"


def test_what_is_no_link_is_not_replaced(tmp_path: Path) -> None:
    (day,) = publish_days(tmp_path, DAY)
    (tmp_path / "latest").write_text("mine")

    with pytest.raises(CannotWrite, match="It is to be a link to the latest day"):
        point(OsFiles(), str(tmp_path / "latest"), day)

    assert (tmp_path / "latest").read_text() == "mine"
