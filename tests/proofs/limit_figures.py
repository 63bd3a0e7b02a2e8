"""What came of a case: shares of the limit and of the requests, and series to draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from tests.proofs.limit_cases import Case, Span

Row: TypeAlias = Mapping[str, Any]  # of the mock gateway's ledger

USED: Final = 0.95  # of the limit, at least
REJECTED: Final = 0.01  # of the requests, at most
CHANGING: Final = 0.05  # the same while a new limit is being found
FAIR: Final = (0.4, 0.6)  # of what two clients get, each
REJECTIONS: Final = frozenset({"requests_per_minute", "capacity", "pause"})


class Sample(msgspec.Struct, frozen=True):
    """What a client said of itself at a moment. None: it did not."""

    at: float
    window: float | None
    pace: float | None  # requests a second


class Watched(msgspec.Struct, frozen=True):
    """All that was seen of a case. Times in seconds since the first request."""

    case: Case
    rows: Sequence[Row]  # with ``time``, the arrival
    keys: Sequence[str]  # of the clients, as the ledger has them
    samples: Sequence[Sequence[Sample]]  # of each client
    lines: int  # that ended
    failed: int  # of these, with an error


class Figures(msgspec.Struct, frozen=True):
    """Shares of 1. None: the case has no such figure."""

    used: float
    rejected: float
    changing: float | None
    slower: float | None
    shares: tuple[float, ...]
    errors: float
    requests: int

    @property
    def cells(self) -> list[str]:
        """Return it as cells of a table."""
        return [
            f"{self.requests:,}",
            f"{self.used:.1%}",
            f"{self.rejected:.2%}",
            "" if self.changing is None else f"{self.changing:.2%}",
            "" if self.slower is None else f"{self.slower:.2f} times",
            " / ".join(f"{share:.0%}" for share in self.shares),
            f"{self.errors:.3%}",
        ]


def figures(watched: Watched) -> Figures:
    """Measure a case over the times that count."""
    case, rows = watched.case, watched.rows
    steady = [row for spans in case.steady() for row in within(rows, spans)]
    accepted = [row for row in steady if row["status"] == 200]
    changing = within(rows, case.changing())
    alone = len(watched.keys) == 1
    return Figures(
        used=min(_used(watched, spans) for spans in case.steady()),
        rejected=_share(rejected(row) for row in steady),
        changing=_share(map(rejected, changing)) if case.steps else None,
        slower=_mean("ms", accepted) / _mean("work_ms", accepted) if case.slower else None,
        shares=()
        if alone
        else tuple(_share(row["key"] == key for row in accepted) for key in watched.keys),
        errors=watched.failed / max(1, watched.lines),
        requests=len(rows),
    )


def misses(case: Case, found: Figures) -> list[str]:
    """Return what was not reached, in words."""
    low, high = FAIR
    checks = [
        (found.used >= USED, f"used {found.used:.1%}"),
        (found.rejected <= REJECTED, f"rejected {found.rejected:.2%}"),
        ((found.changing or 0) <= CHANGING, f"rejected {found.changing or 0:.2%} while changing"),
        ((found.slower or 0) <= (case.slower or 0), f"{found.slower or 0:.2f} times as slow"),
        (all(low <= share <= high for share in found.shares), f"shares {found.shares}"),
        (found.errors <= case.errors, f"errors {found.errors:.3%}"),
    ]
    return [words for holds, words in checks if not holds]


def rejected(row: Row) -> bool:
    """Return whether a request was one too many."""
    return row["fate"] in REJECTIONS


def within(rows: Sequence[Row], spans: Sequence[Span]) -> list[Row]:
    """Return the requests that arrived in one of the spans."""
    return [row for row in rows if any(begin <= row["time"] < end for begin, end in spans)]


def per_second(rows: Iterable[Row], seconds: float) -> list[int]:
    """Return how many requests arrived in each second."""
    counts = [0] * (int(seconds) + 1)
    for row in rows:
        if 0 <= row["time"] <= seconds:
            counts[int(row["time"])] += 1
    return counts


def on_the_wire(rows: Sequence[Row], seconds: float, each: float = 0.5) -> list[float]:
    """Return how many requests the gateway had at a time, as a mean over each so many seconds."""
    places = int(seconds / each) + 1
    busy = [0.0] * places
    for row in rows:
        begin, end = row["time"], row["time"] + row["ms"] / 1000
        for place in range(max(0, int(begin / each)), min(places, int(end / each) + 1)):
            busy[place] += max(0.0, min(end, (place + 1) * each) - max(begin, place * each))
    return [time / each for time in busy]


def _used(watched: Watched, spans: Sequence[Span]) -> float:
    """Return what was used of the rate, or of the places to work at, over some spans."""
    case = watched.case
    accepted = [row for row in within(watched.rows, spans) if row["status"] == 200]
    could = sum((end - begin) * case.capacity_at(begin) for begin, end in spans)
    # A busy machine makes the work longer, and a place is no less taken for that.
    longer = _mean("work_ms", accepted) / case.latency_ms if case.at_once else 1.0
    return len(accepted) * longer / could


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / max(1, len(listed))


def _mean(field: str, rows: Sequence[Row]) -> float:
    return sum(row[field] for row in rows) / max(1, len(rows))
