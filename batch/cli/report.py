"""``wbatch report``: what runs cost, by day, model, job and whatever else."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from functools import cache, partial
from operator import attrgetter
from typing import Any, Final

import click

from batch.cli.caller import Caller
from batch.cli.engine import engine_of
from batch.cli.layers import settings_of
from batch.cli.options import PRICED, prices_option
from batch.cli.shape import argument, make_command, option
from batch.collector import lean_collector
from batch.errors import BadData, BadUsage
from batch.pricing import PriceBook
from batch.report.buckets import Bucket
from batch.report.condense import Condensed
from batch.report.periods import day_of, first_day, last_day, zone
from batch.report.sources import Found, read_all, told
from batch.report.tally import BY, Tally, dimensions, grain, tally
from batch.settings.pricelist import price_book_of, unlisted
from batch.settings.tree import UserSettings, is_currency
from batch.wording import agreeing, counted

FORMATS: Final = ("table", "csv", "json", "md")
WHICH: Final = "What is counted"
WRITTEN: Final = "Out"
PARTIAL: Final = 3
SHOWN: Final = 3  # of notes that are alike
_is_mock: Final = attrgetter("mock")
CODES: Final = """
0    all was read
2    a flag or an argument is wrong
3    some files were no usage totals: they are named, and not counted
65   none of the files was
66   a path is missing, or has no usage totals
73   a file cannot be written
78   a price file or a setting is wrong
"""
EXAMPLES: Final = """
wbatch report out.jsonl
wbatch report runs/ --by day,model --since 30d
wbatch report runs/ --by job,model --since 2026-10 --until 2026-10  # October
wbatch report runs/ --by tag:team --prices prices.toml --html costs.html
wbatch report runs/ --by month,job --format csv -o costs.csv
"""


def _next_dimension(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return what may stand after the last comma, for a shell that completes."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in BY if name.startswith(last)]


@make_command(usage="[OPTIONS]", endings=(("Exit codes", CODES), ("Examples", EXAMPLES)))
@argument("paths", nargs=-1, required=True, metavar="PATH...")
@option(
    WHICH,
    "--by",
    default="model",
    show_default=True,
    metavar="WHAT,...",
    shell_complete=_next_dimension,
    help="day, week, month, model, job, run, tag, tag:NAME, endpoint, key, tier; several at once.",
)
@option(
    WHICH,
    "--since",
    metavar="WHEN",
    help="From this day on: 2026-11-01, 2026-11, 30d, today, yesterday, month or year.",
)
@option(WHICH, "--until", metavar="WHEN", help="Up to this day, and with it.")
@option(
    WHICH,
    "--tz",
    metavar="ZONE",
    help="Where days begin, such as Europe/Berlin or UTC; this machine's zone if nothing is said.",
)
@option(
    WHICH,
    "--mock",
    is_flag=True,
    allow_from_autoenv=False,  # the variable is that of rehearsals
    help="Rehearsals too, as if they had been paid.",
)
@prices_option
@option(PRICED, "--currency", metavar="CODE", help="Of the totals, by the rates of your prices.")
@option(PRICED, "--config", metavar="FILE", help="Your own settings, as of wbatch run.")
@option(
    WRITTEN,
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    allow_from_autoenv=False,  # the variable is that of the inputs' format
    metavar="FORMAT",
    help="table, csv, json or md; else as the ending of the file tells, else a table.",
)
@option(
    WRITTEN,
    "-o",
    "--output",
    "target",
    allow_from_autoenv=False,
    metavar="FILE",
    help="There instead of to stdout, which is also -.",
)
@option(WRITTEN, "--html", metavar="FILE", help="A page with charts, one file, which needs no net.")
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], **flags: Any) -> int:
    """Say what runs cost, from their usage totals alone.

    PATH is the output of a run, a usage.jsonl, or a folder that is searched with all below it. A
    run that is found twice is counted once. What has no price, or whose usage nobody reported,
    makes the total a floor.
    """
    caller = ctx.ensure_object(Caller)
    by, tz = dimensions(flags["by"]), zone(flags["tz"])
    book, hint = _book(ctx, caller, flags)
    now = caller.clock()
    condense = partial(Condensed, by, book, tz)
    choice = _Choice(condense, _days(flags, tz, now), mock=flags["mock"])
    with lean_collector():
        found = read_all(paths, lambda run: engine_of(caller).usage(run), choice.begin)
    _tell_of_files(caller, found)
    choice.tell(caller)
    wanted = list(choice.condensed.buckets())
    report = tally(wanted, by, book, tz)
    models = report if by == ("model",) else tally(wanted, ("model",), book, tz)
    if hint and not caller.quiet and any(gap.why == "no_price" for gap in models.gaps):
        caller.tell(f"note: {hint}")
    if flags["html"] is not None:
        times = tally(wanted, (grain(models.first, models.last), "model"), book, tz)
        read = told(found.runs, found.files)
        page = _page(report, times, models, read, datetime.fromtimestamp(now, tz))
        caller.write(flags["html"], page, paths)
    target = None if flags["target"] == "-" else flags["target"]
    kind = "json" if caller.json else flags["kind"]
    if kind is None and flags["html"] is not None and flags["target"] is None:
        return PARTIAL if found.skipped else 0  # the page is what was asked for
    text = _formatted(kind or _told_by(target), report, models, found, caller, target)
    if target is not None:
        caller.write(target, text, paths)
    else:
        caller.emit(text, "the report")
    return PARTIAL if found.skipped else 0


def _book(ctx: click.Context, caller: Caller, flags: Mapping[str, Any]) -> tuple[PriceBook, str]:
    """Return the prices, and how to have those that are not installed."""
    currency = flags["currency"]
    if currency is not None and not is_currency(currency):
        raise BadUsage("--currency takes a code of three letters, such as USD")
    settings = settings_of(ctx, caller, UserSettings)
    return price_book_of(settings, currency), unlisted(settings.prices)


def _tell_of_files(caller: Caller, found: Found) -> None:
    for one in found.skipped:
        caller.complain(f"{one}. It is not counted")
    if found.skipped and not found.files:
        raise BadData("none of the files holds usage totals: there is nothing to report")
    if not caller.quiet:
        for note in found.notes[:SHOWN]:
            caller.tell(f"note: {note}")
        if len(found.notes) > SHOWN:
            caller.tell(f"note: so are {len(found.notes) - SHOWN} more; --json names all")


class _Choice:
    """Which buckets a report is of, summed up as they come."""

    def __init__(
        self, condense: Callable[[], Condensed], wanted: Callable[[int], bool] | None, *, mock: bool
    ) -> None:
        self._condense, self._wanted, self._mock = condense, wanted, mock
        self.begin()

    def begin(self) -> Callable[[Sequence[Bucket]], None]:
        """Begin anew, and return what takes buckets."""
        self.condensed = self._condense()
        self._rehearsed: set[str] = set()
        self._paid: set[str] = set()
        return self._take

    def tell(self, caller: Caller) -> None:
        """Say what is left out because nobody paid it."""
        runs = len(self._rehearsed - self._paid)
        if runs and not caller.quiet:
            were = agreeing(runs, "was a rehearsal", "were rehearsals")
            caller.tell(
                f"note: {counted(runs, 'run')} {were} with --mock, cost nothing, and "
                f"{agreeing(runs, 'is', 'are')} left out. wbatch report --mock counts it as if paid"
            )

    def _take(self, buckets: Sequence[Bucket]) -> None:
        """Count in buckets of a run, all of the same one."""
        if not self._mock and any(map(_is_mock, buckets)):
            self._rehearsed.update(one.run_id for one in buckets if one.mock)
            buckets = [one for one in buckets if not one.mock]
        self._paid.update(one.run_id for one in buckets[:1])
        if (wanted := self._wanted) is not None:
            buckets = [one for one in buckets if wanted(one.start_time)]
        self.condensed.add(buckets)


def _days(flags: Mapping[str, Any], tz: tzinfo | None, now: float) -> Callable[[int], bool] | None:
    """Return whether a time is of the days that are asked for; None: all are."""
    today = day_of(now, tz)
    since = first_day(flags["since"], today) if flags["since"] else date.min
    until = last_day(flags["until"], today) if flags["until"] else date.max
    if since > until:
        raise BadUsage(f"--since {since} is after --until {until}")
    if not flags["since"] and not flags["until"]:
        return None
    return cache(lambda at: since <= day_of(at, tz) <= until)


def _page(report: Tally, times: Tally, models: Tally, read: str, written: datetime) -> bytes:
    try:
        from batch.report.page import as_page  # noqa: PLC0415 - draws, with what the extra brings
    except ModuleNotFoundError as error:
        raise BadUsage(
            f"--html needs {error.name}, which is not installed: pip install 'wenwen-batch[report]'"
        ) from None
    return as_page(report, times, models, read, written).encode()


def _told_by(target: str | None) -> str:
    """Return the format that the ending of a file tells; a table where it tells none."""
    ending = os.path.splitext(target or "")[1].removeprefix(".").lower()
    return ending if ending in FORMATS else "table"


def _formatted(
    kind: str, report: Tally, models: Tally, found: Found, caller: Caller, target: str | None
) -> bytes:
    from batch.report import plain  # noqa: PLC0415 - with what it needs

    if kind == "csv":
        return plain.as_csv(report).encode()
    if kind == "json":
        return plain.as_json(report, found)
    if kind == "md":
        return plain.as_markdown(report, models).encode()
    from batch.report.table import as_table  # noqa: PLC0415 - loads rich

    seen = target is None and sys.stdout is not None and sys.stdout.isatty()
    said = caller.environ.get("COLUMNS", "")
    width = int(said) if said.isdecimal() else shutil.get_terminal_size().columns if seen else None
    styled = target is None and caller.paints(sys.stdout)
    return as_table(report, models, width, styled=styled).encode()
