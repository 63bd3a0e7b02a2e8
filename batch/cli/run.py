"""``wbatch run``: start a run, or carry on with it."""

from __future__ import annotations

from typing import Any, Final

import click

from batch.cli.asking import Asking
from batch.cli.caller import Caller
from batch.cli.engine import conduct
from batch.cli.layers import settings_of
from batch.cli.nights import make_nights
from batch.cli.options import (
    CONDUCTED,
    REHEARSED,
    asking_options,
    budget_options,
    first_look_options,
    job_options,
    label_options,
    limit_options,
    media_options,
    nightly_options,
    notice_options,
    patience_options,
    prices_option,
    read_tags,
    request_options,
    row_options,
    way_options,
)
from batch.cli.shape import EXIT_CODES, argument, make_command, option
from batch.cli.spoken import job_of
from batch.cli.telling import told
from batch.errors import BadUsage
from batch.settings.tree import Settings

EXAMPLES: Final = """
wbatch run prompts.jsonl -m gpt-4o-mini -o trial.jsonl --mock    # without a key
wbatch run prompts.jsonl -m gpt-4o-mini -o out.jsonl    # again: carries on
wbatch run reviews.csv -p prompt.txt -m gpt-4o-mini -o out.jsonl --head 5
wbatch run a.jsonl b.jsonl -o out.jsonl -c 32 --rpm 500
wbatch run prompts.jsonl -o out.jsonl --key 'claude-*=env:CLAUDE_KEY'
wbatch run jobs/nightly_triage.toml --date 2026-11-26 --catch-up 3
"""


@make_command(
    usage="JOB.toml [OPTIONS] | -o OUT [OPTIONS]",
    endings=(
        ("Exit codes", "\n".join(f"{code:<4} {meaning}" for code, meaning in EXIT_CODES)),
        ("Examples", EXAMPLES),
    ),
)
@argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@option(CONDUCTED, "-o", "--output", metavar="OUT", help="File for the answers, JSONL.")
@option(
    CONDUCTED,
    "--new-run",
    is_flag=True,
    help="Keep the old output aside and start over.",
)
@option(
    CONDUCTED,
    "--keep-answers",
    is_flag=True,
    help="Inputs or settings changed: answers to unchanged lines stay.",
)
@option(
    CONDUCTED,
    "--name",
    metavar="NAME",
    help="What reports call this job; the name of its file if nothing is said.",
)
@option(
    CONDUCTED,
    "--tag",
    multiple=True,
    callback=read_tags,
    metavar="NAME=VALUE",
    help="Keep this with the usage, to report costs by it. Repeatable.",
)
@first_look_options
@job_options
@nightly_options
@request_options
@row_options
@label_options
@media_options
@way_options
@patience_options
@limit_options
@budget_options
@asking_options
@prices_option
@notice_options
@option(REHEARSED, "--mock", is_flag=True, help="Ask a gateway inside this process: no cost.")
@option(
    REHEARSED, "--mock-fail", metavar="SHARES", help="Failures to make, such as '429=5%,500=1%'."
)
@option(REHEARSED, "--mock-latency", type=float, metavar="MS", help="Time to an answer.")
@option(REHEARSED, "--mock-seed", type=int, metavar="N", help="Other failures, other answers.")
@click.pass_context
def command(ctx: click.Context, /, output: str | None, **_flags: Any) -> int:
    """Send every line of the INPUTs and write each answer to OUT, exactly once.

    A JOB.toml holds inputs, output and settings in one file; flags outrank it.

    After anything went wrong the same command carries on: what is answered is not sent again.
    Errors, usage totals and the summary are in the folder beside OUT.
    """
    caller = ctx.ensure_object(Caller)
    if job_of(ctx) is None:
        _check_output(output)
    settings = settings_of(ctx, caller, Settings)

    def work() -> int:
        if settings.nightly is not None:
            return make_nights(ctx, caller, settings)
        approve = Asking(caller, yes=ctx.params["yes"])
        return conduct(caller, lambda engine, watch: engine.run(settings, watch, approve=approve))

    return told(ctx, caller, settings, work)


def _check_output(output: str | None) -> None:
    if not output:
        raise BadUsage(
            "where should the answers go? Name a file: wbatch run INPUT -o out.jsonl. "
            "The same command with the same file carries on with a run"
        )
    if output == "-":
        raise BadUsage(
            "answers cannot go to stdout, as a run is carried on from what its file holds. "
            "Write -o out.jsonl, and read it with cat out.jsonl afterwards"
        )
