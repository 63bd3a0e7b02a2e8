"""Dropping errors that were made up for: the errors log rewritten whole, as a new generation."""

from __future__ import annotations

import os
from typing import Final

from batch.files import Files, replacing, write_all
from batch.ledger.scan import records
from batch.ledger.state import History

WRITE_BYTES: Final = 1 << 20


def compact_errors(files: Files, path: str, end: int, history: History) -> None:
    """Keep the last error of each line that has no result, in their order, in one atomic step.

    ``end`` is where the valid errors end: a torn tail is not taken along. Raises OSError; the log
    is then what it was.
    """
    last: dict[int, int] = {}
    for at, _, mark in records(files, path, 0, end):
        if mark.line in history.failed:
            last[mark.line] = at
    kept = set(last.values())
    with replacing(files, path) as fd:
        waiting = bytearray()
        for at, line, _ in records(files, path, 0, end):
            if at in kept:
                waiting += line + b"\n"
            if len(waiting) >= WRITE_BYTES:
                write_all(files, fd, bytes(waiting))
                waiting.clear()
        write_all(files, fd, bytes(waiting))
        files.sync(fd)
    files.sync_folder(os.path.dirname(path))
    history.error_records = len(kept)
