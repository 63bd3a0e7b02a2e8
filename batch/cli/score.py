"""``wbatch score``: compare the labels of a run with those that people gave."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from batch.cli.caller import Caller
from batch.cli.layers import output_of
from batch.cli.options import job_options, run_argument
from batch.cli.shape import make_command, option
from batch.errors import Refusal
from batch.session.snapshot import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from batch.inputs.lines import RawLine
    from batch.labeling.compare import Comparison
    from batch.labeling.metrics import Score, Share
    from batch.look import Asked

BESIDE: Final = "Labels that people gave"
SHOWN: Final = "What comes of it"
DEMANDED: Final = "Demands"
NOT_MET: Final = 3
SHARE: Final = click.FloatRange(0, 1)
_LISTED: Final = 5  # disagreements
_TEXT: Final = 60  # characters of a text in that list
_WIDEST: Final = 12  # labels of a matrix on a terminal
_WIDTH: Final = 100  # columns, where there is no terminal

CODES: Final = """
0    the labels are as good as demanded
3    they are not: accuracy or coverage is below what --min-... says
65   the gold file or the run is not what it must be
66   the gold file or the run is missing
"""
EXAMPLES: Final = """
wbatch score out.jsonl --gold gold.csv
wbatch score out.jsonl --gold gold.csv --min-accuracy 0.9 --html score.html
"""


@make_command(endings=(("Exit codes", CODES), ("Examples", EXAMPLES)))
@run_argument("output")
@option(
    BESIDE,
    "--gold",
    required=True,
    metavar="FILE",
    help="CSV, TSV or JSONL: a line for each id, with the right label.",
)
@option(BESIDE, "--id-column", metavar="NAME", help="Where the ids are; else custom_id or id.")
@option(BESIDE, "--gold-column", metavar="NAME", help="Where the labels are; else label.")
@option(
    BESIDE,
    "--label-field",
    metavar="NAME",
    help="With a schema: which field of the answers is compared, if not that of the run.",
)
@option(SHOWN, "--html", metavar="FILE", help="Write a page too, with the disagreements.")
@option(
    DEMANDED, "--min-accuracy", type=SHARE, metavar="SHARE", help="0.9: exit code 3 if it is less."
)
@option(
    DEMANDED, "--min-coverage", type=SHARE, metavar="SHARE", help="The same of lines with a label."
)
@job_options
@click.pass_context
def command(ctx: click.Context, /, output: str, html: str | None, **flags: Any) -> int:
    """Say how good the labels of the run are that writes OUT, beside labels that people gave.

    Lines are matched by custom_id. A part of the lines is enough: intervals say how much can be
    told from it.
    """
    caller = ctx.ensure_object(Caller)
    gold = flags["gold"], flags["id_column"], flags["gold_column"]
    output = output_of(ctx, caller, output)
    found, inputs = _compared(output, gold, flags["label_field"])
    gates = [
        (f"{name} of at least {100 * least:g} %", (share.value or 0.0) >= least)
        for name, least, share in (
            ("accuracy", flags["min_accuracy"], found.score.accuracy),
            ("coverage", flags["min_coverage"], found.coverage),
        )
        if least is not None
    ]
    if html:
        from batch.labeling.page import page  # noqa: PLC0415 - only here

        text = page(f"Labels of {os.path.basename(output)}", found, gates)
        caller.write(html, text.encode(errors="replace"), (output, flags["gold"], *inputs))
    passed = all(met for _, met in gates)
    if caller.json:
        document = {**found.document(), "passed": passed if gates else None}
        caller.emit(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE), "the score")
    elif not (caller.quiet and passed):
        caller.emit(_drawn(caller, found).encode(), "the score")
    for words, met in gates:
        if not met:
            caller.complain(f"{words} is demanded, and not met")
    return 0 if passed else NOT_MET


def _compared(
    output: str, gold: tuple[str, str | None, str | None], field: str | None
) -> tuple[Comparison, tuple[str, ...]]:
    """Return what labels and gold come to, and the paths of the inputs."""
    # Loaded now: help can do without.
    from batch.labeling.compare import compare, with_texts  # noqa: PLC0415
    from batch.labeling.finished import read_finished  # noqa: PLC0415
    from batch.labeling.gold import read_gold  # noqa: PLC0415
    from batch.ledger.paths import paths_of  # noqa: PLC0415
    from batch.look import looked_at  # noqa: PLC0415

    people = read_gold(*gold)
    with looked_at(paths_of(output)) as looked:
        found = compare(people, read_finished(looked.logs, people.lines, field))
        without = {one.line for one in found.disagreements if not one.text}
        if without:
            found = with_texts(found, _texts(looked.asked, without))
        return found, looked.kept


def _texts(asked: Asked | None, wanted: set[int]) -> dict[int, str]:
    """Return what these lines ask about; nothing where the inputs cannot be read any more."""
    texts: dict[int, str] = {}
    with contextlib.suppress(Refusal):
        for line in asked.beside.lines() if asked else ():
            if line.ordinal in wanted and asked:
                texts[line.ordinal] = _text(asked, line)
            if len(texts) == len(wanted):
                break
    return texts


def _text(asked: Asked, line: RawLine) -> str:
    """Return the longest field of a row of data, else the last that is said in a prompt."""
    if asked.beside.kind(line) == "rows":
        fields = asked.beside.fields(line).values()
        return max((one for one in fields if isinstance(one, str)), key=len, default="")
    said = asked.prompt(line)
    return said[-1].text if said else ""


def _drawn(caller: Caller, found: Comparison) -> str:
    """Return the score as text, with colors where a terminal shows them."""
    from rich.console import Console  # noqa: PLC0415 - only here

    text = io.StringIO()
    shown = sys.stdout is not None and sys.stdout.isatty()
    painted = caller.paints(sys.stdout)
    console = Console(
        file=text,
        force_terminal=painted,
        color_system="standard" if painted else None,
        width=None if shown else _WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    for part in _parts(found):
        console.print(part)
    return text.getvalue()


def _parts(found: Comparison) -> Iterator[RenderableType]:
    from batch.labeling.compare import UNANSWERED  # noqa: PLC0415 - as above
    from batch.labeling.page import interval, percent  # noqa: PLC0415

    score = found.score
    accuracy = f"accuracy  {percent(score.accuracy.value)}"
    if between := interval(score.accuracy):
        accuracy += f" (95 %: {between}), {score.right:,} of {score.pairs:,} right"
    yield accuracy
    missing = "".join(f", {why} {count:,}" for why, count in found.missing.items())
    yield (
        f"coverage  {percent(found.coverage.value)}, {score.pairs:,} of {found.gold:,} gold lines "
        f"have a label{missing}"
    )
    kappa = "cannot be told" if score.kappa is None else f"{score.kappa:.3f}"
    yield (
        f"kappa     {kappa}; F1 macro {percent(score.macro.f1)}, micro "
        f"{percent(score.micro.f1)}, weighted {percent(score.weighted.f1)}"
    )
    if found.missing.get(UNANSWERED) == found.gold:
        yield (
            "note      no line of the gold file has a record in the run. If that has begun, ids "
            "are not the same in both: --id-column names another column of the gold file"
        )
    if found.strange:
        labels = ", ".join(f"{visible(one)} ({count:,})" for one, count in found.strange.items())
        yield f"note      the run could not give these labels of the gold file: {labels}"
    yield _classes(score)
    if 0 < len(score.labels) <= _WIDEST:
        yield _matrix(score)
    if found.disagreements:
        yield _worst(found)


def _classes(score: Score) -> RenderableType:
    from batch.labeling.page import interval, percent  # noqa: PLC0415

    def rate(share: Share) -> str:
        return percent(share.value) + (f" ({interval(share)})" if share.low is not None else "")

    rows = [
        (one.label, f"{one.support:,}", f"{one.answered:,}", *map(rate, one.rates))
        for one in score.classes
    ]
    return _table(("label", "gold", "answered", "precision", "recall", "F1"), rows)


def _matrix(score: Score) -> RenderableType:
    rows = [
        (label, *(f"{count:,}" if count else "·" for count in row))
        for label, row in zip(score.labels, score.matrix, strict=True)
    ]
    return _table(("gold \\ answered", *score.labels), rows)


def _worst(found: Comparison) -> RenderableType:
    listed = found.disagreements[:_LISTED]
    rows = [
        (one.custom_id, " ".join(one.text.split())[:_TEXT], one.gold, one.label) for one in listed
    ]
    title = f"disagreement ({len(listed)} of {len(found.disagreements):,})"
    return _table((title, "text", "gold", "answered"), rows, numbers=False)


def _table(
    heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numbers: bool = True
) -> RenderableType:
    from rich.box import SIMPLE  # noqa: PLC0415 - only here
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(Text(visible(head)), justify="right" if numbers and place else "left")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table
