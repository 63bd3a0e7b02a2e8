import errno
import os

import pytest

from batch.errors import CannotWrite
from batch.ledger.log import Log
from tests.ledger.memory_files import MemoryFiles

PATH = "/out/a.jsonl"


@pytest.fixture
def files():
    files = MemoryFiles("/out")
    files.put(PATH, b"one\n")
    return files


def fails(operation, number):
    """Return a hook that fails one operation with an input/output error."""

    def hook(name, path, data):
        if name == operation:
            raise OSError(number, os.strerror(number), path)

    return hook


def test_what_was_written_is_synced(files):
    log = Log(files, PATH)

    log.write([b"two\n"])

    assert log.size == log.synced == 8
    assert files.names[PATH].stable == b"one\ntwo\n"


def test_short_writes_are_completed(files):
    log = Log(files, PATH)
    files.most = 1

    log.write([b"two\n"])

    assert files.content(PATH) == b"one\ntwo\n"


def test_several_blocks_are_synced_once(files):
    log, syncs = Log(files, PATH), []
    files.before = lambda operation, path, data: syncs.append(operation == "sync")

    log.write([b"two\n", b"three\n"])

    assert log.size == log.synced == 14
    assert files.names[PATH].stable == b"one\ntwo\nthree\n"
    assert sum(syncs) == 1


def test_a_disk_that_is_full_after_some_of_the_blocks_keeps_none_of_them(files):
    log = Log(files, PATH)
    files.free = 5

    with pytest.raises(CannotWrite):
        log.write([b"two\n", b"three\n"])

    assert files.content(PATH) == b"one\n"
    assert log.size == log.synced == 4


def test_a_full_disk_cuts_the_log_back_to_what_was_synced(files):
    log = Log(files, PATH)
    files.free = 2

    with pytest.raises(CannotWrite, match=r"a\.jsonl: No space left .* the same command"):
        log.write([b"two\n"])

    assert files.content(PATH) == b"one\n"
    assert log.size == log.synced == 4


def test_a_failed_sync_cuts_the_log_back_to_what_was_synced(files):
    log = Log(files, PATH)
    files.before = fails("sync", errno.EIO)

    with pytest.raises(CannotWrite, match="Input/output error"):
        log.write([b"two\n"])

    assert files.content(PATH) == b"one\n"


def test_a_disk_that_cannot_even_be_cut_is_told_by_its_first_error(files):
    log = Log(files, PATH)
    files.free = 2
    files.before = fails("truncate", errno.EIO)

    with pytest.raises(CannotWrite, match="No space left"):
        log.write([b"two\n"])


def test_a_torn_tail_is_cut_without_room_on_the_disk(files):
    files.put(PATH, b"one\ntw")
    files.free = 0

    log = Log(files, PATH)
    log.cut(4)

    assert files.names[PATH].stable == b"one\n"
    assert log.size == log.synced == 4
