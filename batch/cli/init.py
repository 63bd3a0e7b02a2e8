"""``wbatch init``: write a folder with a job that runs as it is."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import click

from batch.cli.caller import Caller
from batch.cli.dates import Dates
from batch.cli.shape import argument, make_command, option
from batch.errors import BadUsage, CannotWrite

# Of the folder jobs/, which is shipped with the package: the job first, then what it needs.
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "label": (
        "label_reviews.toml",
        "prompts/label_reviews.txt",
        "inputs/reviews.csv",
        "gold/reviews.csv",
    ),
    "nightly": (
        "nightly_triage.toml",
        "prompts/nightly_triage.txt",
        "inbox/2026-11-26.jsonl",
        "nightly/crontab",
        "nightly/wbatch-nightly.service",
        "nightly/wbatch-nightly.timer",
        "nightly/cronjob.yaml",
    ),
    "costs": ("monthly_costs.toml", "monthly_costs.prices.toml", "inputs/questions.jsonl"),
}
_WITH_ALL: Final = {
    "job.schema.json": "job.schema.json",
    "env.example": ".env.example",
    "gitignore": ".gitignore",
}
# What a file of jobs/ says, and is to say the truth of another machine.
_PROGRAM: Final = "/srv/triage/.venv/bin/wbatch"
_FOLDER: Final = "/srv/triage"
_DAY: Final = "2026-11-26"
_ZONE: Final = "Europe/Berlin"  # of nightly_triage.toml
_PLAIN: Final = re.compile(r"[\w./+-]+( -m batch)?", re.ASCII)
_PORTABLE: Final = (".yaml",)  # of what runs in a container: its paths are the container's
EXAMPLES: Final = """
wbatch init reviews                      # label reviews, and score the labels
wbatch init --kind nightly /srv/triage   # with crontab, systemd timer, CronJob
wbatch init --kind costs costs           # tags, prices, and a report
"""


@make_command(usage="[--kind KIND]", endings=(("Examples", EXAMPLES),))
@argument("folder", metavar="DIR")
@option(
    "What it is for",
    "--kind",
    type=click.Choice(tuple(KINDS)),
    default="label",
    show_default=True,
    metavar="KIND",
    help="label, nightly or costs.",
)
@click.pass_context
def command(ctx: click.Context, /, folder: str, kind: str) -> None:
    """Write a folder with a job, its prompt and a few rows, which runs as it is with --mock.

    Nothing that is there is changed: one file in the way, and nothing is written.
    """
    caller = ctx.ensure_object(Caller)
    wanted = dict(_wanted(kind, folder, caller.clock()))
    in_the_way = [path for path in wanted if os.path.lexists(path)]
    if in_the_way:
        raise BadUsage(
            f"{in_the_way[0]} is there already, and nothing was written. Name a new folder"
        )
    for path, text in wanted.items():
        _write(path, text)
        if not caller.quiet:
            caller.tell(path)
    if not caller.quiet:
        caller.tell(f"next     wbatch run {shlex.quote(next(iter(wanted)))} --mock")


def _wanted(kind: str, folder: str, now: float) -> Iterator[tuple[str, str]]:
    """Yield each file that is to be written, and its text."""
    names = {**{name: name for name in KINDS[kind]}, **_WITH_ALL}
    yesterday = Dates(now)
    yesterday.learn({}, {"run": {"tz": _ZONE}})
    for name, target in names.items():
        text = _source(name).read_text(encoding="utf-8")
        if name.startswith("nightly/") and not name.endswith(_PORTABLE):
            program, place = _plain(_program()), _plain(os.path.abspath(folder))
            text = text.replace(_PROGRAM, program).replace(_FOLDER, place)
        path = os.path.join(folder, target.replace(_DAY, yesterday()))
        yield path, text.replace(_DAY, yesterday())


def _plain(text: str) -> str:
    """Return a text that cron and systemd read as it stands. Raises ``BadUsage`` for another."""
    if not _PLAIN.fullmatch(text):
        raise BadUsage(
            f"{text}: cron and systemd read some characters of this path in ways of their own. "
            "Name a folder of letters, digits and -, _, ., /"
        )
    return text


def _source(name: str) -> Traversable:
    return files("batch").joinpath("jobs", *name.split("/"))


def _program() -> str:
    """Return how cron, which knows no PATH, calls this program."""
    called = os.path.abspath(sys.argv[0])
    if os.path.basename(called) == "wbatch":
        return called
    return f"{sys.executable} -m batch"


def _write(path: str, text: str) -> None:
    folder = os.path.dirname(path) or "."
    try:
        os.makedirs(folder, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        why = f"{folder} is a file. Name a folder" if os.path.isfile(folder) else error.strerror
        raise CannotWrite(f"cannot write {path}: {why}") from error
