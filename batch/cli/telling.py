"""What is told of a command beside its own words: a log of it, and notices of what it came to."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from batch.cli.caller import Caller
from batch.cli.engine import in_loop
from batch.cli.failing import complain_of
from batch.cli.shape import EXIT_CODES
from batch.cli.spoken import job_of
from batch.errors import BadConfig, BadUsage, CannotWrite, Refusal
from batch.files import OsFiles
from batch.ledger.paths import paths_of
from batch.notices.ended import Ended
from batch.notices.texts import headline
from batch.session.event import Event
from batch.session.runlog import RunLog, into_file
from batch.session.snapshot import visible
from batch.settings.keyring import surrounding
from batch.settings.proxies import resolve_proxies
from batch.settings.tree import LogSettings, Settings

if TYPE_CHECKING:  # it loads a network library, which only who is to be told needs
    from batch.notices.notices import Notices

INTERRUPTED: Final = 130
PARTIAL: Final = 3  # what is to be done then, the closing lines say
MEANINGS: Final = {
    **dict(EXIT_CODES),
    INTERRUPTED: "interrupted; the same command carries on",
    143: "terminated; the same command carries on",
}
WORDS: Final = 40  # last lines that a notice has
# What click says itself, or takes for an order.
_CLICKS: Final = (click.ClickException, click.Abort, click.exceptions.Exit)


def told(ctx: click.Context, caller: Caller, settings: Settings, work: Callable[[], int]) -> int:
    """Do a command's work, and tell who is to know what it came to; return its exit code.

    That never depends on whether anybody could be told.
    """
    caller.verbose = max(caller.verbose, settings.run.verbose)
    notices = _notices(caller, settings)
    begun = _aside(notices)
    at = caller.clock()
    # Two lines say whose it is and how to go on, and one is of the day.
    caller.room -= (2 if job_of(ctx) else 0) + (1 if settings.nightly is not None else 0)
    code = INTERRUPTED
    with contextlib.ExitStack() as stack:
        try:
            code = _done(stack, caller, settings, work)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
            raise
        except (click.ClickException, click.exceptions.Exit) as left:
            code = left.exit_code
            raise
        finally:
            ended = _ended(caller, settings, code, at)
            if ended.failed and caller.quiet and not caller.only_log:
                _say_whose(ctx, caller, settings, ended)
            # Who could not be told of the beginning most likely could not of the end: said once.
            with contextlib.suppress(KeyboardInterrupt):  # of whoever waits for nothing else
                for line in dict.fromkeys((*begun(), *_tell(notices, ended))):
                    _say(caller, line, aloud=ended.failed or not caller.quiet)
    return code


def _done(
    stack: contextlib.ExitStack, caller: Caller, settings: Settings, work: Callable[[], int]
) -> int:
    """Do the work, with its log. What is to be said of a failure is said."""
    try:
        if settings.log.file is not None:
            _require_own_place(settings.log.file, settings)
        stack.enter_context(_log(caller, settings.log))
        return work()
    except _CLICKS:
        raise
    except Exception as error:  # noqa: BLE001 - it is to be told of any failure
        return complain_of(error, caller)


def _require_own_place(path: str, settings: Settings) -> None:
    """Raise ``BadUsage`` for a log that would be written into an input, or into a run's files."""
    from batch.results.publish import refuse_kept  # noqa: PLC0415 - only here

    real, paths = os.path.realpath(path), paths_of(settings.output)
    if real == paths.results or real.startswith(os.path.join(paths.folder, "")):
        raise BadUsage(f"--log-file: {path} is a file of the run itself. Choose another one")
    if os.path.isfile(path):
        refuse_kept(path, settings.inputs)


@contextlib.contextmanager
def _log(caller: Caller, settings: LogSettings) -> Iterator[None]:
    """Keep a log while the work goes on. Raises ``CannotWrite`` if it cannot be begun."""
    if settings.file is None:
        if settings.format == "json":
            caller.log_to_stderr()
        yield
        return
    files, path = OsFiles(), settings.file
    try:
        files.make_folder(os.path.dirname(path) or ".")
        write, close = into_file(files, path)
    except OSError as error:
        raise CannotWrite(f"the log {path}: {error.strerror}. Nothing was sent.") from error
    caller.log = RunLog(write, settings.format, caller.clock)
    try:
        yield
    finally:
        caller.log = None
        close()


def _notices(caller: Caller, settings: Settings) -> Notices | None:
    wanted = settings.notify
    if not (wanted.health_url or wanted.webhook_url or wanted.prometheus_file):
        return None
    from batch.notices.notices import Notices, Ways  # noqa: PLC0415 - as above

    try:
        environ = surrounding(settings.gateway, caller.environ)
    except BadConfig:  # which refuses the run, and that is to be told
        environ = caller.environ
    ways = Ways(
        health_url=wanted.health_url,
        webhook_url=wanted.webhook_url,
        always=wanted.when == "always",
        prometheus_file=wanted.prometheus_file,
        ca_bundle=settings.gateway.ca_bundle,
        proxies=resolve_proxies(settings.gateway, environ),
    )
    return Notices(ways, OsFiles())


def _aside(notices: Notices | None) -> Callable[[], list[str]]:
    """Tell of the beginning beside the work, which waits for nobody; return what waits for that."""
    if notices is None:
        return list
    said: list[str] = []
    # A daemon: who interrupts the command twice is not to wait for it either.
    thread = threading.Thread(target=lambda: said.extend(_heard(notices.begun())), daemon=True)
    thread.start()

    def wait() -> list[str]:
        thread.join()
        return said

    return wait


def _tell(notices: Notices | None, ended: Ended) -> list[str]:
    return [] if notices is None else _heard(notices.ended(ended))


def _heard(telling: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Return what is to be said of those who could not be told."""
    try:
        return in_loop(telling)
    except Refusal as refusal:
        return [str(refusal)]


def _ended(caller: Caller, settings: Settings, code: int, at: float) -> Ended:
    now = caller.clock()
    output = os.path.basename(settings.output)
    return Ended(
        job=visible(settings.name or output.removesuffix(".jsonl")),
        exit_code=code,
        meaning=MEANINGS.get(code, ""),
        at=now,
        seconds=max(0.0, now - at),
        lines=tuple(map(visible, caller.words[-WORDS:])),
        runs=tuple(one.summary for one in caller.outcomes),
        date=settings.run.date,
        before=settings.nightly.catch_up if settings.nightly is not None else 0,
        rehearsal=settings.run.mock,
    )


def _say(caller: Caller, line: str, *, aloud: bool) -> None:
    """Say that a notice failed, and write it down."""
    if caller.log is not None:
        caller.log.note(Event("not_told", line, "error" if aloud else "warning"))
    if aloud and not caller.only_log:
        caller.tell(f"not told: {line}")


def _say_whose(ctx: click.Context, caller: Caller, settings: Settings, ended: Ended) -> None:
    """Say in a mail, which may be read days later, whose it is, and how to go on by hand."""
    if job_of(ctx) is None:
        return
    caller.tell(f"failed   {headline(ended)}")
    if settings.run.date and not ctx.params.get("date") and ended.exit_code != PARTIAL:
        caller.tell(f"again    the same command with --date {settings.run.date}")
