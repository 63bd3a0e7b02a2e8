"""``wbatch export``: the answers of a run as a table, an array, or in OpenAI's own shape."""

from __future__ import annotations

import os
from typing import Any, Final, cast

import click
import orjson

from batch.cli.caller import Caller
from batch.cli.layers import output_of, settings_of
from batch.cli.options import CONDUCTED, FILED, job_options, prices_option, run_argument
from batch.cli.shape import make_command, option
from batch.collector import lean_collector
from batch.errors import BadUsage
from batch.files import OsFiles
from batch.ledger.paths import paths_of
from batch.look import Looked, looked_at
from batch.results.beside import Beside
from batch.results.costs import Costs
from batch.results.export import Format, Sources, Wanted, Written, export, format_of_path
from batch.settings.pricelist import price_book_of
from batch.settings.tree import UserSettings
from batch.wording import agreeing, counted

COST: Final = "cost"
CODES: Final = """
0    the file is there, also if the run has not ended
2    a flag or an argument is wrong
65   the files of the run are damaged, or do not fit into one array
66   there is no such run
73   the file cannot be written, or is there already
78   Parquet needs a package that is not installed
"""
EXAMPLES: Final = """
wbatch export out.jsonl -o answers.csv                    # opens in Excel
wbatch export out.jsonl -o answers.jsonl --columns custom_id,text,finish
wbatch export out.jsonl -o batch_output.jsonl --strict    # as OpenAI's Batch gives it
wbatch export out.jsonl -o vectors.npy --in-order
"""


@make_command(usage="-o FILE [OPTIONS]", endings=(("Exit codes", CODES), ("Examples", EXAMPLES)))
@run_argument("run")
@option(FILED, "-o", "--output", "target", metavar="FILE", required=True, help="The file to write.")
@option(
    FILED,
    "--format",
    "kind",
    type=click.Choice(("jsonl", "csv", "parquet", "npy")),
    metavar="FORMAT",
    help="jsonl, csv, parquet or npy, if the file's name does not tell.",
)
@option(FILED, "--force", is_flag=True, help="Replace the file if it is there.")
@option(
    CONDUCTED,
    "--columns",
    metavar="NAME,...",
    help="Which columns, in this order; a wrong name lists all that there are.",
)
@option(CONDUCTED, "--no-input", is_flag=True, help="Leave out the columns of the inputs.")
@option(CONDUCTED, "--errors", is_flag=True, help="Lines that failed too, with their error.")
@option(
    CONDUCTED,
    "--in-order",
    is_flag=True,
    help="In the order of the inputs; so it is also where columns of the inputs are wanted.",
)
@prices_option
@option(
    CONDUCTED,
    "--strict",
    is_flag=True,
    help="Exactly what OpenAI's Batch writes: no x_run, errors in its two shapes. JSONL only.",
)
@job_options
@click.pass_context
def command(ctx: click.Context, /, run: str, target: str, **flags: Any) -> int:
    """Write the answers of the run OUT into a file for other programs.

    A row an answer: custom_id, text, finish, model, tokens, and what the inputs say beside their
    requests. The run may still go on. The file is there whole, or not at all.
    """
    caller = ctx.ensure_object(Caller)
    wanted = _wanted(target, flags)
    run = output_of(ctx, caller, run)
    folder = os.path.dirname(os.path.realpath(target))
    with looked_at(paths_of(run), folder if os.path.isdir(folder) else None) as looked:
        beside = _beside(caller, looked, wanted, leave_out=bool(flags["no_input"]))
        costs = _costs(ctx, caller, looked, wanted)
        with lean_collector():
            written = export(Sources(looked.logs, beside, costs), wanted, looked.kept)
        summary = _standing(caller, looked, run)
    document = _document(wanted, written, summary)
    document["currency"] = costs.currency if costs and "cost" in written.columns else None
    if not caller.quiet:
        for line in _closing(wanted, written, document):
            caller.tell(line)
    if caller.json:
        caller.emit(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE), "the summary")
    return 0


def _standing(caller: Caller, looked: Looked, run: str) -> dict[str, Any]:
    """Return where the run stood when it was opened: what is exported, and no record more."""
    from batch.session.conclude import standing  # noqa: PLC0415 - it loads what runs

    return standing(OsFiles(), paths_of(run), looked.logs.found, caller.clock()).summary


def _wanted(output: str, flags: dict[str, Any]) -> Wanted:
    if output == "-":
        raise BadUsage(
            "an export is there whole or not at all, and so goes into a file. Write -o answers.csv"
        )
    kind = format_of_path(output, cast("Format | None", flags["kind"]))
    said = flags["columns"]
    columns = tuple(name.strip() for name in (said or "").split(",") if name.strip())
    if said is not None and not columns:
        raise BadUsage("--columns names no column. Write --columns custom_id,text")
    if flags["strict"] and (kind != "jsonl" or columns):
        raise BadUsage("--strict is OpenAI's own shape: JSONL, and without --columns")
    if kind == "npy" and (columns or flags["errors"]):
        raise BadUsage("an array holds vectors and nothing else: no --columns, no --errors")
    return Wanted(
        path=output,
        format=kind,
        columns=columns,
        in_order=flags["in_order"],
        errors=flags["errors"],
        strict=flags["strict"],
        force=flags["force"],
    )


def _beside(caller: Caller, looked: Looked, wanted: Wanted, *, leave_out: bool) -> Beside | None:
    if leave_out or wanted.strict or wanted.format == "npy":
        return None
    if looked.why and not caller.quiet:
        caller.tell(f"without the columns of the inputs: {looked.why}")
    return looked.asked.beside if looked.asked else None


def _costs(ctx: click.Context, caller: Caller, looked: Looked, wanted: Wanted) -> Costs | None:
    """Return what prices answers; nothing of a rehearsal, unless its costs are asked for."""
    asked = COST in wanted.columns or bool(ctx.params["prices"])
    rehearsed = bool(looked.logs.found.history.identity.get("mock"))
    if wanted.strict or wanted.format == "npy" or (rehearsed and not asked):
        return None
    return Costs(price_book_of(settings_of(ctx, caller, UserSettings)))


def _document(wanted: Wanted, written: Written, summary: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "export",
        "path": os.path.abspath(wanted.path),
        "format": wanted.format,
        "columns": written.columns,
        "rows": written.rows,
        "records": written.records,
        "skipped": written.skipped,
        "changed": written.changed,
        "failed": summary["request_counts"]["failed"],
        "pending": summary["x_run"]["pending"],
    }


def _closing(wanted: Wanted, written: Written, document: dict[str, Any]) -> list[str]:
    """Return what people should know of the file."""
    told = [f"{wanted.path}: {counted(written.rows, 'row')}"]
    if written.columns:
        told[0] += f" of {counted(len(written.columns), 'column')}"
    if document["currency"]:
        told[0] += f", costs in {document['currency']}"
    if document["pending"]:
        are = agreeing(document["pending"], "has", "have")
        told.append(
            f"the run is not finished: {counted(document['pending'], 'line')} {are} no answer yet"
        )
    if document["failed"] and not wanted.errors:
        told.append(
            f"{counted(document['failed'], 'line')} failed, and {_stands(document['failed'])} not "
            f"in it{'' if wanted.format == 'npy' else ': --errors adds them'}"
        )
    if written.changed:
        told.append(
            f"{counted(written.changed, 'line')} of the inputs changed since they were asked, or "
            "are gone: their columns are empty"
        )
    if written.skipped:
        told.append(f"{counted(written.skipped, 'answer')} without a vector left out")
    return told


def _stands(count: int) -> str:
    return agreeing(count, "is", "are")
