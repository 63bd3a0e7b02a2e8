"""Crash stories at every moment, and see whether the promises hold.

python -m tests.crash --seeds 20 --images 20000
python -m tests.crash --pick 7                   one seed, as it was
python -m tests.crash --mutants                  every altered protocol, and which are caught
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import batch
from tests.crash.broken import Broken
from tests.crash.explore import Count, explore
from tests.crash.mutants import MUTANTS, tried


def main() -> int:
    """Return 0 if every promise was kept, 1 if one was broken."""
    asked = _parser().parse_args()
    if asked.house and not batch.__file__.startswith(asked.house):
        raise SystemExit(f"{batch.__file__} is not the house that is to be tried")
    if asked.mutants:
        return _mutants()
    seeds = asked.pick or range(asked.first, asked.first + asked.seeds)
    return _explored(seeds, asked.images, asked.workers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--pick", type=int, nargs="+", metavar="SEED", help="these, and no others")
    parser.add_argument("--images", type=int, default=2000, help="distinct ones of each seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--house", help="folder that batch must have been imported from")
    parser.add_argument("--mutants", action="store_true", help="try the altered protocols instead")
    return parser


def _explored(seeds: Sequence[int], images: int, workers: int) -> int:
    began = time.perf_counter()
    total = Count()
    print(f"{'seed':>5}  {_row('images', 'moments', 'rounds', 'to the end', 'twice')}")
    broken: list[str] = []
    for seed, one in zip(seeds, _outcomes(seeds, images, workers), strict=False):
        if isinstance(one, Count):
            print(f"{seed:>5}  {_row(*_figures(one))}", flush=True)
            total += one
            continue
        broken.append(one)
        if workers == 1:
            break  # one is enough for whoever tries a mutant
    print(f"{'all':>5}  {_row(*_figures(total))}  in {time.perf_counter() - began:.0f} s")
    print("\n".join(broken) or "no promise broken")
    return 1 if broken else 0


def _outcomes(seeds: Sequence[int], images: int, workers: int) -> Iterator[Count | str]:
    look = partial(_outcome, most=images)
    if workers == 1:
        yield from map(look, seeds)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(look, seeds)


def _outcome(seed: int, most: int) -> Count | str:
    try:
        return explore(seed, most)
    except Broken as broken:
        return f"seed {seed}: {broken}"


def _figures(count: Count) -> tuple[str, ...]:
    figures = (count.images, count.moments, count.rounds, count.ended, count.again)
    return tuple(f"{figure:,}" for figure in figures)


def _row(*cells: str) -> str:
    return "  ".join(f"{cell:>10}" for cell in cells)


def _mutants() -> int:
    """Try each, and say what became of it."""
    wrong = 0
    for mutant in MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = tried(mutant, Path(folder))
        wrong += outcome.caught == bool(mutant.survives)
        why = outcome.said if outcome.caught else f"({mutant.survives or 'HARMFUL'})"
        print(f"{'caught' if outcome.caught else 'survives':<9} {mutant.name}: {why}", flush=True)
    print(f"{len(MUTANTS)} altered protocols, {wrong} of them other than expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
