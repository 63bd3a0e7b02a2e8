"""The files that are derived from the logs and replaced whole: they can always be made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import orjson

from batch.files import Files, write_whole
from batch.ledger.paths import Paths
from batch.ledger.scan import records
from batch.ledger.state import History
from batch.ledger.totals import NOTHING, Key, hour_of


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


def usage_rows(
    files: Files, paths: Paths, history: History, run_id: str, labels: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the lines of usage.jsonl; ``labels`` say whose run it is."""
    doubts: dict[int, tuple[Key, int]] = {}  # failed line → where it counts, and how often
    if history.failed.count:
        for _, _, mark in records(files, paths.errors, 0, files.length(paths.errors)):
            if mark.line in history.failed:
                key = (hour_of(mark.started_at), mark.model, mark.endpoint, mark.key or "")
                doubts[mark.line] = key, mark.maybe_billed
    counts: Counter[Key] = Counter()
    for key, count in doubts.values():
        counts[key] += count
    return history.totals.rows(run_id, labels, +counts)


def publish_usage(
    files: Files,
    paths: Paths,
    history: History,
    run_id: str,
    labels: Mapping[str, Any] = NOTHING,
) -> None:
    """Replace usage.jsonl."""
    rows = (
        orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        for row in usage_rows(files, paths, history, run_id, labels)
    )
    write_whole(files, paths.usage, b"".join(rows))


def publish_object(files: Files, path: str, value: Mapping[str, Any]) -> None:
    """Replace a file that is one JSON object."""
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2
    write_whole(files, path, orjson.dumps(value, option=option))
