"""Answer many calls at once with what has no end, and measure the memory that it takes.

    python -m tests.catalogues.proof_bad_gateways [-c N]

Each row of the large ones is a run of its own, whose lines are all answered so.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tests.catalogues import bad_gateways_large as large
from tests.catalogues.kit import Kind, Line, Odd, ask
from tests.proofs.processes import Failed, require

MIB: Final = 1 << 20
BASE: Final = 64 * MIB  # of a run, whatever it is answered
PER_CALL: Final = 25_000
READ: Final = 3.5  # times a text: as it came, as its record has it, and what it says
TABLES: Final[tuple[tuple[Kind, tuple[Odd, ...]], ...]] = (
    ("chat", large.CHATS),
    ("stream", large.STREAMS),
    ("image", large.PICTURES),
)


class Measured(msgspec.Struct, frozen=True):
    """What one run took."""

    name: str
    lines: int
    peak: int  # bytes
    seconds: float

    def __str__(self) -> str:
        """Return it as a line of a table."""
        took = f"{self.peak / MIB:8.1f} MiB {self.seconds:5.1f} s"
        return f"{self.name:32} {self.lines:4} at once {took}"


def allowed(kind: Kind, at_once: int) -> int:
    """Return the most bytes that so many answers may take, each up to its cap."""
    each = large.MEDIA_CAP if kind == "image" else round(READ * large.CAP)
    return BASE + at_once * (PER_CALL + each)


def prove(at_once: int) -> Iterator[Measured]:
    """Run each row, yield what it took, and check it. Raises ``Failed``."""
    for kind, odds in TABLES:
        for odd in odds:
            measured = measure(odd, kind, at_once)
            yield measured
            most = allowed(kind, at_once)
            require(measured.peak <= most, f"more than {most / MIB:.1f} MiB: {measured}")


def measure(odd: Odd, kind: Kind, at_once: int) -> Measured:
    """Have all lines of a run answered like this. Raises ``Failed`` for an end that is not so."""
    rows = [Line(f"odd-{n:03d}-{kind}", odd, kind) for n in range(at_once)]
    with tempfile.TemporaryDirectory() as name:
        ran = ask(Path(name), rows, "-c", at_once, "--max-attempts", 1)
        for row in rows:
            how = ran.ended.how(row.token)
            require(how == row.end.how, f"{row.name} ended as {how}")
    return Measured(f"{odd.name} ({kind})", at_once, ran.ended.peak, ran.ended.seconds)


def main() -> None:
    """Prove it for as many at once as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-c", "--concurrency", type=int, default=4)
    args = parser.parse_args()
    try:
        for measured in prove(args.concurrency):
            print(measured, flush=True)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print("holds")


if __name__ == "__main__":
    main()
