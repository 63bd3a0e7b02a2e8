import asyncio
import contextlib
import errno
import os
import random

import msgspec
import orjson
import pytest

from batch.errors import CannotWrite
from batch.ledger.book import CHECKPOINT_SECONDS, Book
from batch.ledger.recover import recover
from batch.records import Answer
from tests.ledger.kit import (
    PATHS,
    RUN,
    answered,
    at_once,
    begun_book,
    billed,
    book_on,
    disk,
    entry,
    failed,
    members,
    pack,
    said,
    wrote,
)
from tests.ledger.memory_files import MemoryFiles, taking
from tests.virtual import run


def lines(files, path):
    return [orjson.loads(line) for line in files.content(path).splitlines()]


def ordinals(files, path):
    return [one["x_run"]["line"] for one in lines(files, path)]


def failing(operation, path, number=errno.EIO):
    def hook(name, where, data):
        if (name, where) == (operation, path):
            raise OSError(number, os.strerror(number), where)

    return hook


def test_a_new_run_begins_with_a_header_that_is_durable_with_all_names():
    files = disk()

    begun_book(files, None).release()

    (header,) = lines(files, PATHS.journal)
    assert header["kind"] == "header"
    assert header["run"]["run_id"] == RUN
    assert header["run"]["version"] == 1
    assert header["run"]["identity"] == {"model": "gpt-4o-mini"}
    assert files.unplugged(taking(0)).length(PATHS.journal)
    assert {PATHS.results, PATHS.errors, PATHS.journal} <= set(files.stable_names)
    assert files.open_descriptors() == 0


def test_answers_errors_and_entries_go_to_their_logs():
    files = disk()

    run(wrote(files, answered(1), failed(2), billed(2), pack(3, 2)))

    assert ordinals(files, PATHS.results) == [1, 3, 4]
    assert ordinals(files, PATHS.errors) == [2]
    assert [one["kind"] for one in lines(files, PATHS.journal)] == ["header", "billed"]


def test_of_a_pack_that_has_a_record_which_cannot_be_written_nothing_is() -> None:
    """Half a pack with other records after it would be damage, and the run could not go on."""
    files = disk()
    first, second = pack(1, 2)
    broken = [first, msgspec.structs.replace(second, custom_id="\ud83d")]

    async def main() -> None:
        async with book_on(files) as book:
            with pytest.raises(TypeError, match="UTF-8"):
                book.record(broken)
            book.record([answered(3)])

    run(main())

    assert ordinals(files, PATHS.results) == [3]
    assert members(recover(files, PATHS).history.answered) == {3}


def test_every_line_says_what_of_its_log_was_safe_when_it_was_written():
    files = disk()

    run(wrote(files, answered(1), answered(2), billed(3), billed(4)))

    first, second = (one["x_run"]["synced"] for one in lines(files, PATHS.results))
    assert (first, second) == (0, files.content(PATHS.results).index(b"\n") + 1)
    third, fourth = (one["synced"] for one in lines(files, PATHS.journal)[1:])
    assert 0 < third < fourth


def test_what_is_counted_is_on_stable_storage_first():
    async def main():
        files = disk()
        async with book_on(files) as book:
            counts = []

            def look(operation, path, data):
                safe = files.unplugged(taking(0))
                counts.append((book.committed, safe.content(PATHS.results).count(b"\n")))

            files.before = look
            for line in range(1, 30):
                book.record([answered(line)])
                await asyncio.sleep(0.004)
            files.before = lambda *_: None
        assert all(counted <= safe for counted, safe in counts)
        assert book.committed == 29

    run(main())


def test_an_entry_that_is_kept_is_on_stable_storage():
    async def main():
        files = disk()
        async with book_on(files) as book:
            await book.keep(entry("intent", 7))
            assert b'"intent"' in files.unplugged(taking(0)).content(PATHS.journal)
            assert book.history.open[7].intent == 1

    run(main())


def test_one_who_stops_waiting_for_an_entry_does_not_stop_it_for_others():
    async def main():
        files = disk()
        async with book_on(files) as book:
            hasty = asyncio.ensure_future(book.keep(entry("intent", 1)))
            patient = asyncio.ensure_future(book.keep(entry("intent", 2)))
            await asyncio.sleep(0)
            hasty.cancel()
            await patient
            assert set(book.history.open) == {1, 2}

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_replies_in_flight_and_those_not_committed_are_at_most_twice_the_limit(seed):
    limit, lines, chance = 8, iter(range(1, 400)), random.Random(seed)

    async def slowly(work):
        await asyncio.sleep(chance.uniform(0, 0.05))
        work()

    async def main():
        files = disk()
        book = begun_book(files, None, limit)
        book.open(slowly)
        exposed = []  # lines that a crash would have asked again

        async def worker():
            for line in lines:
                exposed.append(line - book.committed)
                await asyncio.sleep(chance.uniform(0, 0.01))
                book.record([answered(line)])
                await book.room()

        await asyncio.gather(*(worker() for _ in range(limit)))
        await book.close(compact=False)
        book.release()
        assert limit < max(exposed) <= 2 * limit
        assert book.committed == 399

    run(main())


def test_with_room_nobody_waits():
    async def main():
        async with book_on(disk(), limit=2) as book:
            book.record([answered(1)])
            before = asyncio.get_running_loop().time()
            await book.room()
            assert asyncio.get_running_loop().time() - before < 1e-6
            book.record([answered(2)])
            await book.room()
            assert book.committed

    run(main())


def test_large_replies_wait_for_those_before_them_though_they_are_few():
    async def main():
        files = disk()
        book = Book(files, PATHS, RUN, limit=100, most_bytes=2000)
        book.begin(None, {})
        book.open(at_once)
        body = orjson.dumps({"text": "x" * 1000})

        book.record([answered(1, outcome=Answer(body, None, "stop", None))])
        assert not book.behind
        book.record([answered(2, outcome=Answer(body, None, "stop", None))])
        assert book.behind
        await book.room()
        assert (book.committed, book.behind) == (2, False)

        book.note(entry("task", 3, state={"id": "x" * 3000}))
        assert book.behind
        await book.room()
        assert book.history.open[3].state
        await book.close(compact=False)
        book.release()

    run(main())


def test_paid_answers_in_the_journal_wait_for_their_commit_like_results():
    async def main():
        book = Book(disk(), PATHS, RUN, limit=3)
        book.begin(None, {})
        book.open(at_once)

        kept = asyncio.ensure_future(book.keep(billed(1)))
        book.note(entry("task", 2, state={"id": "t"}))  # not an answer
        await asyncio.sleep(0)
        book.record([answered(3)])
        assert not book.behind
        book.record([answered(4)])
        assert book.behind
        await kept
        await book.room()

        assert not book.behind
        await book.emptied()
        await book.close(compact=False)
        book.release()

    run(main())


@pytest.mark.parametrize("operation", ["write", "sync"])
@pytest.mark.parametrize("path", [PATHS.journal, PATHS.results, PATHS.errors])
def test_after_the_first_disk_error_nothing_is_taken_or_acknowledged(operation, path):
    async def main():
        files = disk()
        await wrote(files, answered(1))
        sure = files.content(path)
        book = begun_book(files, recover(files, PATHS), limit=2)
        book.open(at_once)
        files.before = failing(operation, path)

        book.record([answered(2)])
        book.record([failed(3)])
        with pytest.raises(CannotWrite):
            await book.keep(billed(4))

        files.before = lambda *_: None
        for attempt in (book.record, lambda _: book.note(billed(5))):
            with pytest.raises(CannotWrite):
                attempt([answered(6)])
        for attempt in (book.keep(billed(7)), book.room(), book.settled()):
            with pytest.raises(CannotWrite):
                await asyncio.wait_for(attempt, 60)
        with pytest.raises(CannotWrite):
            await book.close(compact=True)
        book.release()
        assert book.committed == 0
        assert members(book.history.answered) == {1}
        assert not book.history.failed.count
        assert files.content(path) == sure
        assert files.open_descriptors() == 0

    run(main())


def test_a_full_disk_loses_nothing_that_was_counted_and_the_same_command_goes_on():
    async def main():
        files = disk()
        book = begun_book(files, None)
        book.open(at_once)
        files.free = 2000

        async def work():
            for line in range(1, 100):
                book.record([answered(line)])
                await book.settled()

        with pytest.raises(CannotWrite, match="No space left"):
            await work()
        book.release()
        counted = members(book.history.answered)
        assert counted == set(range(1, len(counted) + 1)) != set()

        files.free = None
        found = recover(files, PATHS)
        assert members(found.history.answered) == counted
        assert found.notes == []
        await wrote(files, answered(len(counted) + 1))
        assert len(ordinals(files, PATHS.results)) == len(counted) + 1

    run(main())


@pytest.mark.parametrize("free", range(0, 400, 13))
def test_a_disk_that_is_full_at_the_very_start_is_told_and_can_be_begun_again(free):
    files = disk()
    files.free = free
    with contextlib.suppress(CannotWrite):
        begun_book(files, None).release()
    assert files.open_descriptors() == 0
    files.free = None

    begun_book(files, recover(files, PATHS)).release()

    assert recover(files, PATHS).run_id == RUN


def test_a_folder_that_cannot_be_written_is_told_and_leaves_nothing_open():
    files = disk()
    files.before = failing("append", PATHS.errors, errno.EACCES)

    with pytest.raises(CannotWrite, match=r"errors\.jsonl: Permission denied"):
        begun_book(files, None)

    assert files.open_descriptors() == 0


def test_the_history_that_a_session_knows_is_what_the_next_one_reads():
    files = disk()
    units = [answered(1), failed(2), entry("intent", 3), pack(4, 2), billed(6), answered(2)]

    known = run(wrote(files, *units))

    assert said(recover(files, PATHS).history) == said(known)


def test_a_checkpoint_is_left_every_few_seconds_and_at_the_end():
    async def main():
        files = disk()
        async with book_on(files) as book:
            book.record([answered(1)])
            await book.settled()
            assert not files.length(PATHS.checkpoint)
            await asyncio.sleep(CHECKPOINT_SECONDS)
            book.record([answered(2)])
            await book.settled()
            await asyncio.sleep(0.1)
            first = files.content(PATHS.checkpoint)
            assert first
            book.record([answered(3)])
        assert files.content(PATHS.checkpoint) != first

    run(main())


def test_the_loop_waits_for_no_disk_while_a_checkpoint_is_made():
    inside = False

    async def offload(work):
        nonlocal inside
        await asyncio.sleep(0.001)
        inside = True
        work()
        inside = False

    class Watched(MemoryFiles):
        def read(self, path, offset=0):
            assert inside
            return super().read(path, offset)

        def identity(self, path):
            assert inside
            return super().identity(path)

    async def main():
        nonlocal inside
        files, inside = Watched("/out"), True
        book = begun_book(files, None)
        book.open(offload)
        inside = False
        await asyncio.sleep(CHECKPOINT_SECONDS)
        book.record([answered(1)])
        await book.settled()
        await asyncio.sleep(0.1)
        assert files.length(PATHS.checkpoint)
        await book.close(compact=False)

    run(main())


@pytest.mark.parametrize("operation", ["create", "write", "replace"])
def test_a_checkpoint_that_cannot_be_written_is_not_worth_a_word(operation):
    async def main():
        files = disk()
        async with book_on(files) as book:
            for path in (PATHS.checkpoint, f"{PATHS.checkpoint}.tmp"):
                files.before = failing(operation, path, errno.ENOSPC)
                await asyncio.sleep(CHECKPOINT_SECONDS)
                book.record([answered(1 if path == PATHS.checkpoint else 2)])
                await book.settled()
                await asyncio.sleep(0.1)
        files.before = lambda *_: None
        assert members(recover(files, PATHS).history.answered) == {1, 2}

    run(main())


def test_errors_that_were_made_up_for_are_dropped_at_an_end_in_order():
    files = disk()
    run(wrote(files, failed(1), failed(2), failed(1, "refused", attempts=2)))

    run(wrote(files, answered(2), compact=True))

    assert ordinals(files, PATHS.errors) == [1]
    assert b'"refused"' in files.content(PATHS.errors)
    assert recover(files, PATHS).history.error_records == 1
    assert files.open_descriptors() == 0


def test_errors_stay_when_a_session_does_not_end_in_order():
    files = disk()
    run(wrote(files, failed(2)))

    run(wrote(files, answered(2)))

    assert ordinals(files, PATHS.errors) == [2]


@pytest.mark.parametrize("operation", ["create", "write", "sync", "replace", "sync_folder"])
def test_a_disk_that_fails_while_tidying_leaves_an_end_in_order(operation):
    files = disk()
    run(wrote(files, failed(1), failed(2)))

    async def main():
        async with book_on(files, compact=True) as book:
            book.record([answered(2)])
            await book.settled()
            target = PATHS.errors if operation == "replace" else f"{PATHS.errors}.tmp"
            where = PATHS.folder if operation == "sync_folder" else target
            files.before = failing(operation, where, errno.ENOSPC)
        files.before = lambda *_: None

    run(main())

    found = recover(files, PATHS)
    assert (members(found.history.answered), members(found.history.failed)) == ({2}, {1})
    assert files.open_descriptors() == 0


def test_a_closed_book_takes_nothing():
    async def main():
        files = disk()
        async with book_on(files) as book:
            await book.close(compact=False)
            with pytest.raises(RuntimeError, match="not open"):
                book.record([answered(1)])
            await book.settled()

    run(main())


def test_a_session_that_writes_nothing_leaves_the_logs_as_they_were():
    files = disk()
    run(wrote(files, answered(1), failed(2)))
    before = {path: files.content(path) for path in (PATHS.journal, PATHS.results, PATHS.errors)}

    run(wrote(files))

    assert {path: files.content(path) for path in before} == before


def test_a_large_answer_is_written_through_short_writes():
    files = disk()
    files.most = 100
    body = orjson.dumps({"text": "x" * 10_000})

    run(wrote(files, answered(1, outcome=Answer(body, None, "stop", None)), answered(2)))

    assert ordinals(files, PATHS.results) == [1, 2]


def test_without_room_for_a_group_nothing_is_begun() -> None:
    async def main() -> None:
        files = disk()
        book = begun_book(files, None, limit=4)
        files.free = 1000

        with pytest.raises(CannotWrite, match="Nothing was sent"):
            book.open(lambda write: pytest.fail("nothing is to be written"))

        assert not files.identity(f"{PATHS.checkpoint}.probe")

    run(main())
