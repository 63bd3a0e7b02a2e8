"""What is told of a command's end: a headline, a text, an object, and few lines for a mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from batch.notices.ended import Ended
from batch.wording import counted

# Of a run's summary, what others are told. Inputs and settings are not: texts may stand in them.
_RUN: Final = (
    *("id", "status", "created_at", "in_progress_at", "completed_at", "cancelled_at"),
    *("request_counts", "usage", "metadata"),
)
_OWN: Final = (
    *("exit_code", "reasons", "blocked", "pending", "tasks", "failed_by_class", "retries"),
    *("seconds", "recorded", "notes"),
)
# Of the closing lines, those that go first where there is no room for all.
_SPARE: Final = ("slowed ", "used ")
# And those that stay, whatever else is cut.
_LAST: Final = ("done ", "files ", "next ")


def headline(ended: Ended) -> str:
    """Return in one line whose run it was and what it came to."""
    day = f" for {ended.date}" if ended.date else ""
    if ended.date and ended.before:
        day += f" and the {counted(ended.before, 'day')} before"
    rehearsal = " (a rehearsal)" if ended.rehearsal else ""
    if not ended.failed:
        return f"{ended.job}{day}{rehearsal}: {ended.meaning}"
    return f"{ended.job}{day}{rehearsal}: exit code {ended.exit_code}, {ended.meaning}"


def text(ended: Ended) -> str:
    """Return all of it for people."""
    return "\n".join((headline(ended), *ended.lines))


def document(ended: Ended) -> dict[str, Any]:
    """Return it for programs, with ``text`` for chats, which show that field."""
    return {
        "text": text(ended),
        "event": "run_ended",
        "job": ended.job,
        "date": ended.date,
        "rehearsal": ended.rehearsal,
        "exit_code": ended.exit_code,
        "meaning": ended.meaning,
        "seconds": round(ended.seconds, 3),
        "runs": [_told(run) for run in ended.runs],
    }


def _told(run: Mapping[str, Any]) -> dict[str, Any]:
    own = run.get("x_run") or {}
    return {
        **{name: run[name] for name in _RUN if name in run},
        "x_run": {name: own[name] for name in _OWN if name in own},
    }


def brief(lines: Sequence[str], most: int) -> list[str]:
    """Return the closing lines of a run in so many lines: what to do next is never cut."""
    told = list(lines) if most > 0 else []
    for spare in _SPARE:
        if len(told) > most:
            told = [line for line in told if not line.startswith(spare)]
    if len(told) <= most:
        return told
    last = [line for line in told if line.startswith(_LAST)]
    causes = [line for line in told if not line.startswith(_LAST)]
    kept = causes[: most - 1 - len(last)]
    cut = len(causes) - len(kept)
    return [*kept, f"         and {counted(cut, 'more line')} about this, said without -q", *last]
