"""A session in small, crashed before and after every file operation, in every way a crash can go.

After kill -9 everything written is there; after a power loss only what was synced is sure. Then the
same command goes on, and may crash again while it mends. The promises are looked at each time, and
the looking itself is proven on file systems that break one rule.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import msgspec
import orjson
import pytest

from batch.errors import BatchError
from batch.ledger.book import CHECKPOINT_SECONDS, Book
from batch.ledger.recover import Found, recover
from batch.ledger.writer import Offload
from tests.ledger.kit import (
    PATHS,
    answered,
    at_once,
    begun_book,
    billed,
    entry,
    failed,
    members,
    pack,
    part,
    put,
    said,
)
from tests.ledger.memory_files import MemoryFiles, taking
from tests.virtual import run

LINES = set(range(1, 15))
PAUSE = CHECKPOINT_SECONDS  # in it a checkpoint becomes due
# Units, and where None stands the wait for a commit: what stands between two is one group.
SESSION = [
    *(answered(1), answered(2), None),
    *(entry("intent", 3), None, failed(4), answered(5), None),
    *(billed(6), failed(6), None, PAUSE, part(7, 0, 1), None),
    *(pack(8, 3), answered(11), None, entry("task", 3, state={"id": "t"}), None),
    *(failed(12), None, PAUSE, answered(4), None, answered(3), answered(6, attempts=2), None),
    *(part(7, 1, 2), None, pack(13, 2), None),
]


class Known(msgspec.Struct):
    """What a process knew when it crashed: all of it was on stable storage, it said."""

    begun: bool = False
    answered: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    open: frozenset[int] = frozenset()
    billed: int = 0

    @staticmethod
    def of(book: Book) -> Known:
        history = book.history
        return Known(
            begun=True,
            answered=frozenset(members(history.answered)),
            failed=frozenset(members(history.failed)),
            open=frozenset(history.open),
            billed=history.totals.sum()["num_model_requests"],
        )


class Moment(msgspec.Struct):
    """A file system at one moment, and what was known then."""

    files: MemoryFiles
    known: Known


class Broken(AssertionError):
    """A promise was not kept."""


def moments(make: Callable[[], MemoryFiles], offload: Offload = at_once) -> list[Moment]:
    """Run the session once; return every moment at which it could have crashed."""
    files = make()
    seen: list[Moment] = []
    now = Known()

    def look(operation: str, path: str, data: bytes) -> None:
        seen.append(Moment(files.killed(), now))
        if operation == "write":
            half = files.killed()
            half.names[path].data += data[: len(data) // 2]
            seen.append(Moment(half, now))

    async def main() -> None:
        nonlocal now
        book = begun_book(files, None)
        book.open(offload)
        for unit in SESSION:
            now = Known.of(book)
            if unit is None:
                await book.settled()
            elif isinstance(unit, float):
                await asyncio.sleep(unit)
            else:
                put(book, unit)
        await book.close(compact=True)
        now = Known.of(book)
        look("end", "", b"")

    files.before = look
    run(main())
    return seen


def images(moment: Moment, seed: int) -> Iterator[MemoryFiles]:
    """What may be left after a crash at this moment."""
    yield moment.files.killed()
    for choice in range(8):
        yield moment.files.unplugged(taking(choice))
    chance = random.Random(seed)
    for _ in range(2):
        yield moment.files.unplugged(chance.choice)


def fingerprint(files: MemoryFiles) -> tuple[object, ...]:
    return tuple(sorted((path, i.number, i.data, i.stable) for path, i in files.names.items()))


def check_found(found: Found | None, known: Known) -> None:
    """What was acknowledged is there, once, and nothing that was never asked."""
    if found is None:
        demand(not known.begun, "a run that had begun is gone")
        return
    history = found.history
    there, errors = members(history.answered), members(history.failed)
    demand(known.answered <= there, "an answer is lost")
    demand(known.failed <= there | errors, "an error is lost")
    demand(known.open <= there | errors | set(history.open), "paid work is forgotten")
    demand(known.billed <= history.totals.sum()["num_model_requests"], "a bill is lost")
    demand(there | errors <= LINES, "a line is there that was never asked")


def check_logs(files: MemoryFiles) -> None:
    """The logs are valid JSONL, with one result for a line at most."""
    for path in (PATHS.journal, PATHS.results, PATHS.errors):
        data = files.content(path)
        demand(not data or data.endswith(b"\n"), f"{path} ends within a line")
        demand(all(map(parses, data.splitlines())), f"{path} has a line that is no JSON")
    lines = [orjson.loads(line)["x_run"]["line"] for line in files.content(PATHS.results).split()]
    demand(len(lines) == len(set(lines)), "a line has two results")


def parses(line: bytes) -> bool:
    try:
        return bool(orjson.loads(line))
    except orjson.JSONDecodeError:
        return False


def demand(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Broken(otherwise)


def mended(files: MemoryFiles, known: Known) -> Book:
    found = recover(files, PATHS)
    check_found(found, known)
    return begun_book(files, found)


def check_to_the_end(files: MemoryFiles, known: Known) -> None:
    """The same command again mends the logs, and answers what is not yet answered."""
    book = mended(files, known)
    check_logs(files)
    after = files.unplugged(taking(0))
    check_found(recover(after, PATHS), Known.of(book))

    async def main() -> None:
        book.open(at_once)
        for line in sorted(LINES - members(book.history.answered)):
            book.record([answered(line)])
        await book.close(compact=True)
        book.release()

    run(main())
    check_logs(files)
    demand(members(book.history.answered) == LINES, "a line has no answer in the end")
    files.remove(PATHS.checkpoint)
    found = recover(files, PATHS)
    demand(
        found is not None and said(found.history) == said(book.history),
        "the logs say another thing",
    )


def crashes_while_mending(files: MemoryFiles, known: Known, chance: random.Random) -> None:
    """Crash again at some moment of the mending."""
    again: list[MemoryFiles] = []
    files.before = lambda *_: again.append(files.killed())
    mended(files, known).release()
    if again:
        crashed = chance.choice(again)
        for image in (crashed, crashed.unplugged(chance.choice)):
            check_to_the_end(image, known)


def explore(seen: list[Moment], twice: int = 5) -> int:
    """Check every crash; every so many of them crash a second time. Return how many there were."""
    chance = random.Random(1)
    checked: set[object] = set()
    for number, moment in enumerate(reversed(seen)):
        for image in images(moment, number):
            kind = (fingerprint(image), moment.known.answered, moment.known.failed)
            if kind in checked:
                continue
            checked.add(kind)
            if len(checked) % twice == 0:
                crashes_while_mending(image.killed(), moment.known, chance)
            check_to_the_end(image, moment.known)
    return len(checked)


def disk() -> MemoryFiles:
    return MemoryFiles("/out")


def test_no_crash_breaks_a_promise() -> None:
    assert explore(moments(disk)) > 300


class NoSync(MemoryFiles):
    """Says that data is on stable storage, and it is not."""

    def sync(self, fd: int) -> None:
        pass


class NoFolderSync(MemoryFiles):
    """Says that names are on stable storage, and they are not."""

    def sync_folder(self, path: str) -> None:
        pass


class NoTruncate(MemoryFiles):
    """Says that a tail was cut, and it was not."""

    def truncate(self, fd: int, length: int) -> None:
        pass


class TornReplace(MemoryFiles):
    """Replaces a file in two steps."""

    def replace(self, old: str, new: str) -> None:
        self.remove(new)
        super().replace(old, new)


@pytest.mark.parametrize("rule", [NoSync, NoFolderSync, NoTruncate, TornReplace])
def test_a_file_system_that_breaks_a_rule_is_found_out(rule: type[MemoryFiles]) -> None:
    seen = moments(lambda: rule("/out"))

    with pytest.raises((Broken, BatchError)):
        explore(seen)


def test_a_commit_that_is_told_before_it_is_done_is_found_out() -> None:
    late: list[Callable[[], None]] = []

    async def too_soon(work: Callable[[], None]) -> None:
        await asyncio.sleep(0.001)
        late.append(work)
        if len(late) > 1:
            late.pop(0)()

    seen = moments(disk, too_soon)

    with pytest.raises((Broken, BatchError)):
        explore(seen)
