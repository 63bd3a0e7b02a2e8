"""What is read after a run, or when it goes on: against the time that orjson takes to parse it.

    python -m tests.bench.scans --lines 1000000 --runs 5000 --rounds 3 --write

The logs are written directly, by the ledger's own code. CPU is that of a whole process less that of
the same one over one line, in the best of the rounds; seconds and megabytes are of the whole.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from tests.bench.contestants import HERE, KEY
from tests.bench.machine import PAGE, tell
from tests.bench.made import answered, checkpointed, resumed, totals
from tests.bench.rows import Row
from tests.bench.stage import PYTHON, Spent, build, peak, serving, spend
from tests.proofs.memory import MB

ENVIRON: Final = {**KEY, **HERE}
REPORT_SECONDS: Final = 30 / 5_000_000  # a line of usage
REPORT_MEMORY: Final = 300 * MB
Commands: TypeAlias = Mapping[str, Sequence[object]]


class Sizes(msgspec.Struct, frozen=True):
    """How much is read, how often."""

    lines: int = 100_000
    runs: int = 200
    rounds: int = 5


class Taken(msgspec.Struct, frozen=True):
    """What a command took over many lines, without its start, and in all."""

    cpu: float  # seconds
    whole: float  # seconds, with the start


class Pair(msgspec.Struct, frozen=True):
    """A folder with much to read, and one in which the same command has hardly any."""

    many: Path
    one: Path


def took(commands: Commands, pair: Pair, rounds: int) -> dict[str, Taken]:
    """Run commands in turn, each over much and over little."""
    many: dict[str, list[Spent]] = {name: [] for name in commands}
    one: dict[str, list[Spent]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            many[name].append(spend(command, pair.many, ENVIRON))
            one[name].append(spend(command, pair.one, ENVIRON))
    return {
        name: Taken(
            min(spent.cpu for spent in many[name]) - min(spent.cpu for spent in one[name]),
            min(spent.cpu for spent in many[name]),
        )
        for name in commands
    }


def scans(gateway: Path, sizes: Sizes) -> Iterator[Row]:
    """Measure all of them."""
    with _pair() as pair:
        yield from reports(pair, sizes)
    with _pair() as pair, serving(gateway, ()) as url:
        answered(pair.many, url, sizes.lines)
        answered(pair.one, url, 1)
        yield from resumes(pair, url, sizes)
        yield from exports(pair, sizes)
        yield checks(pair, sizes)


def reports(pair: Pair, sizes: Sizes) -> Iterator[Row]:
    """Measure a report over the usage of many runs."""
    lines = totals(pair.many, sizes.runs) * sizes.runs
    totals(pair.one, 1)
    report = [PYTHON, "-m", "batch", "report", ".", "--by", "month,job,model"]
    found = took({"report": report, "loads": _part("loads-below", ".")}, pair, sizes.rounds)
    allowed = REPORT_SECONDS * lines
    own = found["report"]
    yield Row(
        what=f"report over {lines:,} lines of usage",
        yardstick=_seconds(found["loads"].cpu),
        own=_seconds(own.cpu),
        ratio=own.cpu / found["loads"].cpu,
        reach=f"≤ {allowed:.1f} s",
        reached=own.cpu <= allowed,
    )
    most = peak(report, pair.many, ENVIRON)
    yield Row(
        what="its peak memory",
        own=f"{most / MB:.0f} MB",
        reach=f"≤ {REPORT_MEMORY / MB:.0f} MB",
        reached=most <= REPORT_MEMORY,
    )


def resumes(pair: Pair, url: str, sizes: Sizes) -> Iterator[Row]:
    """Measure what a session does before its first request, where all is answered."""
    recover, loads = _part("recover", "out.jsonl"), _part("loads", "out.jsonl")
    bare = took({"recover": recover, "loads": loads}, pair, sizes.rounds)
    yield _against_loads(f"logs of {sizes.lines:,} results, no checkpoint", bare, "recover", 0.8)
    for folder in (pair.many, pair.one):
        checkpointed(folder)
    inputs = {"run": resumed(url), "recover": recover, "loads": _part("loads", "in.jsonl")}
    found = took(inputs, pair, sizes.rounds)
    yield Row(
        what=f"logs of {sizes.lines:,} results, with checkpoint",
        own=_seconds(found["recover"].whole),
        reach="≤ 1 s",
        reached=found["recover"].whole <= 1,
    )
    skipped = found["run"].cpu - found["recover"].cpu
    yield Row(
        what=f"skipping {sizes.lines:,} lines of the input",
        yardstick=_seconds(found["loads"].cpu),
        own=_seconds(skipped),
        ratio=skipped / found["loads"].cpu,
    )


def exports(pair: Pair, sizes: Sizes) -> Iterator[Row]:
    """Measure the export of all results."""
    export = [PYTHON, "-m", "batch", "export", "out.jsonl", "--force"]
    commands = {
        "jsonl": [*export, "-o", "a.jsonl", "--no-input"],
        "strict": [*export, "-o", "strict.jsonl", "--strict"],
        "csv": [*export, "-o", "a.csv"],
        "loads": _part("loads", "out.jsonl"),
    }
    found = took(commands, pair, sizes.rounds)
    about = {
        "jsonl": "as JSONL",
        "strict": "in OpenAI's shape",
        "csv": "as CSV, with the inputs' columns",
    }
    for name, words in about.items():
        reach = None if name == "csv" else 2.0
        yield _against_loads(f"export of {sizes.lines:,} results {words}", found, name, reach)
    for name in ("a.jsonl", "strict.jsonl", "a.csv"):
        (pair.many / name).unlink()


def checks(pair: Pair, sizes: Sizes) -> Row:
    """Measure the look at all lines before a run."""
    check = [PYTHON, "-m", "batch", "check", "in.jsonl"]
    found = took({"check": check, "loads": _part("loads", "in.jsonl")}, pair, sizes.rounds)
    return _against_loads(f"check of {sizes.lines:,} lines", found, "check", None)


def _against_loads(what: str, found: Mapping[str, Taken], name: str, reach: float | None) -> Row:
    own, loads = found[name].cpu, found["loads"].cpu
    return Row(
        what=what,
        yardstick=_seconds(loads),
        own=_seconds(own),
        ratio=own / loads,
        reach="" if reach is None else f"≤ {reach:.2f}",
        reached=None if reach is None else own <= reach * loads,
    )


def _part(name: str, path: str) -> list[object]:
    return [PYTHON, "-m", "tests.bench.parts", name, path]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s"


@contextlib.contextmanager
def _pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        pair = Pair(Path(name, "many"), Path(name, "one"))
        pair.many.mkdir()
        pair.one.mkdir()
        yield pair


def main() -> None:
    """Measure, print the table, and put it into the page if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=Sizes().lines)
    parser.add_argument("--runs", type=int, default=Sizes().runs)
    parser.add_argument("--rounds", type=int, default=Sizes().rounds)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    args = parser.parse_args()
    sizes = Sizes(args.lines, args.runs, args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        tell(scans(build(Path(folder)), sizes), "scans" if args.write else None)


if __name__ == "__main__":
    main()
