"""What others take for the same lines, each in an environment of its own, beside the command.

    python -m tests.bench.rivals --lines 1000 --rounds 4 --write

The same gateway, the same prompts, as many at once, plain answers. What is not installed, or does
not get through, is said and left out: nothing is made up for it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from tests.bench.contestants import OURS, ours
from tests.bench.machine import PAGE, machine
from tests.bench.races import Measured, Scene, Start, Work, peaks, race
from tests.bench.rivals.commands import RIVALS, complete, installed, write
from tests.bench.rows import aligned
from tests.bench.stage import build
from tests.proofs.memory import MB
from tests.proofs.page import put, table
from tests.proofs.processes import Failed

SIZES: Final = (2_000, 10_000)
HEADS: Final = ("who", "CPU of 1,000 lines:", "to ours:", "spread:", "CPU of a start:")
SCENE: Final = Scene(write, complete)
Cells: TypeAlias = tuple[str, ...]


def able(names: Sequence[str], gateway: Path) -> tuple[dict[str, Start], list[str]]:
    """Return who can be measured, and why the others cannot."""
    contestants: dict[str, Start] = {OURS: ours}
    why = []
    for name in names:
        version = installed(name)
        if version is None:
            why.append(f"{name} is not installed")
            continue
        try:
            race(Work(name="a try", lines=2), {name: RIVALS[name]}, gateway, 1, SCENE)
        except (Failed, OSError) as failed:
            why.append(f"{name} {version} did not get through two lines: {failed}")
        else:
            contestants[name] = RIVALS[name]
    return contestants, why


def cells(name: str, measured: Measured, own: Measured, memory: Sequence[int]) -> Cells:
    """Return what is said of a contestant, under the heads."""
    version = installed(name)
    return (
        f"{name} {version}" if version else name,
        f"{1000 * measured.least:.2f} s",
        f"{measured.least / own.least:.1f}",
        f"{measured.spread:.0%}",
        f"{measured.start:.2f} s",
        *(f"{peak / MB:.0f} MB" for peak in memory),
    )


def main() -> None:
    """Measure, print the table, and put it into the page if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=list(RIVALS), default=list(RIVALS))
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="lines, for memory")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    args = parser.parse_args()
    rows = []
    heads = (*HEADS, *(f"peak at {lines:,} lines:" for lines in args.sizes))
    work = Work(name="a plain answer", lines=args.lines)
    with tempfile.TemporaryDirectory() as folder:
        gateway = build(Path(folder))
        contestants, why = able(args.only, gateway)
        try:
            found = race(work, contestants, gateway, args.rounds, SCENE)
            for name, start in contestants.items():
                memory = [peak for _, peak in peaks(start, gateway, args.sizes, work, SCENE)]
                rows.append(cells(name, found[name], found[OURS], memory))
        except Failed as failed:
            raise SystemExit(f"failed: {failed}") from None
    print(f"{aligned(heads, rows)}\n\n{machine()}.")
    for words in why:
        print(f"not measured: {words}")
    if args.write:
        missing = "".join(f"\n\nNot measured: {words.splitlines()[0]}." for words in why)
        put("rivals", f"{table(heads, rows)}{missing}\n\n{machine()}.", PAGE)


if __name__ == "__main__":
    main()
