"""Fails each call of a command in turn, and says of each failure whether the promises held."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from tests.disk.cases import ONCE, Case, Ended, command
from tests.disk.failing import ANY, ERRORS, FULL, OPERATIONS, SHORT, FailingFiles, Fault

CANNOT_WRITE: Final = 73
# Of reading and looking nothing can fail for want of room.
ROOMLESS: Final = ("read", "look", "close")
# What a message that tells what to do has, at the least.
TO_DO: Final = ("same command", "Choose an --output", "its files must be readable and writable")
UNPUBLISHED: Final = "may be out of date"  # what is said where totals could not be written
GARBAGE_EVERY: Final = 10  # faults
TRACES: Final = (".tmp", ".part", ".probe")

Records: TypeAlias = dict[str, list[int]]  # ordinals of lines, by where they stand


class Verdict(NamedTuple):
    """What one failure came to."""

    fault: Fault
    reached: bool
    code: int
    said: str
    broken: list[str]  # promises


def ways(operation: str) -> list[tuple[str, bool]]:
    """Return how a call of this operation can fail, and whether all later ones do."""
    if operation == ANY:
        return [("EIO", True)]
    kinds = [kind for kind in ERRORS if kind != "ENOSPC" or operation not in ROOMLESS]
    both = [(kind, for_good) for kind in kinds for for_good in (False, True)]
    if operation == "write":
        both += [(SHORT, False), (SHORT, True), (FULL, True)]
    return both


def every_fault(case: Case, folder: Path) -> Iterator[Verdict]:
    """Fail every call in every way, each until the command ends before its turn has come."""
    for operation in (*OPERATIONS, ANY):
        for kind, for_good in ways(operation):
            number, reached = 0, True
            while reached:
                number += 1
                fault = Fault(operation, number, kind, for_good)
                verdict = judge(case, fault, folder, case.prepare)
                reached = verdict.reached
                if reached or verdict.broken:
                    yield verdict


def some_faults(case: Case, folder: Path, step: int = 1) -> Iterator[Verdict]:
    """Fail every call, or each ``step``-th, in one way: the ways take turns.

    A disk that is gone for good, which differs less from call to call, is so five times as seldom.
    """
    before = folder.with_name("before")
    before.mkdir()
    case.prepare(before)
    for operation in (*OPERATIONS, ANY):
        all_ways, number, reached = ways(operation), 1, True
        while reached:
            kind, for_good = all_ways[number // step % len(all_ways)]
            fault = Fault(operation, number, kind, for_good)
            verdict = judge(case, fault, folder, lambda to: _copied(before, to))
            reached = verdict.reached
            if reached or verdict.broken:
                yield verdict
            number += 5 * step if operation == ANY else step


def _copied(before: Path, to: Path) -> None:
    shutil.copytree(before, to, dirs_exist_ok=True)


def judge(case: Case, fault: Fault, folder: Path, prepare: Callable[[Path], None]) -> Verdict:
    """Let a command meet a fault, then run it again without; return which promises broke."""
    if fault.number % GARBAGE_EVERY == 0:
        gc.collect()  # what each command freezes before it begins is never looked at by itself
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    prepare(folder)
    before = _records(folder / case.output)
    files = FailingFiles(fault)
    first = command(folder, case.args, files)
    left = _records(folder / case.output)
    broken = [*files.wrong, *_after_the_fault(case, first, fault, left, folder)]
    broken += [f"{path} is still open" for path in files.open.values()]
    if first.code == CANNOT_WRITE or UNPUBLISHED in first.said:
        again = command(folder, case.args)
        if again.code != case.code:
            broken.append(f"the same command ended with {again.code}: {again.said}")
    broken += _at_the_end(case, fault, folder, left, before)
    return Verdict(fault, files.reached, first.code, first.said, broken)


def _after_the_fault(
    case: Case, ended: Ended, fault: Fault, left: Records, folder: Path
) -> Iterator[str]:
    if "Traceback" in ended.said or "bug" in ended.said:
        yield f"a traceback: {ended.said}"
    if ended.code not in (case.code, CANNOT_WRITE):
        yield f"exit code {ended.code}: {ended.said}"
    if ended.code == CANNOT_WRITE:
        cause = os.strerror(ERRORS.get(fault.kind, ERRORS["ENOSPC"]))
        told = next((line for line in ended.said.splitlines() if cause in line), "")
        if not told:
            yield f"no word of the cause: {ended.said}"
        if str(folder) not in told:
            yield f"no word of the file: {told}"
        if not any(words in ended.said for words in TO_DO):
            yield f"no word of what to do: {ended.said}"
    counts = ended.summary.get("request_counts")
    if counts and case.args[0] != "status":
        if counts["completed"] > len(left["results"]):
            yield f"{counts['completed']} answers were counted, {len(left['results'])} are there"
        if counts["failed"] > len(set(left["errors"]) - set(left["results"])):
            yield f"{counts['failed']} errors were counted, and are not there"


def _at_the_end(
    case: Case, fault: Fault, folder: Path, left: Records, before: Records
) -> Iterator[str]:
    output = folder / case.output
    now = _records(output)
    answered, failed = Counter(now["results"]), set(now["errors"]) - set(now["results"])
    if max(answered.values(), default=0) > 1:
        yield f"a line has two answers: {answered}"
    if set(answered) | failed != set(range(1, case.lines + 1)):
        yield f"lines {sorted(answered)} have answers, {sorted(failed)} errors"
    unknown = set(now["unknown"])
    if unknown - {ONCE}:
        yield f"the outcome of lines {sorted(unknown)} is unknown"
    if len(failed - unknown) != (case.code == 3):
        yield f"lines {sorted(failed)} failed"
    if "--new-run" not in case.args and not set(left["results"]) <= set(answered):
        yield f"answers are lost: {left['results']} were there, {sorted(answered)} are"
    if "--new-run" in case.args:
        kept = [_records(one)["results"] for one in folder.glob(f"{case.output}*")]
        if sorted(before["results"]) not in map(sorted, kept):
            yield "the old answers are gone"
    summary = output.with_suffix(".run") / "run.json"
    told = orjson.loads(summary.read_bytes()) if summary.exists() else {}
    counts = told.get("request_counts")
    if counts != {"total": case.lines, "completed": len(answered), "failed": len(failed)}:
        yield f"run.json says {counts}"
    if fault.operation not in ("remove", ANY):
        yield from (
            f"{path} was left behind" for path in folder.rglob("*") if path.suffix in TRACES
        )


def _records(output: Path) -> Records:
    """Return the ordinals of a run's whole records; ``unknown`` are those whose end none knows."""
    run = output.with_suffix(".run")
    results, errors = _whole(output), _whole(run / "errors.jsonl")
    last = {record["x_run"]["line"]: record["x_run"]["class"] for record in errors}
    return {
        "results": [record["x_run"]["line"] for record in results],
        "errors": [record["x_run"]["line"] for record in errors],
        "unknown": [line for line, class_ in last.items() if class_ == "outcome_unknown"],
    }


def _whole(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log without its torn tail."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return [orjson.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
