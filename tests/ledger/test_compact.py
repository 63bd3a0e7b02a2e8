import errno
import os

import pytest

from batch.ledger.compact import compact_errors
from batch.ledger.entries import encode_error
from batch.ledger.recover import recover
from tests.ledger.kit import PATHS, RUN, answered, disk, failed, members, said, wrote
from tests.ledger.memory_files import taking
from tests.virtual import run

UNITS = [failed(1), failed(2), failed(3), failed(1, "refused", attempts=2), answered(2)]


@pytest.fixture
def files():
    files = disk()
    run(wrote(files, *UNITS))
    return files


def compacted(files, end=None):
    history = recover(files, PATHS).history
    end = files.length(PATHS.errors) if end is None else end
    compact_errors(files, PATHS.errors, end, history)
    return history


def test_the_last_error_of_each_line_without_a_result_is_kept_byte_for_byte(files):
    first, second, third, again = files.content(PATHS.errors).splitlines(keepends=True)

    compacted(files)

    assert files.content(PATHS.errors) == third + again
    assert first != second


def test_a_scan_afterwards_says_what_the_history_says(files):
    known = compacted(files)

    files.remove(PATHS.checkpoint)

    assert said(recover(files, PATHS).history) == said(known)
    assert known.error_records == 2


def test_the_log_is_a_new_file_so_that_no_checkpoint_of_the_old_one_fits(files):
    before = files.identity(PATHS.errors)

    compacted(files)

    assert files.identity(PATHS.errors) != before
    assert recover(files, PATHS).history.error_records == 2


@pytest.mark.parametrize("tail", [b'{"x_run":{"li', bytes(99), "whole"])
def test_a_torn_tail_is_not_taken_along(files, tail):
    end = files.length(PATHS.errors)
    torn = encode_error(failed(3, attempts=9), RUN, end)
    files.put(PATHS.errors, files.content(PATHS.errors) + (torn if tail == "whole" else tail))

    compacted(files, end)

    assert files.content(PATHS.errors).endswith(b"}\n")
    assert b'"attempts":9' not in files.content(PATHS.errors)
    assert members(recover(files, PATHS).history.failed) == {1, 3}


@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace", "sync_folder"])
def test_a_disk_that_fails_leaves_the_old_log_or_the_new_one(files, operation):
    old = files.content(PATHS.errors)

    def hook(name, path, data):
        if name == operation:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    files.before = hook
    with pytest.raises(OSError, match="No space left"):
        compacted(files)
    files.before = lambda *_: None

    assert (files.content(PATHS.errors) == old) == (operation != "sync_folder")
    assert files.open_descriptors() == 0
    files.remove(PATHS.checkpoint)
    assert members(recover(files, PATHS).history.failed) == {1, 3}


@pytest.mark.parametrize("choice", range(8))
def test_a_power_loss_at_any_moment_leaves_every_error_that_counts(files, choice):
    left = []

    def unplug(*_):
        after = files.unplugged(taking(choice))
        left.append(members(recover(after, PATHS).history.failed))

    files.before = unplug
    compacted(files)
    unplug()

    assert len(left) > 4
    assert all(lines == {1, 3} for lines in left)


def test_many_errors_are_written_in_pieces():
    files = disk()
    long = "x" * 50_000
    run(wrote(files, *(failed(n, custom_id=long) for n in range(1, 50)), failed(1)))
    writes = []
    files.before = lambda name, path, data: writes.append(len(data)) if name == "write" else None

    compacted(files)

    assert len(writes) == 3
    assert files.content(PATHS.errors).count(b"\n") == 49
