"""A key with the models it serves at one account: limits, window and pause of its own."""

from __future__ import annotations

from collections.abc import Callable

from batch.gate.account import Account
from batch.gate.passage import Passage
from batch.gate.settings import GateSettings
from batch.secret import Secret


class Lane(Passage):
    """What calls of one key and one pattern of models share."""

    __slots__ = ("account", "aside", "key_name", "name", "needs_estimates", "secret")

    def __init__(
        self,
        pattern: str,
        secret: Secret,
        account: Account,
        settings: GateSettings,
        clock: Callable[[], float],
    ) -> None:
        limits = settings.of_key(pattern)
        ceiling = limits.concurrency or account.slots.window.ceiling
        super().__init__(limits, ceiling, clock, limits.rpm or settings.rpm or 0)
        self.name = pattern  # for our own use; messages name key and model
        self.secret = secret
        self.key_name = secret.name
        self.account = account
        # Calls that wait for what comes of another one's try: they need workers and no slots.
        self.aside = 0
        # Calls have to say what they are likely to take.
        self.needs_estimates = self.counts_tokens or account.counts_tokens

    def reckon(self, seconds: float, difference: int | None) -> None:
        """Take note of a round trip too in the window: it tells of queues at the gateway.

        The account's window does not heed it. Its calls are of several models, whose answers take
        times of their own.
        """
        super().reckon(seconds, difference)
        self.slots.window.trip(self._clock(), seconds)
        self.slots.look()
