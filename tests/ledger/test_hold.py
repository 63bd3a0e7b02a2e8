import errno
import os
import random
import re
import stat

import pytest

from batch.errors import BadData, Busy, CannotWrite
from batch.files import OsFiles
from batch.ledger.hold import held, keep_aside, writing
from batch.ledger.paths import Paths
from tests.ledger.memory_files import MemoryFiles

FILES = OsFiles()


@pytest.fixture
def paths(tmp_path):
    return Paths(str(tmp_path / "out.jsonl"))


def write(path, data=b"x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def everything(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def refused(paths, *written):
    """Have a run refused that has written some files of its cache."""

    def work():
        for path in written:
            write(path)
        raise BadData

    with pytest.raises(BadData), held(FILES, paths):
        work()


def test_a_second_holder_is_told_who_has_the_run(paths):
    with (
        held(FILES, paths),
        pytest.raises(Busy, match=rf"out\.run is held .*\(pid {os.getpid()} since \d{{4}}-"),
        held(FILES, paths),
    ):
        pytest.fail("two at once")


def test_a_second_holder_disturbs_nothing(paths):
    with held(FILES, paths):
        before = read(paths.lock)
        with pytest.raises(Busy), held(FILES, paths):
            pytest.fail("two at once")
        assert read(paths.lock) == before
        with pytest.raises(Busy), held(FILES, paths):
            pytest.fail("two at once")


def test_the_next_holder_finds_the_way_free(paths):
    for _ in range(3):
        with held(FILES, paths):
            write(paths.journal)


def test_the_folder_is_for_the_owner_alone(paths):
    with held(FILES, paths):
        for folder in (paths.folder, paths.cache):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_a_new_run_that_is_refused_leaves_nothing_behind(paths, tmp_path):
    refused(paths, paths.spool, f"{paths.spool}.2", os.path.join(paths.cache, "ids", "00"))

    assert everything(tmp_path) == set()


def test_not_even_the_folders_above_it(tmp_path):
    refused(Paths(str(tmp_path / "runs" / "today" / "out.jsonl")))

    assert everything(tmp_path) == set()


def test_what_stood_there_before_a_refused_run_stays(paths, tmp_path):
    write(paths.results)
    os.mkdir(paths.folder)
    write(os.path.join(paths.folder, "mine"))

    refused(paths)

    assert {"out.jsonl", "out.run/mine"} <= everything(tmp_path)


class Lockless(OsFiles):
    """A network drive whose server knows no locks."""

    def lock(self, path):
        with open(path, "wb"):
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), path)


@pytest.mark.parametrize("folder", ["", "runs/today"])
def test_where_nothing_can_be_locked_nothing_is_left_behind(tmp_path, folder):
    paths = Paths(str(tmp_path / folder / "out.jsonl"))

    with pytest.raises(CannotWrite, match="No locks available"), held(Lockless(), paths):
        pytest.fail("held by nothing")

    assert everything(tmp_path) == set()


def test_a_run_that_was_begun_keeps_its_files_when_it_is_refused(paths):
    with held(FILES, paths):
        write(paths.journal)
        write(paths.checkpoint)

    refused(paths)

    assert read(paths.journal) == read(paths.checkpoint) == b"x"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    write(str(tmp_path / "file"))
    paths = Paths(str(tmp_path / "file" / "out.jsonl"))

    with (
        pytest.raises(CannotWrite, match=r"Not a directory.*Choose an --output"),
        held(FILES, paths),
    ):
        pytest.fail("held")


def test_a_full_disk_hinders_nobody_from_holding_a_run():
    files = MemoryFiles("/out")
    files.free = 3

    with held(files, Paths("/out/out.jsonl")):
        pass


class Shared(OsFiles):
    """A drive as SMB serves it: what is locked is shut for every other descriptor."""

    def __init__(self):
        self.locked = {}
        self.opened = {}

    def lock(self, path):
        fd = super().lock(path)
        self.locked[fd] = path
        return fd

    def append(self, path):
        fd = super().append(path)
        self.opened[fd] = path
        return fd

    def close(self, fd):
        self.locked.pop(fd, None)
        super().close(fd)

    def write(self, fd, data):
        self.require(self.opened.get(fd))
        return super().write(fd, data)

    def read(self, path, offset=0):
        self.require(path)
        return super().read(path, offset)

    def require(self, path):
        if path in self.locked.values():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def test_results_are_not_locked_where_their_own_process_could_not_write_them_any_more(paths):
    files = Shared()

    with held(files, paths), writing(files, paths):
        log = files.append(paths.results)
        files.write(log, b"answer")
        assert b"".join(files.read(paths.results)) == b"answer"
        files.close(log)
        with pytest.raises(Busy), held(files, paths):
            pytest.fail("two at once")


def test_results_are_held_also_where_the_lock_was_removed(paths):
    with held(FILES, paths), writing(FILES, paths):
        os.remove(paths.lock)
        with pytest.raises(Busy, match="has no lock"), held(FILES, paths):
            pytest.fail("two at once")


def test_where_nothing_is_nothing_is_kept_aside(paths, tmp_path):
    with held(FILES, paths):
        assert keep_aside(FILES, paths) is None

    assert everything(tmp_path) == set()


def test_the_files_of_an_earlier_run_are_kept_aside_whole(paths, tmp_path):
    with held(FILES, paths):
        write(paths.results, b"answers")
        write(paths.journal, b"journal")
        suffix = keep_aside(FILES, paths)

    assert re.fullmatch(r"\d{8}T\d{6}Z", suffix)
    assert read(f"{paths.results}.{suffix}") == b"answers"
    assert read(f"{paths.folder}.{suffix}/journal.jsonl") == b"journal"
    assert {f"out.jsonl.{suffix}", f"out.run.{suffix}"} == {
        name for name in everything(tmp_path) if "/" not in name
    }


def test_runs_that_are_kept_aside_within_a_second_do_not_replace_each_other(paths, tmp_path):
    suffixes = []
    for number in range(4):
        with held(FILES, paths):
            write(paths.results, b"%d" % number)
            write(paths.journal)
            suffixes.append(keep_aside(FILES, paths))

    assert [read(f"{paths.results}.{suffix}") for suffix in suffixes] == [b"0", b"1", b"2", b"3"]
    assert suffixes == sorted(suffixes)


def test_a_run_without_a_single_answer_is_kept_aside_too(paths):
    with held(FILES, paths):
        write(paths.journal)
        suffix = keep_aside(FILES, paths)

    assert os.path.exists(f"{paths.folder}.{suffix}/journal.jsonl")
    assert not os.path.exists(f"{paths.results}.{suffix}")


@pytest.mark.parametrize("left", ["manifest", "live", "checkpoint"])
def test_what_tells_of_answers_that_are_gone_is_kept_aside_too(paths, left):
    with held(FILES, paths):
        write(getattr(paths, left))
        suffix = keep_aside(FILES, paths)

    assert os.path.isdir(f"{paths.folder}.{suffix}")


def test_answers_without_a_journal_are_kept_aside_too(paths):
    with held(FILES, paths):
        write(paths.results)
        suffix = keep_aside(FILES, paths)

    assert os.listdir(os.path.dirname(paths.results)) == [f"out.jsonl.{suffix}"]


def a_run_in_memory():
    files, paths = MemoryFiles("/out", "/out/out.run"), Paths("/out/out.jsonl")
    files.put(paths.results, b"answers")
    files.put(paths.journal, b"journal")
    return files, paths


def test_a_crash_while_keeping_aside_never_leaves_a_journal_without_its_answers():
    files, paths = a_run_in_memory()
    images = []

    def look(*_):
        images.append(files.killed())
        chance = random.Random(len(images))
        images.extend(files.unplugged(chance.choice) for _ in range(50))

    files.before = look
    suffix = keep_aside(files, paths)
    look()

    there = {(bool(one.length(paths.journal)), bool(one.length(paths.results))) for one in images}
    aside = sum(bool(one.length(f"{paths.results}.{suffix}")) for one in images)
    assert there == {(True, True), (False, True), (False, False)}
    assert aside > 50


def test_nor_does_a_power_loss_after_a_kill_in_the_middle_of_it():
    files, paths = a_run_in_memory()
    images = []

    # Given a command that was killed at each of its steps
    files.before = lambda *_: images.append(files.killed())
    keep_aside(files, paths)

    # When the same command loses the power at each of its own
    left = []
    for image in images:
        again = image.killed()

        def look(*_, again=again):
            chance = random.Random(len(left))
            left.extend(again.unplugged(chance.choice) for _ in range(50))

        again.before = look
        keep_aside(again, paths)
        look()

    # Then the answers are there wherever the journal is
    there = {(bool(one.length(paths.journal)), bool(one.length(paths.results))) for one in left}
    assert there == {(True, True), (False, True), (False, False)}


def test_what_cannot_be_kept_aside_is_told_and_stays():
    files = MemoryFiles("/out")
    paths = Paths("/out/out.jsonl")
    files.put(paths.results, b"answers")

    def refuse(operation, path, data):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    files.before = refuse
    with pytest.raises(CannotWrite, match="cannot be kept aside: Permission denied"):
        keep_aside(files, paths)

    assert files.content(paths.results) == b"answers"
