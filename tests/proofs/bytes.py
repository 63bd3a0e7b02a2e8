"""Peak memory is bounded in bytes: lines with large pictures, sent and received, under two budgets.

    python -m tests.proofs.bytes --lines 1000 --budgets 64MiB 256MiB

``files``: lines name local pictures. ``bodies``: they hold them. ``answers``: pictures come back;
``chats``: in the text of an answer; ``inline``: and stay in it, so that the records are large. The
command is a process of its own, and so is the gateway.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.proofs.memory import CEILING, MB, PER_CALL, peak_of
from tests.proofs.painter import PNG
from tests.proofs.processes import Failed, gateway, require, wbatch

UNITS: Final[Mapping[str, int]] = {"MiB": 1 << 20, "GiB": 1 << 30, "MB": 10**6}
# Times that a line is there, as base64, beside those in work: read, parsed, checked, cut out; and
# the next one.
READING: Final = 5 * 4 / 3
DISTINCT: Final = 4  # pictures, used again and again
SHOWN: Final = (
    '{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":{"model":'
    '"gpt-4o-mini","messages":[{"role":"user","content":[{"type":"text","text":"What is in picture '
    '%d?"},{"type":"image_url","image_url":{"url":"%s"}}]}]}}\n'
)
ASKED: Final = (
    '{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":{"model":'
    '"gpt-4o-image","messages":[{"role":"user","content":"Picture %d"}]}}\n'
)
PAINTED: Final = (
    '{"custom_id":"row-%d","method":"POST","url":"/v1/images/generations","body":{"model":'
    '"gpt-image-1","prompt":"Picture %d"}}\n'
)


class Case(msgspec.Struct, frozen=True):
    """One run."""

    kind: str  # one of LINES
    lines: int
    size: int  # bytes of a picture
    budget: str
    concurrency: int

    @property
    def allowed(self) -> int:
        """Return the most bytes that it may take."""
        unit = next(unit for unit in UNITS if self.budget.endswith(unit))
        budget = int(self.budget.removesuffix(unit)) * UNITS[unit]
        read = READING * self.size if self.kind == "bodies" else 0
        return CEILING + PER_CALL * self.concurrency + budget + round(read)


class Measured(msgspec.Struct, frozen=True):
    """What one run took."""

    case: Case
    peak: int  # bytes
    seconds: float

    def __str__(self) -> str:
        """Return it as a line of a table."""
        case = self.case
        asked = f"{case.lines:,} of {case.size / MB:.1f} MB, {case.concurrency} at once"
        took = f"{self.peak / MB:6.1f} of {case.allowed / MB:.1f} MB, {self.seconds:,.0f} s"
        return f"{case.kind:8} {asked}, {case.budget:>6}: {took}"


def prove(case: Case) -> Measured:
    """Run, and check what it took. Raises ``Failed``."""
    measured = measure(case)
    require(measured.peak <= case.allowed, f"more than {case.allowed / MB:.1f} MB: {measured}")
    return measured


def measure(case: Case) -> Measured:
    """Run the lines against a gateway that answers at once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "in.jsonl").open("w") as file:
            file.writelines(LINES[case.kind](case, folder))
        serve = mock(folder) if case.kind in MOCKED else painter(case.size)
        with serve as url:
            flags = ["--allow-files", ".", "--max-inflight-bytes", case.budget, "--quiet"]
            flags += ["--inline-media"] if case.kind == "inline" else []
            begun = time.monotonic()
            process = wbatch(
                folder,
                *("run", "in.jsonl", "-o", "out.jsonl", "--base-url", url),
                *("-c", case.concurrency, *flags),
            )
            peak = peak_of(process)
            seconds = time.monotonic() - begun
        require(process.returncode == 0, f"the run ended with {process.returncode}")
        with (folder / "out.jsonl").open("rb") as file:
            require(sum(1 for _ in file) == case.lines, "not every line has its record")
        if case.kind in ("answers", "chats"):
            sizes = {path.stat().st_size for path in (folder / "out.run" / "files").iterdir()}
            require(sizes == {case.size}, "the pictures are not what was painted")
    return Measured(case, peak, seconds)


def _files(case: Case, folder: Path) -> Iterator[str]:
    for number in range(DISTINCT):
        (folder / f"{number}.png").write_bytes(_picture(case.size))
    return (SHOWN % (n, n, f"file:{n % DISTINCT}.png") for n in range(1, case.lines + 1))


def _answers(case: Case, folder: Path) -> Iterator[str]:
    return (PAINTED % (n, n) for n in range(1, case.lines + 1))


def _chats(case: Case, folder: Path) -> Iterator[str]:
    return (ASKED % (n, n) for n in range(1, case.lines + 1))


def _bodies(case: Case, folder: Path) -> Iterator[str]:
    address = f"data:image/png;base64,{b64encode(_picture(case.size)).decode()}"
    return (SHOWN % (n, n, address) for n in range(1, case.lines + 1))


LINES: Final[Mapping[str, Callable[[Case, Path], Iterator[str]]]] = {
    "files": _files,
    "bodies": _bodies,
    "answers": _answers,
    "chats": _chats,
    "inline": _answers,
}
MOCKED: Final = ("files", "bodies")  # the others are painted


def _picture(size: int) -> bytes:
    return PNG + os.urandom(size - len(PNG))


@contextmanager
def mock(folder: Path) -> Iterator[str]:
    """Serve the mock gateway; yield its address."""
    with gateway(folder, ledger=False) as served:
        yield served.url


@contextmanager
def painter(size: int) -> Iterator[str]:
    """Serve pictures of so many bytes; yield the address."""
    command = (sys.executable, "-m", "tests.proofs.painter", "--bytes", str(size))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


def main(argv: Sequence[str] | None = None) -> None:
    """Prove it for the kinds and budgets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--size", type=int, default=10 * MB)
    parser.add_argument("--budgets", nargs="+", default=["64MiB", "256MiB"])
    parser.add_argument("--kinds", nargs="+", default=[*LINES], choices=[*LINES])
    parser.add_argument("-c", "--concurrency", type=int, default=64)
    args = parser.parse_args(argv)
    try:
        for kind in args.kinds:
            for budget in args.budgets:
                case = Case(kind, args.lines, args.size, budget, args.concurrency)
                print(prove(case), flush=True)
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print("holds")


if __name__ == "__main__":
    main()
