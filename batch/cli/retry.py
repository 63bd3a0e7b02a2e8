"""``wbatch retry``: send again the lines of a run that ended with an error."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import click

from batch.cli.asking import Asking
from batch.cli.caller import Caller
from batch.cli.engine import conduct
from batch.cli.layers import settings_of
from batch.cli.nights import standing
from batch.cli.options import (
    CONDUCTED,
    asking_options,
    budget_options,
    job_options,
    limit_options,
    media_options,
    notice_options,
    patience_options,
    prices_option,
    run_argument,
    way_options,
)
from batch.cli.shape import EXIT_CODES, make_command, option
from batch.cli.telling import told
from batch.errors import BadUsage
from batch.settings.tree import Settings

EXAMPLES: Final = """
wbatch retry out.jsonl
wbatch retry out.jsonl --only timeout,server_error -c 8
"""


@make_command(
    endings=(
        ("Exit codes", "\n".join(f"{code:<4} {meaning}" for code, meaning in EXIT_CODES)),
        ("Examples", EXAMPLES),
    )
)
@run_argument("output")
@option(
    CONDUCTED,
    "--mock",
    is_flag=True,
    hidden=True,
    expose_value=False,
    allow_from_autoenv=False,
    callback=lambda _ctx, _param, said: _needless_mock() if said else None,
)
@option(
    CONDUCTED,
    "--only",
    metavar="CLASS,...",
    help="Only lines with one of these error classes, as errors.jsonl has them.",
)
@option(
    CONDUCTED,
    "--ambiguous",
    is_flag=True,
    help="Also lines whose paid work may have been done: it may be paid twice.",
)
@job_options
@media_options
@way_options
@patience_options
@limit_options
@budget_options
@asking_options
@prices_option
@notice_options
@click.pass_context
def command(ctx: click.Context, /, only: str | None, ambiguous: bool, **_flags: Any) -> int:
    """Send again what ended with an error in the run that wrote OUT.

    The inputs and what is asked are those of the run; the options below are not remembered. Lines
    that have an answer are never sent again.
    """
    caller = ctx.ensure_object(Caller)
    settings = standing(settings_of(ctx, caller, Settings))
    codes = _codes(only)

    def work() -> int:
        approve = Asking(caller, yes=ctx.params["yes"])
        return conduct(
            caller,
            lambda engine, watch: engine.retry(settings, watch, codes, ambiguous, approve=approve),
        )

    return told(ctx, caller, settings, work)


def _needless_mock() -> NoReturn:
    raise BadUsage(
        "--mock: whom a retry asks, the run says: one of a rehearsal asks the mock again. Leave "
        "--mock away"
    )


def _codes(only: str | None) -> frozenset[str] | None:
    if only is None:
        return None
    codes = frozenset(code.strip() for code in only.split(",")) - {""}
    if not codes:
        raise BadUsage("--only names no error code. Write --only timeout,server_error")
    return codes
