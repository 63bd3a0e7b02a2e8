"""What is declared of limits. Nothing declared means: find out, up to a ceiling."""

from __future__ import annotations

import msgspec

# Calls on the wire to one account when nothing is declared; the run says that it chose this.
CONCURRENCY = 64
# Bytes in flight when nothing is said: of payloads, of answers, and of records not yet on disk.
INFLIGHT_BYTES = 256 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of an account, or of one key with its models. None: not declared."""

    concurrency: int | None = None  # calls on the wire, at most
    rpm: float | None = None  # requests a minute
    tpm: float | None = None  # tokens a minute, prompt and answer together
    # How many may come at once, where the gateway's owner says so.
    rpm_bucket: float | None = None
    tpm_bucket: float | None = None


class KeyLimits(Limits, frozen=True, kw_only=True):
    """Limits of the key whose models match a pattern."""

    match: str


class GateSettings(Limits, frozen=True, kw_only=True):
    """The account's limits, and those of its keys as far as they have their own."""

    keys: tuple[KeyLimits, ...] = ()

    @property
    def ceiling(self) -> int:
        """Return how many calls may be on the wire to the account."""
        return self.concurrency or CONCURRENCY

    @property
    def declared_rpm(self) -> float:
        """Return the requests a minute that are declared: the account's, or its keys' together."""
        return self.rpm or sum(limits.rpm or 0 for limits in self.keys)

    def of_key(self, pattern: str) -> Limits:
        """Return the limits declared for a pattern, or none."""
        return next((limits for limits in self.keys if limits.match == pattern), Limits())
