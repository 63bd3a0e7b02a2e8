"""Everything that can refuse a run, in order, before its first write and its first request.

Lock, what an earlier session left, identity, inputs, and whether the lines that were answered
still stand there as they were asked.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.errors import BadData, Busy, CannotWrite, NoInput
from batch.files import Files, read_whole, write_all
from batch.inputs.lines import RawLine
from batch.inputs.scan import Census, scan
from batch.inputs.sources import Inputs, open_inputs
from batch.ledger.compact import compact_errors
from batch.ledger.compare import Changed, Comparison, recorded_sums
from batch.ledger.paths import Paths
from batch.ledger.recover import Found
from batch.ledger.state import History

SHOWN: Final = 3  # changed lines that a message names
Identity = Mapping[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """What the user asks to be run."""

    inputs: tuple[str, ...]
    max_line_bytes: int
    identity: Identity | None  # None: whatever the earlier run's was
    keep_answers: bool = False


class Opened(msgspec.Struct, frozen=True):
    """A run that nothing stands against."""

    found: Found | None
    inputs: Inputs
    census: Census
    new_identity: bool  # kept answers under other settings: the journal must note them
    dropped: int = 0  # failed lines that changed, and are asked again


@contextlib.contextmanager
def held(files: Files, paths: Paths) -> Iterator[None]:
    """Hold the run's lock. Raises Busy, naming the holder, or CannotWrite."""
    fresh = not files.identity(paths.folder)
    try:
        for folder in (paths.folder, paths.cache):
            files.make_folder(folder)
        lock = files.lock(paths.lock)
    except BlockingIOError:
        holder = (read_whole(files, paths.lock) or b"").decode("utf-8", "replace").strip()
        raise Busy(
            f"{paths.folder} is held by another process ({holder or 'unknown'}). Wait until it has "
            "ended, or choose another --output."
        ) from None
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or paths.folder}: {error.strerror}. Choose an --output in a folder "
            "that can be written."
        ) from error
    try:
        files.truncate(lock, 0)
        write_all(files, lock, f"pid {os.getpid()} since {time.strftime('%F %T %z')}\n".encode())
        yield
    finally:
        if fresh and not files.length(paths.journal):
            _remove_traces(files, paths)
        files.close(lock)


def keep_aside(files: Files, paths: Paths) -> str | None:
    """Move an earlier run's files aside; return the suffix they got, or None if there are none."""
    if not files.length(paths.results) and not files.length(paths.journal):
        return None
    suffix = time.strftime("%Y%m%dT%H%M%S")
    if files.identity(paths.results):
        files.replace(paths.results, f"{paths.results}.{suffix}")
    files.replace(paths.folder, f"{paths.folder}.{suffix}")
    files.sync_folder(paths.parent)
    return suffix


def open_run(files: Files, paths: Paths, found: Found | None, wanted: Wanted) -> Opened:
    """Read and judge everything. Raises a Refusal that says what to do; writes nothing."""
    _refuse_output_as_input(wanted.inputs, paths)
    keep_answers = wanted.keep_answers
    differs = _differences(found, wanted.identity)
    if differs and not keep_answers:
        raise _other_settings(paths, found, differs)
    inputs = open_inputs(wanted.inputs, paths.spool, wanted.max_line_bytes)
    if found is None:
        return Opened(None, inputs, scan(inputs, paths.cache), False)
    comparison = Comparison(found.history)

    def visit(line: RawLine) -> None:
        if comparison.wants(line.ordinal):
            comparison.visit(line.ordinal, line.sum)

    census = scan(inputs, paths.cache, visit)
    changed = _changed(files, paths, inputs, comparison)
    _refuse_changes(paths, found.history, comparison, changed, keep_answers)
    for one in changed:
        found.history.forget_error(one.ordinal, one.sum)
    return Opened(found, inputs, census, bool(differs), len(changed))


def drop_changed(files: Files, paths: Paths, opened: Opened) -> None:
    """Take the errors of lines that changed out of the log, so that no later scan sees them."""
    if opened.dropped and opened.found is not None:
        compact_errors(files, paths.errors, opened.found.history)


def _refuse_output_as_input(names: tuple[str, ...], paths: Paths) -> None:
    """Refuse an output that is one of the inputs, by name, link or hard link."""
    if os.path.isdir(paths.results):
        raise CannotWrite(f"{paths.results} is a folder. Name a file as --output.")
    for name in names:
        for output in (paths.results, paths.errors, paths.journal):
            with contextlib.suppress(OSError):
                if name != "-" and os.path.samefile(name, output):
                    raise BadData(
                        f"{name} is both input and output: its prompts would be overwritten. "
                        "Choose another --output."
                    )


def _differences(found: Found | None, identity: Identity | None) -> list[str]:
    if found is None or identity is None:
        return []
    then = found.history.identity
    return [
        f"{name} was {_worded(then.get(name))} and is now {_worded(identity.get(name))}"
        for name in sorted({*then, *identity})
        if then.get(name) != identity.get(name)
    ]


def _worded(value: object) -> str:
    return "not set" if value is None else orjson.dumps(value).decode()


def _other_settings(paths: Paths, found: Found | None, differs: list[str]) -> BadData:
    answers = found.history.answered.count if found else 0
    return BadData(
        f"{paths.results} has {answers:,} answers that were asked with other settings: "
        f"{'; '.join(differs)}. Nothing was changed. Give the earlier settings, or --keep-answers "
        "to keep them and go on with the new settings, or --new-run to keep them aside and start "
        "over."
    )


def _changed(files: Files, paths: Paths, inputs: Inputs, comparison: Comparison) -> list[Changed]:
    """Name the lines that are not what they were; empty if every sum agrees."""
    blocks = comparison.blocks()
    if not blocks:
        return []
    then = {one.ordinal: one for one in recorded_sums(files, paths, blocks)}
    changed = []
    for line in inputs.lines():
        before = then.pop(line.ordinal, None)
        if before is not None and before.sum != line.sum:
            changed.append(before)
        if not then:
            break
    return changed


def _refuse_changes(
    paths: Paths,
    history: History,
    comparison: Comparison,
    changed: list[Changed],
    keep_answers: bool,
) -> None:
    answers = history.answered.count
    if comparison.missing:
        raise BadData(
            f"the inputs have become shorter: {comparison.missing:,} lines that were done are no "
            f"longer there; {paths.results} has {answers:,} answers. Nothing was changed. Bring "
            "the lines back, or start over with --new-run."
        )
    answered = [one for one in changed if one.answered]
    refused = answered if keep_answers else changed
    if not refused:
        return
    named = ", ".join(str(one.ordinal) for one in refused[:SHOWN])
    more = f" and {len(refused) - SHOWN:,} more" if len(refused) > SHOWN else ""
    ways = (
        "Bring the lines back, or start over with --new-run."
        if answered
        else "Bring them back, or ask them again with --keep-answers, or start over with --new-run."
    )
    raise BadData(
        f"lines of the inputs have changed since they were done: line {named}{more}; "
        f"{paths.results} has {answers:,} answers, {len(answered):,} of them to lines that "
        f"changed. Nothing was changed. {ways}"
    )


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


def _remove_traces(files: Files, paths: Paths) -> None:
    """Leave nothing behind of a run that was refused before it began."""
    for path in (paths.lock, paths.spool):
        files.remove(path)
    with contextlib.suppress(OSError):
        os.rmdir(paths.cache)
        os.rmdir(paths.folder)
