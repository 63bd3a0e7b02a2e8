"""Two pictures: memory against lines, of others beside ours, and CPU against chunks of a stream.

    python -m tests.bench.plots --lines 1000000

Needs matplotlib, which only ``make bench-plots`` installs. Others are drawn where ``make
bench-rivals`` has installed them.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from PIL import Image

from tests.bench.contestants import OURS, PAIR, YARDSTICK, ours
from tests.bench.lines import write
from tests.bench.races import Scene, Work, peaks, race
from tests.bench.rivals.commands import RIVALS, complete, installed
from tests.bench.rivals.commands import write as write_all
from tests.bench.stage import build, serving, started
from tests.bench.ten_million import looks
from tests.proofs.memory import MB
from tests.proofs.processes import Failed

PLACE: Final = Path(__file__).parents[2] / "docs" / "performance"
SIZE: Final = (7.0, 3.8)  # inches
DOTS: Final = 100  # to an inch
COLORS: Final = 256  # in the file
PALETTE: Final = ("#d9822b", "#2e8b57", "#c0392b", "#8e5ea2")
BLUE, GRAY = "#1f5fa8", "#707070"
TICKS: Final = (1, 2, 5)  # of each power of ten
OTHERS_AT: Final = (500, 2_000, 10_000)  # lines
# Chunks of a stream → lines that take about a second.
STREAMS: Final[Mapping[int, int]] = {1: 3000, 5: 3000, 20: 2000, 100: 600, 500: 400}
GAPS: Final[Mapping[str, float]] = {"together": 0, "2 ms apart": 2}  # milliseconds
SCENE: Final = Scene(write_all, complete)
Points: TypeAlias = Sequence[tuple[float, float]]

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def memory_of_ours(gateway: Path, lines: int) -> Points:
    """Return lines that were answered, and megabytes at that time, of one run."""
    work = Work(name="a plain answer", lines=lines)
    with tempfile.TemporaryDirectory() as name, serving(gateway, work.flags) as url:
        folder = Path(name)
        write(folder, lines, stream=False)
        command, environ = ours(work, url, lines)
        with started(command, folder, environ) as process:
            found = list(looks(process, folder / "out.jsonl", lines / 1_000_000))
    whole = found[-1].written
    return [(lines * one.written / whole, one.resident / MB) for one in found if one.written]


def memory_of_others(gateway: Path) -> Iterator[tuple[str, Points]]:
    """Yield who is installed, with lines and megabytes at the most."""
    for name, start in RIVALS.items():
        if installed(name):
            found = peaks(start, gateway, OTHERS_AT, Work(name=name, lines=0), SCENE)
            yield name, [(lines, most / MB) for lines, most in found]


def costs(gateway: Path, rounds: int) -> Iterator[tuple[str, str, Points]]:
    """Yield who, how the chunks come, and by their number the milliseconds of CPU of a line."""
    for how, gap in GAPS.items():
        points: dict[str, list[tuple[float, float]]] = {name: [] for name in PAIR}
        for chunks, lines in STREAMS.items():
            work = Work(name=how, lines=lines, chunks=chunks, gap=gap)
            for name, measured in race(work, PAIR, gateway, rounds).items():
                points[name].append((chunks, 1e3 * measured.least))
        yield from ((name, how, found) for name, found in points.items())


def draw_memory(mine: Points, others: Mapping[str, Points], path: Path) -> None:
    """Draw memory against lines."""
    figure, axes = _axes("lines", "MB")
    axes.plot(*zip(*mine, strict=True), color=BLUE, lw=1.5, label=OURS)
    for color, (name, points) in zip(PALETTE, others.items(), strict=False):
        axes.plot(*zip(*points, strict=True), color=color, marker="o", ms=4, lw=1, label=name)
    axes.set_xlim(left=100)
    axes.set_ylim(bottom=0)
    _finish(figure, axes, path, "memory of a process, plain answers, 128 at once")


def draw_costs(found: Sequence[tuple[str, str, Points]], path: Path) -> None:
    """Draw CPU against chunks."""
    figure, axes = _axes("chunks of a stream", "ms of CPU a line")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=TICKS))
    colors = {YARDSTICK: GRAY, OURS: BLUE}
    for name, how, points in found:
        style = {"color": colors[name], "ls": "-" if GAPS[how] else "--", "lw": 1.4}
        axes.plot(*zip(*points, strict=True), marker="o", ms=4, label=f"{name}, {how}", **style)
    _finish(figure, axes, path, "CPU of a streamed answer, 128 at once")


def _axes(across: str, up: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE, dpi=DOTS, layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _finish(figure: Figure, axes: Any, path: Path, title: str) -> None:
    axes.minorticks_off()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.set_title(title, loc="left", fontsize=9)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    path.parent.mkdir(exist_ok=True)
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(COLORS).save(path, optimize=True)


def main() -> None:
    """Measure what is to be drawn, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--to", type=Path, default=PLACE, help="the folder of the pictures")
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            gateway = build(Path(folder))
            draw_costs(list(costs(gateway, args.rounds)), args.to / "chunks.png")
            mine = memory_of_ours(gateway, args.lines)
            draw_memory(mine, dict(memory_of_others(gateway)), args.to / "memory.png")
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None


if __name__ == "__main__":
    main()
