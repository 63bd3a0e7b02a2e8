"""What everything that must survive relies on: the real file system and its double alike."""

import errno
import os
import stat
import subprocess
import sys
import threading

import pytest

from batch.files import OsFiles, read_whole, write_all, write_whole
from tests.ledger.memory_files import MemoryFiles, taking


@pytest.fixture(params=["real", "double"])
def place(request, tmp_path):
    """Return files, and a folder to use."""
    if request.param == "real":
        return OsFiles(), str(tmp_path)
    return MemoryFiles("/out"), "/out"


def written(files, path, data, opened="append"):
    fd = getattr(files, opened)(path)
    write_all(files, fd, data)
    files.close(fd)


def test_what_is_appended_comes_after_what_is_there(place):
    files, folder = place
    written(files, f"{folder}/a", b"one")

    written(files, f"{folder}/a", b"two")

    assert read_whole(files, f"{folder}/a") == b"onetwo"
    assert files.length(f"{folder}/a") == 6


def test_what_is_created_replaces_what_is_there_as_another_file(place):
    files, folder = place
    written(files, f"{folder}/a", b"one")
    before = files.identity(f"{folder}/a")
    kept = files.append(f"{folder}/a")

    written(files, f"{folder}/a", b"2", "create")

    assert read_whole(files, f"{folder}/a") == b"2"
    assert files.identity(f"{folder}/a") != before
    assert files.size(kept) == 3
    files.close(kept)


def test_after_a_cut_writing_goes_on_at_the_new_end(place):
    files, folder = place
    fd = files.append(f"{folder}/a")
    write_all(files, fd, b"one two")

    files.truncate(fd, 3)
    write_all(files, fd, b"!")
    files.sync(fd)

    assert files.size(fd) == 4
    assert read_whole(files, f"{folder}/a") == b"one!"
    files.close(fd)


def test_a_missing_file_has_no_length_no_identity_and_no_bytes(place):
    files, folder = place

    assert files.length(f"{folder}/a") == 0
    assert files.identity(f"{folder}/a") is None
    assert read_whole(files, f"{folder}/a") is None
    with pytest.raises(FileNotFoundError):
        next(files.read(f"{folder}/a"))
    files.remove(f"{folder}/a")


def test_reading_can_begin_anywhere(place):
    files, folder = place
    written(files, f"{folder}/a", b"0123456789")

    assert b"".join(files.read(f"{folder}/a", 7)) == b"789"
    assert b"".join(files.read(f"{folder}/a", 99)) == b""


def test_a_scratch_file_grows_is_read_anywhere_and_never_has_a_name(tmp_path):
    files, path = OsFiles(), tmp_path / "a"
    path.write_bytes(b"left behind")
    fd = files.scratch(str(path))

    write_all(files, fd, b"one two")

    assert list(tmp_path.iterdir()) == []
    assert files.read_at(fd, 4, 3) == b"two"
    assert files.read_at(fd, 4, 100) == b"two"
    files.truncate(fd, 0)
    write_all(files, fd, b"three")
    assert files.read_at(fd, 0, 100) == b"three"
    files.close(fd)


def test_a_file_keeps_its_identity_under_a_new_name(place):
    files, folder = place
    written(files, f"{folder}/a", b"new")
    written(files, f"{folder}/b", b"old")
    identity = files.identity(f"{folder}/a")

    files.replace(f"{folder}/a", f"{folder}/b")
    files.sync_folder(folder)

    assert files.identity(f"{folder}/b") == identity
    assert files.identity(f"{folder}/a") is None
    assert read_whole(files, f"{folder}/b") == b"new"


def test_a_whole_file_is_put_in_place_in_one_step(place):
    files, folder = place
    written(files, f"{folder}/a", b"old")

    write_whole(files, f"{folder}/a", b"new")

    assert read_whole(files, f"{folder}/a") == b"new"
    assert files.identity(f"{folder}/a.tmp") is None


def test_a_folder_is_made_with_those_above_it_and_may_be_there_already(place):
    files, folder = place

    for _ in range(2):
        files.make_folder(f"{folder}/x")

    assert files.identity(f"{folder}/x") is not None
    written(files, f"{folder}/x/a", b"")
    with pytest.raises(FileNotFoundError):
        files.append(f"{folder}/nowhere/a")


def test_one_holder_at_a_time_has_a_lock(place):
    files, folder = place
    held = files.lock(f"{folder}/lock")

    with pytest.raises(BlockingIOError):
        files.lock(f"{folder}/lock")
    files.close(held)

    files.close(files.lock(f"{folder}/lock"))


def test_a_closed_descriptor_cannot_be_closed_again(place):
    files, folder = place
    fd = files.append(f"{folder}/a")
    files.close(fd)

    with pytest.raises(OSError) as raised:
        files.close(fd)

    assert raised.value.errno == errno.EBADF


def test_the_name_of_every_folder_that_is_made_is_synced(tmp_path):
    synced = []

    class Watched(OsFiles):
        def sync_folder(self, path):
            synced.append(path)
            super().sync_folder(path)

    Watched().make_folder(str(tmp_path / "x" / "y"))

    assert synced == [str(tmp_path), str(tmp_path / "x")]


def test_a_folder_whose_name_may_be_lost_is_not_there_for_the_next_one_to_trust(tmp_path):
    class Failing(OsFiles):
        def sync_folder(self, path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with pytest.raises(OSError, match="Input/output error"):
        Failing().make_folder(str(tmp_path / "x"))

    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_read_is_named():
    # Address 0 of a process is mapped to nothing.
    with pytest.raises(OSError, match="/proc/self/mem") as raised:
        next(OsFiles().read("/proc/self/mem"))

    assert raised.value.errno == errno.EIO


def test_everything_is_readable_by_the_owner_alone(tmp_path):
    files = OsFiles()
    files.make_folder(str(tmp_path / "x" / "y"))

    written(files, str(tmp_path / "x" / "y" / "a"), b"")
    written(files, str(tmp_path / "x" / "y" / "b"), b"", "create")
    files.close(files.lock(str(tmp_path / "x" / "y" / "lock")))

    for path in (tmp_path / "x").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_link_in_the_way_of_a_new_file_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(b"keep")
    (tmp_path / "a").symlink_to(tmp_path / "secret")

    written(OsFiles(), str(tmp_path / "a"), b"new", "create")

    assert (tmp_path / "secret").read_bytes() == b"keep"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_lock_dies_with_its_process(tmp_path):
    path = str(tmp_path / "lock")
    code = f"from batch.files import OsFiles; OsFiles().lock({path!r}); print('held')"

    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    files = OsFiles()
    files.close(files.lock(path))


def test_a_lock_that_is_let_go_is_not_kept_by_a_child_that_was_forked(tmp_path):
    files, path = OsFiles(), str(tmp_path / "lock")
    held = files.lock(path)
    until, over = os.pipe()
    child = os.fork()
    if not child:
        os.close(over)
        os.read(until, 1)
        os._exit(0)

    files.close(held)
    files.close(files.lock(path))

    os.close(over)
    os.waitpid(child, 0)


def test_a_child_that_was_forked_lets_go_of_no_lock_of_its_parent(tmp_path):
    files, path = OsFiles(), str(tmp_path / "lock")
    held = files.lock(path)
    child = os.fork()
    if not child:
        files.close(held)
        os._exit(0)
    os.waitpid(child, 0)

    with pytest.raises(BlockingIOError):
        files.lock(path)

    files.close(held)


def test_a_lock_is_never_on_a_file_that_its_holder_removed(tmp_path):
    # Given holders that remove the file as they leave, as a refused run does
    files, path = OsFiles(), str(tmp_path / "lock")
    strays = []

    def hold_and_remove():
        for _ in range(1000):
            try:
                held = files.lock(path)
            except BlockingIOError:
                continue
            try:
                if os.stat(path).st_ino != os.fstat(held).st_ino:
                    strays.append(held)
            except FileNotFoundError:
                strays.append(held)
            files.remove(path)
            files.close(held)

    threads = [threading.Thread(target=hold_and_remove) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not strays


def test_short_writes_are_completed():
    files = MemoryFiles("/out")
    files.most = 3

    written(files, "/out/a", b"0123456789")

    assert files.content("/out/a") == b"0123456789"


def test_a_write_that_takes_nothing_is_an_error_and_no_endless_loop():
    files = MemoryFiles("/out")
    files.most = 0

    with pytest.raises(OSError, match="took nothing") as raised:
        written(files, "/out/a", b"0")

    assert raised.value.strerror  # else it would be told as a bug


def test_what_fails_to_be_written_whole_leaves_the_old_file():
    files = MemoryFiles("/out")
    files.put("/out/a", b"old")
    files.free = 2

    with pytest.raises(OSError) as raised:
        write_whole(files, "/out/a", b"newer")

    assert raised.value.errno == errno.ENOSPC
    assert files.content("/out/a") == b"old"
    assert files.open_descriptors() == 0


@pytest.mark.parametrize("operation", ["write", "sync", "replace"])
def test_what_fails_to_be_put_in_place_takes_no_room(operation):
    files = MemoryFiles("/out")
    files.put("/out/a", b"old")

    def fail(named, path, data):
        if named == operation:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    files.before = fail
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(files, "/out/a", b"newer")

    assert list(files.names) == ["/out/a"]
    assert files.content("/out/a") == b"old"


@pytest.mark.parametrize("choice", range(8))
def test_a_file_put_in_place_is_old_or_new_after_a_power_loss_at_any_moment(choice):
    files = MemoryFiles("/out")
    files.put("/out/a", b"old one")
    left = set()

    def unplug(*_):
        after = files.unplugged(taking(choice))
        left.add(after.content("/out/a"))

    files.before = unplug
    write_whole(files, "/out/a", b"the new one")
    unplug()

    assert left <= {b"old one", b"the new one"}


def test_the_double_forgets_what_was_not_synced():
    files = MemoryFiles("/out")
    fd = files.append("/out/a")
    write_all(files, fd, b"sure")
    files.sync(fd)
    files.sync_folder("/out")
    write_all(files, fd, b"maybe")
    files.close(files.append("/out/new"))

    killed = files.killed()
    lost = files.unplugged(taking(0))

    assert killed.content("/out/a") == b"suremaybe"
    assert killed.identity("/out/new") is not None
    assert lost.content("/out/a") == b"sure"
    assert lost.identity("/out/new") is None
    assert files.content("/out/a") == b"suremaybe"


def test_the_double_leaves_a_tail_absent_cut_zeroed_or_with_a_hole():
    files = MemoryFiles("/out")
    files.put("/out/a", b"sure")
    fd = files.append("/out/a")
    write_all(files, fd, b"123456")

    left = files.names["/out/a"].remains()

    assert left == [
        b"sure" + tail
        for tail in (
            b"",
            b"1",
            b"123",
            b"12345",
            b"123456",
            bytes(6),
            bytes(3) + b"456",
            b"12\x00456",
        )
    ]
