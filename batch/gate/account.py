"""What a gateway counts and bills: its limits, its money, and whether it is there at all."""

from __future__ import annotations

from collections.abc import Callable

from batch.errors import CallFailed
from batch.gate.breakers import Breakers
from batch.gate.health import Health
from batch.gate.holdups import Holdup
from batch.gate.passage import Passage
from batch.gate.retry_budget import RetryBudget
from batch.gate.settings import GateSettings


class Account(Passage):
    """One account of one gateway. Calls of all its keys pass here, after their key's own side."""

    __slots__ = (
        "_health",
        "_short_of_money",
        "breakers",
        "last_answer_at",
        "money_is_gone",
        "retries",
        "trouble",
    )

    def __init__(self, settings: GateSettings, clock: Callable[[], float]) -> None:
        super().__init__(settings, settings.ceiling, clock, settings.declared_rpm)
        self._health = Health()
        self._short_of_money = False
        self.breakers = Breakers(clock)
        self.money_is_gone = False
        self.last_answer_at: float | None = None
        self.trouble = ""  # what the last failure said that was no sign of life
        self.retries = RetryBudget(clock)

    def now(self) -> float:
        """Return the gate's time."""
        return self._clock()

    @property
    def down(self) -> bool:
        """Return whether the account only fails, so that one call at a time may try it."""
        return self._health.down

    @property
    def silence(self) -> str:
        """Return what the last failure said, if there was no answer lately, or ever."""
        return self.trouble if self.down or self.last_answer_at is None else ""

    def heard(self) -> None:
        """Take note of a sign of life, and open the account again if it was down."""
        self.last_answer_at = self._clock()
        if self.slots.empty:
            self.slots.empty = 0
            self.slots.look()
        if self._health.failures:
            if self._health.down:
                self.load.restart()
                self.pace.look()
                self.schedule.resume()
                self.slots.look()
            self._health.recover()

    def charged(self) -> None:
        """Take note of an answer, which was paid for: there is money."""
        self._short_of_money = self.money_is_gone = False

    def unheard(self) -> None:
        """Leave the slot of a call that failed empty until there is a sign of life.

        Else each that fails would have another follow, before enough have to know that nobody is
        there.
        """
        self.slots.empty += 1

    def silent(self, failure: CallFailed, sent_at: float) -> None:
        """Take note of a failure that is no sign of life; after some in a row, only probe."""
        self.trouble = failure.message
        pause = self._health.failed(self._clock(), sent_at)
        if pause is not None:
            self.slots.window.collapse()
            why = f"no answer from the gateway, trying: {failure.message}"
            self.schedule.hold(pause, Holdup("silence", why))

    def refused_money(self, sent_at: float) -> None:
        """Halve the window: what is on the wire may have reserved the money.

        It is gone for certain only when that is said again to a call which was alone on the wire.
        """
        slots = self.slots
        alone = slots.taken <= 1 and sent_at >= slots.alone_since
        self.money_is_gone = alone and self._short_of_money
        self._short_of_money = True
        slots.window.halve(slots.taken)

    def down_for(self, now: float) -> float | None:
        """Return for how many seconds the account has only failed, or None if it is not down.

        A probe on the wire may still be answered: its time counts once it has failed.
        """
        if not self._health.down:
            return None
        return (self._health.last_at if self.slots.taken else now) - self._health.first_at
