"""Where a run stands, and how that is said in a few words."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from batch.bottleneck import Bottleneck
from batch.wording import counted


class Snapshot(msgspec.Struct, frozen=True):
    """Where a run stands. Lines of earlier processes are counted in."""

    total: int
    done: int  # acknowledged: their records are on stable storage
    ok: int
    failed: int
    pending_blocked: int  # not sent, as their key, model or account is hopeless for now
    retries: int
    in_flight: int
    tasks: int  # submitted and waited for: they hold nothing
    waiting_for: str | None  # what a call, or a line that may not go yet, waits for, for people
    seconds: float  # since this process began
    rate: float | None = None  # lines a second, lately
    seconds_left: float | None = None
    window: int | None = None  # calls that may be on the wire, as found out so far
    pace: float | None = None  # calls a second that were found out to go; None: nothing was
    bottleneck: Bottleneck | None = None  # what held the run back most in the last minute


def visible(text: str) -> str:
    """Return the text without anything that moves a cursor, colors a screen or forges a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)


def postfix(now: Snapshot, columns: int | None = None) -> str:
    """Return the fields beside the bar, those that are nothing left out.

    ``columns`` is how many there are for them; None: as many as it takes. A field that does not fit
    is left out whole, so that what people ask first comes first: how fast, how long, and why not
    faster.
    """
    cause = now.bottleneck
    fields: list[tuple[object, Sequence[str]]] = [
        (now.rate, [a_minute(now.rate or 0.0)]),
        (_lines_left(now) and now.seconds_left, [f"{span(now.seconds_left or 0.0)} left"]),
        (cause, [_slowed(now), visible(cause.shortest) if cause else ""]),
        (now.failed, [f"{now.failed:,} failed"]),
        (now.pending_blocked, [f"{now.pending_blocked:,} blocked"]),
        (now.retries, [counted(now.retries, "retry", "retries")]),
        (now.in_flight or now.tasks, [under_way(now)]),
    ]
    told = ""
    for value, ways in fields:
        longer = (f"{told}, {text}" if told else text for text in ways if value)
        told = next((one for one in longer if columns is None or len(one) <= columns), told)
    return told


def under_way(now: Snapshot) -> str:
    """Return how many calls are on the wire, and how many tasks are waited for."""
    tasks = counted(now.tasks, "task") if now.tasks else ""
    return f"{now.in_flight:,} in flight{' + ' if tasks else ''}{tasks}"


def a_minute(rate: float) -> str:
    """Return lines a second as lines a minute, for people."""
    return f"{60 * rate:,.0f}/min" if 60 * rate >= 10 else f"{60 * rate:.1f}/min"


def _slowed(now: Snapshot) -> str:
    return visible(now.bottleneck.short) if now.bottleneck else ""


def _lines_left(now: Snapshot) -> int:
    return max(0, now.total - now.done - now.pending_blocked)


def plain_line(now: Snapshot, rate: float) -> str:
    """Return one line that says where a run stands, at ``rate`` lines a second."""
    percent = 100 * now.done // now.total if now.total else 100
    left = "?" if now.seconds_left is None else span(now.seconds_left)
    parts = [
        f"done {now.done:,}/{now.total:,} ({percent} %) ok {now.ok:,} failed {now.failed:,}",
        f"blocked {now.pending_blocked:,}" if now.pending_blocked else "",
        a_minute(rate),
        f"left {left}" if _lines_left(now) else "",
        counted(now.tasks, "task") if now.tasks else "",
        f"slowed by {_slowed(now)}" if now.bottleneck else "",
    ]
    return " · ".join(part for part in parts if part)


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: 45s, 12m30s, 3h05m, 2d04h."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d{hour:02}h"
    if hours:
        return f"{hours}h{minute:02}m"
    return f"{minutes}m{second:02}s" if minutes else f"{second}s"
