"""The logs of a run, looked at after each of its sessions as a reader outside would see them.

What was once a whole line must stay as it is, each line must be JSON, and only the last may be cut.
What comes to a log between two looks is the session's that ran in between.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

import orjson

from tests.proofs.processes import require

Record: TypeAlias = dict[str, Any]
NAMES: Final = ("out.jsonl", "out.run/errors.jsonl", "out.run/journal.jsonl")


class Log:
    """One log, and what was found in it so far, each record with its session."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[tuple[int, Record]] = []
        self.torn = 0  # bytes after the last whole line, when looked at last
        self._end = 0  # of the whole lines
        self._sum = 0  # checksum up to there
        self._counted = 0  # lines, for ``count``
        self._counted_to = 0

    def look(self, session: int) -> None:
        """Read on, and raise ``Failed`` for what no kill may leave."""
        data = self.path.read_bytes() if self.path.exists() else b""
        known, fresh = data[: self._end], data[self._end :]
        require(
            len(known) == self._end and zlib.crc32(known) == self._sum,
            f"{self.path.name}: lines that were whole have changed",
        )
        *lines, tail = fresh.split(b"\n")
        for line in lines:
            try:
                self.records.append((session, _essence(orjson.loads(line))))
            except orjson.JSONDecodeError as error:
                require(False, f"{self.path.name}: a whole line is no JSON: {error}: {line[:80]!r}")
        self.torn = len(tail)
        self._end = len(data) - self.torn
        self._sum = zlib.crc32(data[len(known) : self._end], self._sum)
        self._counted, self._counted_to = len(self.records), self._end

    def count(self) -> int:
        """Return how many lines there are by now, reading only what is new."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._counted_to)
                data = file.read()
            self._counted += data.count(b"\n")
            self._counted_to += len(data)
        return self._counted

    def tear(self, chance: Random) -> None:
        """Leave the beginning of a line behind, as a power loss may."""
        data = self.path.read_bytes()
        last = data[data.rstrip(b"\n").rfind(b"\n") + 1 :]
        with self.path.open("ab") as file:
            file.write(last[: chance.randrange(1, len(last) - 1)])
            os.fsync(file.fileno())


class Logs:
    """The three logs of the run whose output is ``out.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.results, self.errors, self.journal = (Log(folder / name) for name in NAMES)
        self.all = (self.results, self.errors, self.journal)

    def look(self, session: int) -> None:
        """Look at each."""
        for log in self.all:
            log.look(session)

    def recorded(self) -> int:
        """Return how many terminal records there are by now."""
        return self.results.count() + self.errors.count()

    def sessions(self) -> set[int]:
        """Return the sessions that recorded a line."""
        return {session for log in (self.results, self.errors) for session, _ in log.records}


def _essence(record: Record) -> Record:
    """Drop the answer's body: a proof over many lines needs the rest."""
    response = record.get("response")
    if response:
        del response["body"]
    return record
