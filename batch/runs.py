"""The commands' ways through the house: run or carry on, retry, say how far it is, list models."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import msgspec

from batch import __version__
from batch.assemble import Joined
from batch.catalogue import Catalogue
from batch.errors import BadUsage, CannotWrite, NoInput, Refusal
from batch.files import Files, OsFiles
from batch.halt import Halt
from batch.host import COMMAND, Host
from batch.inquiry import ask
from batch.labeling.script import recorded
from batch.ledger.book import Book
from batch.ledger.hold import held, keep_aside, writing
from batch.ledger.paths import Paths, paths_of
from batch.ledger.publish import failed_lines
from batch.ledger.recover import recover
from batch.opening import Opened, Wanted, drop_changed, open_run, recorded_inputs, refuse_output
from batch.outlook.sendable import require_sendable
from batch.plan import Plan, as_begun, as_recorded, identity, wanted_of
from batch.script import AskOnce
from batch.session import conclude
from batch.session.ending import Ending, Watch
from batch.session.summary import Outcome
from batch.settings.keyring import read_keys, resolve_keys, surrounding
from batch.settings.moment import pinned
from batch.settings.tree import KeySetting, Settings, UserSettings
from batch.shares import Access, access, choice, inflight_bytes, reach
from batch.shares import script as script_of
from batch.spending import Caps, caps_of
from batch.surroundings import within_open_files
from batch.texts import keep, kept, read_texts, reading
from batch.wording import is_text

# Told what is about to be sent, before anything is: whoever is against it raises.
Approve: TypeAlias = Callable[[Plan], None]
_DISK: Final[Files] = OsFiles()


class _Announced:
    """Says once what a session is about to do, and lets somebody be against it."""

    def __init__(self, watch: Watch, approve: Approve | None = None, fewer: str = "") -> None:
        self._watch = watch
        self._approve = approve
        self._fewer = fewer
        self._done = False

    def __call__(self, plan: Plan) -> None:
        if self._done:
            return
        if not plan.opened.census.lines:
            self._done = True
            self._watch.say("the inputs hold no line: there is nothing to ask")
        if not plan.todo:
            return
        self._done = True
        for told in plan.opened.inputs.told():
            self._watch.say(told)
        self._watch.say(plan.announcement)
        if self._fewer:
            self._watch.say(self._fewer)
        if self._approve is not None:
            self._approve(plan)


async def run(
    settings: Settings,
    watch: Watch,
    host: Host = COMMAND,
    approve: Approve | None = None,
    files: Files = _DISK,
) -> Outcome:
    """Run what the settings describe, or carry on. Raises Refusal before the first write."""
    settings, fewer = within_open_files(pinned(settings, time.time()))
    paths = paths_of(settings.output)
    _refuse_unwritable_names((*settings.inputs, settings.output))
    with host.reading(watch):
        script, texts = script_of(settings), read_texts(settings.request)
    refuse_output(settings.inputs, paths)
    wanted = wanted_of(settings, script, texts, choice(settings.run))
    announced = _Announced(watch, approve, fewer)
    if settings.run.new_run:
        with held(files, paths), host.reading(watch):
            if (opened := _afresh(files, paths, settings, wanted)) is not None:
                plan = Plan(settings, paths, opened, script, None, texts)
                require_sendable(plan, caps_of(settings, None, (), time.time()).tariff)
                announced(plan)
            suffix = keep_aside(files, paths)
        if suffix:
            watch.say(f"the old output is kept as {settings.output}.{suffix}")
    with held(files, paths):
        with host.reading(watch):
            opened = open_run(files, paths, recover(files, paths), wanted)
        plan = Plan(settings, paths, opened, script, None, texts)
        return await _conduct(files, plan, watch, host, announced)


async def retry(
    settings: Settings,
    watch: Watch,
    only: frozenset[str] | None,
    ambiguous: bool,
    files: Files = _DISK,
    approve: Approve | None = None,
) -> Outcome:
    """Send again what ended with an error: what can be retried, or the classes named."""
    settings = pinned(settings, time.time())
    paths = paths_of(settings.output)
    _require_run(files, paths)
    with held(files, paths):
        found = recover(files, paths)
        if found is None:
            raise NoInput(f"{settings.output}: nothing was recorded there. Use wbatch run.")
        settings = as_recorded(settings, found.history.identity)
        settings, fewer = within_open_files(as_begun(settings, found.history.header))
        script = recorded(found.history.identity) or AskOnce()
        texts = kept(files, paths, found.history.identity)
        wanted = Wanted(
            recorded_inputs(found.history, paths),
            settings.limits.max_line_bytes,
            identity=None,
            note_models=len(settings.keys) > 1,
            reading=reading(settings.request, texts),
        )
        with COMMAND.reading(watch):
            opened = open_run(files, paths, found, wanted)
        failed = failed_lines(files, paths, found.history).values()
        _require_classes(only, {one.class_ for one in failed})
        redo = {
            one.ordinal: one
            for one in failed
            if _wanted_again(one.class_, one.retryable, only, ambiguous)
        }
        if not redo:
            watch.say("nothing is sent: no line failed in a way that this would ask again")
            if any(one.class_ == "outcome_unknown" for one in failed):
                watch.say("work that may have been done and paid is asked for with --ambiguous")
        plan = Plan(settings, paths, opened, script, redo, texts)
        return await _conduct(files, plan, watch, COMMAND, _Announced(watch, approve, fewer))


def status(output: str, files: Files = _DISK) -> Outcome:
    """Say how far a run is, from its files alone; it may be running."""
    paths = paths_of(output)
    _require_run(files, paths)
    found = recover(files, paths)
    if found is None:
        raise NoInput(f"{output}: nothing was recorded there yet.")
    return conclude.standing(files, paths, found, time.time())


def usage(paths: Paths) -> Iterator[dict[str, Any]] | None:
    """Return a run's usage totals as its logs have them; None if these cannot be read."""
    try:
        found = recover(_DISK, paths)
    except Refusal:
        return None  # what refuses a run to go on refuses no report
    return conclude.usage(_DISK, paths, found) if found else None


async def models(settings: UserSettings, places: Sequence[KeySetting] = ()) -> Catalogue:
    """Ask which models the keys may call: those at these places, else those of the settings."""
    environ = surrounding(settings.gateway, os.environ)
    keys = read_keys(places, environ) if places else resolve_keys(settings.keys, environ)
    return await ask(settings, reach(settings, os.environ, keys))


def _require_classes(only: frozenset[str] | None, there: AbstractSet[str]) -> None:
    """Raise BadUsage if no failed line has any of the classes: most likely a typing error."""
    if only is not None and there and not only & there:
        raise BadUsage(
            f"--only: no line failed with {', '.join(sorted(only))}. Those that failed did with "
            f"{', '.join(sorted(there))}"
        )


def _afresh(files: Files, paths: Paths, settings: Settings, wanted: Wanted) -> Opened | None:
    """Return the new run that is to begin, if that can be told while the old output is in place.

    All that can refuse it has its say here.
    """
    access(settings, os.environ)
    # A stream can be read only once, and is read when the run begins.
    regular = tuple(
        name
        for name in wanted.inputs
        if name != "-" and (os.path.isfile(name) or not os.path.exists(name))
    )
    if not regular:
        return None
    opened = open_run(files, paths, None, msgspec.structs.replace(wanted, inputs=regular))
    return opened if regular == wanted.inputs else None


def _refuse_unwritable_names(names: Sequence[str]) -> None:
    """Refuse names that are not UTF-8: no JSON could hold them, and so no run find them again."""
    for name in names:
        if not is_text(name):
            shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise BadUsage(f"{shown}: the name is not valid UTF-8. Rename the file.")


def new_run_id(at: float) -> str:
    """Return an id that sorts by time and is safe in paths."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}-{os.urandom(3).hex()}"


async def _conduct(
    files: Files, plan: Plan, watch: Watch, host: Host, announced: _Announced
) -> Outcome:
    """Do what is to be done, and say what it came to."""
    paths, settings, opened = plan.paths, plan.settings, plan.opened
    way = access(settings, os.environ) if plan.todo else None
    found = opened.found
    spent = conclude.usage(files, paths, found) if found else ()
    history, sends = found.history if found else None, plan.todo > 0
    caps = caps_of(settings, history, spent, time.time(), plan.owed, sends=sends)
    with host.reading(watch):
        if plan.todo:
            require_sendable(plan, caps.tariff)
        announced(plan)
    with writing(files, paths):
        drop_changed(files, paths, opened)
        return await _write(files, plan, watch, host, caps, way)


async def _write(
    files: Files, plan: Plan, watch: Watch, host: Host, caps: Caps, way: Access | None
) -> Outcome:
    """Open the logs and do it."""
    paths, settings, opened = plan.paths, plan.settings, plan.opened
    run_id = opened.found.run_id if opened.found else new_run_id(time.time())
    book = Book(files, paths, run_id, settings.limits.at_most, inflight_bytes(settings)[1])
    header = {
        "created_at": round(time.time()),
        "tool": f"wenwen-batch {__version__}",
        "output": os.path.basename(paths.results),
        "lines": opened.census.lines,
        "inputs": opened.inputs.describe(),
        "identity": identity(settings, plan.script, plan.texts),
        "job": settings.name,
        "tags": settings.tags,
        **({"makes": makes} if (makes := settings.media.makes) else {}),
    }
    _keep_texts(files, plan)
    book.begin(opened.found, header)
    for note in opened.found.notes if opened.found else ():
        watch.say(note)
    ending = Ending(Halt(), watch)
    joined = Joined(files, plan, book, ending, watch, caps)
    try:
        host.begun(plan, book)
        if plan.todo or opened.new_identity:
            await joined.deliver_all(way, host)
        elif not (opened.found and opened.found.remembered):
            book.remember()
        return joined.conclude()
    finally:
        book.release()


def _keep_texts(files: Files, plan: Plan) -> None:
    """Keep the templates before anything is on record that they were asked."""
    try:
        keep(files, plan.paths, plan.texts)
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or plan.paths.prompts}: {error.strerror or error}. Nothing was sent. "
            "Run the same command again once the cause is mended."
        ) from error


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
