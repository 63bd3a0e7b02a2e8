"""What the ticker reads off the rooms of a run: what holds it back, how fast it is, until when."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from batch.bottleneck import Bottleneck, Sample, Tally
from batch.forecast import Forecast, Load, Speed, forecast
from batch.gate.gate import Gate
from batch.gate.holdups import Holdup
from batch.gate.memory import Memory
from batch.ledger.book import Book
from batch.pipeline import Backlog, Pipeline


class Count(msgspec.Struct, frozen=True):
    """Lines of the run, and its tasks, at one moment."""

    done: int  # recorded
    pending: int  # not recorded, and not hopeless for now
    tasks: int  # submitted and waited for


class Gauges:
    """Looks at the rooms now and then. ``every`` says how often: later is late. Times in seconds.

    ``cpu`` gives for how long the loop's thread has worked, or waited for a processor.
    """

    def __init__(
        self,
        gate: Gate,
        memory: Memory,
        pipeline: Pipeline,
        book: Book,
        cpu: Callable[[], float],
        every: float,
    ) -> None:
        self._gate = gate
        self._memory = memory
        self._pipeline = pipeline
        self._book = book
        self._cpu = cpu
        self._every = every
        self._looked_at: float | None = None
        self._worked = 0.0
        self._tally = Tally()
        self._total: Speed | None = None
        self._lanes: dict[str, tuple[Speed, Speed]] = {}  # of lines that end, and are read
        self._forecast: Forecast | None = None

    def look(self, now: float, count: Count) -> None:
        """Take note of what is to be seen; ``now`` is since the run began. The first is a start."""
        worked = self._cpu()
        before, self._looked_at = self._looked_at, now
        worked_before, self._worked = self._worked, worked
        seconds = 0.0 if before is None else now - before
        backlog = self._pipeline.backlog()
        self._reckon(now, count, backlog)
        if seconds <= 0:
            return
        held, key = self._held()
        gate = self._gate
        sample = Sample(
            held=held.kind if held else None,
            detail=held.text if held else "",
            key=key,
            behind=self._book.behind,
            cpu=(worked - worked_before) / seconds,
            late=max(0.0, seconds - self._every),
            in_flight=gate.in_flight,
            ceiling=gate.ceiling,
            answer_seconds=gate.answer_seconds,
            more=backlog.unsent,
            tasks=count.tasks,
            resting=max(0, backlog.resting - count.tasks),
        )
        self._tally.note(sample, seconds)

    @property
    def waiting_for(self) -> Holdup | None:
        """Return what the first call waits for that has to wait, or None.

        For lines that are not in the gate yet it is a window, as a key takes only as many of them
        as may go. A ceiling holds up a run that is as it should be.
        """
        if waits := self._memory.waiting_for() or self._gate.waiting_for():
            return waits
        if not self._pipeline.unsent:
            return None
        holdups = self._gate.holdups()
        full = (holdups.account, *holdups.lanes.values())
        return next((why for why in full if why is not None and why.kind != "ceiling"), None)

    @property
    def bottleneck(self) -> Bottleneck | None:
        """Return what held the run back most in the last minute, if anything did."""
        return self._tally.lately()

    @property
    def bottlenecks(self) -> tuple[Bottleneck, ...]:
        """Return what held the run back since it began, the greatest share first."""
        return self._tally.overall()

    @property
    def rate(self) -> float | None:
        """Return how many lines a second ended lately, or None if that cannot be told yet."""
        return self._total.rate() if self._total else None

    @property
    def left(self) -> float | None:
        """Return how many seconds the run is likely to take yet, or None if nothing tells."""
        return self._forecast.seconds if self._forecast else None

    def _reckon(self, now: float, count: Count, backlog: Backlog) -> None:
        """Take note of counts, and see which key's lines will be the last."""
        if self._total is None:
            self._total = Speed(now, count.done)
        self._total.note(now, count.done)
        loads = {}
        for lane, begun in backlog.begun.items():
            ended = backlog.ended.get(lane, 0)
            if not begun and not ended:
                continue
            read = ended + begun
            speeds = self._lanes.get(lane)
            if speeds is None:
                speeds = self._lanes[lane] = Speed(now, ended), Speed(now, read)
            ending, reading = speeds
            ending.note(now, ended)
            reading.note(now, read)
            loads[lane] = Load(ended, begun, ending.rate(), reading.rate())
        unread = count.pending - sum(backlog.begun.values())
        self._forecast = forecast(loads, 0 if backlog.exhausted else max(0, unread))

    def _held(self) -> tuple[Holdup | None, str]:
        """Return what holds up the lines that will be the last, and whose limit it is."""
        gate = self._gate
        first = self.waiting_for
        if not first or first.kind == "memory" or not self._forecast or len(self._lanes) == 1:
            return first, ""
        holdups = gate.holdups()
        held = holdups.lanes.get(self._forecast.last)
        if held is None:
            return holdups.account, ""
        lane = next(lane for lane in gate.lanes if lane.name == self._forecast.last)
        if held.kind == "ceiling" and lane.slots.window.ceiling >= gate.ceiling:
            return held, ""  # not the key's own: it alone has all the account's calls
        models = f"{lane.name} with " if lane.name != "*" else "key "
        return held, f"{models}{lane.key_name}"
