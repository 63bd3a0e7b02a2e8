"""Dropping errors that were made up for: the errors log rewritten whole, as a new generation."""

from __future__ import annotations

import os
from typing import Final

from batch.files import Files, write_all
from batch.ledger.entries import decode_mark
from batch.ledger.scan import numbered
from batch.ledger.state import History

WRITE_BYTES: Final = 1 << 20


def compact_errors(files: Files, path: str, history: History) -> None:
    """Keep the last error of each line that has no result, in their order, in one atomic step."""
    last: dict[int, int] = {}
    for at, line, _ in numbered(files, path, 0):
        ordinal = decode_mark(line).line
        if ordinal in history.failed:
            last[ordinal] = at
    kept = set(last.values())
    temporary = f"{path}.tmp"
    fd = files.create(temporary)
    try:
        waiting = bytearray()
        for at, line, _ in numbered(files, path, 0):
            if at in kept:
                waiting += line + b"\n"
            if len(waiting) >= WRITE_BYTES:
                write_all(files, fd, bytes(waiting))
                waiting.clear()
        write_all(files, fd, bytes(waiting))
        files.sync(fd)
    finally:
        files.close(fd)
    files.replace(temporary, path)
    files.sync_folder(os.path.dirname(path))
    history.error_records = len(kept)
