"""The date of a run: as it was said, else yesterday in the time zone that is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from batch.fill import Values, fill
from batch.settings.tree import is_date, is_time_zone


class Dates:
    """Finds the date when a path needs it, and then keeps it."""

    def __init__(self, now: float, given: str | None = None) -> None:
        self._now = now  # seconds since 1970
        self.given = given  # the day, whatever is said: one of several that are made
        self._trees: tuple[Mapping[str, Any], ...] = ()
        self._environ: Mapping[str, str] = {}
        self.date: str | None = None  # None: no path needed it
        self.zone: str | None = None  # None: the date was said

    def learn(self, environ: Mapping[str, str], *trees: Mapping[str, Any]) -> None:
        """Take the settings that may say date and zone, the nearest first, not yet checked."""
        self._environ = environ
        self._trees = trees

    def __call__(self) -> str:
        """Return the date. Raises ``ValueError``, for a setting that holds ``{date}``."""
        if self.date is None:
            zone = self._said("tz")
            if zone is None:
                raise ValueError(
                    "holds {date}, and no time zone says when a day ends. "
                    'Write tz = "Europe/Berlin" in [run]'
                )
            if not is_time_zone(zone):
                raise ValueError("holds {date}, and run.tz is no time zone such as Europe/Berlin")
            self.date = self.given or self._said("date")
            if self.date is None:
                self.zone = zone
                today = datetime.fromtimestamp(self._now, ZoneInfo(zone)).date()
                self.date = (today - timedelta(days=1)).isoformat()
            elif not is_date(self.date):
                raise ValueError('holds {date}, and run.date is no day in quotes: "2026-11-26"')
        return self.date

    def _said(self, name: str) -> str | None:
        sections = (tree.get("run") for tree in self._trees)
        said = (one.get(name) for one in sections if isinstance(one, Mapping))
        text = next((one for one in said if one is not None), None)
        if text is None:
            return None
        values = Values(self._environ, lambda: "")
        return fill(text, values, path=False).text if isinstance(text, str) else ""
