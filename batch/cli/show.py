"""``wbatch show``: prompts and answers side by side, for a first look."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import click
import orjson

from batch.cli.caller import Caller
from batch.cli.layers import output_of
from batch.cli.options import CONDUCTED, job_options, run_argument
from batch.cli.shape import argument, make_command, option
from batch.errors import BadUsage, NoInput, Refusal
from batch.ledger.paths import folder_of, paths_of
from batch.look import Looked, looked_at
from batch.results.record import Record, decode_record
from batch.results.view import Frame, Paint, Role, Shown, answer, lines
from batch.wire import Piece
from batch.wording import agreeing, counted, is_text, shown

MOST: Final = 16  # lines of a text
FIRST: Final = 5  # records
_WIDTH: Final = 100  # columns, where nobody says
_NARROWEST: Final = 20
_AT_ONCE: Final = 500  # records whose lines are looked for in one pass over the inputs
_CHANGED: Final = (Piece("note", "this line of the inputs has changed since, or is gone"),)
_STYLES: Final[dict[Role, dict[str, Any]]] = {
    "head": {"bold": True},
    "failed": {"bold": True, "fg": "red"},
    "who": {"dim": True},
}
CODES: Final = """
0    something was shown, or there is nothing yet
66   there is no such run, or no such record
"""
EXAMPLES: Final = """
wbatch show out.jsonl
wbatch show out.jsonl 20 --full
wbatch show out.jsonl --errors
wbatch show out.jsonl --id row-17
"""


@make_command(endings=(("Exit codes", CODES), ("Examples", EXAMPLES)))
@run_argument("run")
@argument("most", metavar="[N]", type=click.IntRange(min=1), default=FIRST, required=False)
@option(CONDUCTED, "--errors", is_flag=True, help="The lines that failed instead of the answers.")
@option(CONDUCTED, "--id", "custom_id", metavar="ID", help="The line with this custom_id.")
@option(CONDUCTED, "--line", type=int, metavar="N", help="The line at this place in the inputs.")
@option(CONDUCTED, "--full", is_flag=True, help=f"Whole texts, not their first {MOST} lines.")
@job_options
@click.pass_context
def command(ctx: click.Context, /, run: str, most: int, **flags: Any) -> int:
    """Show the first N answers of the run OUT beside what was asked.

    They stand in the order in which they were finished. The run may still go on.
    """
    caller = ctx.ensure_object(Caller)
    if flags["custom_id"] is not None and flags["line"] is not None:
        raise BadUsage("--id and --line both name one line. Give one of them")
    if not is_text(flags["custom_id"] or ""):
        raise BadUsage("--id: not valid UTF-8, and so no line has such an id")
    run = output_of(ctx, caller, run)
    with looked_at(paths_of(run)) as looked:
        found = _found(looked, run, most, flags)
        if caller.json:
            caller.emit(_document(looked, run, found), "what is shown")
            return 0
        if looked.why and not caller.quiet:
            caller.tell(f"the prompts cannot be shown: {looked.why}")
        frame, paint = Frame(_width(caller), None if flags["full"] else MOST), _paint(caller)
        count = 0
        for one in _beside_prompts(looked, run, found):
            count += 1
            text = "".join(f"{line}\n" for line in lines(one, frame, paint))
            caller.emit(f"{text}\n".encode(), "what is shown")
        if not caller.quiet and flags["custom_id"] is None and flags["line"] is None:
            for remark in _remarks(looked, run, count, errors=flags["errors"]):
                caller.tell(remark)
    return 0


def _found(looked: Looked, run: str, most: int, flags: dict[str, Any]) -> Iterator[Record]:
    """Return the records to be shown. Raises NoInput for one that is not there."""
    custom_id, line = flags["custom_id"], flags["line"]
    logs = looked.logs
    if custom_id is None and line is None:
        return map(
            decode_record, islice(logs.errors() if flags["errors"] else logs.results(), most)
        )
    record = logs.find(custom_id, line)
    if record is None:
        what = f"line {line}" if custom_id is None else f"custom_id {shown(custom_id)}"
        raise NoInput(
            f"{run} has no record of {what}: it has no answer yet, or there is no such line"
        )
    return iter((decode_record(record),))


def _beside_prompts(looked: Looked, run: str, found: Iterator[Record]) -> Iterator[Shown]:
    """Yield the records with what their lines ask."""
    folder = folder_of(run)
    while several := list(islice(found, _AT_ONCE)):
        prompts = _prompts(looked, several)
        for one in several:
            yield Shown(one, prompts.get(one.x_run.line, ()), folder)


def _prompts(looked: Looked, records: Sequence[Record]) -> dict[int, Sequence[Piece]]:
    """Return what lines ask, by their ordinals; nothing of inputs that are no longer there."""
    if looked.asked is None:
        return {}
    sums = {one.x_run.line: one.x_run.sum for one in records}
    prompts: dict[int, Sequence[Piece]] = dict.fromkeys(sums, _CHANGED)
    last = max(sums)
    try:
        for line in looked.asked.beside.lines():
            if sums.get(line.ordinal) == f"{line.sum:016x}":
                prompts[line.ordinal] = looked.asked.prompt(line)
            if line.ordinal >= last:
                break
    except Refusal:  # the file was cut or replaced meanwhile
        return prompts
    return prompts


def _remarks(looked: Looked, run: str, count: int, *, errors: bool) -> Iterator[str]:
    """Yield what there is beside what was shown."""
    answered, failed = looked.logs.answered.count, looked.logs.failed.count
    run = shlex.quote(run)
    every = failed if errors else answered
    what = "line that failed" if errors else "answer"
    several = "lines that failed" if errors else "answers"
    if count < every:
        more = f"{count:,} of {counted(every, what, several)}; more: wbatch show {run} {4 * count}"
        if errors:
            more += " --errors"
        yield more
    elif not count:
        yield f"no {several}{'' if errors else ' yet'}"
    if failed and not errors:
        are = agreeing(failed, "it", "them")
        yield f"{counted(failed, 'line')} failed; to see {are}: wbatch show {run} --errors"


def _document(looked: Looked, run: str, found: Iterator[Record]) -> bytes:
    shown_ones = _beside_prompts(looked, run, found)
    return orjson.dumps(
        {"object": "list", "data": [_entry(one) for one in shown_ones]},
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _entry(one: Shown) -> dict[str, Any]:
    record = one.record
    told = record.x_run
    return {
        "line": told.line,
        "custom_id": record.custom_id,
        "model": told.model,
        "prompt": [{"who": piece.who, "text": piece.text} for piece in one.prompt],
        "text": record.text,
        "answer": [{"who": piece.who, "text": piece.text} for piece in answer(one)],
        "finish": told.finish or None,
        "error": {"class": told.class_, "message": record.message} if record.failed else None,
        "usage": told.usage,
        "files": [file.path for file in told.files],
    }


def _width(caller: Caller) -> int:
    """Return the columns of the terminal, else those that the environment names."""
    told = caller.environ.get("COLUMNS", "")
    columns = int(told) if told.isdecimal() else 0
    if not columns and sys.stdout is not None and sys.stdout.isatty():
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    return max(_NARROWEST, columns or _WIDTH)


def _paint(caller: Caller) -> Paint:
    if not caller.paints(sys.stdout):
        return lambda text, _role: text
    return lambda text, role: click.style(text, **_STYLES[role]) if role in _STYLES else text
