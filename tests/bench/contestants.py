"""Who is measured, and how each is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.bench.races import CONCURRENCY, Command, Start, Work
from tests.bench.stage import PYTHON

ROOT: Final = Path(__file__).parents[2]
KEY: Final = {"OPENAI_API_KEY": "sk-of-a-bench"}
HERE: Final = {"PYTHONPATH": str(ROOT)}


def yardstick(work: Work, url: str, lines: int) -> Command:
    """Ask with nothing around it."""
    flags = ["--stream"] if work.streamed else []
    program = (PYTHON, "-m", "tests.bench.yardstick")
    return [*program, url, lines, "--concurrency", CONCURRENCY, *flags], HERE


def ours(_work: Work, url: str, _lines: int) -> Command:
    """Run the command as people do, with all that it does."""
    return [PYTHON, "-m", "batch", *_run(url)], KEY


def unsynced(_work: Work, url: str, _lines: int) -> Command:
    """Run the command on a disk that is never asked to make sure."""
    return [PYTHON, "-m", "tests.bench.unsynced", *_run(url)], KEY | HERE


def _run(url: str) -> list[object]:
    files = ["run", "in.jsonl", "-o", "out.jsonl"]
    return [*files, "--base-url", url, "-c", CONCURRENCY, "--quiet"]


YARDSTICK: Final = "bare loop"
OURS: Final = "wbatch"
UNSYNCED: Final = "without syncs"
PAIR: Final[Mapping[str, Start]] = {YARDSTICK: yardstick, OURS: ours}
SYNCS: Final[Mapping[str, Start]] = {UNSYNCED: unsynced, OURS: ours}
