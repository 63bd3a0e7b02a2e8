"""One figure for each case: rate and rejections over calls on the wire, against time.

Needs matplotlib, which only ``make proof-limits`` installs.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from tests.proofs.limit_cases import Case
from tests.proofs.limit_figures import Watched, on_the_wire, per_second, rejected

SIZE: Final = (8.0, 4.6)  # inches
DOTS: Final = 100  # to an inch
COLORS: Final = 256  # in the file: a third of its size
EACH: Final = 0.5  # seconds of a mean of calls on the wire
BLUE, GREEN, RED, GRAY, ORANGE = "#1f5fa8", "#2e8b57", "#c0392b", "#707070", "#d9822b"

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def draw(watched: Watched, path: Path) -> None:
    """Draw a case into a PNG file."""
    case = watched.case
    figure = Figure(figsize=SIZE, dpi=DOTS, layout="constrained", facecolor="white")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _rates(upper, watched)
    _wire(lower, watched)
    for axes in (upper, lower):
        _shade(axes, case)
        axes.set_xlim(0, case.seconds)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    upper.set_title(f"({case.name}) the gateway {case.about}", loc="left", fontsize=9)
    lower.set_xlabel("seconds since the first request")
    buffer = io.BytesIO()
    figure.savefig(buffer)
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(COLORS).save(path, optimize=True)


def _rates(axes: Any, watched: Watched) -> None:
    case, rows = watched.case, watched.rows
    middles = [second + 0.5 for second in range(int(case.seconds))]
    taken = [row for row in rows if row["status"] == 200]
    limit = [
        0.0 if any(a <= t < b for a, b in case.pauses()) else case.capacity_at(t) for t in middles
    ]
    axes.stairs(limit, color=GRAY, ls="--", lw=1, label="limit", baseline=None)
    for key, color in zip(watched.keys, (BLUE, GREEN), strict=False):
        mine = [row for row in taken if row["key"] == key]
        counts = per_second(mine, case.seconds)[: len(middles)]
        name = "accepted" if len(watched.keys) == 1 else f"accepted of run {1 + (color == GREEN)}"
        axes.plot(middles, counts, color=color, lw=1.2, label=name)
    if len(watched.keys) > 1:
        whole = per_second(taken, case.seconds)[: len(middles)]
        axes.plot(middles, whole, color="black", lw=0.8, label="accepted of both")
    refused = per_second([row for row in rows if rejected(row)], case.seconds)[: len(middles)]
    axes.bar(middles, refused, width=1.0, color=RED, label="rejected")
    _said(axes, watched, "pace", "pace of the run")
    axes.set_ylabel("requests a second")


def _wire(axes: Any, watched: Watched) -> None:
    case = watched.case
    busy = on_the_wire(watched.rows, case.seconds, EACH)
    times = [(place + 0.5) * EACH for place in range(len(busy))]
    axes.plot(times, busy, color=BLUE, lw=1, label="on the wire")
    if case.at_once:
        axes.axhline(case.at_once, color=GRAY, ls="--", lw=1, label="limit")
    _said(axes, watched, "window", "window of the run")
    axes.set_ylabel("calls at once")


def _said(axes: Any, watched: Watched, field: str, name: str) -> None:
    """Draw what the clients said of themselves."""
    for number, samples in enumerate(watched.samples):
        pairs = [(one.at, getattr(one, field)) for one in samples]
        known = [(at, value) for at, value in pairs if value is not None]
        if known:
            label = name if number == 0 else None
            style = {"drawstyle": "steps-post", "color": ORANGE, "lw": 1.2, "ls": "-:"[number]}
            axes.plot(*zip(*known, strict=True), label=label, **style)


def _shade(axes: Any, case: Case) -> None:
    """Shade what does not count: the time to find the limit, and pauses."""
    begin = 0.0
    for spans in case.steady():
        for start, end in spans:
            axes.axvspan(begin, start, color="#000000", alpha=0.05, lw=0)
            begin = end
    axes.axvspan(begin, case.seconds, color="#000000", alpha=0.05, lw=0)
