"""Where the gateway is, how long to wait for it, how fast and how much to ask."""

from __future__ import annotations

import re

import click
from click.core import ParameterSource

from batch.cli.options.sections import LIMITED, REACHED, added
from batch.cli.shape import F, option
from batch.errors import BadUsage
from batch.gate.settings import CONCURRENCY
from batch.settings.keyring import BASE_URL_NAMES, GATEWAY
from batch.settings.tree import GatewaySettings, Limits, looks_like_a_key


def _read_key_places(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> list[dict[str, str]]:
    """Take ``PATTERN=env:NAME`` apart. Whatever is wrong is never repeated: it may be a key."""
    places = []
    for value in values:
        found = re.fullmatch(r"(.+?)=(env|file):(.+)", value)
        if found is None or looks_like_a_key(found[3]) or looks_like_a_key(found[1]):
            raise BadUsage(
                "--key takes the place of a key, never the key itself, which everybody on this "
                "machine could read in the list of processes. Write --key 'claude-*=env:NAME' or "
                "--key 'claude-*=file:PATH'"
            )
        places.append({"match": found[1], found[2]: found[3]})
    return places


def _read_proxy(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a password where everybody may read it; a variable may hold one."""
    said = ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
    if said and value is not None and "@" in value:
        raise BadUsage(
            "--proxy takes no user and no password, which everybody on this machine could read in "
            "the list of processes. Put the whole address into HTTPS_PROXY, in the environment or "
            "in .env"
        )
    return value


def way_options(function: F) -> F:
    """Add where the gateway and its keys are."""
    return added(
        function,
        option(
            REACHED,
            "--config",
            metavar="FILE",
            help="Your own settings, TOML, for what no flag, no variable and no job says: "
            "[[keys]], [gateway], [limits], [prices] and more. Else ~/.config/wbatch/config.toml, "
            "if it is there; /dev/null: none.",
        ),
        option(
            REACHED,
            "--base-url",
            metavar="URL",
            help="\b\nElse of the job or your own settings,\n"
            f"else {BASE_URL_NAMES[0]}, else\n{GATEWAY}.",
        ),
        option(
            REACHED,
            "--key",
            multiple=True,
            callback=_read_key_places,
            metavar="MODELS=env:NAME",
            help="Where the key for these models is, such as 'claude-*=env:CLAUDE_KEY' or "
            "'*=file:PATH'; the first match wins. Repeatable. Then come the [[keys]] of the job "
            "and of your own settings; OPENAI_API_KEY serves the rest.",
        ),
        option(
            REACHED,
            "--env-file",
            metavar="FILE",
            help="Variables that the environment lacks, such as keys. Else .env beside the job, "
            "else .env in this folder; /dev/null: none.",
        ),
        option(
            REACHED,
            "--proxy",
            callback=_read_proxy,
            metavar="URL",
            help="Ask through this proxy; none: through no proxy. Else as HTTPS_PROXY, HTTP_PROXY "
            "and ALL_PROXY say. NO_PROXY names hosts that are asked directly.",
        ),
        option(
            REACHED,
            "--ca-bundle",
            metavar="FILE",
            help="PEM file with the authorities to trust, in the place of the system's.",
        ),
        option(
            REACHED,
            "--allow-http",
            is_flag=True,
            help="Allow http:// to another machine: keys and prompts travel in the clear.",
        ),
    )


def patience_options(function: F) -> F:
    """Add how long to wait for the gateway."""
    return added(
        function,
        option(
            REACHED,
            "--timeout",
            type=float,
            default=GatewaySettings().timeout,
            show_default=True,
            metavar="SECONDS",
            help="For one answer in text, in all.",
        ),
        option(
            REACHED,
            "--media-timeout",
            type=float,
            default=GatewaySettings().media_timeout,
            show_default=True,
            metavar="SECONDS",
            help="For one answer that is an image, sound or video.",
        ),
        option(
            REACHED,
            "--idle-timeout",
            type=float,
            default=GatewaySettings().idle_timeout,
            show_default=True,
            metavar="SECONDS",
            help="Without a byte, once an answer has begun.",
        ),
        option(
            REACHED,
            "--connect-timeout",
            type=float,
            default=GatewaySettings().connect_timeout,
            show_default=True,
            metavar="SECONDS",
            help="To reach the gateway.",
        ),
        option(
            REACHED,
            "--task-timeout",
            type=float,
            default=GatewaySettings().task_timeout,
            show_default=True,
            metavar="SECONDS",
            help="For a video or a picture that the gateway makes as a task; a later run or retry "
            "waits for it anew.",
        ),
    )


def limit_options(function: F) -> F:
    """Add how fast and how often to ask."""
    return added(
        function,
        option(
            LIMITED,
            "-c",
            "--concurrency",
            type=int,
            metavar="N",
            help=f"At most so many requests at once; {CONCURRENCY} if nothing is said.",
        ),
        option(LIMITED, "--rpm", type=int, metavar="N", help="At most so many requests a minute."),
        option(LIMITED, "--tpm", type=int, metavar="N", help="At most so many tokens a minute."),
        option(
            LIMITED,
            "--rpm-bucket",
            type=int,
            metavar="N",
            help="So many of --rpm may come at once, where the gateway's owner says so.",
        ),
        option(
            LIMITED,
            "--tpm-bucket",
            type=int,
            metavar="N",
            help="So many of --tpm may come at once.",
        ),
        option(
            LIMITED,
            "--max-attempts",
            type=int,
            default=Limits().max_attempts,
            show_default=True,
            metavar="N",
            help="At most so many requests for one line.",
        ),
        option(
            LIMITED,
            "--max-line-bytes",
            type=int,
            default=Limits().max_line_bytes,
            show_default=True,
            metavar="N",
            help="A longer line is an error.",
        ),
        option(
            LIMITED,
            "--max-inflight-bytes",
            metavar="SIZE",
            help="At most so much memory for what is sent and received, such as 64MB; 256MiB if "
            "nothing is said.",
        ),
    )
