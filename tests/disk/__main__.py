"""Fail every call of the file layer in every way, under each command, and count.

python -m tests.disk
python -m tests.disk --case "a new run" --said    also print each message that was said
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path

from tests.disk.cases import CASES, Case
from tests.disk.nth import CANNOT_WRITE, Verdict, every_fault


def main() -> int:
    """Return 0 if every promise held."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.disk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], metavar="CASE")
    parser.add_argument("--said", action="store_true", help="print each message once")
    asked = parser.parse_args()
    broken = total = 0
    said: Counter[str] = Counter()
    for case in CASES:
        if asked.case is None or case.name in asked.case:
            verdicts = _failed(case)
            total += sum(one.reached for one in verdicts)
            broken += sum(bool(one.broken) for one in verdicts)
            said.update(message for one in verdicts for message in _messages(one))
    if asked.said:
        print(*(f"{count:5}  {message}" for message, count in said.most_common()), sep="\n")
    print(f"{total:,} failures, {broken:,} of them broke a promise")
    return bool(broken)


def _failed(case: Case) -> list[Verdict]:
    with tempfile.TemporaryDirectory() as folder:
        verdicts = list(every_fault(case, Path(folder) / "run"))
    ended = sum(one.code == CANNOT_WRITE for one in verdicts)
    print(f"{case.name:28} {len(verdicts):6,} failures, {ended:6,} of them end it", flush=True)
    for one in verdicts:
        for what in one.broken:
            print(f"  {one.fault}: {what}")
    return verdicts


def _messages(verdict: Verdict) -> set[str]:
    """Return what was said of a failure, without what differs from one to the next."""
    told = [line for line in verdict.said.splitlines() if line[:8] in ("error: /", "stopped ")]
    return {re.sub(r"/\S*/run/", "", line) for line in told}


if __name__ == "__main__":
    raise SystemExit(main())
