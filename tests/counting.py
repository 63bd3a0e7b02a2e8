"""Counts the calls of functions: what does not depend on the machine, or on who else uses it."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import batch

OURS = str(Path(batch.__file__).parent)
FEW, MANY = 100, 300


@contextlib.contextmanager
def counting(calls: Counter[str]) -> Iterator[None]:
    """Count how often functions are called in this thread, by name, and ours in all, too.

    Those of C are named by their module, and methods of what is made in C by its type.
    """

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event == "call":
            calls["ours"] += frame.f_code.co_filename.startswith(OURS)
            calls[frame.f_code.co_name] += 1
        elif event == "c_call":
            where = called.__module__ or type(getattr(called, "__self__", None)).__name__
            calls[f"{where}.{called.__name__}"] += 1

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def counted(work: Callable[[], Any]) -> Counter[str]:
    """How often functions were called."""
    calls: Counter[str] = Counter()
    with counting(calls):
        work()
    return calls


def for_each(work: Callable[[int], Any]) -> Callable[[str], float]:
    """How often something is called for each, whatever it takes to begin and to end."""
    work(FEW)  # what is made once is made here
    few, many = counted(lambda: work(FEW)), counted(lambda: work(MANY))
    return lambda name: (many[name] - few[name]) / (MANY - FEW)
