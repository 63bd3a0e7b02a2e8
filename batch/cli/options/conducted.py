"""How one run is conducted: its day, its nights, what it may cost, who is told of it."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from batch.cli.options.sections import CAPPED, CONDUCTED, NIGHTLY, PRICED, TOLD, added
from batch.cli.shape import F, argument, option
from batch.errors import BadUsage, NoInput
from batch.ledger.paths import results_of


def read_tags(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Take ``NAME=VALUE`` apart."""
    pairs = [value.partition("=") for value in values]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise BadUsage("--tag takes a name and a value, such as team=search")
    return {name.strip(): tag.strip() for name, _, tag in pairs}


def run_argument(name: str) -> Callable[[F], F]:
    """Declare the argument that names a run: by its results, by its folder, or by its job."""
    return argument(
        name,
        metavar="OUT | JOB.toml",
        callback=lambda _ctx, _param, said: _results(said),
    )


def _results(said: str) -> str:
    """Return the results that are meant. Raises ``NoInput`` for a folder that is no run's."""
    results = results_of(said)
    if not results or os.path.isdir(results):
        raise NoInput(
            f"{said or 'an empty name'} is no run. Name the file that was given as --output, or "
            "the folder beside it that ends with .run"
        )
    return results


def job_options(function: F) -> F:
    """Add which day a job is for."""
    return added(
        function,
        option(
            CONDUCTED,
            "--date",
            metavar="DAY",
            help="What {date} stands for in a job's paths, such as 2026-11-26; yesterday if "
            "nothing is said.",
        ),
        option(
            CONDUCTED, "--tz", metavar="ZONE", help="Where it is yesterday, such as Europe/Berlin."
        ),
    )


def nightly_options(function: F) -> F:
    """Add how the days of a nightly job are made."""
    return added(
        function,
        option(
            NIGHTLY,
            "--catch-up",
            type=int,
            metavar="N",
            help="Also the N days before it, the oldest first, that are not published yet.",
        ),
        option(
            NIGHTLY,
            "--when-missing",
            type=click.Choice(("fail", "skip")),
            metavar="WHAT",
            help="A day without its input: fail, with exit code 66, or skip.",
        ),
        option(
            NIGHTLY,
            "--on-failed",
            type=click.Choice(("publish", "keep")),
            metavar="WHAT",
            help="A day some lines of which failed: publish or keep.",
        ),
        option(
            NIGHTLY, "--latest", metavar="LINK", help="A link that is to lead to the latest day."
        ),
    )


def prices_option(function: F) -> F:
    """Add where prices are."""
    add = option(
        PRICED,
        "--prices",
        multiple=True,
        metavar="FILE",
        help="What models cost, TOML; before the [prices] of your settings. Repeatable.",
    )
    return add(function)


def budget_options(function: F) -> F:
    """Add what a run may cost, send and last."""
    return added(
        function,
        option(
            CAPPED,
            "--max-cost",
            type=float,
            metavar="AMOUNT",
            help="The whole run may cost so much, and never more.",
        ),
        option(
            CAPPED,
            "--max-requests",
            type=int,
            metavar="N",
            help="This command sends at most so many requests.",
        ),
        option(
            CAPPED, "--max-duration", metavar="TIME", help="It sends so long, such as 2h or 90m."
        ),
        option(
            CAPPED,
            "--finish-by",
            metavar="TIME",
            help="It has ended by then: 06:00, or 2026-11-28T06:00.",
        ),
    )


def asking_options(function: F) -> F:
    """Add when a person is asked before anything is spent."""
    return added(
        function,
        option(
            CAPPED,
            "--confirm-above",
            type=float,
            metavar="AMOUNT",
            help="On a terminal, ask first if it may cost more; 5.00 if nothing is said.",
        ),
        option(CAPPED, "-y", "--yes", is_flag=True, help="Do not ask."),
    )


def notice_options(function: F) -> F:
    """Add who is told what a run came to, and where it is written down."""
    return added(
        function,
        option(
            TOLD,
            "--health-url",
            metavar="URL",
            help="A health check's address: URL/start is told when the command begins, URL/CODE "
            "what it ended with. Addresses are secrets, so better set them as variables.",
        ),
        option(
            TOLD,
            "--webhook-url",
            metavar="URL",
            help="A chat's address, which is sent what a run came to, as JSON.",
        ),
        option(
            TOLD,
            "--notify-when",
            type=click.Choice(("failure", "always")),
            default="failure",
            show_default=True,
            help="When the webhook is told; the health check always is.",
        ),
        option(
            TOLD,
            "--prometheus-file",
            metavar="FILE",
            help="Numbers for a collector of text files, NAME.prom; those of other jobs stay.",
        ),
        option(
            TOLD,
            "--log-file",
            metavar="FILE",
            help="Write down what happens, an event a line, at the end of this file.",
        ),
        option(
            TOLD,
            "--log-format",
            type=click.Choice(("text", "json")),
            default="text",
            show_default=True,
            help="Of the log; json without --log-file: stderr is the log.",
        ),
    )
