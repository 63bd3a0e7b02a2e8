"""The options that ``run`` and ``retry`` share, and the way from flags to the settings tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from batch.cli.shape import F, option
from batch.errors import BadUsage
from batch.gate.settings import CONCURRENCY
from batch.settings import (
    GATEWAY,
    BadSetting,
    Limits,
    Settings,
    Timeouts,
    build,
    looks_like_a_key,
)

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
    "makes": ("request", "makes"),
    "allow_files": ("request", "allow_files"),
    "inline_media": ("request", "inline_media"),
    "base_url": ("gateway", "base_url"),
    "key": ("gateway", "keys"),
    "timeout": ("gateway", "timeouts", "total_seconds"),
    "task_timeout": ("gateway", "timeouts", "task_seconds"),
    "ca_bundle": ("gateway", "ca_bundle"),
    "allow_http": ("gateway", "allow_http"),
    "concurrency": ("limits", "concurrency"),
    "rpm": ("limits", "rpm"),
    "tpm": ("limits", "tpm"),
    "max_attempts": ("limits", "max_attempts"),
    "max_line_bytes": ("limits", "max_line_bytes"),
    "new_run": ("run", "new_run"),
    "keep_answers": ("run", "keep_answers"),
    "mock": ("run", "mock"),
    "mock_fail": ("run", "mock_fail"),
    "mock_latency": ("run", "mock_latency"),
    "mock_seed": ("run", "mock_seed"),
    "verbose": ("run", "verbose"),
}


def settings_from(flags: Mapping[str, Any]) -> Settings:
    """Return the settings that flags ask for. Raises ``BadUsage``, naming the flag."""
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        *sections, leaf = PLACES[name]
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[leaf] = value
    try:
        return build(tree)
    except BadSetting as wrong:
        names = [name for name, place in PLACES.items() if wrong.path[: len(place)] == place]
        flag = f"--{names[0].replace('_', '-')}: " if names else ""
        raise BadUsage(flag + _in_flags(wrong.what)) from None


def _in_flags(what: str) -> str:
    """Return a message of the settings with the names of settings written as flags."""
    for name in sorted(PLACES, key=len, reverse=True):
        if "_" in name:
            what = re.sub(rf"\b{name}\b", f"--{name.replace('_', '-')}", what)
    return what


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


def gateway_options(function: F) -> F:
    """Add where the gateway is and how to reach it."""
    return _all(
        function,
        option(
            REACHED,
            "--base-url",
            metavar="URL",
            help=f"\b\nElse OPENAI_BASE_URL, else\n{GATEWAY}.",
        ),
        option(
            REACHED,
            "--key",
            multiple=True,
            callback=_read_key_places,
            metavar="MODELS=env:NAME",
            help="Where the key for these models is, such as 'claude-*=env:CLAUDE_KEY' or "
            "'*=file:PATH'; the first match wins. Repeatable. OPENAI_API_KEY serves the rest.",
        ),
        option(
            REACHED,
            "--timeout",
            type=float,
            default=Timeouts().total_seconds,
            show_default=True,
            metavar="SECONDS",
            help="For one answer in text, in all.",
        ),
        option(
            REACHED,
            "--task-timeout",
            type=float,
            default=Timeouts().task_seconds,
            show_default=True,
            metavar="SECONDS",
            help="For a video or a picture that the gateway makes as a task; a later run or retry "
            "waits for it anew.",
        ),
        option(REACHED, "--ca-bundle", metavar="FILE", help="Trust these certificates instead."),
        option(
            REACHED,
            "--allow-http",
            is_flag=True,
            help="Allow http:// to another machine: keys and prompts travel in the clear.",
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
    )


def _all(function: F, *options: Callable[[F], F]) -> F:
    for add in reversed(options):
        function = add(function)
    return function
