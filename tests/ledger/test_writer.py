import asyncio
import errno
import os
from itertools import pairwise

import pytest

from batch.errors import CannotWrite
from batch.ledger.log import Log
from batch.ledger.writer import BLOCK, GAP_SECONDS, Writer
from tests.ledger.kit import at_once
from tests.ledger.memory_files import MemoryFiles
from tests.virtual import run

JOURNAL, RESULTS, ERRORS = range(3)
NAMES = ("journal", "results", "errors")


class Desk:
    """A writer on three logs in memory; what was done to them, and what was acknowledged."""

    def __init__(self, offload=at_once):
        self.files = MemoryFiles("/out")
        logs = [Log(self.files, f"/out/{name}") for name in NAMES]
        self.done = []
        self.fail = None  # (operation, log) → OSError from then on, or once
        self.files.before = self._before
        self.writer = Writer(logs, self._acknowledge, offload)

    def _before(self, operation, path, data):
        name = os.path.basename(path)
        self.done.append((operation, name))
        if self.fail is not None and self.fail(operation, name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    def _acknowledge(self, log, lines):
        self.done.extend(("acknowledged", line) for line in lines)

    @property
    def acknowledged(self):
        return [line for what, line in self.done if what == "acknowledged"]


def test_a_group_is_written_in_the_order_of_the_logs_each_synced_before_the_next():
    async def main():
        desk = Desk()
        for log in (ERRORS, RESULTS, JOURNAL, RESULTS):
            desk.writer.put(log, [b"%d\n" % log])
        await desk.writer.close()
        return desk.done

    assert run(main()) == [
        ("write", "journal"),
        ("sync", "journal"),
        ("write", "results"),
        ("sync", "results"),
        ("write", "errors"),
        ("sync", "errors"),
        ("acknowledged", b"0\n"),
        ("acknowledged", b"1\n"),
        ("acknowledged", b"1\n"),
        ("acknowledged", b"2\n"),
    ]


def test_small_lines_are_written_together_and_large_ones_are_not_joined_to_a_second_copy():
    async def main():
        desk = Desk()
        lines = [b"a" * 9, b"b" * 9, b"c" * BLOCK, b"d" * BLOCK, b"e" * 9, b"f" * 9]
        desk.writer.put(RESULTS, lines)
        await desk.writer.close()
        return desk, lines

    desk, lines = run(main())

    assert desk.files.content("/out/results") == b"".join(lines)
    done = [operation for operation, _ in desk.done if operation != "acknowledged"]
    assert done == ["write"] * 3 + ["sync"]


def test_nothing_is_acknowledged_before_its_sync():
    async def main():
        desk = Desk()
        done = desk.writer.put(RESULTS, [b"one\n"])
        seen = []

        def look(operation, name):
            seen.append((operation, done.done(), list(desk.acknowledged)))

        desk.fail = look
        await asyncio.shield(done)
        assert desk.files.names["/out/results"].stable == b"one\n"
        assert desk.acknowledged == [b"one\n"]
        await desk.writer.close()
        return seen

    assert run(main()) == [("write", False, []), ("sync", False, [])]


def test_a_log_without_lines_is_left_alone():
    async def main():
        desk = Desk()
        desk.writer.put(ERRORS, [b"one\n"])
        await desk.writer.close()
        return {name for operation, name in desk.done if operation == "sync"}

    assert run(main()) == {"errors"}


def test_lines_that_come_while_a_group_is_written_make_the_next_group():
    async def main():
        desk = Desk()
        first = desk.writer.put(RESULTS, [b"1\n"])
        await asyncio.sleep(0)
        second = desk.writer.put(RESULTS, [b"2\n"])
        third = desk.writer.put(RESULTS, [b"3\n"])
        await asyncio.shield(first)
        assert desk.acknowledged == [b"1\n"]
        assert second is third
        await desk.writer.close()
        assert desk.acknowledged == [b"1\n", b"2\n", b"3\n"]

    run(main())


def test_groups_are_at_least_ten_milliseconds_apart():
    async def main():
        desk = Desk()
        clock = asyncio.get_running_loop().time
        syncs = []
        desk.fail = lambda operation, name: operation == "sync" and syncs.append(clock())
        for number in range(100):
            desk.writer.put(RESULTS, [b"%d\n" % number])
            await asyncio.sleep(0.001)
        await desk.writer.close()
        return syncs

    syncs = run(main())

    assert all(later - earlier >= GAP_SECONDS for earlier, later in pairwise(syncs[:-1]))
    assert len(syncs) <= 0.1 / GAP_SECONDS + 2


def test_a_cancelled_waiter_leaves_the_group_to_the_others():
    async def main():
        desk = Desk()

        async def wait():
            await asyncio.shield(desk.writer.put(RESULTS, [b"1\n"]))

        hasty, patient = asyncio.ensure_future(wait()), asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        hasty.cancel()
        await patient
        assert desk.acknowledged == [b"1\n", b"1\n"]
        await desk.writer.close()

    run(main())


@pytest.mark.parametrize("log", NAMES)
@pytest.mark.parametrize("operation", ["write", "sync"])
def test_the_first_failure_is_final(operation, log):
    async def main():
        desk = Desk()
        before = desk.writer.put(RESULTS, [b"before\n"])
        await asyncio.shield(before)

        # When one operation fails, once, while others wait for the next group
        once = iter([True])
        desk.fail = lambda what, name: (what, name) == (operation, log) and next(once, False)
        for number in range(3):
            hit = desk.writer.put(number, [b"hit\n"])
        waiter = asyncio.ensure_future(asyncio.wait_for(asyncio.shield(hit), 60))
        await asyncio.sleep(0.0105)
        late = desk.writer.put(RESULTS, [b"late\n"])
        with pytest.raises(CannotWrite, match="Input/output error"):
            await waiter
        with pytest.raises(CannotWrite):
            await asyncio.shield(late)

        # Then nothing more is written or acknowledged, and everybody is told so
        count = len(desk.done)
        for call in (
            lambda: desk.writer.put(RESULTS, [b"more\n"]),
            desk.writer.next_commit,
        ):
            with pytest.raises(CannotWrite):
                call()
        with pytest.raises(CannotWrite):
            await desk.writer.close()
        assert len(desk.done) == count
        assert desk.acknowledged == [b"before\n"]
        assert desk.files.content(f"/out/{log}") == (b"before\n" if log == "results" else b"")

    run(main())


@pytest.mark.parametrize("log", NAMES)
def test_a_failure_that_nobody_waits_for_ends_the_writing_all_the_same(log):
    async def main():
        desk = Desk()
        desk.fail = lambda operation, name: (operation, name) == ("sync", log)
        desk.writer.put(NAMES.index(log), [b"one\n"])
        with pytest.raises(CannotWrite):
            await desk.writer.close()

    run(main())


def test_a_bug_in_acknowledging_is_raised_to_everybody_and_leaves_nobody_waiting():
    async def main():
        desk = Desk()
        desk.writer._acknowledge = lambda log, line: 1 // 0
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(asyncio.shield(desk.writer.put(RESULTS, [b"1\n"])), 60)
        with pytest.raises(ZeroDivisionError):
            desk.writer.put(RESULTS, [b"2\n"])

    run(main())


def test_a_bug_between_two_groups_leaves_nobody_waiting():
    async def main():
        desk = Desk()

        async def broken():
            raise ZeroDivisionError

        desk.writer.after_commit = broken
        await asyncio.shield(desk.writer.put(RESULTS, [b"1\n"]))
        await asyncio.sleep(0.1)
        with pytest.raises(ZeroDivisionError):
            desk.writer.put(RESULTS, [b"2\n"])
        with pytest.raises(ZeroDivisionError):
            await desk.writer.close()

    run(main())


def test_a_writer_that_never_wrote_closes_at_once():
    async def main():
        desk = Desk()
        assert desk.writer.next_commit() is None
        await desk.writer.close()
        assert desk.done == []

    run(main())
