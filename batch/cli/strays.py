"""Variables that are named like ours and set nothing: most likely typing errors."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import click

from batch.cli.shape import PREFIX
from batch.settings.envfile import EnvFile


def strays(env: EnvFile, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield each such variable, where it stands, and which one may have been meant."""
    ours = f"{PREFIX}_"
    known = {name.removeprefix(ours) for name in _known()}
    for name in sorted(env.under(environ)):
        if name.startswith(ours) and name.removeprefix(ours) not in known:
            near = get_close_matches(name.removeprefix(ours), known, 1)
            yield name, env.where(name, environ), f"{ours}{near[0]}" if near else None


def _known() -> set[str]:
    """Return the variables of all options of all commands."""
    # Not at the top: it holds this room.
    from batch.cli import COMMANDS, wbatch  # noqa: PLC0415

    commands: list[click.Command] = [wbatch]
    commands += [importlib.import_module(f"batch.cli.{name}").command for name in COMMANDS]
    return {
        f"{command.context_settings['auto_envvar_prefix']}_{str(param.name).upper()}"
        for command in commands
        for param in command.params
        if isinstance(param, click.Option)
    }
