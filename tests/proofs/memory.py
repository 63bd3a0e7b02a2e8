"""Peak memory of a run must not depend on its number of lines: a run at each size, compared.

    python -m tests.proofs.memory --lines 10000 1000000

The run is a process of its own, and so is the gateway. Its peak is the kernel's own high-water
mark (VmHWM), read while it lives: a child's ``ru_maxrss`` would begin with this process's size.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.proofs.processes import POLL_SECONDS, Failed, Process, gateway, require, wbatch

MB: Final = 1_000_000
CEILING: Final = 64 * MB
PER_CALL: Final = 25_000  # bytes for each request in flight
SAME: Final = 4 * MB  # between the smallest and the largest run
LINE: Final = (
    '{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":{"model":'
    '"gpt-4o-mini","messages":[{"role":"user","content":"Line %d: is this review positive? It came '
    'late, but it works as it should."}]}}\n'
)


class Measured(msgspec.Struct, frozen=True):
    """What one run took."""

    lines: int
    peak: int  # bytes
    seconds: float

    def __str__(self) -> str:
        """Return it as a line of a table."""
        rate = self.lines / self.seconds
        return f"{self.lines:>12,} lines {self.peak / MB:8.1f} MB peak {rate:8,.0f} lines/s"


def prove(sizes: Sequence[int], concurrency: int) -> Iterator[Measured]:
    """Run each size, yield what it took, and check it. Raises ``Failed``."""
    allowed = CEILING + concurrency * PER_CALL
    peaks = []
    for lines in sizes:
        measured = measure(lines, concurrency)
        yield measured
        peaks.append(measured.peak)
        require(measured.peak <= allowed, f"more than {allowed / MB:.1f} MB: {measured}")
    spread = max(peaks) - min(peaks)
    require(spread <= SAME, f"the peak grows with the lines, by {spread / MB:.1f} MB")


def measure(lines: int, concurrency: int) -> Measured:
    """Run so many lines against a gateway that answers at once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "in.jsonl").open("w") as file:
            file.writelines(LINE % (n, n) for n in range(1, lines + 1))
        with gateway(folder, ledger=False) as mock:
            at = ("--base-url", mock.url, "-c", concurrency, "--quiet")
            begun = time.monotonic()
            process = wbatch(folder, "run", "in.jsonl", "-o", "out.jsonl", *at)
            peak = peak_of(process)
            seconds = time.monotonic() - begun
        require(process.returncode == 0, f"the run ended with {process.returncode}")
        with (folder / "out.jsonl").open("rb") as file:
            require(sum(1 for _ in file) == lines, "not every line has its record")
    return Measured(lines, peak, seconds)


def peak_of(process: Process) -> int:
    """Watch a process until it ends; return its high-water mark in bytes."""
    status = Path(f"/proc/{process.pid}/status")
    peak = 0
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            peak = 1024 * int(found[1])
        time.sleep(4 * POLL_SECONDS)
    return peak


def main() -> None:
    """Prove it for the sizes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("-c", "--concurrency", type=int, default=64)
    args = parser.parse_args()
    try:
        for measured in prove(args.lines, args.concurrency):
            print(measured, flush=True)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print("holds")


if __name__ == "__main__":
    main()
