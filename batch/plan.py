"""What one session is to do: settings, files, and what nothing stands against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from batch.ledger.paths import Paths
from batch.opening import Opened
from batch.script import Script
from batch.settings import Settings


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

    @property
    def announcement(self) -> str:
        """Return what is about to happen, for people."""
        limits = self.settings.limits
        chosen = "" if limits.concurrency else " (nothing else was said; -c N changes it)"
        return (
            f"{self.opened.census.lines:,} lines, {self.todo:,} to ask, at most {limits.at_most} "
            f"at once{chosen}"
        )


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
