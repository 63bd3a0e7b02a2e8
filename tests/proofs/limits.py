"""Find out the limits of gateways that do not declare any: the command, for real, over loopback.

    python -m tests.proofs.limits --case a f
    python -m tests.proofs.limits --case a --quick

The mock gateway is a process of its own, each client another: ``wbatch run`` with more calls at
once than any of these gateways takes. What is measured is the gateway's own ledger. Each case is
watched for one and a half minutes or more, and what counts is the time after the first 30 s.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from batch.mock.accounts import mark
from tests.proofs.limit_cases import CASES, Case, hurried
from tests.proofs.limit_figures import Sample, Watched, figures, misses
from tests.proofs.memory import LINE
from tests.proofs.page import LIMITS, put, table
from tests.proofs.processes import Process, gateway, lines_of, require, wait_until, wbatch

CONCURRENCY: Final = 400  # at most, of each client
SPARE: Final = 1.2  # lines, as many as the gateway can take, and a few more
LOOK_SECONDS: Final = 0.25
DRAIN_SECONDS: Final = 10.0  # until a client that was told to end is told so again
HASTE: Final = 3.0  # of --quick
PICTURES: Final = LIMITS.parent / "limits"
HEADS: Final = (
    "",
    "the gateway",
    "requests:",
    "used:",
    "rejected:",
    "while changing:",
    "time to an answer:",
    "shares",
    "errors:",
)


class Client:
    """One run, and what it says of itself."""

    def __init__(self, folder: Path, number: int, case: Case, url: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._status = folder / "out.run" / "status.json"
        self.key = f"sk-of-run-{number}"
        self.samples: list[Sample] = []
        lines = round(case.most * case.seconds * SPARE)
        with (folder / "in.jsonl").open("w") as file:
            file.writelines(LINE % (n, n) for n in range(1, lines + 1))
        at = ("--base-url", url, "-c", CONCURRENCY, "--quiet")
        self._said = (folder / "said.txt").open("wb+")
        self._process: Process = wbatch(
            folder, "run", "in.jsonl", "-o", "out.jsonl", *at, key=self.key, stderr=self._said
        )

    def look(self, began: float) -> None:
        """Note what the run says of itself, if that is new. It must not have ended."""
        require(self._process.poll() is None, f"the run has ended: {self._words()}")
        with contextlib.suppress(FileNotFoundError):
            at = self._status.stat().st_mtime - began
            if not self.samples or self.samples[-1].at != at:
                said: dict[str, Any] = orjson.loads(self._status.read_bytes())
                self.samples.append(Sample(at, said.get("window"), said.get("pace")))

    def end(self) -> None:
        """End the run as a user would: once in order, and again if that takes long."""
        for _ in range(2):
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DRAIN_SECONDS)
                break
        self._process.kill()
        code = self._process.wait()
        require(code == 143, f"the run ended with {code}: {self._words()}")
        self._said.close()

    def records(self) -> tuple[int, int]:
        """Return how many lines ended with an answer and with an error."""
        errors = self._folder / "out.run" / "errors.jsonl"
        return (
            len(lines_of(self._folder / "out.jsonl")),
            len(lines_of(errors)) if errors.exists() else 0,
        )

    def _words(self) -> str:
        self._said.seek(0)
        return self._said.read().decode()


def watch(case: Case) -> Watched:
    """Let a case happen, and return what was seen."""
    with tempfile.TemporaryDirectory() as name, gateway(Path(name), *case.flags) as mock:
        clients = [Client(Path(name) / "1", 1, case, mock.url)]
        wait_until(lambda: mock.counts()["arrived"], "the first request")
        began = time.time()
        while (now := time.time() - began) < case.seconds:
            if len(clients) < len(case.starts) and now >= case.starts[len(clients)]:
                number = len(clients) + 1
                clients.append(Client(Path(name) / str(number), number, case, mock.url))
            for client in clients:
                client.look(began)
            time.sleep(LOOK_SECONDS)
        for client in clients:
            client.end()
        rows = mock.rows()
        answers, errors = map(sum, zip(*(client.records() for client in clients), strict=True))
    first = rows[0]["at"]
    return Watched(
        case=case,
        rows=[{**row, "time": row["at"] - first} for row in rows],
        keys=[mark(client.key) for client in clients],
        samples=[client.samples for client in clients],
        lines=answers + errors,
        failed=errors,
    )


def prove(cases: Sequence[Case], pictures: Path | None) -> Iterator[tuple[list[str], list[str]]]:
    """Watch each case; yield its line of the table, and what it has not reached."""
    for case in cases:
        watched = watch(case)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            # Only here: what a run needs is there without it.
            plots = importlib.import_module("tests.proofs.limit_plots")
            plots.draw(watched, pictures / f"{case.name}.png")
        found = figures(watched)
        yield [f"({case.name})", case.about, *found.cells], misses(case, found)


def main() -> None:
    """Watch the cases that are asked for; write table and pictures if all of them are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="shorter than what counts: to try")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw them, into this folder")
    parser.add_argument("--write", action="store_true", help=f"put all into {LIMITS.name}")
    args = parser.parse_args()
    cases = [hurried(CASES[name], HASTE) if args.quick else CASES[name] for name in args.case]
    pictures = PICTURES if args.write else args.pictures
    rows, missed = [], []
    for cells, missing in prove(cases, pictures):
        rows.append(cells)
        missed += [f"{cells[0]} {one}" for one in missing]
        words = f"MISSED: {'; '.join(missing)}" if missing else ""
        print(" | ".join(cells), words, f"(load {os.getloadavg()[0]:.1f})", flush=True)
    if args.write:
        require(len(rows) == len(CASES) and not args.quick, "only all of the cases are written")
        put("unknown limits", table(HEADS, rows))
    if missed and not args.quick:
        raise SystemExit(f"failed: {'; '.join(missed)}")
    print("holds" if not missed else "")


if __name__ == "__main__":
    main()
