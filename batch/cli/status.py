"""``wbatch status``: say how far a run is."""

from __future__ import annotations

from typing import Any

import click

from batch.cli.caller import Caller
from batch.cli.engine import engine_of, report
from batch.cli.layers import output_of
from batch.cli.options import job_options, run_argument
from batch.cli.shape import make_command


@make_command(
    endings=(
        ("Exit code", "0 or 3 as of a finished run; 75: lines are pending"),
        (
            "Examples",
            "wbatch status out.jsonl --json\nwbatch status jobs/nightly_triage.toml",
        ),
    )
)
@run_argument("output")
@job_options
@click.pass_context
def command(ctx: click.Context, /, output: str, **_flags: Any) -> int:
    """Say how far the run is that writes OUT, or of a JOB.toml, from its files alone.

    Of one that goes on it also says how fast, for how long yet, and what holds it back.
    """
    caller = ctx.ensure_object(Caller)
    return report(caller, engine_of(caller).status(output_of(ctx, caller, output)))
