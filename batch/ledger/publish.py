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
    place: Key  # in the totals
    maybe_billed: int


def failed_lines(files: Files, paths: Paths, history: History) -> Mapping[int, Failed]:
    """Return the lines that ended with an error and have no result since."""
    found: dict[int, Failed] = {}
    if not history.failed.count:
        return found
    for _, _, mark in records(files, paths.errors, 0, files.length(paths.errors)):
        if mark.line in history.failed:
            found[mark.line] = Failed(
                ordinal=mark.line,
                class_=mark.class_ or "failed",
                retryable=mark.retryable,
                attempts=mark.attempts,
                place=(hour_of(mark.started_at), mark.model, mark.endpoint, mark.key or ""),
                maybe_billed=mark.maybe_billed,
            )
    return found


def error_classes(failed: Iterable[Failed]) -> dict[str, int]:
    """Return how many lines failed by class, the most frequent first."""
    return dict(Counter(one.class_ for one in failed).most_common())


def usage_rows(
    history: History,
    run_id: str,
    failed: Iterable[Failed],
    labels: Mapping[str, Any] = NOTHING,
) -> Iterator[dict[str, Any]]:
    """Yield the lines of usage.jsonl; ``labels`` say whose run it is, ``failed`` may be billed."""
    doubts: Counter[Key] = Counter()
    for one in failed:
        doubts[one.place] += one.maybe_billed
    return history.totals.rows(run_id, labels, +doubts)


def publish_usage(files: Files, paths: Paths, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace usage.jsonl."""
    lines = (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    write_whole(files, paths.usage, b"".join(lines))


def publish_object(files: Files, path: str, value: Mapping[str, Any]) -> None:
    """Replace a file that is one JSON object."""
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2
    write_whole(files, path, orjson.dumps(value, option=option))
