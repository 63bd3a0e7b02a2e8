"""Opens a run: what was left, its settings and its inputs are judged, and all lines are read."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from batch.errors import CannotWrite
from batch.files import Files
from batch.inputs.chosen import Choice, Chooser, Chosen
from batch.inputs.filling import Filler
from batch.inputs.lines import RawLine
from batch.inputs.named import Named
from batch.inputs.scan import BUFFER_BYTES, Census, Look, Visit, scan
from batch.inputs.settings import Reading
from batch.inputs.sources import Inputs, open_inputs
from batch.ledger.compact import compact_errors
from batch.ledger.paths import Paths
from batch.ledger.recover import Found, take_up
from batch.opening.lines import Before
from batch.opening.places import refuse_output
from batch.opening.settings import Identity, has_records, settings_differ


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


class _Seen(NamedTuple):
    """What all lines came to."""

    census: Census
    models: AbstractSet[str] | None
    chosen: Chosen | None


def open_run(files: Files, paths: Paths, found: Found | None, wanted: Wanted) -> Opened:
    """Read and judge everything. Raises a Refusal that says what to do; writes nothing."""
    refuse_output(wanted.inputs, paths)
    # Where nothing is on record, there is nothing that other settings could make wrong.
    keep_answers = wanted.keep_answers or (found is not None and not has_records(found.history))
    differ = settings_differ(paths, found, wanted.identity, keep_answers=keep_answers)
    cap, reading = wanted.max_line_bytes, wanted.reading
    inputs = open_inputs(wanted.inputs, paths.spool, cap, reading=reading, files=files)
    try:
        before = Before(files, paths, found) if found is not None else None
        seen = _read(paths, found, wanted, inputs, before)
        dropped: AbstractSet[int] = frozenset()
        if before is not None:
            dropped = before.require_unchanged(inputs, keep_answers=keep_answers)
        return Opened(
            found=found,
            inputs=inputs.settled(files),
            census=seen.census,
            new_identity=differ,
            dropped=dropped,
            models=seen.models,
            reading=reading,
            chosen=seen.chosen,
        )
    except BaseException:
        inputs.discard(files)
        raise


def _read(
    paths: Paths, found: Found | None, wanted: Wanted, inputs: Inputs, before: Before | None
) -> _Seen:
    """Read all lines once, for all who look at them."""
    named, chooser = Named(inputs.forms), Chooser(wanted.choice)
    # Who has nothing to do is not shown the lines: there may be ten million.
    visits: list[Visit] = []
    if wanted.note_models:
        visits.append(named.visit)
    if wanted.choice.some:
        visits.append(chooser.visit)
    if before is not None:
        visits.append(before.visit)
    look = Look(inputs.forms, Filler(wanted.reading), _fresh(found))
    census = scan(inputs, paths.cache, visits, BUFFER_BYTES, look)
    return _Seen(census, named.models() if wanted.note_models else None, chooser.chosen())


def _fresh(found: Found | None) -> Callable[[RawLine], bool] | None:
    """Return what says whether a line has not ended; None if none has."""
    if found is None:
        return None
    ended = found.history.ended
    return lambda line: not ended(line.ordinal)


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
