"""Models that give a key nothing but trouble of their own: one call at a time tries them.

At first whoever asks for such a model waits for what comes of the try. Once it was tried in vain it
is closed and everybody is turned away, but for one now and then who may try it again. Nobody waits
for that, so that it keeps no run from ending.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from batch.errors import CallFailed, UnknownModel
from batch.gate.holdups import Holdup
from batch.gate.waits import Bell, Waiter
from batch.retry import passing

# Behind one name stand several channels, of which a few may be bad: a model that was answered is in
# doubt after so many failures in a row. One that never was is so at once, most likely for good.
FAILURES: Final = 8
PAUSES: Final = (3.0, 15.0, 30.0)  # seconds before each try
LAST: Final = len(PAUSES) - 1
CLOSED_PAUSE: Final = 60.0  # seconds before the first try of a closed model; then twice that, ...
LONGEST_PAUSE: Final = 3600.0


class Trial:
    """One model with one key. Times are of the gate's clock, in seconds."""

    __slots__ = (
        "_bell",
        "_clock",
        "_due",
        "_enough",
        "_failures",
        "_pause",
        "_tried_at",
        "_tries",
        "_tries_allowed",
        "_why",
        "closed",
        "first_at",
        "held",
        "trying",
    )

    def __init__(self, first_at: float, known: bool, clock: Callable[[], float]) -> None:
        """Begin when the first call that failed was sent; ``known``: others were answered."""
        self._clock = clock
        self._bell = Bell()
        self._enough = FAILURES if known else 1
        self._failures = 0  # in a row
        self._tries = 0
        self._tries_allowed = len(PAUSES)
        self._pause = CLOSED_PAUSE
        self._due = math.inf  # when the next call may try
        self._tried_at = math.inf
        self._why: Holdup | None = None
        self.first_at = first_at
        self.held = False  # calls wait for their turn
        self.closed = False
        self.trying = False  # a call is on its way that may open it again

    @property
    def hopeless(self) -> bool:
        """Return whether it was tried often enough."""
        return self.closed or (self._tries >= self._tries_allowed and not self.trying)

    def failed(self, model: str, failure: CallFailed, sent_at: float) -> None:
        """Take note of a failure of the model's own."""
        self._failures += 1
        if self.trying:
            self.trying = sent_at < self._tried_at
        elif not self.held and not self.closed and self._failures >= self._enough:
            if self._enough == 1 and isinstance(failure, UnknownModel):
                self._tries_allowed = 1  # who mistyped a name is told so soon
            self.held = True
            self._due = self._clock() + PAUSES[0]
            said = failure.message.rstrip(". ")
            self._why = Holdup("silence", f"model {model!r} is in trouble, trying it: {said}")

    def take_turn(self) -> bool:
        """Return whether a call may try it now: then no other may for a while."""
        now = self._clock()
        if now < self._due:
            return False
        self.trying = True
        self._tried_at = now
        if self.closed:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        else:
            self._tries += 1
        self._due = now + (self._pause if self.closed else PAUSES[min(self._tries, LAST)])
        return True

    async def passed(self, waiter: Waiter) -> bool:
        """Wait while it is held. Returns whether the waiter is the one who tries it."""
        while self.held:
            if self.take_turn():
                return True
            await self._bell.wait(waiter, self._why, self._due - self._clock())
        return False

    def close(self) -> None:
        """Turn calls away from now on, until one is answered."""
        if not self.closed:
            self.held, self.closed = False, True
            self._due = self._clock() + self._pause

    def release(self) -> None:
        """Let everybody go on."""
        self.held = self.closed = False
        self._bell.ring()


class Trials:
    """The models of one account that are in trouble, and when each was answered last."""

    __slots__ = ("_answered_at", "_clock", "_trials")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answered_at: dict[tuple[str, str], float] = {}  # by key and model
        self._trials: dict[tuple[str, str], Trial] = {}

    def of(self, key: str, model: str) -> Trial | None:
        """Return the trial of a model with a key, if it is in trouble."""
        return self._trials.get((key, model)) if self._trials else None

    def answered_at(self, key: str, model: str) -> float | None:
        """Return when a model with a key was answered last."""
        return self._answered_at.get((key, model))

    def answered_by(self, key: str) -> frozenset[str]:
        """Return the models that a key was answered by."""
        return frozenset(model for one, model in self._answered_at if one == key)

    def answered(self, key: str, model: str, sent_at: float) -> bool:
        """Take note of an answer. Returns whether it ends a trial.

        What was sent before the first failure says nothing of now: long answers come late.
        """
        self._answered_at[key, model] = self._clock()
        trial = self.of(key, model)
        return trial is not None and sent_at >= trial.first_at and self._end(key, model)

    def failed(self, key: str, model: str, failure: CallFailed, sent_at: float) -> bool:
        """Take note of a failure. Returns whether it ends a trial, as it is another trouble.

        A closed model is opened only by what comes from it, and not by a gateway that is away.
        """
        trial = self.of(key, model)
        if failure.scope == "model":
            if trial is None:
                known = (key, model) in self._answered_at
                trial = self._trials[key, model] = Trial(sent_at, known, self._clock)
            trial.failed(model, failure, sent_at)
            return False
        if trial is None or not trial.trying or sent_at < trial.first_at:
            return False
        return (failure.alive or not trial.closed) and self._end(key, model)

    def close(self, key: str, model: str, failure: CallFailed) -> None:
        """Take note that a model is closed: until it is answered, or for good."""
        trial = self.of(key, model)
        if trial is not None:
            if passing(failure):
                trial.close()
            else:
                self._end(key, model)

    def _end(self, key: str, model: str) -> bool:
        self._trials.pop((key, model)).release()
        return True
