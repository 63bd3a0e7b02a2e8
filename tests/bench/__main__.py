"""What a line costs, against a bare loop over the same client: ratios from one run, and a table.

    python -m tests.bench                            all of it, in a quarter of an hour
    python -m tests.bench --only plain --rounds 3

A gateway that costs next to nothing has a processor of its own, and the contestants take turns on
another. CPU is that of a whole process less that of its start, in the best of the rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from tests.bench.contestants import OURS, PAIR, PYTHON, SYNCS, UNSYNCED, YARDSTICK, ours
from tests.bench.races import Work, peaks, race
from tests.bench.stage import build, spend
from tests.proofs.memory import MB
from tests.proofs.page import put, table
from tests.proofs.processes import Failed

PAGE: Final = Path(__file__).parents[2] / "docs" / "performance.md"
HEADS: Final = ("what", "bare loop:", "wbatch:", "ratio:", "spread:", "reach:")
SIZES: Final = (10_000, 1_000_000)
MOST: Final = 64 * MB + 128 * 25_000  # bytes
Row: TypeAlias = tuple[str, str, str, str, str, str]

PLAIN: Final = Work(name="a plain answer", lines=6000)
LATE: Final = Work(name="a plain answer after 20 ms", lines=12000, delay=20)
COSTS: Final[Mapping[str, tuple[Work, float]]] = {
    "plain": (PLAIN, 1.20),
    "late": (LATE, 1.20),
    "20": (Work(name="20 chunks together", lines=3000, chunks=20), 1.15),
    "20-apart": (Work(name="20 chunks, 10 ms apart", lines=3000, chunks=20, gap=10), 1.15),
    "500": (Work(name="500 chunks together", lines=500, chunks=500), 1.15),
    "500-apart": (Work(name="500 chunks, 2 ms apart", lines=500, chunks=500, gap=2), 1.15),
}


def cost(work: Work, reach: float, gateway: Path, rounds: int) -> Row:
    """Measure the CPU of a line against the bare loop's."""
    found = race(work, PAIR, gateway, rounds)
    bare, own = found[YARDSTICK], found[OURS]
    return (
        f"CPU of {work.name}",
        f"{1e6 * bare.least:,.0f} µs",
        f"{1e6 * own.least:,.0f} µs",
        f"{own.least / bare.least:.2f}",
        f"{bare.spread:.0%}, {own.spread:.0%}",
        f"≤ {reach:.2f}",
    )


def syncs(gateway: Path, rounds: int) -> Row:
    """Measure how many lines a second go with syncs, against a disk that is asked for none."""
    found = race(LATE, SYNCS, gateway, rounds)
    without, own = found[UNSYNCED], found[OURS]
    rates = [f"{1 / min(one.wall):,.0f} lines/s" for one in (without, own)]
    ratio = min(without.wall) / min(own.wall)
    return "throughput at 20 ms, against no syncs", *rates, f"{ratio:.2f}", "", "≥ 0.97"


def memory(gateway: Path, _rounds: int) -> Row:
    """Measure the peak memory of a few lines and of many."""
    few, many = (taken for _, taken in peaks(ours, gateway, SIZES, PLAIN))
    sizes = f"peak memory of {SIZES[0]:,} and {SIZES[1]:,} lines"
    mega = [f"{taken / MB:.1f} MB" for taken in (few, many)]
    return sizes, *mega, f"{many / few:.2f}", "", f"≤ {MOST / MB:.1f} MB"


def helping(_gateway: Path, rounds: int) -> Row:
    """Measure the CPU of ``--help``, against that of an interpreter that does nothing."""
    least = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in (("nothing", ["-c", ""]), ("help", ["-m", "batch", "--help"])):
            runs = [spend([PYTHON, *command], Path(folder), {}) for _ in range(rounds)]
            least[name] = min(spent.cpu for spent in runs)
    ratio = least["help"] / least["nothing"]
    cells = [f"{1e3 * least[name]:.0f} ms" for name in ("nothing", "help")]
    return "CPU of --help, against python -c ''", *cells, f"{ratio:.1f}", "", "≤ 150 ms"


Measure: TypeAlias = Callable[[Path, int], Row]
OTHERS: Final[Mapping[str, Measure]] = {"syncs": syncs, "help": helping, "memory": memory}


def rows(names: list[str], rounds: int) -> Iterator[Row]:
    """Measure what is named, in order."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = build(Path(folder))
        for name in names:
            if name in COSTS:
                yield cost(*COSTS[name], gateway, rounds)
            else:
                yield OTHERS[name](gateway, rounds)


def machine() -> str:
    """Say on what it was measured."""
    processors = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.release()}"
    return f"{processors} processors, {system}, CPython {platform.python_version()}"


def main() -> None:
    """Measure what is asked for, print it as it comes, and write the page if all is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    choices = [*COSTS, *OTHERS]
    parser.add_argument("--only", nargs="+", choices=choices, default=choices)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    args = parser.parse_args()
    shown = []
    try:
        for row in rows(args.only, args.rounds):
            shown.append(row)
            print(
                "  ".join(
                    cell.ljust(-width) if width < 0 else cell.rjust(width)
                    for cell, width in zip(row, WIDTHS, strict=True)
                )
            )
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print(machine())
    if args.write and len(shown) == len(choices):
        put("bench", f"{table(HEADS, shown)}\n\n{machine()}.", PAGE)


WIDTHS: Final = (-44, 14, 14, 6, 10, 10)


if __name__ == "__main__":
    main()
