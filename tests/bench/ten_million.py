"""A whole run of ten million lines against the gateway in C, its memory looked at all the while.

    python -m tests.bench.ten_million --lines 100000

Then the same command once more, over what is answered already. It takes 2.5 KB of disk a line.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.contestants import ours
from tests.bench.lines import write
from tests.bench.machine import PAGE, tell
from tests.bench.made import forgotten
from tests.bench.races import Work
from tests.bench.rows import Row
from tests.bench.scans import Pair, Sizes, resumes
from tests.bench.stage import build, serving, spend, started
from tests.proofs.memory import MB
from tests.proofs.processes import Process, require

WORK: Final = Work(name="a plain answer", lines=0)
CEILING: Final = 64 * MB + 128 * 25_000  # bytes
SAME: Final = 4 * MB  # between a run's second tenth and its last
PER_LINE: Final = 2_500  # bytes of disk
EVERY: Final = 1.0  # seconds
SIZES: Final = re.compile(r"(VmRSS|VmHWM):\s+(\d+) kB")
SERIES: Final = Path(__file__).parents[2] / "build" / "ten-million.csv"


class Sample(msgspec.Struct, frozen=True):
    """A look at a run."""

    seconds: float  # since its start
    written: int  # bytes of results
    resident: int  # bytes of memory, now
    peak: int  # and at the most so far


def looks(process: Process, output: Path, every: float) -> Iterator[Sample]:
    """Look at a process until it ends."""
    begun, status = time.monotonic(), Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        found = {name: 1024 * int(kb) for name, kb in SIZES.findall(status.read_text())}
        if len(found) == 2:
            written = output.stat().st_size if output.exists() else 0
            seconds = time.monotonic() - begun
            yield Sample(seconds, written, found["VmRSS"], found["VmHWM"])
        time.sleep(every)


def growth(samples: Sequence[Sample]) -> int:
    """Return by how much the memory of the last tenth of the results is above the second tenth's.

    The median of each: a moment's buffers are no growth. Raises ``Failed`` for too few looks.
    """
    whole = samples[-1].written if samples else 0
    tenths: list[list[int]] = [[] for _ in range(11)]
    for sample in samples:
        tenths[10 * sample.written // max(1, whole)].append(sample.resident)
    last = tenths[9] + tenths[10]
    require(tenths[1] and last, "the run was too short to look at its memory")
    return int(statistics.median(last) - statistics.median(tenths[1]))


def keep(samples: Sequence[Sample], path: Path) -> None:
    """Write looks down, for whoever draws them."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Sample.__struct_fields__)
        writer.writerows(map(msgspec.structs.astuple, samples))


def whole_run(folder: Path, url: str, lines: int, every: float) -> Iterator[Row]:
    """Run so many lines, and say what it took."""
    command, environ = ours(WORK, url, lines)
    begun = time.monotonic()
    with started(command, folder, environ) as process:
        samples = list(looks(process, folder / "out.jsonl", every))
    taken = time.monotonic() - begun
    keep(samples, SERIES)
    with (folder / "out.jsonl").open("rb") as file:
        require(sum(1 for _ in file) == lines, "not every line has its answer")
    peak, grown = samples[-1].peak, growth(samples)
    yield Row(what=f"a run of {lines:,} lines", own=f"{taken:,.0f} s")
    yield Row(
        what="its peak memory",
        own=f"{peak / MB:.1f} MB",
        reach=f"≤ {CEILING / MB:.1f} MB",
        reached=peak <= CEILING,
    )
    yield Row(
        what="its last tenth above its second",
        own=f"{grown / MB:+.1f} MB",
        reach=f"≤ {SAME / MB:.0f} MB",
        reached=grown <= SAME,
    )


def measure(place: Path, lines: int, every: float) -> Iterator[Row]:
    """Measure a run, and the same one again."""
    free = shutil.disk_usage(place).free
    require(free > PER_LINE * lines, f"{lines:,} lines take {PER_LINE * lines / 1e9:.0f} GB")
    pair = Pair(place / "many", place / "one")
    with serving(build(place), ()) as url:
        for folder in (pair.many, pair.one):
            folder.mkdir()
        write(pair.many, lines, stream=False)
        yield from whole_run(pair.many, url, lines, every)
        write(pair.one, 1, stream=False)
        command, environ = ours(WORK, url, 1)
        spend(command, pair.one, environ)
        for folder in (pair.many, pair.one):
            forgotten(folder)
        yield from resumes(pair, url, Sizes(lines=lines, rounds=2))


def main() -> None:
    """Measure, print the table, and put it into the page if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between looks")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        rows = measure(Path(place), args.lines, args.every)
        tell(rows, "ten-million" if args.write else None)


if __name__ == "__main__":
    main()
