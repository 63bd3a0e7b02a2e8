"""What one session is to do: settings, files, what nothing stands against, and which lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batch.feed import Lines
from batch.inputs.envelope import Reader
from batch.ledger.paths import Paths
from batch.ledger.state import History, Open
from batch.opening import Opened
from batch.records import BadLine, Row
from batch.script import Script
from batch.secret import Redactor
from batch.settings import Settings
from batch.wording import counted

SKIPPED_AT_ONCE: Final = 1000  # lines passed over before others get their turn


class Plan(msgspec.Struct, frozen=True):
    """What one session is to do."""

    settings: Settings
    paths: Paths
    opened: Opened
    script: Script
    redo: Mapping[int, int] | None = None  # retry: lines to ask again → attempts so far

    @property
    def todo(self) -> int:
        """Return how many lines are to be asked."""
        if self.redo is not None:
            return len(self.redo)
        found = self.opened.found
        ended = found.history.answered.count + found.history.failed.count if found else 0
        return self.opened.census.lines - ended

    def pending(self, reader: Reader, history: History, redactor: Redactor) -> Lines:
        """Yield the lines still to be asked, understood; now and then None for a breath."""
        redo, skipped = self.redo, 0
        for line in self.opened.inputs.lines():
            wanted = line.ordinal in redo if redo is not None else not history.ended(line.ordinal)
            if wanted:
                yield _without_keys(reader.parse(line), redactor)
                continue
            skipped += 1
            if skipped % SKIPPED_AT_ONCE == 0:
                yield None

    def begun(self, history: History) -> dict[int, Open]:
        """Return what earlier sessions left of lines that did not end; the history goes on."""
        begun = {
            ordinal: msgspec.structs.replace(one, parts=list(one.parts))
            for ordinal, one in history.open.items()
        }
        for ordinal, attempts in (self.redo or {}).items():
            begun.setdefault(ordinal, Open(attempts=attempts))
        return begun

    @property
    def announcement(self) -> str:
        """Return what is about to happen, for people."""
        limits = self.settings.limits
        chosen = "" if limits.concurrency else " (nothing else was said; -c N changes it)"
        return (
            f"{counted(self.opened.census.lines, 'line')}, {self.todo:,} to ask, "
            f"at most {limits.at_most} at once{chosen}"
        )


def _without_keys(line: Row | BadLine, redactor: Redactor) -> Row | BadLine:
    """Return a line; what is wrong with it is said in its words, and people paste keys there."""
    if isinstance(line, Row):
        return line
    return msgspec.structs.replace(line, message=redactor.clean_text(line.message))


def identity(settings: Settings, script: Script) -> dict[str, Any]:
    """Return what makes another answer: it must not change while a run goes on."""
    request = settings.request
    return {
        "model": request.model,
        "override_model": request.override_model,
        "endpoint": request.endpoint,
        "add_usage": request.add_usage,
        "mock": settings.run.mock,
        **script.identity(),
    }


def as_recorded(settings: Settings, then: Mapping[str, Any]) -> Settings:
    """Return the settings with what a run's identity says of the requests, and of the mock."""
    request = msgspec.structs.replace(
        settings.request,
        **{name: then.get(name) for name in ("model", "override_model", "endpoint")},
        add_usage=bool(then.get("add_usage", True)),
    )
    mock = bool(then.get("mock"))
    return msgspec.structs.replace(
        settings, request=request, run=msgspec.structs.replace(settings.run, mock=mock)
    )
