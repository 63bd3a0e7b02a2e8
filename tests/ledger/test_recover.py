import errno
import os

import msgspec
import pytest
from hypothesis import given, settings

from batch import checkpoint
from batch.errors import BadData, CannotWrite
from batch.ledger.compact import compact_errors
from batch.ledger.entries import Entry, encode_entry, encode_error, encode_result
from batch.ledger.recover import TAIL_BYTES, positions, recover, take_up
from batch.ledger.state import Open
from tests.ledger.kit import (
    HEADER,
    PATHS,
    RUN,
    answered,
    at_once,
    begun_book,
    billed,
    disk,
    entry,
    failed,
    members,
    pack,
    part,
    said,
    sum_of,
    wrote,
)
from tests.ledger.memory_files import taking
from tests.ledger.stories import LINES, PAUSES, Line, changed_settings, stories, tell
from tests.virtual import run

LOGS = (PATHS.journal, PATHS.results, PATHS.errors)


def history_of(files):
    return recover(files, PATHS).history


def without_cache(files):
    after = files.killed()
    after.remove(PATHS.checkpoint)
    return after


def save_checkpoint(files, book):
    sizes = tuple(files.length(path) for path in LOGS)
    where = positions(files, PATHS, sizes)
    checkpoint.save(files, PATHS.checkpoint, checkpoint.encode(RUN, book.history, where))


# The same history, however it is come by.


@settings(deadline=None, max_examples=60)
@given(stories)
def test_history_is_the_same_live_from_the_logs_alone_and_from_any_checkpoint(story):
    async def main():
        files = disk()
        lines = {ordinal: Line(ordinal) for ordinal in LINES}
        cached = []
        book = begun_book(files, None)
        book.open(at_once)
        for number, (deed, ordinal) in enumerate([*story, ("commit", 0)]):
            if deed == "settings":
                book.note(changed_settings(number))
                continue
            if deed not in PAUSES:
                tell(book, lines[ordinal], deed)
                continue
            await book.settled()
            # Every state of the cache that a kill could leave from here on
            save_checkpoint(files, book)
            cached.append(files.content(PATHS.checkpoint))
            if deed != "commit":
                await book.close(compact=False)
                book.release()
                book = await reopened(files, deed)
        live = said(book.history)
        await book.close(compact=False)
        book.release()

        assert said(history_of(without_cache(files))) == live
        for data in cached:
            files.put(PATHS.checkpoint, data)
            assert said(history_of(files)) == live

    async def reopened(files, deed):
        found = recover(without_cache(files) if deed == PAUSES[-1] else files, PATHS)
        book = begun_book(files, found)
        book.open(at_once)
        return book

    run(main())


def test_an_error_ends_what_was_begun_up_to_its_last_attempt():
    files = disk()
    retry = [entry("intent", 1, 3), part(1, 0, 4)]

    run(wrote(files, part(1, 0, 1), part(1, 1, 2), failed(1, attempts=2)))
    assert history_of(without_cache(files)).open == {}

    run(wrote(files, *retry))
    (begun,) = history_of(without_cache(files)).open.values()
    assert [one.body for one in begun.parts] == [b'{"part":4}']
    assert begun.attempts == 4


def test_an_error_ends_no_answers_of_before_and_other_settings_make_them_outdated():
    files = disk()
    run(wrote(files, part(1, 0, 1), part(1, 1, 2), failed(1, attempts=3, parts=2)))
    (begun,) = history_of(without_cache(files)).open.values()
    assert (len(begun.parts), begun.attempts, begun.outdated) == (2, 3, False)

    run(wrote(files, changed_settings(1)))
    (begun,) = history_of(without_cache(files)).open.values()
    assert (len(begun.parts), begun.outdated) == (2, True)

    run(wrote(files, part(1, 0, 4)))
    (begun,) = history_of(without_cache(files)).open.values()
    assert ([one.body for one in begun.parts], begun.outdated) == ([b'{"part":4}'], False)


def test_what_a_retry_begins_after_other_settings_is_not_outdated_by_what_an_error_had_ended():
    files = disk()
    ended = [part(1, 0, 1), failed(1, attempts=2)]

    known = run(wrote(files, *ended, changed_settings(1), entry("intent", 1, 3)))

    assert said(history_of(without_cache(files))) == said(known)
    assert not known.open[1].outdated


def test_what_is_taken_up_of_a_line_that_changed_is_what_the_journal_says_of_it():
    files = disk()
    run(wrote(files, part(1, 0, 1), failed(1, attempts=2), changed_settings(1)))
    found = recover(files, PATHS)

    found.history.forget(1, sum_of(1))
    compact_errors(files, PATHS.errors, found.ends[2].keep, found.history)
    take_up(files, found, {1})

    assert found.history.open[1].outdated
    assert said(history_of(without_cache(files))) == said(found.history)


def test_what_was_begun_anew_takes_the_place_of_what_was_begun_before():
    """The error between them may be gone, once a result had taken its place that was lost."""
    files = disk()

    run(wrote(files, part(1, 0, 1), part(1, 1, 2), part(1, 0, 4), part(1, 1, 5)))

    (begun,) = history_of(without_cache(files)).open.values()
    assert [one.body for one in begun.parts] == [b'{"part":4}', b'{"part":5}']
    assert begun.answered_at == [4, 5]


def test_a_task_that_a_retry_began_is_all_that_is_known_of_its_line():
    files = disk()
    task = entry("task", 1, 2, state={"id": "t"})

    known = run(wrote(files, entry("intent", 1), failed(1), task))

    assert said(history_of(without_cache(files))) == said(known)
    assert known.open[1].intent == 0


def test_an_answered_line_needs_nothing_of_its_journal():
    files = disk()
    units = [entry("intent", 1), entry("task", 1, state={"id": "t"}), part(2, 0, 1)]

    run(wrote(files, *units, answered(1), answered(2)))

    history = history_of(without_cache(files))
    assert history.open == {}
    assert history.totals.sum()["num_parts"] == 1


def test_a_line_that_was_begun_is_found_with_all_that_a_resume_needs():
    files = disk()
    units = [
        part(1, 0, 1),
        entry("intent", 1, 2, part=1),
        entry("task", 1, 2, part=1, state={"id": "t"}),
    ]

    run(wrote(files, *units))

    begun = history_of(files).open[1]
    assert begun == Open(
        sum=f"{sum_of(1):016x}",
        at="2026-11-22T02:00:03.120Z",
        key="default",
        part=1,
        state={"id": "t"},
        parts=[part(1, 0, 1).answer],
        answered_at=[1],
        attempts=2,
    )


def test_a_request_that_provably_did_nothing_may_be_sent_again():
    files = disk()

    run(wrote(files, entry("intent", 1), entry("void", 1)))

    assert history_of(files).open[1].intent == 0


def test_what_was_begun_for_a_line_as_it_was_says_nothing_of_the_line_as_it_is():
    files = disk()

    run(wrote(files, entry("task", 1, 5, state={"id": "t"}), entry("intent", 1, 1, text="!")))

    begun = history_of(without_cache(files)).open[1]
    assert (begun.state, begun.intent, begun.attempts) == (None, 1, 1)
    run(wrote(files, entry("task", 2, 5, state={"id": "t"}), failed(2, text="!")))
    assert 2 not in history_of(without_cache(files)).open


def test_later_settings_are_the_identity_and_the_header_stays():
    files = disk()

    run(wrote(files, Entry(kind="settings", run={"identity": {"model": "gpt-4o"}})))

    history = history_of(files)
    assert history.identity == {"model": "gpt-4o"}
    assert history.header.run["identity"] == HEADER["identity"]


def test_a_result_after_an_error_is_the_record_of_the_line():
    files = disk()

    run(wrote(files, failed(1), answered(1), failed(2)))

    history = history_of(without_cache(files))
    assert (members(history.answered), members(history.failed)) == ({1}, {2})
    assert history.error_records == 2


# Caches that cannot be believed.


def session(files, *units):
    run(wrote(files, *units))
    return said(history_of(without_cache(files)))


@pytest.mark.parametrize("at", [0, 5, 16, 40, -1])
def test_a_damaged_checkpoint_is_passed_over(at):
    files = disk()
    truth = session(files, answered(1), failed(2))
    data = bytearray(files.content(PATHS.checkpoint))
    data[at] ^= 1
    files.put(PATHS.checkpoint, bytes(data))

    assert said(history_of(files)) == truth
    assert recover(files, PATHS).notes == []


@pytest.mark.parametrize("data", [b"", b"x", bytes(500)])
def test_a_checkpoint_that_a_power_loss_left_is_passed_over(data):
    files = disk()
    truth = session(files, answered(1))
    files.put(PATHS.checkpoint, data)

    assert said(history_of(files)) == truth


def test_a_checkpoint_of_another_run_is_passed_over_even_if_its_files_look_the_same():
    # Given another run whose logs were at least as long, in files with the same numbers
    other = disk()
    run(wrote(other, answered(7), failed(8), created_at=HEADER["created_at"] + 1))
    files = disk()
    truth = session(files, answered(1), answered(2), failed(3))
    assert files.identity(PATHS.results) == other.identity(PATHS.results)

    files.put(PATHS.checkpoint, other.content(PATHS.checkpoint))

    assert said(history_of(files)) == truth


def test_a_log_that_was_replaced_by_another_file_is_read_from_its_start():
    files = disk()
    run(wrote(files, answered(1), answered(2)))
    first, second = files.content(PATHS.results).splitlines(keepends=True)
    other = encode_result(answered(5), RUN, 0)
    assert len(other) == len(first)
    fd = files.create(f"{PATHS.results}.new")
    files.write(fd, other + second)
    files.close(fd)

    files.replace(f"{PATHS.results}.new", PATHS.results)

    assert members(history_of(files).answered) == {2, 5}


def test_a_log_that_is_shorter_than_the_checkpoint_says_has_lost_answers_and_that_is_said():
    files = disk()
    run(wrote(files, *map(answered, range(1, 6))))
    backup = files.content(PATHS.results)
    half = backup[: len(backup) // 2]

    files.put(PATHS.results, half)
    found = recover(files, PATHS)

    assert members(found.history.answered) == {1, 2}
    assert found.lost == 3
    torn, lost = found.notes
    assert f"cut a torn tail of {len(half) - found.ends[1].keep} bytes" in torn
    assert "3 answers are lost and their lines will be asked again" in lost
    one = msgspec.structs.replace(found, lost=1).notes[-1]
    assert "1 answer is lost and its line will be asked again" in one


def test_answers_that_are_gone_altogether_are_said_to_be_lost():
    files = disk()
    run(wrote(files, answered(1), failed(2)))
    files.remove(PATHS.results)

    found = recover(files, PATHS)

    assert found.lost == 1
    assert members(found.history.failed) == {2}


def test_a_backup_that_was_put_back_on_new_files_is_the_same_run_and_nothing_is_lost():
    files = disk()
    truth = session(files, answered(1), failed(2), billed(2))
    restored = disk()
    for folder in (PATHS.folder, PATHS.cache):
        restored.make_folder(folder)
    for path in (PATHS.checkpoint, *reversed(LOGS)):
        restored.put(path, files.content(path))

    assert said(history_of(restored)) == truth
    assert recover(restored, PATHS).lost == 0


def test_a_checkpoint_that_ends_within_a_line_is_passed_over():
    files = disk()
    truth = session(files, answered(1), answered(2))
    sizes = tuple(files.length(path) - (path == PATHS.results) for path in LOGS)
    data = checkpoint.encode(RUN, history_of(files), positions(files, PATHS, sizes))
    files.put(PATHS.checkpoint, data)

    assert said(history_of(files)) == truth


def test_a_checkpoint_spares_reading_what_it_covers():
    files = disk()
    run(wrote(files, *map(answered, range(1, 50)), failed(50)))
    assert files.length(PATHS.results) > 4 * TAIL_BYTES
    read = []
    plain = files.read

    class Counting:
        def __getattr__(self, name):
            return getattr(files, name)

        def read(self, path, offset=0):
            for chunk in plain(path, offset):
                read.append((path, len(chunk)))
                yield chunk

    recover(Counting(), PATHS)

    # No more than what tells that they are the same files
    assert sum(size for path, size in read if path == PATHS.results) == TAIL_BYTES
    assert sum(size for path, size in read if path == PATHS.errors) == files.length(PATHS.errors)


# What is there and is no run that can be gone on with.


def test_where_nothing_is_there_is_no_run():
    assert recover(disk(), PATHS) is None


@pytest.mark.parametrize("path", [PATHS.results, PATHS.errors])
@pytest.mark.parametrize("journal", [None, b"", b'{"kind":"head', bytes(300)])
def test_a_file_of_somebody_else_is_refused(path, journal):
    files = disk()
    files.make_folder(PATHS.folder)
    files.put(path, b'{"id": 1}\n')
    if journal is not None:
        files.put(PATHS.journal, journal)

    with pytest.raises(BadData, match=f"{path} exists but is no run of this tool"):
        recover(files, PATHS)


@pytest.mark.parametrize("cut", range(0, 200, 9))
@pytest.mark.parametrize("tail", [b"", bytes(30)])
def test_a_header_that_a_crash_tore_is_no_run_yet(cut, tail):
    files = disk()
    begun_book(files, None).release()
    header = files.content(PATHS.journal)
    files.put(PATHS.journal, header[: min(cut, len(header) - 2)] + tail)

    assert recover(files, PATHS) is None


def test_a_header_that_was_damaged_is_refused_since_paid_work_stands_behind_it():
    files = disk()
    run(wrote(files, entry("intent", 7)))
    journal = files.content(PATHS.journal)

    for damaged in (b"x" + journal[1:], bytes(20) + journal[20:]):
        files.put(PATHS.journal, damaged)
        with pytest.raises(BadData, match="--new-run"):
            recover(files, PATHS)


def test_a_journal_that_begins_with_something_else_is_refused():
    files = disk()
    files.make_folder(PATHS.folder)
    files.put(PATHS.journal, encode_entry(entry("intent", 1)))

    with pytest.raises(BadData, match="does not begin with a header"):
        recover(files, PATHS)


def test_a_later_format_is_refused():
    files = disk()
    files.make_folder(PATHS.folder)
    header = Entry(kind="header", run={"version": 2, "run_id": RUN})
    files.put(PATHS.journal, encode_entry(header))

    with pytest.raises(BadData, match="written in format 2, this is format 1"):
        recover(files, PATHS)


def test_a_later_format_that_cannot_even_be_read_is_refused():
    files = disk()
    files.make_folder(PATHS.folder)
    files.put(PATHS.journal, b'{"kind":"preamble","run":[2]}\n')

    with pytest.raises(BadData, match="does not begin with a header"):
        recover(files, PATHS)


@pytest.mark.parametrize("path", LOGS)
def test_damage_in_any_log_is_refused_and_nothing_is_written(path):
    files = disk()
    run(wrote(files, answered(1), answered(2), failed(3), failed(4), billed(4), billed(4, 2)))
    files.remove(PATHS.checkpoint)
    data = files.content(path)
    at = data.index(b"\n", data.index(b"\n") + 1 if path == PATHS.journal else 0) - 10
    files.put(path, data[:at] + bytes(5) + data[at + 5 :])
    before = {name: inode.data for name, inode in files.names.items()}

    with pytest.raises(BadData, match=r"damaged at byte .* Nothing was changed"):
        recover(files, PATHS)

    assert {name: inode.data for name, inode in files.names.items()} == before


@pytest.mark.parametrize("path", LOGS)
def test_a_torn_tail_of_any_log_is_cut_when_the_session_begins_and_not_before(path):
    files = disk()
    truth = session(files, answered(1), failed(2), billed(2))
    files.put(path, files.content(path) + b'{"x_run":{"line":9')

    found = recover(files, PATHS)
    assert files.content(path).endswith(b'{"x_run":{"line":9')
    assert said(found.history) == truth
    assert len(found.notes) == 1
    begun_book(files, found).release()

    assert files.names[path].stable.endswith(b"}\n")
    assert recover(files, PATHS).notes == []


def test_mending_needs_no_room_on_the_disk():
    files = disk()
    run(wrote(files, answered(1)))
    files.put(PATHS.results, files.content(PATHS.results) + b"torn")
    files.free = 0

    begun_book(files, recover(files, PATHS)).release()

    assert files.content(PATHS.results).endswith(b"}\n")


def test_what_a_kill_left_unsynced_is_synced_before_anything_is_built_on_it():
    # Given a record that was written and not synced when the process was killed
    files = disk()
    run(wrote(files, answered(1)))
    files.names[PATHS.results].data += encode_result(answered(2), RUN, 0)
    files.names[PATHS.errors].data += encode_error(failed(3), RUN, 0)

    begun_book(files, recover(files, PATHS)).release()

    after = files.unplugged(taking(0))
    assert members(history_of(after).answered) == {1, 2}
    assert members(history_of(after).failed) == {3}


def test_a_pack_that_a_crash_cut_is_asked_again_whole():
    files = disk()
    run(wrote(files, answered(1), pack(2, 3)))
    files.remove(PATHS.checkpoint)
    files.put(PATHS.results, files.content(PATHS.results)[:-5])

    found = recover(files, PATHS)
    begun_book(files, found).release()

    assert members(found.history.answered) == {1}
    assert files.content(PATHS.results).count(b"\n") == 1


@pytest.mark.parametrize("path", LOGS)
def test_a_log_that_cannot_be_read_is_told(path):
    files = disk()
    run(wrote(files, answered(1), failed(2)))
    files.remove(PATHS.checkpoint)

    class Unreadable:
        def __getattr__(self, name):
            return getattr(files, name)

        def read(self, where, offset=0):
            if where == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), where)
            return files.read(where, offset)

    with pytest.raises(CannotWrite, match=f"{path}: Permission denied. Nothing was changed"):
        recover(Unreadable(), PATHS)


def test_a_file_that_never_was_a_log_is_refused_and_not_cut_as_a_torn_tail() -> None:
    files = disk()
    run(wrote(files, answered(1)))
    files.put(PATHS.results, b"\x1f\x8b\x08 packed by somebody")

    with pytest.raises(BadData, match="does not begin as a log"):
        recover(files, PATHS)
