"""The moment by which a run has to end: a setting that means another one tomorrow."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from batch.deadline import clock_time, next_moment
from batch.errors import BadConfig
from batch.settings.tree import Settings


def end_by(settings: Settings, now: float) -> float | None:
    """Return when it has to have ended, in seconds since the epoch. Raises BadConfig."""
    said = settings.budget.finish_by
    moment = clock_time(said) if said is not None else None
    if moment is None:
        return None
    try:
        return next_moment(moment, datetime.fromtimestamp(now, _zone(settings)))
    except (ValueError, OverflowError):
        raise BadConfig(f"--finish-by: no clock will ever show {said}") from None


def pinned(settings: Settings, now: float) -> Settings:
    """Return settings in which a time of day is the moment that is meant now.

    Who reads large inputs until it is over would else have a day more. Raises BadConfig.
    """
    end = end_by(settings, now)
    if end is None:
        return settings
    moment = datetime.fromtimestamp(end, UTC).astimezone(_zone(settings)).isoformat()
    budget = msgspec.structs.replace(settings.budget, finish_by=moment)
    return msgspec.structs.replace(settings, budget=budget)


def _zone(settings: Settings) -> ZoneInfo | None:
    return ZoneInfo(settings.run.tz) if settings.run.tz else None
