"""``wbatch mock``: serve the gateway that needs no key."""

from __future__ import annotations

import importlib
from typing import Any, Final

import click

from batch.cli.caller import Caller
from batch.cli.engine import in_loop
from batch.cli.shape import make_command, option
from batch.mock.dials import Dials
from batch.mock.faults import parse_faults
from batch.mock.hours import parse_steps

PORT: Final = click.IntRange(0, 65_535)  # beyond it, sockets wrap around without a word
SERVED: Final = "Where"
TIMED: Final = "Answers"
BOUNDED: Final = "Limits of its account"

EXAMPLES: Final = """
wbatch mock --latency 200 --fail '429=5%,500=1%' --rpm 600
wbatch run prompts.jsonl -o out.jsonl --base-url http://127.0.0.1:8089
"""


@make_command(prefix="WBATCH_MOCK_GATEWAY", endings=(("Examples", EXAMPLES),))
@option(
    SERVED,
    "--port",
    type=PORT,
    default=8089,
    metavar="N",
    show_default=True,
    help="0: any free one.",
)
@option(
    SERVED,
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen.",
)
@option(SERVED, "--ledger", metavar="FILE", help="Write one line of JSON for each request.")
@option(TIMED, "--latency", type=float, default=0.0, metavar="MS", help="Time to an answer.")
@option(
    TIMED,
    "--words",
    type=int,
    default=Dials().answer_words,
    show_default=True,
    metavar="N",
    help="Of an answer in text, as far as the request allows.",
)
@option(TIMED, "--fail", default="", metavar="SHARES", help="Such as '429=5%,500=1%,reset=0.5%'.")
@option(TIMED, "--seed", type=int, default=0, metavar="N", help="Other failures, other answers.")
@option(
    TIMED, "--hint", type=float, default=1.0, metavar="SECONDS", help="What 429-hint asks to wait."
)
@option(
    TIMED,
    "--task",
    type=float,
    default=Dials().task_ms,
    show_default=True,
    metavar="MS",
    help="Time to a video or a picture that is made as a task.",
)
@option(
    TIMED, "--jitter", type=float, default=0.0, metavar="SHARE", help="Of both times: 0.5 is ±50%."
)
@option(TIMED, "--task-fail", type=float, default=0.0, metavar="SHARE", help="0.1: one in ten.")
@option(BOUNDED, "--rpm", type=float, metavar="N", help="Requests a minute.")
@option(
    BOUNDED, "--rpm-burst", type=float, metavar="N", help="Requests at once, if not a minute's."
)
@option(BOUNDED, "--tpm", type=float, metavar="N", help="Tokens a minute.")
@option(
    BOUNDED,
    "--limit-window",
    type=float,
    metavar="SECONDS",
    help="Count both anew in each such window; else they fill up bit by bit.",
)
@option(
    BOUNDED,
    "--limit-hint",
    type=click.Choice(("none", "seconds", "ms")),
    default="none",
    show_default=True,
    help="What a refusal for these two says of the wait.",
)
@option(
    BOUNDED,
    "--limit-headers",
    type=float,
    metavar="FACTOR",
    help="Tell both in x-ratelimit headers. 1: as they are; else so many times as much, as if they "
    "were an upstream's.",
)
@option(BOUNDED, "--money", type=int, metavar="TOKENS", help="Tokens until the account is empty.")
@option(
    BOUNDED,
    "--unknown-model",
    multiple=True,
    metavar="PATTERN",
    help="Models that nobody may call. Repeatable.",
)
@option(BOUNDED, "--capacity", type=int, metavar="N", help="Requests at once, as no header tells.")
@option(
    BOUNDED,
    "--overflow",
    type=click.Choice(("queue", "429", "reset")),
    default="queue",
    show_default=True,
    help="What becomes of a request beyond the capacity.",
)
@option(
    BOUNDED,
    "--limit-steps",
    default="",
    metavar="STEPS",
    help="'60=10,120=1': tenfold rates and capacity from second 60 on, as before from 120 on.",
)
@option(
    BOUNDED,
    "--pause-after",
    type=float,
    metavar="SECONDS",
    help="Let nobody in for a while, again and again after so long.",
)
@option(
    BOUNDED,
    "--pause",
    type=float,
    default=Dials().pause_seconds,
    show_default=True,
    metavar="SECONDS",
    help="Length of that while, which Retry-After tells.",
)
@option(
    BOUNDED,
    "--key",
    multiple=True,
    metavar="KEY[=MODELS]",
    help="Know only this key, for models like 'claude-*'. Invent one: it is no secret. Repeatable.",
)
@option(
    BOUNDED, "--key-requests", type=int, metavar="N", help="Requests until all keys have expired."
)
@click.pass_context
def command(ctx: click.Context, /, host: str, port: int, ledger: str | None, **flags: Any) -> int:
    """Serve a gateway on this machine that needs no key and costs nothing, until Ctrl-C.

    The same request meets the same answer and the same failures each time.
    """
    caller = ctx.ensure_object(Caller)

    def ready(url: str) -> None:
        if not caller.quiet:
            caller.tell(f"the mock gateway listens at {url}; Ctrl-C ends it. Try:")
            caller.tell(
                f"  OPENAI_API_KEY=any-word wbatch run prompts.jsonl -o out.jsonl --base-url {url}"
            )

    dials = _dials(**flags)
    # Loaded now, as it brings aiohttp, which help and bad flags can do without.
    server = caller.engine or importlib.import_module("batch.mock.gateway")
    in_loop(server.serve(dials, host, port, ledger, ready))
    return 0


def _dials(*, key: tuple[str, ...], fail: str, limit_steps: str, **flags: Any) -> Dials:
    pairs = [(value, models or "*") for value, _, models in (one.partition("=") for one in key)]
    dials: dict[str, Any] = {
        "seed": flags["seed"],
        "latency_ms": flags["latency"],
        "answer_words": flags["words"],
        "requests_per_minute": flags["rpm"],
        "requests_burst": flags["rpm_burst"],
        "tokens_per_minute": flags["tpm"],
        "limit_hint": flags["limit_hint"],
        "limit_window": flags["limit_window"],
        "limit_headers": flags["limit_headers"],
        "limit_steps": parse_steps(limit_steps),
        "pause_after": flags["pause_after"],
        "pause_seconds": flags["pause"],
        "hint_seconds": flags["hint"],
        "latency_jitter": flags["jitter"],
        "task_ms": flags["task"],
        "task_fail": flags["task_fail"],
        "money_tokens": flags["money"],
        "unknown_models": flags["unknown_model"],
        "capacity": flags["capacity"],
        "overflow": flags["overflow"],
        "key_requests": flags["key_requests"],
        # A key is its own group, so that one key may call one pattern of models, or more.
        "keys": tuple((value, value) for value, _ in pairs),
        "groups": tuple(pairs),
    }
    return Dials(**dials | parse_faults(fail))
