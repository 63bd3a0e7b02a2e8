"""A cache of what the logs say. It can be deleted at any time, and nothing correct depends on it.

It holds, for each log, which file it was and up to where it was read, and the history up to there.
It is only believed if its checksum holds and each log is still that file and at least that long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from batch.files import Files, read_whole, replacing, write_all
from batch.ledger.entries import Entry
from batch.ledger.lines import LineSet
from batch.ledger.state import History, Open
from batch.ledger.totals import Key, Sums, Totals

VERSION: Final = 6
CHECKSUM: Final = 16  # bytes
MOST_BYTES: Final = 256 << 20  # of a cache that is read at all: ten million lines take 3 MB


class Position(msgspec.Struct, frozen=True):
    """Up to where a log has been read, and which file that was."""

    identity: tuple[int, int] | None
    offset: int
    tail: bytes = b""  # digest of what stands just before that


class Saved(msgspec.Struct, frozen=True):
    """The cache as stored."""

    version: int
    run_id: str
    positions: dict[str, Position]
    answered: bytes
    failed: bytes
    error_records: int
    sums: list[int]
    buckets: list[tuple[Key, Sums]]
    open: dict[int, Open]
    reserved: dict[str, tuple[str, str]]
    header: Entry | None
    identity: dict[str, object]


class Checkpoint(msgspec.Struct, frozen=True):
    """A history, and the positions from which on the logs are still to be read."""

    history: History
    positions: Mapping[str, Position]


def encode(run_id: str, history: History, positions: Mapping[str, Position]) -> bytes:
    """Return the cache as bytes, its checksum first."""
    body = msgspec.msgpack.encode(
        Saved(
            version=VERSION,
            run_id=run_id,
            positions=dict(positions),
            answered=bytes(history.answered.bits),
            failed=bytes(history.failed.bits),
            error_records=history.error_records,
            sums=history.sums,
            buckets=list(history.totals.buckets.items()),
            open=history.open,
            reserved=history.reserved,
            header=history.header,
            identity=history.identity,
        )
    )
    return _checksum(body) + body


def save(files: Files, path: str, data: bytes) -> None:
    """Put the cache in place. Not synced: what a power loss leaves fails its checksum."""
    with replacing(files, path) as fd:
        write_all(files, fd, data)


def load(files: Files, path: str) -> Checkpoint | None:
    """Return the cache, or None if there is none that can be believed."""
    try:
        if files.length(path) > MOST_BYTES:
            return None
        data = read_whole(files, path)
        if data is None or data[:CHECKSUM] != _checksum(data[CHECKSUM:]):
            return None
        saved = msgspec.msgpack.decode(data[CHECKSUM:], type=Saved)
    except (OSError, msgspec.DecodeError):
        return None
    if saved.version != VERSION:
        return None
    history = History()
    history.answered = LineSet(saved.answered)
    history.failed = LineSet(saved.failed)
    history.error_records = saved.error_records
    history.sums = saved.sums
    history.totals = Totals(dict(saved.buckets))
    history.open = saved.open
    history.reserved = saved.reserved
    history.header = saved.header
    history.identity = saved.identity
    return Checkpoint(history, saved.positions)


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=CHECKSUM).digest()
