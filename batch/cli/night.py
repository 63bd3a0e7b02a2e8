"""What became of a day of a nightly job, for people and for programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from batch.nightly.partition import Partition
from batch.session.summary import Outcome

PUBLISHED: Final = "published"
BEFORE: Final = "done before"
MENDED: Final = "mended"


class Night(msgspec.Struct, frozen=True):
    """What became of a day."""

    partition: Partition
    word: str
    code: int
    told: str
    summary: Mapping[str, Any] | None = None

    @property
    def there(self) -> bool:
        """Return whether the day is published."""
        return self.word in (PUBLISHED, BEFORE, MENDED)

    def line(self) -> str:
        """Return it for people."""
        return f"{self.partition.day}  {self.word:<11}  {self.told}"

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        where = self.partition.output if self.there else self.partition.building
        return {
            "date": self.partition.day,
            "state": self.word.replace(" ", "_"),
            "exit_code": self.code,
            "output": os.path.abspath(where),
            "told": self.told,
            "summary": self.summary,
        }


def as_published(outcome: Outcome, partition: Partition, summary: dict[str, Any]) -> Outcome:
    """Return what a run came to with the places that its files have by now."""
    lines = (line.replace(partition.partial_name, partition.name) for line in outcome.lines)
    return Outcome(outcome.exit_code, summary, tuple(lines))


def counts(summary: Mapping[str, Any]) -> str:
    """Return in words how many lines of a run have an answer, and how many have not."""
    ended, pending = summary["request_counts"], summary["x_run"]["pending"]
    parts = [f"{ended['completed']:,} ok"]
    if ended["failed"]:
        parts.append(f"{ended['failed']:,} failed")
    if pending:
        parts.append(f"{pending:,} pending")
    return " · ".join(parts)


def document(code: int, nights: Sequence[Night]) -> dict[str, Any]:
    """Return what a command came to as one object, of all its days."""
    summaries = [night.summary for night in nights if night.summary is not None]
    ended = [summary["request_counts"] for summary in summaries]
    return {
        "object": "nights",
        "exit_code": code,
        "request_counts": {
            name: sum(one[name] or 0 for one in ended) for name in ("total", "completed", "failed")
        },
        "days": [night.document() for night in nights],
    }
