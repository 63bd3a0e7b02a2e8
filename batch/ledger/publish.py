"""The files that are derived from the logs and replaced whole: they can always be made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from batch.files import Files, write_whole
from batch.ledger.paths import Paths
from batch.ledger.scan import records
from batch.ledger.state import History


class Failed(msgspec.Struct, frozen=True):
    """A line whose record is an error, as its last error says."""

    ordinal: int
    class_: str
    retryable: bool
    attempts: int


def failed_lines(files: Files, paths: Paths, history: History) -> Mapping[int, Failed]:
    """Return the lines that ended with an error and have no result since."""
    found: dict[int, Failed] = {}
    if not history.failed.count:
        return found
    for _, _, mark in records(files, paths.errors, 0, files.length(paths.errors)):
        if mark.line in history.failed:
            found[mark.line] = Failed(
                mark.line, mark.class_ or "failed", mark.retryable, mark.attempts
            )
    return found


def error_classes(failed: Iterable[Failed]) -> dict[str, int]:
    """Return how many lines failed by class, the most frequent first."""
    return dict(Counter(one.class_ for one in failed).most_common())


def publish_usage(files: Files, paths: Paths, history: History, run_id: str) -> None:
    """Replace usage.jsonl."""
    rows = (
        orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in history.totals.rows(run_id)
    )
    write_whole(files, paths.usage, b"".join(rows))


def publish_object(files: Files, path: str, value: Mapping[str, Any]) -> None:
    """Replace a file that is one JSON object."""
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2
    write_whole(files, path, orjson.dumps(value, option=option))
