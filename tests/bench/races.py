"""Contestants in turn, round by round, at the same work: what each line costs them."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from tests.bench.lines import write
from tests.bench.stage import Spent, peak, serving, spend

CONCURRENCY: Final = 128


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and how the gateway answers it."""

    name: str
    lines: int
    delay: float = 0.0  # milliseconds before the answer begins
    chunks: int = 0  # of text in a stream; 0: the answer is one body
    gap: float = 0.0  # milliseconds between chunks; 0: they come together

    @property
    def flags(self) -> tuple[object, ...]:
        """Return what the gateway is started with."""
        return "--delay", self.delay, "--chunks", self.chunks, "--gap", self.gap

    @property
    def streamed(self) -> bool:
        """Return whether the lines ask for streams."""
        return self.chunks > 0


Command: TypeAlias = tuple[Sequence[object], Mapping[str, str]]  # and what its environment adds
# (work, address, lines) → how it is started in a folder that holds in.jsonl
Start: TypeAlias = Callable[[Work, str, int], Command]


def unchecked(_folder: Path, _lines: int) -> None:
    """Take it that all was done: the exit code said so."""


class Scene(msgspec.Struct, frozen=True):
    """What contestants find in their folder, and what must be there afterwards."""

    write: Callable[[Path, int, bool], None] = write
    check: Callable[[Path, int], None] = unchecked


ALL_KNOW: Final = Scene()


class Measured(msgspec.Struct, frozen=True):
    """What a line of some work costs a contestant, in each round, without its start."""

    cpu: tuple[float, ...]  # seconds
    wall: tuple[float, ...]  # seconds
    start: float  # seconds of CPU with one line, at the least

    @property
    def least(self) -> float:
        """Return the CPU of a line in the best round: what the machine added least to."""
        return min(self.cpu)

    @property
    def spread(self) -> float:
        """Return how far the rounds' median is above the best one, as a part of it."""
        return statistics.median(self.cpu) / min(self.cpu) - 1


def race(
    work: Work,
    contestants: Mapping[str, Start],
    gateway: Path,
    rounds: int,
    scene: Scene = ALL_KNOW,
) -> dict[str, Measured]:
    """Have each contestant do the work in turn, so many rounds, each time another one first."""
    names = list(contestants)
    many: dict[str, list[Spent]] = {name: [] for name in names}
    one: dict[str, list[Spent]] = {name: [] for name in names}
    with serving(gateway, work.flags) as url:
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                run = partial(_run, work, contestants[name], url, scene)
                many[name].append(run(work.lines))
                one[name].append(run(1))
    return {name: _without_start(work.lines, many[name], one[name]) for name in names}


def peaks(
    start: Start, gateway: Path, sizes: Sequence[int], work: Work, scene: Scene = ALL_KNOW
) -> Iterator[tuple[int, int]]:
    """Yield so many lines, and the bytes that the contestant took at the most."""
    for lines in sizes:
        with serving(gateway, work.flags) as url, _prompts(work, lines, scene) as folder:
            command, environ = start(work, url, lines)
            yield lines, peak(command, folder, environ)
            scene.check(folder, lines)


def _without_start(lines: int, many: Sequence[Spent], one: Sequence[Spent]) -> Measured:
    start, begin = min(spent.cpu for spent in one), min(spent.wall for spent in one)
    return Measured(
        tuple((spent.cpu - start) / (lines - 1) for spent in many),
        tuple((spent.wall - begin) / (lines - 1) for spent in many),
        start,
    )


def _run(work: Work, start: Start, url: str, scene: Scene, lines: int) -> Spent:
    with _prompts(work, lines, scene) as folder:
        command, environ = start(work, url, lines)
        spent = spend(command, folder, environ)
        scene.check(folder, lines)
        return spent


@contextlib.contextmanager
def _prompts(work: Work, lines: int, scene: Scene) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        scene.write(folder, lines, work.streamed)
        yield folder
    finally:
        shutil.rmtree(folder)
