"""The gateway's own books: one row for each request once its fate is known, and counters.

``delivered`` means that the last byte of the reply was handed to the kernel while the client was
still connected. A client that dies afterwards has not read it, and no server can know. The row
follows the last byte by microseconds: who reads the file of a running gateway waits until its
``in_flight`` is 0. A row is one write on a descriptor opened for appending, so that whatever
happens to the process, the rows written before are whole.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Final

import msgspec

from batch.errors import CannotWrite
from batch.mock import Billed
from batch.usage import ALWAYS

KEPT: Final = 10_000  # rows kept in memory, the latest ones, where no file is given


class Row(msgspec.Struct):
    """One request. It is filled in while the request is served, and written once."""

    n: int  # order of arrival, from 1
    at: float  # of arrival, seconds since the epoch
    method: str
    path: str
    key: str  # a short hash
    sum: str  # hash of the body; of a request without one, of its path
    attempt: int  # how often this body has come, from 1
    model: str = ""
    prompt: str = ""  # the first characters of the user's last text
    status: int | None = None  # None: no status line was sent
    fate: str = "stopped"  # "answered", a fault, a refusal, or "stopped" with the gateway
    billed: Billed | None = None  # None: nothing
    delivered: bool = False
    ms: int = 0  # from the arrival to the end
    work_ms: int = 0  # of it, at work: without the wait in a queue


class Counts(msgspec.Struct):
    """What happened so far."""

    arrived: int = 0
    in_flight: int = 0  # arrived, and the row not written yet
    max_in_flight: int = 0
    accepted: int = 0  # billed, whole or not
    rejected: int = 0  # not billed
    delivered: int = 0  # replies of any kind
    billed: Billed = msgspec.field(default_factory=lambda: dict.fromkeys(ALWAYS, 0))
    fates: dict[str, int] = msgspec.field(default_factory=dict)


class Ledger:
    """Rows and counters, the rows in a file if a path is given, else the latest in memory."""

    def __init__(self, path: str | None) -> None:
        self.counts = Counts()
        self.rows: deque[Row] = deque(maxlen=KEPT)
        self._encoder = msgspec.json.Encoder()
        self._file: int | None = None
        if path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            try:
                self._file = os.open(path, flags, 0o600)
            except OSError as error:
                raise CannotWrite(f"the mock gateway's ledger {path}: {error}") from error

    def arrive(self) -> int:
        """Count a request in, and return its number."""
        counts = self.counts
        counts.arrived += 1
        counts.in_flight += 1
        counts.max_in_flight = max(counts.max_in_flight, counts.in_flight)
        return counts.arrived

    def leave(self, row: Row) -> None:
        """Count a request out, and write its row."""
        counts = self.counts
        counts.in_flight -= 1
        counts.fates[row.fate] = counts.fates.get(row.fate, 0) + 1
        counts.delivered += row.delivered
        if row.billed is None:
            counts.rejected += 1
        else:
            counts.accepted += 1
            for name, count in row.billed.items():
                counts.billed[name] = counts.billed.get(name, 0) + count
        if self._file is None:
            self.rows.append(row)
            return
        line = self._encoder.encode(row) + b"\n"
        if os.write(self._file, line) != len(line):
            raise CannotWrite("the mock gateway's ledger: no space left")

    def summary(self) -> bytes:
        """Return the counters as JSON."""
        return self._encoder.encode(self.counts)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
