"""What one account may do a minute: requests and tokens, told by headers or not."""

from __future__ import annotations

import msgspec

from batch.errors import BadUsage
from batch.mock import _ratelimit
from batch.mock._errors import TurnedAway, hint
from batch.mock._ratelimit import Unit
from batch.mock.dials import Dials
from batch.mock.hours import Hours
from batch.mock.meters import Bucket, Count, Meter


class _Limit(msgspec.Struct):
    """One limit a minute: how it is counted, and how headers tell it."""

    unit: Unit
    per_minute: float
    meter: Meter
    told: Meter | None  # what headers describe: this limit, or an upstream's that is another

    @property
    def fate(self) -> str:
        return f"{self.unit}_per_minute"


class Rates:
    """Requests and tokens a minute: a request takes from both or from none."""

    def __init__(self, dials: Dials, hours: Hours) -> None:
        self._hours = hours
        self._hint = dials.limit_hint
        self._told = dials.limit_headers
        self._factor = 1.0
        now = hours.now()
        self._limits = [
            self._limit(unit, rate, burst, dials.limit_window, now)
            for unit, rate, burst in _declared(dials)
        ]

    def _limit(
        self, unit: Unit, rate: float, burst: float | None, window: float | None, now: float
    ) -> _Limit:
        told = self._told

        def meter(factor: float) -> Meter:
            if window is not None:
                return Count(factor * rate, window, now)
            return Bucket(factor * rate, None if burst is None else factor * burst, now)

        return _Limit(unit, rate, meter(1.0), None if told is None else meter(told))

    def admit(self, tokens: int) -> dict[str, str]:
        """Take one request of so many tokens, and return what the headers of its answer say.

        Raises ``TurnedAway``, and takes nothing, beyond a limit and while the account is closed.
        """
        if (closed := self._hours.closed_for()) > 0:
            raise TurnedAway("pause", headers=hint(closed, "seconds"))
        if not self._limits:
            return {}
        now = self._hours.now()
        self._scale(now)
        for limit in self._limits:
            wait = limit.meter.wait(_amount(limit, tokens), now)
            if wait > 0:
                said = self._headers(now)
                raise TurnedAway(limit.fate, headers=said | hint(wait, self._hint))
        for limit in self._limits:
            limit.meter.take(_amount(limit, tokens))
            if limit.told is not None:
                limit.told.wait(0, now)
                limit.told.take(_amount(limit, tokens))
        return self._headers(now)

    def _scale(self, now: float) -> None:
        factor = self._hours.factor()
        if factor != self._factor:
            self._factor = factor
            for limit in self._limits:
                limit.meter.scale(factor, now)
                if limit.told is not None:
                    limit.told.scale(factor, now)

    def _headers(self, now: float) -> dict[str, str]:
        """Return what headers say of every limit, if they say anything."""
        headers: dict[str, str] = {}
        for limit in self._limits:
            if limit.told is not None and self._told is not None:
                limit.told.wait(0, now)
                a_minute = limit.per_minute * self._told * self._factor
                headers |= _ratelimit.said(limit.unit, a_minute, *limit.told.left())
        return headers


def _declared(dials: Dials) -> list[tuple[Unit, float, float | None]]:
    """Return the limits that are declared. Raises ``BadUsage`` for one that lets nothing pass."""
    pairs: list[tuple[Unit, float | None, float | None]] = [
        ("requests", dials.requests_per_minute, dials.requests_burst),
        ("tokens", dials.tokens_per_minute, dials.tokens_burst),
    ]
    declared = [(unit, rate, burst) for unit, rate, burst in pairs if rate is not None]
    numbers = [one for _, *both in declared for one in both if one is not None]
    numbers += [one for one in (dials.limit_window, dials.limit_headers) if one is not None]
    if any(number <= 0 for number in numbers):
        raise BadUsage("a limit, its burst, its window and its headers must be greater than 0")
    return declared


def _amount(limit: _Limit, tokens: int) -> int:
    return 1 if limit.unit == "requests" else tokens
