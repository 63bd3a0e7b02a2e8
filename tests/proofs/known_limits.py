"""Declare a limit, and see that all of it is used without one refusal: the command, for real.

    python -m tests.proofs.known_limits --rates 200 500 2000

The gateway is a process of its own, whose bucket holds a tenth of a second of its rate; the client
is ``wbatch run --rpm``, which is not told how deep it is. Each has a core of its own if there are
two.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from tests.proofs.memory import LINE
from tests.proofs.page import put, table
from tests.proofs.processes import Failed, Process, require, wbatch

RATES: Final = (200, 500, 2_000)  # requests a second
USED: Final = 0.99  # of the rate
SPAN: Final = 30.0  # seconds, at least
MORE: Final = 1.05  # lines, as many as the rate in the span, and a few more
CONCURRENCY: Final = 256
LATENCY_MS: Final = 20
HEADS: Final = (
    "requests a second:",
    "bucket:",
    "seconds:",
    "accepted:",
    "used:",
    "slowest second:",
    "429s:",
    "CPU of the client:",
    "of the gateway:",
)


class Measured(msgspec.Struct, frozen=True):
    """What came of one rate."""

    rate: int
    span: float  # seconds from the first request to the last
    accepted: int
    rejected: int
    slowest: int  # accepted in the slowest whole second
    client_cpu: float  # seconds
    gateway_cpu: float
    seconds: float  # that the client ran

    @property
    def used(self) -> float:
        """Return the part of the rate that was used."""
        return self.accepted / (self.rate * self.span)

    @property
    def cells(self) -> list[str]:
        """Return it as a line of the table."""
        return [
            f"{self.rate:,}",
            f"{self.rate // 10}",
            f"{self.span:.1f}",
            f"{self.accepted:,}",
            f"{self.used:.2%}",
            f"{self.slowest:,}",
            f"{self.rejected}",
            f"{self.client_cpu / self.seconds:.0%}",
            f"{self.gateway_cpu / self.span:.0%}",
        ]


def measure(rate: int, span: float = SPAN) -> Measured:
    """Run lines for so many seconds at a declared rate."""
    lines = round(rate * span * MORE)
    with tempfile.TemporaryDirectory() as name, _gateway(rate) as url:
        folder = Path(name)
        with (folder / "in.jsonl").open("w") as file:
            file.writelines(LINE % (n, n) for n in range(1, lines + 1))
        at = ("--base-url", url, "--rpm", 60 * rate, "-c", CONCURRENCY, "--quiet")
        begun = time.monotonic()
        process = wbatch(folder, "run", "in.jsonl", "-o", "out.jsonl", *at)
        _pin(process, 1)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        counts = _counts(url)
    require(process.returncode == 0, f"the run ended with {process.returncode}")
    return Measured(
        rate=rate,
        span=counts["span"],
        accepted=counts["accepted"],
        rejected=counts["rejected"],
        slowest=min(counts["by_second"][1:-1]),
        client_cpu=usage.ru_utime + usage.ru_stime,
        gateway_cpu=counts["cpu"],
        seconds=seconds,
    )


@contextmanager
def _gateway(rate: int) -> Iterator[str]:
    """Serve the light gateway; yield its address."""
    flags = ("--rate", rate, "--depth", rate / 10, "--latency", LATENCY_MS)
    command = [sys.executable, "-m", "tests.proofs.light_gateway", *map(str, flags)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        _pin(process, 0)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


def _pin(process: Process, core: int) -> None:
    """Give a process a core of its own, where there are two and it can be asked for."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(process.pid, {cores[core]})


def _counts(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/counts") as reply:
        counts: dict[str, Any] = orjson.loads(reply.read())
    return counts


def prove(rates: Sequence[int], span: float = SPAN) -> Iterator[Measured]:
    """Measure each rate, yield it, and check it. Raises ``Failed``."""
    for rate in rates:
        measured = measure(rate, span)
        yield measured
        require(measured.rejected == 0, f"{measured.rejected} refusals at {rate} a second")
        require(measured.used >= USED, f"{measured.used:.2%} used at {rate} a second")
        require(measured.span >= span, f"only {measured.span:.1f} s at {rate} a second")


def main() -> None:
    """Measure, print, and write the table into the document if all was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rates", type=int, nargs="+", default=list(RATES))
    parser.add_argument("--span", type=float, default=SPAN, help="seconds at each rate")
    parser.add_argument("--write", action="store_true", help="put the table into docs/limits.md")
    args = parser.parse_args()
    rows: list[list[str]] = []
    try:
        for measured in prove(args.rates, args.span):
            rows.append(measured.cells)
            print(" ".join(f"{cell:>14}" for cell in measured.cells), flush=True)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    if args.write:
        put("known limits", table(HEADS, rows))
    print("holds")


if __name__ == "__main__":
    main()
