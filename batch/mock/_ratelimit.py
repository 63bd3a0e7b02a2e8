"""What headers say of a limit, in the words and the notation of OpenAI."""

from __future__ import annotations

from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["requests", "tokens"]


def said(unit: Unit, limit: float, left: float, full_in: float) -> dict[str, str]:
    """Return the headers of one limit: units a minute, units left, seconds until all are back."""
    return {
        f"x-ratelimit-limit-{unit}": f"{limit:.0f}",
        f"x-ratelimit-remaining-{unit}": f"{int(left)}",
        f"x-ratelimit-reset-{unit}": span(full_in),
    }


def span(seconds: float) -> str:
    """Return a length of time as Go prints it: 12ms, 1.5s, 6m0s, 1h0m0s."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms"
    minutes, millis = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{head}{millis / 1000:g}s"
