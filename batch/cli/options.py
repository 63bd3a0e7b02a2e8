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
    "makes": ("media", "makes"),
    "allow_files": ("media", "allow_files"),
    "inline_media": ("media", "inline_media"),
    "base_url": ("gateway", "base_url"),
    "key": ("keys",),
    "timeout": ("gateway", "timeout"),
    "task_timeout": ("gateway", "task_timeout"),
    "ca_bundle": ("gateway", "ca_bundle"),
    "allow_http": ("gateway", "allow_http"),
    "concurrency": ("limits", "concurrency"),
    "rpm": ("limits", "rpm"),
    "tpm": ("limits", "tpm"),
    "max_attempts": ("limits", "max_attempts"),
    "max_line_bytes": ("limits", "max_line_bytes"),
    "max_inflight_bytes": ("limits", "max_inflight_bytes"),
    "new_run": ("run", "new_run"),
    "keep_answers": ("run", "keep_answers"),
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
