"""What a line costs, against a bare loop over the same client: ratios from one run, and a table.

    python -m tests.bench                            all of it, in half an hour
    python -m tests.bench --only plain --rounds 3

A gateway that costs next to nothing has a processor of its own, and the contestants take turns on
another. CPU is that of a whole process less that of its start, in the best of the rounds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from tests.bench.contestants import OURS, PAIR, PYTHON, SYNCS, UNSYNCED, YARDSTICK, ours
from tests.bench.machine import PAGE, tell
from tests.bench.races import Work, peaks, race
from tests.bench.rows import Row
from tests.bench.scans import Sizes, scans
from tests.bench.stage import build, spend
from tests.proofs.memory import MB

SIZES: Final = (10_000, 1_000_000)
MOST: Final = 64 * MB + 128 * 25_000  # bytes
HELP: Final = 0.150  # seconds

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
    return Row(
        what=f"CPU of {work.name}, bare loop",
        yardstick=f"{1e6 * bare.least:,.0f} µs",
        own=f"{1e6 * own.least:,.0f} µs",
        ratio=own.least / bare.least,
        spread=f"{bare.spread:.0%}, {own.spread:.0%}",
        reach=f"≤ {reach:.2f}",
        reached=own.least <= reach * bare.least,
    )


def syncs(gateway: Path, rounds: int) -> Row:
    """Measure how many lines a second go with syncs, against a disk that is asked for none."""
    found = race(LATE, SYNCS, gateway, rounds)
    without, own = found[UNSYNCED], found[OURS]
    ratio = min(without.wall) / min(own.wall)
    return Row(
        what="lines a second at 20 ms, without syncs",
        yardstick=f"{1 / min(without.wall):,.0f}",
        own=f"{1 / min(own.wall):,.0f}",
        ratio=ratio,
        reach="≥ 0.97",
        reached=ratio >= 0.97,
    )


def memory(gateway: Path, _rounds: int) -> Row:
    """Measure the peak memory of a few lines and of many."""
    few, many = (taken for _, taken in peaks(ours, gateway, SIZES, PLAIN))
    return Row(
        what=f"peak memory of {SIZES[1]:,} lines, {SIZES[0]:,}",
        yardstick=f"{few / MB:.1f} MB",
        own=f"{many / MB:.1f} MB",
        ratio=many / few,
        reach=f"≤ {MOST / MB:.1f} MB",
        reached=many <= MOST,
    )


def helping(_gateway: Path, rounds: int) -> Row:
    """Measure the CPU of ``--help``, against that of an interpreter that does nothing."""
    least = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in (("nothing", ["-c", ""]), ("help", ["-m", "batch", "--help"])):
            runs = [spend([PYTHON, *command], Path(folder), {}) for _ in range(rounds)]
            least[name] = min(spent.cpu for spent in runs)
    return Row(
        what="CPU of --help, python -c ''",
        yardstick=f"{1e3 * least['nothing']:.0f} ms",
        own=f"{1e3 * least['help']:.0f} ms",
        ratio=least["help"] / least["nothing"],
        reach=f"≤ {1e3 * HELP:.0f} ms",
        reached=least["help"] <= HELP,
    )


Measure: TypeAlias = Callable[[Path, int], Row]
OTHERS: Final[Mapping[str, Measure]] = {"syncs": syncs, "help": helping, "memory": memory}
SCANS: Final = "scans"


def rows(names: Iterable[str], rounds: int) -> Iterator[Row]:
    """Measure what is named, in order."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = build(Path(folder))
        for name in names:
            if name in COSTS:
                yield cost(*COSTS[name], gateway, rounds)
            elif name in OTHERS:
                yield OTHERS[name](gateway, rounds)
            else:
                yield from scans(gateway, Sizes(rounds=rounds))


def main() -> None:
    """Measure what is asked for, say it as it comes, and write the page if all is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    choices = [*COSTS, *OTHERS, SCANS]
    parser.add_argument("--only", nargs="+", choices=choices, default=choices)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    args = parser.parse_args()
    whole = args.write and args.only == choices
    tell(rows(args.only, args.rounds), "bench" if whole else None)


if __name__ == "__main__":
    main()
