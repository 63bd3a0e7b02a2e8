"""What keeps two writers apart whose lock somebody removed, and tells one file from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.errors import Busy
from batch.files import OsFiles
from batch.ledger.book import Book
from batch.ledger.hold import held, writing
from batch.ledger.paths import Paths
from batch.ledger.recover import recover
from tests.ledger.kit import (
    HEADER,
    PATHS,
    RUN,
    answered,
    at_once,
    begun_book,
    disk,
    entry,
    failed,
    members,
    wrote,
)
from tests.ledger.memory_files import MemoryFiles
from tests.virtual import run


def test_a_run_that_another_process_has_gone_on_with_since_it_was_read_is_left_alone() -> None:
    files = disk()
    run(wrote(files, answered(1)))
    found = recover(files, PATHS)
    run(wrote(files, answered(2)))
    before = files.content(PATHS.results)

    with pytest.raises(Busy, match=r"out\.jsonl has changed since it was read"):
        begun_book(files, found)

    assert files.content(PATHS.results) == before
    assert files.open_descriptors() == 0


def test_a_run_that_another_process_began_meanwhile_is_not_begun_anew() -> None:
    files = disk()
    run(wrote(files, answered(1)))
    before = files.content(PATHS.results)

    with pytest.raises(Busy, match="another process works on this run"):
        Book(files, PATHS, RUN, 1).begin(None, HEADER)

    assert files.content(PATHS.results) == before


def test_results_that_are_written_are_held_whatever_becomes_of_the_lock(tmp_path: Path) -> None:
    files, paths = OsFiles(), Paths(str(tmp_path / "out.jsonl"))

    with held(files, paths), writing(files, paths):
        files.remove(paths.lock)
        with (
            pytest.raises(Busy, match=r"out\.jsonl is held by another process that has no lock in"),
            held(files, paths),
        ):
            pytest.fail("two at once")

    with held(files, paths), writing(files, paths):
        pass


def cut_in_the_middle(files: MemoryFiles) -> bytes:
    """Have a session leave a checkpoint, another one go on and be killed; return the results."""
    run(wrote(files, *map(answered, range(1, 6))))

    async def killed() -> None:
        book = begun_book(files, recover(files, PATHS))
        book.open(at_once)
        for line in range(6, 9):
            book.record([answered(line)])
            await book.settled()
        book.release()

    run(killed())
    return files.content(PATHS.results)


def test_a_log_that_was_sorted_behind_the_checkpoints_back_is_read_from_its_start() -> None:
    files = disk()
    lines = cut_in_the_middle(files).splitlines(keepends=True)

    # One that the checkpoint covers and one that it does not change places
    assert len(lines[4]) == len(lines[7])
    lines[4], lines[7] = lines[7], lines[4]
    files.put(PATHS.results, b"".join(lines))
    found = recover(files, PATHS)

    assert found is not None
    assert members(found.history.answered) == set(range(1, 9))
    assert found.notes == []


def test_answers_that_a_later_session_made_up_for_in_number_are_lost_all_the_same() -> None:
    files = disk()
    lines = cut_in_the_middle(files).splitlines(keepends=True)

    # Three of five that the checkpoint knew of are gone, and three have come since.
    files.put(PATHS.results, b"".join(lines[3:]))
    found = recover(files, PATHS)

    assert found is not None
    assert found.lost == 3


def test_without_any_other_witness_a_log_says_itself_that_it_was_longer() -> None:
    files = disk()
    for line in range(1, 6):
        run(wrote(files, answered(line), entry("intent", line + 10)))
    files.remove(PATHS.checkpoint)
    for path in (PATHS.results, PATHS.journal):
        first, *rest = files.content(path).splitlines(keepends=True)
        files.put(path, first + b"".join(rest[3:]))

    found = recover(files, PATHS)

    assert found is not None
    results, journal = found.notes
    assert "out.jsonl is shorter than it was: it had " in results
    assert "journal.jsonl is shorter than it was: what it said of paid attempts" in journal


def test_work_under_way_of_which_the_journal_no_longer_tells_is_counted() -> None:
    files = disk()
    run(wrote(files, answered(1), failed(2), *(entry("intent", line) for line in (3, 4))))
    header, *_ = files.content(PATHS.journal).splitlines(keepends=True)

    files.put(PATHS.journal, header)
    found = recover(files, PATHS)

    assert found is not None
    assert found.begun == 2
    assert "is lost, those of 2 lines among them" in found.notes[-1]


def test_an_older_word_of_how_many_answers_there_were_is_no_loss() -> None:
    files = disk()
    run(wrote(files, *map(answered, range(1, 6))))
    files.remove(PATHS.checkpoint)
    files.put(PATHS.live, b'{"run_id":"%s","ok":3}' % RUN.encode())
    files.put(PATHS.manifest, b'{"id":"another","request_counts":{"completed":99}}')

    found = recover(files, PATHS)

    assert found is not None
    assert found.notes == []
