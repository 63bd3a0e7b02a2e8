"""An engine that notes what it is asked and says what it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batch.catalogue import Catalogue
from batch.session.progress import Progress
from batch.session.snapshot import Snapshot
from batch.session.summary import Outcome
from batch.settings.tree import KeySetting, Settings, UserSettings


class FakeEngine:
    def __init__(self, code: int = 0, failure: BaseException | None = None) -> None:
        self.outcome = Outcome(code, {"object": "batch", "id": "r1"}, ("done     3 ok", "next"))
        self.failure = failure
        self.calls: list[tuple[Any, ...]] = []
        self.watch: Progress | None = None
        self.catalogue: Catalogue | None = None

    @property
    def settings(self) -> Settings:
        settings = self.calls[0][1]
        assert isinstance(settings, Settings)
        return settings

    async def run(self, settings: Settings, watch: Progress, *, approve: Any = None) -> Outcome:
        return self._answer(watch, "run", settings)

    async def retry(
        self,
        settings: Settings,
        watch: Progress,
        only: frozenset[str] | None,
        ambiguous: bool,
        *,
        approve: Any = None,
    ) -> Outcome:
        return self._answer(watch, "retry", settings, only, ambiguous)

    def status(self, output: str) -> Outcome:
        return self._answer(None, "status", output)

    async def models(self, settings: UserSettings, places: Sequence[KeySetting]) -> Catalogue:
        self.calls.append(("models", settings, tuple(places)))
        assert self.catalogue is not None
        return self.catalogue

    def _answer(self, watch: Progress | None, *call: Any) -> Outcome:
        self.calls.append(call)
        if watch is not None:
            self.watch = watch
            watch.begin(3, 0)
            watch.say("a note")
            watch.tick(Snapshot(3, 1, 1, 0, 0, 0, 2, 0, None, 6.0))
        if self.failure is not None:
            raise self.failure
        return self.outcome
