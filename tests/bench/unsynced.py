"""The command, with a disk that is never asked to make sure: what syncs cost is the difference.

python -m tests.bench.unsynced run in.jsonl -o out.jsonl ...
"""

from __future__ import annotations

import functools
import sys
from types import SimpleNamespace

from batch import runs
from batch.cli import answer
from batch.cli.caller import Caller
from batch.files import OsFiles


class Unsynced(OsFiles):
    """Says that all is on stable storage, whatever is."""

    def sync(self, fd: int) -> None:
        """Do nothing."""

    def sync_folder(self, path: str) -> None:
        """Do nothing."""


if __name__ == "__main__":
    engine = SimpleNamespace(run=functools.partial(runs.run, files=Unsynced()))
    sys.exit(answer(sys.argv[1:], Caller(engine)))
