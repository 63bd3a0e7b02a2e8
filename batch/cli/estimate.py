"""``wbatch estimate``: what a run would send, take and cost, and one of its requests, whole."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from batch.cli.caller import Caller
from batch.cli.layers import built, gather, output_in
from batch.cli.options import (
    CONDUCTED,
    REHEARSED,
    first_look_options,
    job_options,
    label_options,
    limit_options,
    media_options,
    prices_option,
    request_options,
    row_options,
    way_options,
)
from batch.cli.pasted import taking_all_of_run
from batch.cli.shape import argument, make_command, option
from batch.errors import BadConfig
from batch.settings.tree import Settings

if TYPE_CHECKING:  # not loaded for help
    from batch.estimating.told import Estimated
    from batch.outlook.lasting import Lasting

CODES: Final = """
0    the estimate is written
2    a flag or an argument is wrong
65   the input, or what an earlier run left, is not what it must be
66   an input is missing
78   a price file or a setting is wrong
"""
EXAMPLES: Final = """
wbatch estimate prompts.jsonl -m gpt-4o-mini
wbatch estimate reviews.csv -p prompt.txt -m gpt-4o-mini --param max_tokens=100
wbatch estimate jobs/label_reviews.toml --prices prices.toml
wbatch estimate prompts.jsonl -m gpt-4o-mini -o out.jsonl    # what is left of a run
wbatch estimate prompts.jsonl --json | jq .cost
"""
_NO_OUTPUT: Final = "out.jsonl"  # nothing is written; the tree only wants to be whole
_WIDE: Final = 200  # characters where nobody looks at the width


@taking_all_of_run
@make_command(
    usage="[OPTIONS]",
    endings=(("Exit codes", CODES), ("Examples", EXAMPLES)),
)
@argument("inputs", nargs=-1, required=True, metavar="JOB.toml | INPUT...")
@option(
    CONDUCTED,
    "-o",
    "--output",
    metavar="OUT",
    help="What a run has answered there already is left out, and tells what the rest takes.",
)
@option(CONDUCTED, "--new-run", is_flag=True, help="As if nothing was answered yet.")
@option(CONDUCTED, "--keep-answers", is_flag=True, help="As with wbatch run.")
@first_look_options
@job_options
@request_options
@row_options
@label_options
@media_options
@way_options
@limit_options
@prices_option
@option(REHEARSED, "--mock", is_flag=True, help="As for a rehearsal.")
@click.pass_context
def command(ctx: click.Context, /, **_flags: Any) -> int:
    """Say what a run would take: requests, tokens, time and money, low, likely and at most.

    Then one request, whole, as it would be sent. Nothing is sent, and nothing is written.

    Likely goes by the length of each line and by 256 tokens an answer, and once a run has answers
    (--head 20 is enough) by these. At most goes by the bound that each line sets to its answer.

    It takes every option of run, also those that make no difference here.
    """
    # Here and not at the top, as all of it is loaded, with rich, for nothing but an estimate.
    from batch.outlook import lasting, look, request, words  # noqa: PLC0415
    from batch.outlook.table import as_table  # noqa: PLC0415
    from batch.session.snapshot import visible  # noqa: PLC0415
    from batch.settings.pricelist import price_book_of, unlisted  # noqa: PLC0415

    caller = ctx.ensure_object(Caller)
    layer = gather(ctx, caller).layer
    tree = layer.tree
    settings = built({"output": _NO_OUTPUT, **tree}, Settings, layer)
    if not settings.inputs:
        raise BadConfig('the job names no inputs. Write inputs = ["in.jsonl"] at its top')
    book = price_book_of(settings)
    output = output_in(tree) if tree.get("output") else None
    with look.planned(settings, output) as plan:
        estimated = look.outlook(plan, book, caller.clock())
        time = lasting.lasting(estimated, settings)
        one = request.specimen(plan, caller.environ)
        told = plan.opened.inputs.told()
        asked, todo = plan.asked, plan.todo
    if caller.json:
        document = {
            "object": "estimate",
            "schema": 1,
            "inputs": told,
            **words.document(estimated),
            "seconds": round(time.seconds, 1),
            "seconds_an_answer": round(time.answer, 1),
            "request": request.document(one) if one else None,
        }
        caller.emit(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE), "the estimate")
        return 0
    said = [*map(visible, told), *_counts(estimated, time, asked - todo)]
    if estimated.parts:
        said += ["", *as_table(estimated, _width(), styled=caller.paints(sys.stdout)), ""]
    said += words.remarks(estimated)
    if estimated.unpriced and (hint := unlisted(settings.prices)):
        said.append(hint)
    said += _assumed(estimated)
    if one is not None:
        said += ["", f"the first request, of {one.where}:", "", *request.lines(one)]
    caller.emit("".join(f"{line}\n" for line in said).encode(), "the estimate")
    return 0


def _counts(estimated: Estimated, time: Lasting, done: int) -> Iterator[str]:
    from batch.outlook import words  # noqa: PLC0415
    from batch.session.snapshot import span  # noqa: PLC0415
    from batch.wording import agreeing, counted  # noqa: PLC0415

    before = f", {done:,} have ended before" if done else ""
    yield f"{counted(estimated.lines, 'line')} to ask{before}: {words.requests_in_words(estimated)}"
    if estimated.looked < estimated.lines:
        yield f"estimated from the first {counted(estimated.looked, 'line')} of these"
    if estimated.broken:
        ask = agreeing(estimated.broken, "asks", "ask")
        yield (
            f"{counted(estimated.broken, 'line')} {ask} nothing that can be sent, at no cost: "
            "wbatch check says why"
        )
    if time.seconds:
        by = f", with {time.why}, if an answer takes {span(time.answer)}" if time.why else ""
        yield f"about {span(time.seconds)}{by}; longer where the gateway has limits of its own"


def _width() -> int:
    seen = sys.stdout is not None and sys.stdout.isatty()
    return shutil.get_terminal_size().columns if seen else _WIDE


def _assumed(estimated: Estimated) -> Iterator[str]:
    """Yield what the numbers go by."""
    from batch.wording import counted  # noqa: PLC0415

    learned = sum(one.learned for one in estimated.parts)
    if learned:
        yield f"likely is what the first {counted(learned, 'answer')} took"
    sources = dict.fromkeys(
        f"{one.price.source}{f', as of {one.price.as_of}' if one.price.as_of else ''}"
        for one in estimated.parts
        if one.price is not None
    )
    if sources:
        yield f"prices: {'; '.join(sources)}"
