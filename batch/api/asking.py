"""A run that a program has in hand: iterated, awaited, or waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Any, Final, Self

from batch.api.follow import Follow
from batch.api.guest import Engine, Work
from batch.api.result import Result
from batch.api.results import Results
from batch.api.said import as_told, in_python
from batch.errors import BatchError, Refusal
from batch.session.summary import Outcome
from batch.wording import agreeing, counted

# All lines that were asked for have ended; some of them with an error.
_DONE: Final = (0, 3)


class Unfinished(BatchError):
    """The run ended before its lines did; the same call carries on. ``outcome`` says why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(_why(outcome))


class _Each:
    """The results of a run, one by one. Once nobody holds it any more, the run is to end."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._results = run._iterate()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        return await anext(self._results)

    def __del__(self) -> None:
        # At once, so that a call that follows knows; the loop closes what is left a moment later.
        self._run._stop()


class Run:
    """One run: ``async for result in run``, or ``results = await run``. It begins with either.

    Each result is given once, when it is on stable storage: first those of earlier sessions, then
    the others as they are finished. The program may be slow, and its loop may be blocked: the run
    has a thread of its own, and results wait on disk.

    To leave the loop ends the run in order: nothing more is sent, what is on the wire may finish
    for up to 20 s, and what was answered stays. ``async with`` waits for that end.
    """

    def __init__(self, work: Work) -> None:
        """See ``batch.run``."""
        self._work = work
        self._engine: Engine | None = None
        self._news = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Result]:
        return _Each(self)

    def __await__(self) -> Generator[Any, None, Results]:
        return self._complete().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def output(self) -> str:
        """The file of the answers."""
        return self._work.settings.output

    @property
    def outcome(self) -> Outcome:
        """Exit code, summary, and the closing lines of the command. Raises RuntimeError before."""
        if self._engine is None or self._engine.outcome is None:
            raise RuntimeError("the run has not ended")
        return self._engine.outcome

    async def aclose(self) -> None:
        """End the run in order, and return when it has ended. Cancelled, it gives up the wire."""
        engine = self._engine
        if engine is None:
            return
        self._stop()
        try:
            await self._until(lambda: engine.over)
        except asyncio.CancelledError:
            engine.guest.hurry()
            await self._until(lambda: engine.over)
            raise

    def _stop(self) -> None:
        if self._engine is not None and not self._engine.over:
            self._engine.guest.stop()

    async def _iterate(self) -> AsyncIterator[Result]:
        follow = Follow(self._waker())
        engine = self._begin(follow)
        try:
            while True:
                over = engine.over
                taken = follow.take()
                for result in taken:
                    yield result
                if not taken and over:
                    break
                if not taken:
                    await self._news.wait()
                self._news.clear()
        finally:
            try:
                await self.aclose()
            finally:
                follow.close()
        judge(engine)

    async def _complete(self) -> Results:
        engine = self._begin(None)
        try:
            await self._until(lambda: engine.over)
        finally:
            await self.aclose()
        return Results(self.output, judge(engine))

    def _begin(self, follow: Follow | None) -> Engine:
        if self._engine is not None:
            raise RuntimeError("a run is gone through once. Its answers: batch.read(run.output)")
        self._engine = Engine(self._work, self._waker(), follow)
        self._engine.start()
        return self._engine

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._news.clear()
            if not done():
                await self._news.wait()

    def _waker(self) -> Callable[[], None]:
        """Return what wakes this loop from another thread."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._news.set)

        return wake


def judge(engine: Engine) -> Outcome:
    """Return what a run came to. Raises what stopped it, and Unfinished if lines are left."""
    if isinstance(engine.failure, Refusal):
        raise as_told(engine.failure)
    if engine.failure is not None:
        raise engine.failure
    assert engine.outcome is not None
    if engine.outcome.exit_code not in _DONE:
        raise Unfinished(engine.outcome)
    return engine.outcome


def _why(outcome: Outcome) -> str:
    told = outcome.summary["x_run"]
    reasons = [why for code, why in told["reasons"].items() if int(code) not in _DONE]
    left = told["pending"]
    pending = f"{counted(left, 'line')} {agreeing(left, 'is', 'are')} pending"
    return in_python("; ".join([*reasons, f"{pending}; the same call goes on from here"]))
