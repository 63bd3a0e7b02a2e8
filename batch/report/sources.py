"""Finds usage totals, and reads each run once: a copy of a run is the same run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.errors import NoInput
from batch.ledger.paths import Paths, folder_of
from batch.report.buckets import Bucket, decode, place_of
from batch.wording import counted, shown

NAME: Final = "usage.jsonl"
LARGEST: Final = 256 << 20  # bytes; totals of a year are a few megabytes
_RUN: Final = ".run"
_TAKEN: Final = 4096  # buckets at once

# From where a run's files are to its totals as its logs have them; None if these cannot be read.
Fresh: TypeAlias = Callable[[Paths], Iterable[Mapping[str, Any]] | None]
Take: TypeAlias = Callable[[Sequence[Bucket]], None]
Begin: TypeAlias = Callable[[], Take]
_Runs: TypeAlias = dict[str, Sequence[Bucket]]
_run_of: Final = attrgetter("run_id")
_requests_of: Final = attrgetter("num_model_requests")


class Skipped(msgspec.Struct, frozen=True):
    """A file that is no usage totals, whole: where, and what is wrong."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{shown(self.path, 200)}{self.why}"


class Found(msgspec.Struct, frozen=True):
    """What was read."""

    runs: int
    files: int
    notes: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()


class _Copy(msgspec.Struct, frozen=True):
    """A run's totals in one of the files."""

    path: str
    requests: int


def read_all(paths: Sequence[str], fresh: Fresh, begin: Begin) -> Found:
    """Read the totals of files, runs and folders. Raises ``NoInput`` if one has none.

    ``fresh`` reads the logs of a run whose totals are older than they are. Each bucket that counts
    is given to what ``begin`` returns, once, several of a run together. One file is in memory
    at a time: if it turns out that a later file has more of a run, it all begins again, with what
    is known by then.
    """
    owners: dict[str, _Copy] = {}
    notes: list[str] = []
    skipped: list[Skipped] = []
    files, again, take = 0, False, begin()
    for path, read in _each(dict.fromkeys(map(os.path.realpath, _find(paths))), fresh, skipped):
        files += 1
        for run_id, buckets in read.items():
            copy, known = _Copy(path, _requests(buckets)), owners.get(run_id)
            if known is None:
                owners[run_id] = copy
                _give(buckets, take)
                continue
            better = copy.requests > known.requests
            kept, other = (copy, known) if better else (known, copy)
            owners[run_id], again = kept, again or better
            notes.append(f"run {run_id} is counted once, from {kept.path}; {other.path} has it too")
    if again:
        take = begin()
        for path, read in _each({copy.path: None for copy in owners.values()}, fresh, skipped):
            for run_id, buckets in read.items():
                if run_id in owners and owners[run_id].path == path:
                    _give(buckets, take)
    return Found(len(owners), files, notes, skipped)


def _each(
    paths: Iterable[str], fresh: Fresh, skipped: list[Skipped]
) -> Iterator[tuple[str, _Runs]]:
    for path in paths:
        try:
            yield path, _read(path, fresh)
        except (OSError, ValueError) as error:
            skipped.append(Skipped(path, _complaint(error)))


def _give(buckets: Sequence[Bucket], take: Take) -> None:
    for start in range(0, len(buckets), _TAKEN):
        take(buckets[start : start + _TAKEN])


def _find(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files of totals; of a run that has none yet, the place where they belong."""
    for path in paths:
        if os.path.isdir(path):
            found = list(_within(path))
            if not found:
                raise NoInput(f"{path}: there is no {NAME} in this folder, nor in those below it")
            yield from found
        elif os.path.isdir(folder_of(path)):
            yield os.path.join(folder_of(path), NAME)
        elif os.path.isfile(path):
            yield path
        else:
            raise NoInput(
                f"{path or repr(path)}: there is no such file. Name the output of a run, a {NAME}, "
                "or a folder that holds some"
            )


def _within(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        journal = parent.endswith(_RUN) and "journal.jsonl" in names
        mine = [one for one in names if one == NAME or one.endswith(f".{NAME}")]
        yield from (os.path.join(parent, name) for name in sorted(mine))
        if journal and NAME not in names:
            yield os.path.join(parent, NAME)


def _read(path: str, fresh: Fresh) -> _Runs:
    rows = _from_logs(path, fresh)
    lines = [orjson.dumps(row) for row in rows] if rows is not None else _lines(path)
    runs: dict[str, list[Bucket]] = {}
    for run_id, buckets in groupby(_decoded(lines), _run_of):
        runs.setdefault(run_id, []).extend(buckets)
    return {run_id: _once(run) for run_id, run in runs.items()}


def _decoded(lines: Sequence[bytes]) -> Sequence[Bucket]:
    buckets: list[Bucket] = []
    try:
        buckets.extend(map(decode, lines))
    except msgspec.MsgspecError as error:
        place = len(buckets)
        raise ValueError(f":{place + 1}: {_foreign(lines[place], str(error))}") from None
    return buckets


def _once(run: Sequence[Bucket]) -> Sequence[Bucket]:
    """Return a run's buckets; of those with the same place, the one with the most requests."""
    if len(set(map(place_of, run))) == len(run):
        return run
    largest: dict[object, Bucket] = {}
    for bucket in run:
        place = place_of(bucket)
        known = largest.get(place)
        if known is None or known.num_model_requests < bucket.num_model_requests:
            largest[place] = bucket
    return list(largest.values())


def _lines(path: str) -> list[bytes]:
    with open(path, "rb", buffering=0) as file:
        # Asked first: to read up to a limit has all the memory up to it made ready.
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise ValueError(": this is too large for usage totals")
        data = file.readall()
    if data and not data.endswith(b"\n"):
        number = data.count(b"\n") + 1
        raise ValueError(f":{number}: the file ends in the middle of a line: a part of it is gone")
    return list(filter(bytes.strip, BytesIO(data)))  # each with its line break


def _from_logs(path: str, fresh: Fresh) -> Iterable[Mapping[str, Any]] | None:
    """Return the totals out of a run's logs, if it has written to them since they were made."""
    folder, name = os.path.split(path)
    if name != NAME or not folder.endswith(_RUN):
        return None
    paths = Paths(f"{folder.removesuffix(_RUN)}.jsonl")
    logs = (paths.results, paths.errors, paths.journal)
    newest = max((os.stat(one).st_mtime_ns for one in logs if os.path.isfile(one)), default=0)
    made = os.stat(path).st_mtime_ns if os.path.isfile(path) else 0
    if newest <= made or not os.path.isfile(paths.results):
        return None
    return fresh(paths)


def _foreign(line: bytes, wrong: str) -> str:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return "this is no JSON"
    what = wrong.replace(" - at `$", " at `").replace("`", "")
    return f"these are no usage totals of wbatch: {what}"


def _complaint(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f": {error.strerror}"
    return str(error)


def _requests(run: Sequence[Bucket]) -> int:
    return sum(map(_requests_of, run))


def told(runs: int, files: int) -> str:
    """Return in a few words what was read."""
    return f"{counted(runs, 'run')} in {counted(files, 'file')}"
