"""Everything that can refuse a run, in order, before its first write and its first request.

What an earlier session left, identity, inputs, and whether the lines that were asked still stand
there as they were asked. That no other process has the run, ``ledger.hold`` sees to.
"""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec
import orjson

from batch.errors import BadData, CannotWrite, NoInput
from batch.files import Files
from batch.inputs.chosen import Choice, Chooser, Chosen
from batch.inputs.filling import Filler
from batch.inputs.lines import RawLine
from batch.inputs.named import Named
from batch.inputs.scan import BUFFER_BYTES, Census, Look, Visit, scan
from batch.inputs.settings import Reading
from batch.inputs.sources import Inputs, open_inputs
from batch.ledger.compact import compact_errors
from batch.ledger.compare import Changed, Comparison, changed_since, sums_of
from batch.ledger.paths import Paths
from batch.ledger.recover import Found, take_up
from batch.ledger.state import BLOCK, History
from batch.wording import agreeing, counted

SHOWN: Final = 3  # changed lines that a message names
_TEXTS: Final = ("prompt", "system")  # of which the identity has a digest, which tells nobody much
Identity = Mapping[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """What the user asks to be run."""

    inputs: tuple[str, ...]
    max_line_bytes: int
    identity: Identity | None  # None: whatever the earlier run's was
    keep_answers: bool = False
    note_models: bool = False  # which models do the lines name?
    reading: Reading = Reading()
    choice: Choice = Choice()  # which lines are to be asked


class Opened(msgspec.Struct, frozen=True):
    """A run that nothing stands against."""

    found: Found | None
    inputs: Inputs
    census: Census
    new_identity: bool  # kept answers under other settings: the journal must note them
    dropped: AbstractSet[int] = frozenset()  # lines that changed, and are asked again
    models: AbstractSet[str] | None = None  # that lines name, "" if one names none; None: not known
    reading: Reading = Reading()
    chosen: Chosen | None = None  # the lines to be asked; None: all


def open_run(files: Files, paths: Paths, found: Found | None, wanted: Wanted) -> Opened:
    """Read and judge everything. Raises a Refusal that says what to do; writes nothing."""
    refuse_output(wanted.inputs, paths)
    # Where nothing is on record, there is nothing that other settings could make wrong.
    keep_answers = wanted.keep_answers or (found is not None and not _has_records(found.history))
    differs = _differences(paths, found, wanted.identity)
    if found is not None and _has_records(found.history):
        _refuse_rehearsal(paths, found.history, wanted.identity)
    if differs and not keep_answers:
        raise _other_settings(paths, found, differs)
    if found is not None:
        _refuse_other_endpoint(paths, found.history, wanted.identity)
    cap, reading = wanted.max_line_bytes, wanted.reading
    inputs = open_inputs(wanted.inputs, paths.spool, cap, reading=reading)
    try:
        return _read(files, paths, found, wanted, inputs, keep_answers, bool(differs))
    except BaseException:
        inputs.discard()
        raise


def _read(
    files: Files,
    paths: Paths,
    found: Found | None,
    wanted: Wanted,
    inputs: Inputs,
    keep_answers: bool,
    new_identity: bool,
) -> Opened:
    """Read all lines, and compare those that were asked with what they were."""
    named, chooser = Named(inputs.forms), Chooser(wanted.choice)
    comparison = Comparison(found.history) if found is not None else None
    # Who has nothing to do is not shown the lines: there may be ten million.
    visits: list[Visit] = []
    if wanted.note_models:
        visits.append(named.visit)
    if wanted.choice.some:
        visits.append(chooser.visit)
    if comparison is not None:
        visits.append(comparison.visit)
    look = Look(inputs.forms, Filler(wanted.reading), _fresh(found))
    census = scan(inputs, paths.cache, visits, BUFFER_BYTES, look)
    dropped: AbstractSet[int] = frozenset()
    if found is not None and comparison is not None:
        dropped = _require_unchanged(files, paths, found, inputs, comparison, keep_answers)
    return Opened(
        found=found,
        inputs=inputs.settled(),
        census=census,
        new_identity=new_identity,
        dropped=dropped,
        models=named.models() if wanted.note_models else None,
        reading=wanted.reading,
        chosen=chooser.chosen(),
    )


def _fresh(found: Found | None) -> Callable[[RawLine], bool] | None:
    """Return what says whether a line has not ended; None if none has."""
    if found is None:
        return None
    ended = found.history.ended
    return lambda line: not ended(line.ordinal)


def _require_unchanged(
    files: Files,
    paths: Paths,
    found: Found,
    inputs: Inputs,
    comparison: Comparison,
    keep_answers: bool,
) -> AbstractSet[int]:
    """Return the lines that changed and are asked again; raise BadData if they must not be."""
    if comparison.missing:
        raise _shorter(paths, found.history, comparison.missing)
    changed = _changed(files, found, inputs, comparison)
    refused = [one for one in changed.values() if one.answered or not keep_answers]
    if refused:
        raise _other_lines(paths, found.history, refused)
    for one in changed.values():
        found.history.forget(one.ordinal, one.sum)
    return frozenset(changed)


def drop_changed(files: Files, paths: Paths, opened: Opened) -> None:
    """Take the errors of lines that changed out of the log, so that no later scan sees them."""
    if opened.dropped and opened.found is not None:
        *_, errors = opened.found.ends
        try:
            compact_errors(files, paths.errors, errors.keep, opened.found.history)
            take_up(files, opened.found, opened.dropped)
        except OSError as error:
            raise CannotWrite(
                f"{paths.errors}: {error.strerror or error}. Nothing was changed. Run the same "
                "command again once the cause is mended."
            ) from error


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


def _has_records(history: History) -> bool:
    """Return whether lines have ended, or have begun what is paid."""
    return bool(history.answered.count or history.failed.count or history.open)


def _differences(paths: Paths, found: Found | None, identity: Identity | None) -> list[str]:
    if found is None or identity is None:
        return []
    then = found.history.identity
    return [
        _difference(paths, name, then.get(name), identity.get(name))
        for name in sorted({*then, *identity})
        if then.get(name) != identity.get(name)
    ]


def _difference(paths: Paths, name: str, before: object, now: object) -> str:
    if name in _TEXTS:
        if not before:
            return f"{name} was not set and is now a text"
        kept = f"the text in {os.path.join(paths.prompts, str(before))}.txt"
        return f"{name} was {kept} and is now {'another one' if now else 'not set'}"
    return f"{name} was {_worded(before)} and is now {_worded(now)}"


def _refuse_rehearsal(paths: Paths, history: History, identity: Identity | None) -> None:
    """Refuse to have answers of the mock and of a gateway in one file, whatever is to be kept."""
    was = bool(history.identity.get("mock"))
    if identity is None or bool(identity.get("mock")) == was:
        return
    both = (
        "was a rehearsal (--mock), and this run is none"
        if was
        else "was no rehearsal, and this run is one (--mock)"
    )
    raise BadData(
        f"{paths.results} {both}. Nothing was changed. Name another --output, or --new-run to keep "
        "the old one aside and start over."
    )


def _refuse_other_endpoint(paths: Paths, history: History, identity: Identity | None) -> None:
    """Refuse to leave tasks behind: they are paid, and go on only in the format that began them."""
    tasks = sum(one.state is not None for one in history.open.values())
    was = history.identity.get("endpoint")
    if identity is None or not tasks or identity.get("endpoint") == was:
        return
    are = agreeing(tasks, "is", "are")
    raise BadData(
        f"{paths.results} has {counted(tasks, 'task')} under way that {are} paid and {are} known "
        f"only at the endpoint where they were asked: it was {_worded(was)} and is now "
        f"{_worded(identity.get('endpoint'))}. Nothing was changed. Give the earlier --endpoint "
        "until they have ended, those that are late by wbatch retry; or --new-run to keep the old "
        "output aside and start over."
    )


def _worded(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, str) and value.startswith("{"):
        return value  # parameters are recorded as the JSON that they are
    return orjson.dumps(value).decode()


def _other_settings(paths: Paths, found: Found | None, differs: list[str]) -> BadData:
    answers = found.history.answered.count if found else 0
    return BadData(
        f"{paths.results} has {counted(answers, 'answer')} that {agreeing(answers, 'was', 'were')} "
        "asked with other settings: "
        f"{'; '.join(differs)}. Nothing was changed. Give the earlier settings, or --keep-answers "
        "to keep them and go on with the new settings, or --new-run to keep them aside and start "
        "over."
    )


def _changed(
    files: Files, found: Found, inputs: Inputs, comparison: Comparison
) -> Mapping[int, Changed]:
    """Return the lines that are not what they were when they were asked."""
    changed = {one.ordinal: one for one in comparison.begun}
    blocks = comparison.blocks()
    if blocks:
        lines = inputs.lines()
        now = sums_of((one.ordinal, one.sum) for one in lines if one.ordinal // BLOCK in blocks)
        _, results, errors = found.ends
        for one in changed_since(files, errors, results, found.history, now):
            changed[one.ordinal] = one
    return changed


def _shorter(paths: Paths, history: History, missing: int) -> BadData:
    were, are = ("was", "is") if missing == 1 else ("were", "are")
    return BadData(
        f"the inputs have become shorter: {counted(missing, 'line')} that {were} done {are} no "
        f"longer there; {paths.results} has {counted(history.answered.count, 'answer')}. "
        "Nothing was changed. Bring the lines back, or start over with --new-run."
    )


def _other_lines(paths: Paths, history: History, refused: Sequence[Changed]) -> BadData:
    answered = sum(one.answered for one in refused)
    named = ", ".join(str(line) for line in heapq.nsmallest(SHOWN, (r.ordinal for r in refused)))
    more = f" and {len(refused) - SHOWN:,} more" if len(refused) > SHOWN else ""
    ways = (
        "Bring the lines back, or start over with --new-run."
        if answered
        else "Bring them back, or ask them again with --keep-answers, or start over with --new-run."
    )
    return BadData(
        f"lines of the inputs have changed since they were asked: "
        f"{agreeing(len(refused), 'line')} {named}{more}; {paths.results} has "
        f"{counted(history.answered.count, 'answer')}, {answered:,} of them to lines that changed. "
        f"Nothing was changed. {ways}"
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
