"""Whether what a crash left, and what its mending makes of it, keeps every promise.

Nothing here believes the ledger: records, bills and files are read from the bytes, in a way of its
own, and held against what the process knew and against the books of the gateway.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import orjson

from batch.errors import Refusal
from batch.ledger.book import Book
from batch.ledger.entries import timestamp
from batch.ledger.paths import Paths
from batch.ledger.recover import Found, recover
from batch.ledger.state import History
from batch.nightly.shelf import tidy
from tests.crash.broken import Broken, demand
from tests.crash.gateway import Books
from tests.crash.known import Known, bits
from tests.crash.process import (
    BUILDING,
    DAY,
    EPOCH,
    PUBLISHED,
    SESSION_SECONDS,
    Process,
    begins_anew,
    put_aside,
)
from tests.crash.story import Story
from tests.ledger.kit import said
from tests.ledger.memory_files import MemoryFiles, taking


class Image(NamedTuple):
    """What may be left at one moment, and what was known then."""

    files: MemoryFiles
    known: Known
    books: Books
    step: int  # the command that was under way

    def told(self) -> tuple[object, ...]:
        """Return all that is to be found again on the disk."""
        books = self.books
        paid, tasks = tuple(books.paid.items()), tuple(books.tasks.items())
        spent = books.owed, books.billed
        return self.known, self.step, *spent, paid, tasks, books.afresh, books.kept


class Told(NamedTuple):
    """What the logs of a run say, read by nobody but us."""

    results: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    journal: list[dict[str, Any]]


class Oracle:
    """Judges the images of one story."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._mended: set[int] = set()  # what was judged already after its mending

    def check(self, image: Image) -> None:
        """Have the same command look at an image and mend it. Raises ``Broken``."""
        files = image.files.killed()
        _check_kept(files, image.books)
        if begins_anew(self._story.commands[image.step], image.step, image.books):
            _check_aside(files, image)
            image = image._replace(known=Known())  # of the run that is to begin
        paths, found = mend(files, image, self._story)
        _check_found(found, image.known)
        if found is None:
            return
        # Nothing was written but what was mended: if that is not safe, all that follows is built
        # on sand.
        known = image.known.with_history(found.history)
        if is_told(paths, image, self._story):
            known = msgspec.structs.replace(known, published=True)
        left = image._replace(files=files.unplugged(taking(0)), known=known)
        kinds = files.fingerprint(transient), left.files.fingerprint(transient)
        key = hash((*kinds, image.told()))
        if key in self._mended:
            return
        told = _read(files, paths)
        _check_bills(told, found.history, image.books)
        _check_paid(told, found.history, image.books)
        _check_parts(told, found.history)
        _check_reserved(told, found.history, image.books)
        _check_media(told, files, paths)
        _check_cache(files, paths, found.history)
        if kinds[0] != kinds[1]:
            safe = _recovered(left.files, _place(left.files, left, self._story))
            _check_found(safe, known)
        self._mended.add(key)


def is_told(paths: Paths, image: Image, story: Story) -> bool:
    """Return whether the command only tells that the day is published."""
    return paths is PUBLISHED and story.commands[image.step].kind in ("run", "new")


def mend(files: MemoryFiles, image: Image, story: Story) -> tuple[Paths, Found | None]:
    """Do what a command does first: read what was left, and mend it."""
    paths = _place(files, image, story)
    if is_told(paths, image, story):
        tidy(files, DAY)
        return paths, _recovered(files, paths)
    if begins_anew(story.commands[image.step], image.step, image.books):
        put_aside(files, EPOCH)
    found = _recovered(files, paths)
    if found is not None:
        book = Book(files, paths, found.run_id, 10)
        book.begin(found, {})
        book.release()
    return paths, found


def check_to_the_end(image: Image, story: Story) -> None:
    """Give the same command, and those after it, and the last one twice. Raises ``Broken``."""
    files, books, known = image.files.killed(), image.books.copy(), image.known
    code = 0
    for step in range(image.step, len(story.commands)):
        process = Process(files, story, step, known, books)
        code = run_process(process)
        known = process.knows()
    check_end(files, story, books, code)


def check_counted_once(files: MemoryFiles, books: Books) -> None:
    """Where nothing crashed, no more counts as lost than is: tasks that went on, too."""
    found = _recovered(files, PUBLISHED)
    assert found is not None
    counts = _reserved(found.history), _dark(_read(files, PUBLISHED), books)
    demand(counts[0] == counts[1], f"{counts[0]} requests count as lost, and {counts[1]} are")


def check_end(files: MemoryFiles, story: Story, books: Books, code: int) -> None:
    """Check what all commands came to in the end: the last one, given again, does nothing."""
    found = _recovered(files, PUBLISHED)
    demand(found is not None, "the day is not published in the end")
    assert found is not None
    ended = bits(found.history.answered) | bits(found.history.failed)
    demand(ended == _all(story), "a line has no record in the end")
    demand(code == (3 if found.history.failed.count else 0), f"the exit code is {code} in the end")
    bills, asked = books.last, dict(books.asked)
    before = files.fingerprint(transient)
    again = run_process(Process(files, story, len(story.commands) - 1, Known(), books))
    demand(again == code, f"the exit code was {code}, and {again} when the command was repeated")
    demand((books.last, books.asked) == (bills, asked), "a repeated command sent something")
    demand(files.fingerprint(transient) == before, "a repeated command changed something")
    told = _read(files, PUBLISHED)
    _check_bills(told, found.history, books)
    _check_media(told, files, PUBLISHED)
    _check_cache(files, PUBLISHED, found.history)
    rows = [orjson.loads(row) for row in files.content(PUBLISHED.usage).splitlines()]
    summed = sum(row["input_tokens"] or 0 for row in rows)
    demand(summed == sum(_bills(told)), "usage.jsonl says another sum than the logs")


def run_process(process: Process) -> int:
    """Run a process to its end. A refusal is a broken promise here: nobody did anything wrong."""
    try:
        return process.run()
    except Refusal as refusal:
        raise Broken(f"{process.command.kind} was refused: {refusal}") from refusal


def transient(path: str) -> bool:
    """Return whether no process reads a file: what is half made, and who holds what."""
    return path.endswith((".tmp", ".part", ".probe", "lock", "spill"))


def _place(files: MemoryFiles, image: Image, story: Story) -> Paths:
    """Return where the day is; if it is in its place, it must be whole."""
    if not files.length(PUBLISHED.journal):
        demand(not image.known.published, "a day that was published is gone")
        return BUILDING
    demand(not files.length(BUILDING.journal), "a day is in two places")
    summary = _json(files.content(PUBLISHED.manifest)) if files.length(PUBLISHED.manifest) else None
    demand(isinstance(summary, dict), "a published day has no summary that can be read")
    assert summary is not None
    demand(summary["x_run"]["output"] == PUBLISHED.results, "a published day says another place")
    if is_told(PUBLISHED, image, story):
        history = getattr(_recovered(files, PUBLISHED), "history", History())
        ended = bits(history.answered) | bits(history.failed)
        demand(ended == _all(story), "a day is published that is not made to its end")
    return PUBLISHED


def _recovered(files: MemoryFiles, paths: Paths) -> Found | None:
    try:
        found = recover(files, paths)
    except Refusal as refusal:
        raise Broken(f"what a crash left was refused: {refusal}") from refusal
    if found is not None:
        shrunk = any(end.shrunk for end in found.ends[:2])
        demand(not (found.lost or found.begun or shrunk), "something is said to be lost")
    return found


def _check_found(found: Found | None, known: Known) -> None:
    """What was acknowledged is there."""
    if found is None:
        demand(not known.begun, "a run that had begun is gone")
        return
    history = found.history
    answered, failed = bits(history.answered), bits(history.failed)
    demand(not known.answered & ~answered, "an answer is lost")
    demand(not known.failed & ~(answered | failed), "an error is lost")
    still = {line for line in known.open if not (answered | failed) >> line & 1}
    demand(still <= history.open.keys(), "what was begun is forgotten")
    demand(known.tokens <= (history.totals.sum()["input_tokens"] or 0), "a bill is lost")


def _check_kept(files: MemoryFiles, books: Books) -> None:
    """Of a run that is put aside nothing is lost, wherever its logs are by now."""
    for log, data in books.kept:
        name = os.path.basename(log)
        found = any(
            os.path.basename(path).startswith(name) and inode.data.startswith(data)
            for path, inode in files.names.items()
        )
        demand(found, f"{name} of the run that is put aside is not there any more")


def _check_aside(files: MemoryFiles, image: Image) -> None:
    """Whoever leaves --new-run out meanwhile has the old run, or is refused, or begins another."""
    try:
        found = recover(files.killed(), BUILDING)
    except Refusal:
        return
    if found is not None:
        _check_found(found, image.known if image.known.begun else image.books.aside)


def _check_bills(told: Told, history: History, books: Books) -> None:
    """Each bill is in one place, and the totals say what the records say."""
    bills = _bills(told)
    demand(len(set(bills)) == len(bills), "a bill is in two places")
    demand(books.billed.issuperset(bills), "a bill is there that nobody wrote")
    demand(books.owed.issubset(bills), "a line went on, and what it had cost is not on record")
    totals = history.totals.sum()
    demand((totals["input_tokens"] or 0) == sum(bills), "the totals are not those of the records")
    demand(totals["num_model_requests"] == len(bills), "the requests are not those of the records")


def _bills(told: Told) -> list[int]:
    """Return the number of each bill on record."""
    bills, pack = [], 0
    for result in told.results:
        place, size = result.get("pack", (0, 1))
        pack += result["usage"]["input_tokens"]
        if place == size - 1:
            bills.append(pack)
            pack = 0
    bills += [e["usage"]["input_tokens"] for e in told.journal if e["kind"] in ("part", "billed")]
    demand(not any("usage" in error for error in told.errors), "an error has money")
    return bills


def _check_paid(told: Told, history: History, books: Books) -> None:
    """Work that must not be paid twice, and was submitted, is remembered until it has its end."""
    ended = {error["line"]: error["started_at"] or "" for error in told.errors}
    for line, session in books.paid.items():
        begun = history.open.get(line)
        known = begun is not None and (begun.intent or begun.state)
        since = timestamp(EPOCH + SESSION_SECONDS * session)
        over = line in history.answered or ended.get(line, "") >= since
        demand(bool(over or known), f"line {line} was paid, and nothing says so")
        task = books.tasks.get(line)
        demand(
            task is None or over or (begun is not None and begun.state == {"id": task}),
            f"line {line} has a task, and nobody could ask for it any more",
        )


def _check_parts(told: Told, history: History) -> None:
    """What was answered of a line before it failed is known to whoever asks for the rest."""
    kept = {error["line"]: error.get("parts", 0) for error in told.errors}
    for line, parts in kept.items():
        begun = history.open.get(line)
        there = len(begun.parts) if begun is not None else 0
        demand(line in history.answered or there >= parts, f"line {line} forgets what it was told")


def _check_reserved(told: Told, history: History, books: Books) -> None:
    """What was billed and is not on record, be it of a task, is on record to be at risk."""
    demand(_dark(told, books) <= _reserved(history), "more was at risk than the journal says")


def _dark(told: Told, books: Books) -> int:
    """Return how many bills are not on record."""
    return len(books.billed - set(_bills(told)))


def _reserved(history: History) -> int:
    """Return how many requests count as spent of which nobody knows."""
    return sum(int(amount) for amount, _ in history.reserved.values())


def _check_media(told: Told, files: MemoryFiles, paths: Paths) -> None:
    """A file that a result names is there, whole."""
    for result in told.results:
        for one in result.get("files", ()):
            path = f"{paths.files}/{one['path']}"
            demand(path in files.names, f"a result names {one['path']}, and it is not there")
            data = files.content(path)
            demand(_sha256(data) == one["sha256"], f"a result names {one['path']}: not whole")


def _check_cache(files: MemoryFiles, paths: Paths, history: History) -> None:
    """Without its checkpoint a run knows the same."""
    if paths.checkpoint in files.names:
        without = files.killed()
        del without.names[paths.checkpoint]
        found = _recovered(without, paths)
        same = found is not None and said(found.history) == said(history)
        demand(same, "the checkpoint says other than the logs")


def _read(files: MemoryFiles, paths: Paths) -> Told:
    """Read the logs after a mending: whole lines of JSON, and one result for a line at most."""
    told = Told(
        [one["x_run"] for one in _lines(files, paths.results)],
        [one["x_run"] for one in _lines(files, paths.errors)],
        list(_lines(files, paths.journal)),
    )
    lines = [result["line"] for result in told.results]
    demand(len(lines) == len(set(lines)), "a line has two results")
    return told


def _lines(files: MemoryFiles, path: str) -> Iterator[dict[str, Any]]:
    data = files.content(path)
    demand(not data or data.endswith(b"\n"), f"{path} ends within a line")
    for line in data.splitlines():
        read = _json(line)
        demand(isinstance(read, dict), f"{path} has a line that is no JSON")
        yield read


@lru_cache(maxsize=1 << 14)
def _json(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


@lru_cache(maxsize=1 << 10)
def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _all(story: Story) -> int:
    return sum(1 << line.ordinal for line in story.lines)
