"""Parts of what the command does, each a process of its own, so that it is measured like all.

python -m tests.bench.parts loads FILE
python -m tests.bench.parts loads-below FOLDER
python -m tests.bench.parts recover OUT
"""

from __future__ import annotations

import os
import sys

import orjson

from batch.files import OsFiles
from batch.ledger.paths import paths_of
from batch.ledger.recover import recover


def loads(path: str) -> None:
    """Parse each line of a file."""
    with open(path, "rb") as file:
        for line in file:
            orjson.loads(line)


def loads_below(folder: str) -> None:
    """Parse each line of each file below a folder."""
    for parent, _, names in os.walk(folder):
        for name in names:
            loads(os.path.join(parent, name))


def recovered(path: str) -> None:
    """Find out what a run has done, as each session begins."""
    if recover(OsFiles(), paths_of(path)) is None:
        raise SystemExit(f"{path}: no run was begun there")


if __name__ == "__main__":
    parts = {"loads": loads, "loads-below": loads_below, "recover": recovered}
    parts[sys.argv[1]](sys.argv[2])
