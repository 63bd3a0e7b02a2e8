"""The options that commands share, and which setting each of them is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import click

from batch.cli.shape import F, option
from batch.errors import BadUsage
from batch.gate.settings import CONCURRENCY
from batch.keyring import BASE_URL_NAMES, GATEWAY
from batch.settings import GatewaySettings, Limits, looks_like_a_key

ASKED: Final = "What is asked"
MADE: Final = "Prompts from data"
LABELED: Final = "Labels"
REACHED: Final = "Gateway"
FILED: Final = "Files in and out"
LIMITED: Final = "Limits"
CONDUCTED: Final = "This run"
REHEARSED: Final = "Rehearsal, without a key"

# Name of a flag's value → its place in the settings tree.
PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "inputs": ("inputs",),
    "output": ("output",),
    "model": ("request", "model"),
    "override_model": ("request", "override_model"),
    "endpoint": ("request", "endpoint"),
    "add_usage": ("request", "add_usage"),
    "pack": ("request", "pack"),
    "prompt": ("request", "prompt"),
    "system": ("request", "system"),
    "param": ("request", "params"),
    "encoding": ("request", "encoding"),
    "id_column": ("request", "id_column"),
    "labels": ("label", "labels"),
    "label_schema": ("label", "schema"),
    "label_field": ("label", "field"),
    "label_retries": ("label", "retries"),
    "votes": ("label", "votes"),
    "tie": ("label", "tie"),
    "makes": ("media", "makes"),
    "allow_files": ("media", "allow_files"),
    "inline_media": ("media", "inline_media"),
    "base_url": ("gateway", "base_url"),
    "env_file": ("gateway", "env_file"),
    "key": ("keys",),
    "timeout": ("gateway", "timeout"),
    "connect_timeout": ("gateway", "connect_timeout"),
    "idle_timeout": ("gateway", "idle_timeout"),
    "media_timeout": ("gateway", "media_timeout"),
    "task_timeout": ("gateway", "task_timeout"),
    "ca_bundle": ("gateway", "ca_bundle"),
    "allow_http": ("gateway", "allow_http"),
    "concurrency": ("limits", "concurrency"),
    "rpm": ("limits", "rpm"),
    "tpm": ("limits", "tpm"),
    "rpm_bucket": ("limits", "rpm_bucket"),
    "tpm_bucket": ("limits", "tpm_bucket"),
    "max_attempts": ("limits", "max_attempts"),
    "max_line_bytes": ("limits", "max_line_bytes"),
    "max_inflight_bytes": ("limits", "max_inflight_bytes"),
    "tag": ("tags",),
    "new_run": ("run", "new_run"),
    "keep_answers": ("run", "keep_answers"),
    "head": ("run", "head"),
    "sample": ("run", "sample"),
    "seed": ("run", "seed"),
    "date": ("run", "date"),
    "tz": ("run", "tz"),
    "mock": ("run", "mock"),
    "mock_fail": ("run", "mock_fail"),
    "mock_latency": ("run", "mock_latency"),
    "mock_seed": ("run", "mock_seed"),
    "verbose": ("run", "verbose"),
}


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


def _read_makes(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Take ``PATTERN=image`` apart; what may stand after the sign, the settings know."""
    pairs = [value.rpartition("=") for value in values]
    if any(not pattern for pattern, _, _ in pairs):
        raise BadUsage("--makes takes models and what they make, such as 'my-painter-*=image'")
    return {pattern: kind for pattern, _, kind in pairs}


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
            params[name.strip()] = json.loads(told)
        except ValueError:
            params[name.strip()] = told
    return params


def row_options(function: F) -> F:
    """Add how data and prompts become requests."""
    return _all(
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
    return _all(
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
    return _all(
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


def read_tags(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Take ``NAME=VALUE`` apart."""
    pairs = [value.partition("=") for value in values]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise BadUsage("--tag takes a name and a value, such as team=search")
    return {name.strip(): tag.strip() for name, _, tag in pairs}


def job_options(function: F) -> F:
    """Add which day a job is for."""
    return _all(
        function,
        option(
            CONDUCTED,
            "--date",
            metavar="DAY",
            help="What {date} stands for in a job's paths, such as 2026-11-26; yesterday if "
            "nothing is said.",
        ),
        option(
            CONDUCTED, "--tz", metavar="ZONE", help="Where it is yesterday, such as Europe/Berlin."
        ),
    )


def media_options(function: F) -> F:
    """Add which files go in and come out."""
    return _all(
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


def way_options(function: F) -> F:
    """Add where the gateway and its keys are."""
    return _all(
        function,
        option(
            REACHED,
            "--config",
            metavar="FILE",
            help="Your own settings, TOML, for what no flag and no variable says: [[keys]], "
            "[gateway], [limits], [media]. Else ~/.config/wbatch/config.toml, if it is there; "
            "/dev/null: none.",
        ),
        option(
            REACHED,
            "--base-url",
            metavar="URL",
            help=f"\b\nElse of the config, else {BASE_URL_NAMES[0]},\nelse {GATEWAY}.",
        ),
        option(
            REACHED,
            "--key",
            multiple=True,
            callback=_read_key_places,
            metavar="MODELS=env:NAME",
            help="Where the key for these models is, such as 'claude-*=env:CLAUDE_KEY' or "
            "'*=file:PATH'; the first match wins. Repeatable. Then come the [[keys]] of the "
            "config; OPENAI_API_KEY serves the rest.",
        ),
        option(
            REACHED,
            "--env-file",
            metavar="FILE",
            help="Variables that the environment lacks, such as keys. Else .env beside the job, "
            "else .env in this folder; /dev/null: none.",
        ),
        option(REACHED, "--ca-bundle", metavar="FILE", help="Trust these certificates instead."),
        option(
            REACHED,
            "--allow-http",
            is_flag=True,
            help="Allow http:// to another machine: keys and prompts travel in the clear.",
        ),
    )


def patience_options(function: F) -> F:
    """Add how long to wait for the gateway."""
    return _all(
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
    return _all(
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


def _all(function: F, *options: Callable[[F], F]) -> F:
    for add in reversed(options):
        function = add(function)
    return function
