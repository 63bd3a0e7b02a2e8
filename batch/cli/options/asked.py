"""What is asked: prompts made of data, labels, files in and out, the first lines only."""

from __future__ import annotations

from typing import NoReturn

import click

from batch.cli.options.sections import ASKED, CONDUCTED, FILED, LABELED, MADE, added
from batch.cli.shape import F, option
from batch.errors import BadUsage
from batch.wording import shown


def _read_params(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, object]:
    """Take ``NAME=VALUE`` apart; a value is JSON, and what is none is a text."""
    import json  # noqa: PLC0415 - help needs none

    params: dict[str, object] = {}
    for value in values:
        name, equals, told = value.partition("=")
        if not name.strip() or not equals:
            raise BadUsage("--param takes a name and a value, such as max_tokens=100")
        try:
            params[name.strip()] = json.loads(told, parse_constant=_no_json)
        except ValueError:
            params[name.strip()] = told
        except RecursionError:
            raise BadUsage(f"--param: the value of {shown(name)} is nested too deeply") from None
    return params


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def request_options(function: F) -> F:
    """Add what is asked of which model, and how."""
    return added(
        function,
        option(ASKED, "-m", "--model", metavar="MODEL", help="For lines that name no model."),
        option(ASKED, "--override-model", metavar="MODEL", help="In the place of every line's."),
        option(
            ASKED,
            "--endpoint",
            metavar="PATH",
            help="For lines without a url whose body does not tell, such as /v1/embeddings.",
        ),
        option(
            ASKED,
            "--add-usage/--no-add-usage",
            default=True,
            show_default=True,
            help="Ask for the usage of streamed answers.",
        ),
        option(
            ASKED,
            "--pack",
            type=int,
            default=1,
            show_default=True,
            metavar="N",
            help="So many lines a request where the endpoint takes several: embeddings.",
        ),
    )


def row_options(function: F) -> F:
    """Add how data and prompts become requests."""
    return added(
        function,
        option(
            MADE,
            "-p",
            "--prompt",
            metavar="FILE",
            help="What to ask of each row of CSV, TSV or JSONL: a text with {{ column }} in it.",
        ),
        option(
            MADE,
            "--system",
            metavar="FILE",
            help="The system text, which may have {{ column }} in it too.",
        ),
        option(
            MADE,
            "--param",
            multiple=True,
            callback=_read_params,
            metavar="NAME=VALUE",
            help="A field of each request, such as max_tokens=100. Repeatable.",
        ),
        option(
            MADE,
            "--id-column",
            metavar="NAME",
            help="Where each row has an id of its own; else custom_id, else id. '': nowhere.",
        ),
        option(
            MADE,
            "--encoding",
            metavar="NAME",
            help="Of the inputs, such as gb18030; utf-8 if nothing is said.",
        ),
    )


def first_look_options(function: F) -> F:
    """Add how to ask a few lines first."""
    return added(
        function,
        option(
            CONDUCTED,
            "--head",
            type=int,
            metavar="N",
            help="Ask only the first N lines. Without it the same command asks the others.",
        ),
        option(
            CONDUCTED,
            "--sample",
            type=int,
            metavar="N",
            help="Ask only N lines from all over the inputs, each time the same ones.",
        ),
        option(CONDUCTED, "--seed", type=int, metavar="N", help="Of --sample: other lines."),
    )


def _read_labels(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> list[str] | None:
    """Take ``a,b,c`` apart."""
    return None if value is None else [label.strip() for label in value.split(",")]


def label_options(function: F) -> F:
    """Add what an answer may be."""
    return added(
        function,
        option(
            LABELED,
            "--labels",
            callback=_read_labels,
            metavar="A,B,...",
            help="Each line is answered by one of these; what comes otherwise is mended, or asked "
            "for again.",
        ),
        option(
            LABELED,
            "--label-schema",
            metavar="FILE",
            help="Each line is answered by JSON that fits this JSON Schema.",
        ),
        option(
            LABELED,
            "--label-field",
            metavar="NAME",
            help="Where the label stands in the answer, if not under label; with a schema: what "
            "votes and scores compare.",
        ),
        option(
            LABELED,
            "--votes",
            type=int,
            default=1,
            show_default=True,
            metavar="N",
            help="Ask each line so often, and take the majority. Each is paid.",
        ),
        option(
            LABELED,
            "--label-retries",
            type=int,
            default=2,
            show_default=True,
            metavar="N",
            help="Ask a line again at most so often if an answer cannot be used. Each is paid.",
        ),
        option(
            LABELED,
            "--tie",
            type=click.Choice(("first", "abstain")),
            default="first",
            show_default=True,
            help="Of as many votes the one that was cast first, or no label.",
        ),
    )


def _read_makes(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Take ``PATTERN=image`` apart; what may stand after the sign, the settings know."""
    pairs = [value.rpartition("=") for value in values]
    if any(not pattern for pattern, _, _ in pairs):
        raise BadUsage("--makes takes models and what they make, such as 'my-painter-*=image'")
    return {pattern: kind for pattern, _, kind in pairs}


def media_options(function: F) -> F:
    """Add which files go in and come out."""
    return added(
        function,
        option(
            FILED,
            "--allow-files",
            metavar="DIR",
            help="Lines may name files in this folder as file:NAME.",
        ),
        option(
            FILED,
            "--inline-media",
            is_flag=True,
            help="Leave base64 in the answers instead of making files of it.",
        ),
        option(
            FILED,
            "--makes",
            multiple=True,
            callback=_read_makes,
            metavar="MODELS=KIND",
            help="What calls of these models make, if their name does not tell: image, audio, "
            "video or text. A request for media is repeated only if it is certain that nothing was "
            "made. Repeatable.",
        ),
    )
