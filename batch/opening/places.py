"""The files that a run names: an output that can be one, inputs that can be had again."""

from __future__ import annotations

import contextlib
import os

from batch.errors import BadData, CannotWrite, NoInput
from batch.ledger.paths import Paths
from batch.ledger.state import History


def refuse_output(names: tuple[str, ...], paths: Paths) -> None:
    """Refuse an output that cannot be one, or is one of the inputs, by name, link or hard link."""
    if os.path.isdir(paths.results):
        raise CannotWrite(f"{paths.results} is a folder. Name a file as --output.")
    if os.path.islink(paths.results) and not os.path.exists(paths.results):
        raise CannotWrite(f"{paths.results} is a link that leads nowhere. Name a file as --output.")
    if os.path.exists(paths.results) and not os.path.isfile(paths.results):
        raise CannotWrite(
            f"{paths.results} is a device or a pipe, which no run can be carried on from. Name a "
            "file as --output."
        )
    for name in names:
        for output in (paths.results, paths.errors, paths.journal):
            with contextlib.suppress(OSError):
                if name != "-" and os.path.samefile(name, output):
                    begun = os.path.exists(paths.journal)
                    raise BadData(f"{name} is both input and output: {_why_not(begun=begun)}")


def _why_not(*, begun: bool) -> str:
    """Return why a file is not both, and what to do; after a first run a pattern finds its own."""
    if begun:
        return (
            "it is of a run that was begun. Leave it out of the inputs, where a pattern such as "
            "*.jsonl finds it too, or choose another --output."
        )
    return "its prompts would be overwritten. Choose another --output."


def recorded_inputs(history: History, paths: Paths) -> tuple[str, ...]:
    """Return the inputs that a run's header names. Raises NoInput if they cannot be had again."""
    header = (history.header.run or {}) if history.header else {}
    names = tuple(str(one["path"]) for one in header.get("inputs", ()))
    if "-" in names and not os.path.exists(paths.spool):
        raise NoInput(
            f"{paths.results} was asked from standard input, which is no longer there. Pipe it in "
            "again with: wbatch run - -o ..."
        )
    return tuple(paths.spool if name == "-" else name for name in names)
