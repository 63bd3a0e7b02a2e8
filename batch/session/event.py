"""What happens in a run and is worth a line of its log, beside what people see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from batch.errors import CallFailed

if TYPE_CHECKING:  # they load what a shell that completes can do without
    from batch.gate.breakers import Breaker
    from batch.gate.holdups import Holdup

Level: TypeAlias = Literal["info", "warning", "error"]


class Event(msgspec.Struct, frozen=True):
    """One thing that happened, with the names that the log has for it. None: does not apply."""

    event: str
    message: str = ""
    level: Level = "info"
    run_id: str | None = None
    line: int | None = None
    attempt: int | None = None  # the one that failed
    code: str | None = None  # class of the failure
    status: int | None = None  # of HTTP
    wait_s: float | None = None  # until it is asked again
    facts: Mapping[str, Any] = {}  # what only this kind of event has


def started(run_id: str, total: int, done: int) -> Event:
    """Return that a session of a run began."""
    return Event("run_started", run_id=run_id, facts={"total": total, "done": done})


def asked_again(line: int, attempt: int, failure: CallFailed, wait: float) -> Event:
    """Return that a line is asked again after so many seconds, and why."""
    when = f"in {wait:.1f} s" if wait else "as soon as it may be"
    return Event(
        "retry",
        f"line {line}: {failure.message.rstrip('. ')}. It is asked again {when}",
        "warning",
        line=line,
        attempt=attempt,
        code=failure.code,
        status=failure.status,
        wait_s=round(wait, 3),
    )


class Changes:
    """Tells what was closed, mended, paused or resumed since it last looked."""

    def __init__(self) -> None:
        self._open: dict[int, bool] = {}  # place of a breaker → whether it is mended
        self._silent = False

    def closures(self, breakers: Sequence[Breaker]) -> Iterator[Event]:
        """Yield which ways were closed or are open again."""
        for place, breaker in enumerate(breakers):
            if self._open.get(place) is not breaker.mended:
                self._open[place] = breaker.mended
                what = "opened" if breaker.mended else "closed"
                yield Event(what, str(breaker), "warning", code=breaker.code)

    def silence(self, holdup: Holdup | None, *, down: bool) -> Iterator[Event]:
        """Yield if the gateway fell silent or answers again.

        ``holdup`` is what calls wait for, if any do: while one tries whether the gateway is back,
        nobody may, and it is ``down`` all the same.
        """
        if not self._silent and holdup is not None and holdup.kind == "silence":
            self._silent = True
            yield Event("paused", holdup.text, "warning")
        elif self._silent and not down:
            self._silent = False
            yield Event("resumed")
