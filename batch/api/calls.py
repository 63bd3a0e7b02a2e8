"""What a program calls: from arguments to a run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from batch.api.asking import Run, judge
from batch.api.guest import Engine, Work
from batch.api.results import Results
from batch.api.rows import Inputs, Written, input_of, put, require_files, split
from batch.api.said import Options, Scratch, as_told, in_python, log, require_known, settings_of
from batch.cli.spoken import JOB_ENDING
from batch.errors import BadUsage, Refusal
from batch.session.ending import Watch
from batch.session.event import Event
from batch.session.progress import Progress
from batch.session.snapshot import Snapshot
from batch.wording import is_text, shown


class _Logged:
    """Watches for a program: what is said goes to its log, ``batch``, as information."""

    def begin(self, total: int, done: int) -> None:
        """Show nothing."""

    def tick(self, now: Snapshot) -> None:
        """Show nothing."""

    def say(self, message: str) -> None:
        """Log it."""
        log.info(in_python(message))

    def note(self, event: Event) -> None:
        """Log what happened to a line, for who looks closely."""
        log.debug(event.message)

    def end(self) -> None:
        """Nothing was shown."""


class _Shown(Progress):
    """Shows the command's bar."""

    def say(self, message: str) -> None:
        """Write a line for people, above the bar."""
        super().say(in_python(message))


def run(
    inputs: Inputs | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    job: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **options: Unpack[Options],
) -> Run:
    """Return a run over files or rows, to be iterated or awaited; nothing is sent before.

    ``inputs`` are paths, or rows: dicts, or a DataFrame, which are written beside the output as
    ``out.input.jsonl``. ``job`` is a TOML file that may say all of it. ``progress`` draws a bar on
    stderr. The options are those of ``wbatch run``, of which the texts of ``prompt`` and
    ``system`` may be given as they are; a ``Path`` is the file of one.

    Raises BadUsage, BadConfig, NoInput and BadData for what cannot be; when it is gone through, any
    Refusal that stops the run before its end, and Unfinished if lines are left.
    """
    return Run(_wanted(inputs, output, job, progress, dict(options)))


def run_sync(
    inputs: Inputs | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    job: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **options: Unpack[Options],
) -> Results:
    """Run to the end, and return the results; also where a loop runs, as in a notebook.

    Takes and raises what ``run`` does. An interrupt ends the run in order, a second one at once;
    then it is raised.
    """
    work = _wanted(inputs, output, job, progress, dict(options))
    engine = Engine(work, lambda: None)
    try:
        engine.start()
        engine.wait()
    except KeyboardInterrupt:
        try:
            engine.guest.stop()
            log.warning(
                "sending no more, and waiting for answers under way. Interrupt again to stop now"
            )
            engine.wait()
        except KeyboardInterrupt:
            engine.guest.hurry()
            engine.wait()
        raise
    return Results(work.settings.output, judge(engine))


def _wanted(inputs: Any, output: Any, job: Any, progress: bool, options: Mapping[str, Any]) -> Work:
    """Return all that a run needs; rows are on disk then."""
    require_known(options)
    paths, rows = split(inputs)
    output, job = (None if one is None else os.fspath(one) for one in (output, job))
    texts, written = Scratch(), Written()
    try:
        _require_work(inputs, job)
        _require_names((*paths, output or "", job or ""))
        if rows is not None:
            if not output:
                raise BadUsage("output: rows are written beside it, so name it: output='out.jsonl'")
            paths = (input_of(output),)
        elif job is None:
            require_files(paths)
        settings = settings_of(paths, output, job, options, texts)
        if settings.nightly is not None:
            raise BadUsage(f"job: {job} is made night by night: wbatch run {job}")
        if rows is not None:
            again = settings.run.new_run or settings.run.keep_answers
            written = put(rows, settings.output, replace=again)
    except Refusal as refusal:
        raise as_told(refusal) from None
    watch: Watch = _Shown("bar", sys.stderr, time.time) if progress else _Logged()
    return Work(settings, watch, written, texts)


def _require_names(names: Iterable[str]) -> None:
    for name in names:
        if "\0" in name or not is_text(name):
            raise BadUsage(f"{shown(name)}: no file can have this name")


def _require_work(inputs: Any, job: str | None) -> None:
    if job is not None and not job.endswith(JOB_ENDING):
        raise BadUsage(f"job: {job}: the name of a job ends in {JOB_ENDING}")
    if inputs is None and job is None:
        raise BadUsage("inputs: what should be sent? Give the path of a file, rows, or a job")
