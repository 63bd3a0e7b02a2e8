"""Records, journal entries and sessions for tests of the ledger, and what a history says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from batch.inputs.lines import line_sum
from batch.ledger.book import Book
from batch.ledger.entries import Entry, EntryKind
from batch.ledger.lines import LineSet
from batch.ledger.paths import Paths
from batch.ledger.recover import Found, recover
from batch.ledger.state import History
from batch.records import Answer, Fault, Result, Timing
from batch.usage import Meter, Usage
from tests.ledger.memory_files import MemoryFiles

RUN = "20261122T020000Z-7f3a9c"
HOUR = 1_795_312_800.0  # 2026-11-22T02:00:00Z
AT = "2026-11-22T02:00:03.120Z"
MODEL, ENDPOINT = "gpt-4o-mini", "/v1/chat/completions"
PATHS = Paths("/out/out.jsonl")
HEADER = {"created_at": 1_795_312_800, "lines": 9, "inputs": [], "identity": {"model": MODEL}}
USAGE = Usage({Meter.INPUT: 40, Meter.CACHED_INPUT: 2, Meter.OUTPUT: 7, Meter.REASONING: 0})


def disk() -> MemoryFiles:
    return MemoryFiles("/out")


def text_of(line: int, text: str = "") -> bytes:
    """The bytes of an input line."""
    return b'{"prompt":"line %d%s"}' % (line, text.encode())


def sum_of(line: int, text: str = "") -> int:
    return line_sum(text_of(line, text))


def answered(line: int, **changed: Any) -> Result:
    return _result(line, Answer(b'{"said":%d}' % line, "ok", "stop", USAGE), changed)


def failed(line: int, code: str = "timeout", **changed: Any) -> Result:
    fault = Fault(code, "no answer in time", retryable=True, parts=changed.pop("parts", 0))
    return _result(line, fault, changed)


def pack(first: int, size: int) -> list[Result]:
    """Lines that one call answered."""
    return [answered(first + place, pack=(place, size)) for place in range(size)]


def entry(kind: EntryKind, line: int, attempt: int = 1, text: str = "", **more: Any) -> Entry:
    return Entry(
        kind=kind,
        line=line,
        sum=f"{sum_of(line, text):016x}",
        attempt=attempt,
        at=AT,
        model=MODEL,
        endpoint=ENDPOINT,
        key="default",
        **more,
    )


def part(line: int, number: int, attempt: int) -> Entry:
    answer = Answer(b'{"part":%d}' % attempt, None, "stop", USAGE)
    usage = {"input_tokens": 42, "output_tokens": 7}
    return entry("part", line, attempt, part=number, usage=usage, answer=answer)


def billed(line: int, attempt: int = 1) -> Entry:
    usage = {"input_tokens": 42, "output_tokens": 5, "seconds": 0.1}
    return entry("billed", line, attempt, usage=usage, why="incomplete_response")


async def at_once(work: Callable[[], None]) -> None:
    """An offload that takes a moment of virtual time and no thread."""
    await asyncio.sleep(0.001)
    work()


@asynccontextmanager
async def book_on(
    files: MemoryFiles, limit: int = 100, compact: bool = False, **header: Any
) -> AsyncIterator[Book]:
    """Recover, and hold the book open; closed in order, or let go of when it fails."""
    book = begun_book(files, recover(files, PATHS), limit, **header)
    book.open(at_once)
    try:
        yield book
        await book.close(compact=compact)
    finally:
        book.release()


def begun_book(files: MemoryFiles, found: Found | None, limit: int = 100, **header: Any) -> Book:
    book = Book(files, PATHS, found.run_id if found else RUN, limit)
    book.begin(found, HEADER | header)
    return book


async def wrote(files: MemoryFiles, *units: Result | list[Result] | Entry, **how: Any) -> History:
    """Write units in a session of their own, each in its own group; return what it knew."""
    async with book_on(files, **how) as book:
        for unit in units:
            put(book, unit)
            await book.settled()
    return book.history


def put(book: Book, unit: Result | list[Result] | Entry) -> None:
    if isinstance(unit, Entry):
        book.note(unit)
    else:
        book.record(unit if isinstance(unit, list) else [unit])


def members(lines: LineSet) -> set[int]:
    return {ordinal for ordinal in range(8 * len(lines.bits)) if ordinal in lines}


def said(history: History) -> dict[str, Any]:
    """Everything a history says; numbers as they would be written, so that 1 is not 1.0."""
    sums = list(history.sums)
    while sums and not sums[-1]:
        sums.pop()
    return {
        "answered": (members(history.answered), history.answered.count),
        "failed": (members(history.failed), history.failed.count),
        "error_records": history.error_records,
        "sums": sums,
        "totals": {key: repr(sorted(sums.items())) for key, sums in history.totals.buckets.items()},
        "open": {line: msgspec.to_builtins(begun) for line, begun in history.open.items()},
        "reserved": history.reserved,
        "header": history.header,
        "identity": history.identity,
    }


def _result(line: int, outcome: Answer | Fault, changed: dict[str, Any]) -> Result:
    attempts = changed.pop("attempts", 1)
    text = changed.pop("text", "")
    result = Result(
        ordinal=line,
        sum=sum_of(line, text),
        custom_id=f"row-{line}",
        model=MODEL,
        endpoint=ENDPOINT,
        key="default",
        timing=Timing(HOUR + line, 840, attempts),
        outcome=outcome,
    )
    return msgspec.structs.replace(result, **changed)
