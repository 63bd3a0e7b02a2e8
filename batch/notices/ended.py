"""What a command came to, as others are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

# Of a run's usage, what is counted → as the metric calls it. The second two are parts of the first.
TOKENS: Final[Mapping[str, str]] = {
    "input_tokens": "input",
    "output_tokens": "output",
    "input_cached_tokens": "input_cached",
    "output_reasoning_tokens": "output_reasoning",
}


class Ended(msgspec.Struct, frozen=True):
    """One command, from its beginning to its exit code."""

    job: str
    exit_code: int
    meaning: str  # of the exit code, in words
    at: float  # seconds since the epoch
    seconds: float
    lines: tuple[str, ...]  # the last words, as they were said to people
    runs: tuple[Mapping[str, Any], ...] = ()  # what run.json says of each run; none if refused
    date: str | None = None  # the day that it was for
    before: int = 0  # days before that one that it was for too
    rehearsal: bool = False

    @property
    def failed(self) -> bool:
        """Return whether somebody should look."""
        return self.exit_code != 0

    def counts(self) -> dict[str, int]:
        """Return how many lines there are by what became of them; nothing if none is known."""
        told: dict[str, int] = {}
        for run in self.runs:
            counts, own = run.get("request_counts") or {}, run.get("x_run") or {}
            for name, value in (
                ("ok", counts.get("completed")),
                ("failed", counts.get("failed")),
                ("pending", own.get("pending")),
            ):
                if value is not None:
                    told[name] = told.get(name, 0) + value
        return told

    def tokens(self) -> dict[str, int]:
        """Return how many tokens were used by their kind, as far as that was reported."""
        told: dict[str, int] = {}
        for run in self.runs:
            usage = (run.get("x_run") or {}).get("usage") or {}
            for name, kind in TOKENS.items():
                if usage.get(name) is not None:
                    told[kind] = told.get(kind, 0) + usage[name]
        return told
