"""``wbatch check``: every line and every setting looked at, before anything is sent."""

from __future__ import annotations

from typing import Any, Final

import click
import orjson

from batch.cli.caller import Caller
from batch.cli.engine import engine_of, in_loop
from batch.cli.layers import built, gather
from batch.cli.options import (
    ASKED,
    CONDUCTED,
    REACHED,
    REHEARSED,
    job_options,
    label_options,
    media_options,
    row_options,
    way_options,
)
from batch.cli.pasted import taking_all_of_run
from batch.cli.shape import argument, make_command, option
from batch.collector import lean_collector
from batch.errors import BadConfig
from batch.preflight import MOST, compare, lines, preflight
from batch.session.snapshot import visible
from batch.settings.tree import Limits, Settings

CODES: Final = """
0    everything can be sent
65   lines or files cannot be sent as they are
66   an input is missing
69   --online: the gateway gave no answer
77   --online: the gateway refuses a key, or a model that lines ask
78   a setting is wrong or missing, such as the key for a model
"""
EXAMPLES: Final = """
wbatch check prompts.jsonl -m gpt-4o-mini
wbatch check jobs/label_reviews.toml --online
wbatch check prompts.jsonl --json | jq .problem_counts
"""
_NO_OUTPUT: Final = "out.jsonl"  # nothing is written; the tree only wants to be whole


@taking_all_of_run
@make_command(
    usage="[OPTIONS]",
    endings=(("Exit codes", CODES), ("Examples", EXAMPLES)),
)
@argument("inputs", nargs=-1, required=True, metavar="JOB.toml | INPUT...")
@option(REACHED, "--online", is_flag=True, help="Ask the gateway which models each key may call.")
@option(
    CONDUCTED,
    "--most",
    type=click.IntRange(min=1),
    default=MOST,
    show_default=True,
    metavar="N",
    help="List so many problems.",
)
@job_options
@option(ASKED, "-m", "--model", metavar="MODEL", help="For lines that name no model.")
@option(ASKED, "--override-model", metavar="MODEL", help="In the place of every line's.")
@option(ASKED, "--endpoint", metavar="PATH", help="For lines whose body does not tell.")
@row_options
@label_options
@media_options
@way_options
@option(
    CONDUCTED,
    "--max-line-bytes",
    type=int,
    default=Limits().max_line_bytes,
    show_default=True,
    metavar="N",
    help="A longer line is an error.",
)
@option(REHEARSED, "--mock", is_flag=True, help="As for a rehearsal, which needs no key.")
@click.pass_context
def command(ctx: click.Context, /, online: bool, most: int, **_flags: Any) -> int:
    """Look at every line of the INPUTs and at the settings, and send nothing.

    Lines that cannot be sent, ids that stand twice, models that no key is for: each with its file
    and line. Then how many lines go to which model, and how many tokens they may take.

    It takes every option of run, so that a command line of run can be checked by changing the word.
    """
    caller = ctx.ensure_object(Caller)
    layer = gather(ctx, caller).layer
    settings = built({"output": _NO_OUTPUT, **layer.tree}, Settings, layer)
    if not settings.inputs:
        raise BadConfig('the job names no inputs. Write inputs = ["in.jsonl"] at its top')
    with lean_collector():
        report = preflight(settings, caller.environ, most)
    if online and not settings.run.mock:
        compare(report, in_loop(engine_of(caller).models(settings, ())))
    if caller.json:
        caller.emit(orjson.dumps(report.document(), option=orjson.OPT_APPEND_NEWLINE), "the report")
    elif report.exit_code or not caller.quiet:
        caller.emit("".join(f"{visible(line)}\n" for line in lines(report)).encode(), "the report")
    return report.exit_code
