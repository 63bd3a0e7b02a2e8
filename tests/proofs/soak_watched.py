"""The command, and a thread beside it that counts the tasks of its event loop now and then.

    python -P tests/proofs/soak_watched.py COUNTS run in.jsonl -o out.jsonl ...

COUNTS gets a line every half second: the tasks that are not done. Nobody can count them from
outside.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from pathlib import Path
from typing import Final

from batch.cli import main

EVERY: Final = 0.5  # seconds


def _tasks() -> int:
    return sum(type(one) is asyncio.Task and not one.done() for one in gc.get_objects())


def _count(path: Path, over: threading.Event) -> None:
    with path.open("a") as file:
        while not over.wait(EVERY):
            print(_tasks(), file=file, flush=True)


if __name__ == "__main__":
    counts = sys.argv.pop(1)
    threading.Thread(target=_count, args=(Path(counts), threading.Event()), daemon=True).start()
    main()
