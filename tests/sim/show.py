"""A simulation against time: as a table, and as data for a plot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.sim.measure import OK, REJECTED
from tests.sim.world import Outcome

TABLE_SECONDS = 1.0
PLOT_SECONDS = 0.5


class Stretch(msgspec.Struct):
    """What happened in a short time, by client: rates are per second."""

    at: float
    capacity: float
    accepted: list[float]
    rejected: list[float]
    failed: list[float]
    latency: float  # mean of the answers
    window: list[float]  # the narrower one of account and lane
    in_flight: list[int]
    paused: list[bool]
    pace: list[float | None]


def stretches(outcome: Outcome, seconds: float) -> Iterator[Stretch]:
    """Yield stretch after stretch."""
    clients = range(len(outcome.scenario.starts))
    count = int(outcome.scenario.seconds / seconds) + 1
    listed = [
        Stretch(
            at=n * seconds,
            capacity=outcome.scenario.capacity_at(n * seconds),
            accepted=[0.0 for _ in clients],
            rejected=[0.0 for _ in clients],
            failed=[0.0 for _ in clients],
            latency=0.0,
            window=[0.0 for _ in clients],
            in_flight=[0 for _ in clients],
            paused=[False for _ in clients],
            pace=[None for _ in clients],
        )
        for n in range(count)
    ]
    answers = [0] * count
    for sent in outcome.log.sent:
        place = min(int(sent.ended / seconds), count - 1)
        stretch = listed[place]
        if sent.outcome == OK:
            stretch.accepted[sent.client] += 1 / seconds
            stretch.latency += sent.ended - sent.sent
            answers[place] += 1
        else:
            rates = stretch.rejected if sent.outcome in REJECTED else stretch.failed
            rates[sent.client] += 1 / seconds
    for sample in outcome.log.samples:
        stretch = listed[min(int(sample.at / seconds), count - 1)]
        stretch.window[sample.client] = min(sample.account, sample.lane)
        stretch.in_flight[sample.client] = sample.in_flight
        stretch.paused[sample.client] = sample.paused
        stretch.pace[sample.client] = sample.pace
    for stretch, answered in zip(listed, answers, strict=True):
        stretch.latency = stretch.latency / answered if answered else 0.0
        yield stretch


def trace(outcome: Outcome) -> str:
    """Return a table, a line a second; of several clients each cell has several values."""
    lines = ["   at  capacity  accepted  rejected  failed  latency  window  in flight  pace"]
    for one in stretches(outcome, TABLE_SECONDS):
        paces = "/".join("-" if pace is None else f"{pace:.1f}" for pace in one.pace)
        paused = " paused" if any(one.paused) else ""
        lines.append(
            f"{one.at:>5.0f}  {one.capacity:>8.0f}  {_cells(one.accepted):>8}  "
            f"{_cells(one.rejected):>8}  {_cells(one.failed):>6}  {one.latency:>7.3f}  "
            f"{_cells(one.window):>6}  {_cells(one.in_flight):>9}  {paces}{paused}"
        )
    return "\n".join(lines)


def plot_data(outcome: Outcome, path: str) -> None:
    """Write the scenario and the stretches as JSON."""
    data = {
        "scenario": msgspec.to_builtins(outcome.scenario),
        "pauses": outcome.pauses,
        "stretches": [msgspec.to_builtins(one) for one in stretches(outcome, PLOT_SECONDS)],
    }
    Path(path).write_text(json.dumps(data), encoding="utf-8")


def _cells(values: list[float] | list[int]) -> str:
    return "/".join(f"{value:.0f}" for value in values)
