"""The commands' ways through the house: run or carry on, retry, say how far it is, list models."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from batch import __version__, conclude
from batch.assemble import Joined
from batch.catalogue import Catalogue
from batch.errors import BadUsage, CannotWrite, NoInput, Refusal
from batch.files import Files, OsFiles
from batch.halt import Halt
from batch.inquiry import ask
from batch.keyring import read_keys, resolve_keys, surrounding
from batch.labeling.script import recorded
from batch.ledger.book import Book
from batch.ledger.hold import held, keep_aside
from batch.ledger.paths import Paths
from batch.ledger.publish import failed_lines
from batch.ledger.recover import recover
from batch.opening import Wanted, drop_changed, open_run, recorded_inputs, refuse_output
from batch.plan import Plan, as_recorded, identity
from batch.script import AskOnce
from batch.session import Ending, Watch, abrupt
from batch.settings import KeySetting, Settings, UserSettings
from batch.shares import Access, access, address, choice, inflight_bytes
from batch.shares import script as script_of
from batch.summary import Outcome
from batch.texts import keep, kept, read_texts, reading


async def run(settings: Settings, watch: Watch) -> Outcome:
    """Run what the settings describe, or carry on. Raises Refusal before the first write."""
    files, paths = OsFiles(), paths_of(settings.output)
    _refuse_unwritable_names((*settings.inputs, settings.output))
    script, texts = script_of(settings), read_texts(settings.request)
    refuse_output(settings.inputs, paths)
    wanted = Wanted(
        inputs=settings.inputs,
        max_line_bytes=settings.limits.max_line_bytes,
        identity=identity(settings, script, texts),
        keep_answers=settings.run.keep_answers,
        note_models=len(settings.keys) > 1,
        reading=reading(settings.request, texts),
        choice=choice(settings.run),
    )
    if settings.run.new_run:
        with held(files, paths), abrupt(watch):
            suffix = _aside(files, paths, settings, wanted)
        if suffix:
            watch.say(f"the old output is kept as {settings.output}.{suffix}")
    with held(files, paths):
        with abrupt(watch):
            opened = open_run(files, paths, recover(files, paths), wanted)
        return await _conduct(files, Plan(settings, paths, opened, script, None, texts), watch)


async def retry(
    settings: Settings, watch: Watch, only: frozenset[str] | None, ambiguous: bool
) -> Outcome:
    """Send again what ended with an error: what can be retried, or the classes named."""
    files, paths = OsFiles(), paths_of(settings.output)
    _require_run(files, paths)
    with held(files, paths):
        found = recover(files, paths)
        if found is None:
            raise NoInput(f"{settings.output}: nothing was recorded there. Use wbatch run.")
        settings = as_recorded(settings, found.history.identity)
        script = recorded(found.history.identity) or AskOnce()
        texts = kept(files, paths, found.history.identity)
        wanted = Wanted(
            recorded_inputs(found.history, paths),
            settings.limits.max_line_bytes,
            identity=None,
            note_models=len(settings.keys) > 1,
            reading=reading(settings.request, texts),
        )
        with abrupt(watch):
            opened = open_run(files, paths, found, wanted)
        failed = failed_lines(files, paths, found.history).values()
        _require_classes(only, {one.class_ for one in failed})
        redo = {
            one.ordinal: one.attempts
            for one in failed
            if _wanted_again(one.class_, one.retryable, only, ambiguous)
        }
        if not redo:
            watch.say("nothing is sent: no line failed in a way that this would ask again")
            if any(one.class_ == "outcome_unknown" for one in failed):
                watch.say("work that may have been done and paid is asked for with --ambiguous")
        return await _conduct(files, Plan(settings, paths, opened, script, redo, texts), watch)


def status(output: str) -> Outcome:
    """Say how far a run is, from its files alone; it may be running."""
    files, paths = OsFiles(), paths_of(output)
    _require_run(files, paths)
    found = recover(files, paths)
    if found is None:
        raise NoInput(f"{output}: nothing was recorded there yet.")
    return conclude.standing(files, paths, found, time.time())


def usage(paths: Paths) -> Iterator[dict[str, Any]] | None:
    """Return a run's usage totals as its logs have them; None if these cannot be read."""
    files = OsFiles()
    try:
        found = recover(files, paths)
    except Refusal:
        return None  # what refuses a run to go on refuses no report
    return conclude.usage(files, paths, found) if found else None


async def models(settings: UserSettings, places: Sequence[KeySetting] = ()) -> Catalogue:
    """Ask which models the keys may call: those at these places, else those of the settings."""
    environ = surrounding(settings.gateway, os.environ)
    keys = read_keys(places, environ) if places else resolve_keys(settings.keys, environ)
    return await ask(settings, Access(address(settings, os.environ), tuple(keys)))


def _require_classes(only: frozenset[str] | None, there: AbstractSet[str]) -> None:
    """Raise BadUsage if no failed line has any of the classes: most likely a typing error."""
    if only is not None and there and not only & there:
        raise BadUsage(
            f"--only: no line failed with {', '.join(sorted(only))}. Those that failed did with "
            f"{', '.join(sorted(there))}"
        )


def _aside(files: Files, paths: Paths, settings: Settings, wanted: Wanted) -> str | None:
    """Move the old output aside, after all that can refuse the new run has had its say."""
    access(settings, os.environ)
    # A stream can be read only once, and is read when the run begins.
    regular = tuple(
        name
        for name in wanted.inputs
        if name != "-" and (os.path.isfile(name) or not os.path.exists(name))
    )
    if regular:
        open_run(files, paths, None, msgspec.structs.replace(wanted, inputs=regular))
    return keep_aside(files, paths)


def _refuse_unwritable_names(names: Sequence[str]) -> None:
    """Refuse names that are not UTF-8: no JSON could hold them, and so no run find them again."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise BadUsage(f"{shown}: the name is not valid UTF-8. Rename the file.") from None


def paths_of(output: str) -> Paths:
    """Return where the files of a run are; a link is followed once, here."""
    return Paths(os.path.realpath(output))


def new_run_id(at: float) -> str:
    """Return an id that sorts by time and is safe in paths."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}-{os.urandom(3).hex()}"


async def _conduct(files: Files, plan: Plan, watch: Watch) -> Outcome:
    """Do what is to be done, and say what it came to."""
    paths, settings, opened = plan.paths, plan.settings, plan.opened
    way = access(settings, os.environ) if plan.todo else None
    drop_changed(files, paths, opened)
    run_id = opened.found.run_id if opened.found else new_run_id(time.time())
    book = Book(files, paths, run_id, settings.limits.at_most, inflight_bytes(settings)[1])
    header = {
        "created_at": round(time.time()),
        "tool": f"wenwen-batch {__version__}",
        "output": os.path.basename(paths.results),
        "lines": opened.census.lines,
        "inputs": opened.inputs.describe(),
        "identity": identity(settings, plan.script, plan.texts),
        "tags": settings.tags,
    }
    _keep_texts(files, plan)
    book.begin(opened.found, header)
    for note in opened.found.notes if opened.found else ():
        watch.say(note)
    ending = Ending(Halt(), watch)
    joined = Joined(files, plan, book, ending, watch)
    try:
        if plan.todo or opened.new_identity:
            await joined.deliver_all(way)
        return joined.conclude()
    finally:
        book.release()


def _keep_texts(files: Files, plan: Plan) -> None:
    """Keep the templates before anything is on record that they were asked."""
    try:
        keep(files, plan.paths, plan.texts)
    except OSError as error:
        raise CannotWrite(f"{plan.paths.prompts}: {error.strerror}. Nothing was sent.") from error


def _wanted_again(class_: str, can: bool, only: frozenset[str] | None, ambiguous: bool) -> bool:
    if class_ == "outcome_unknown":
        return ambiguous
    return class_ in only if only is not None else can


def _require_run(files: Files, paths: Paths) -> None:
    if not files.length(paths.journal):
        raise NoInput(
            f"{paths.results}: no run was begun there ({paths.journal} is missing). Name the file "
            "that was given as --output."
        )
