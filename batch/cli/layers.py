"""From flags, environment and the user's file of settings to one tree: the nearest one wins."""

from __future__ import annotations

import re
from typing import Final

import click
from click.core import ParameterSource

from batch.cli.caller import Caller
from batch.cli.options import PLACES
from batch.config import USER, Tree, merged, read_file, user_file
from batch.errors import BadUsage
from batch.settings import BadSetting, S, Settings, build

SAID: Final = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def settings_of(ctx: click.Context, caller: Caller, shape: type[S]) -> S:
    """Return the settings of a command. Raises ``BadUsage``, naming the flag, or ``BadConfig``."""
    tree = _flags(ctx)
    if shape is Settings and caller.verbose:
        tree.setdefault("run", {})["verbose"] = caller.verbose
    try:
        return build(merged(tree, _file(ctx, caller)), shape)
    except BadSetting as wrong:
        names = [name for name, place in PLACES.items() if wrong.path[: len(place)] == place]
        flag = f"--{names[0].replace('_', '-')}: " if names else ""
        raise BadUsage(flag + _in_flags(wrong.what)) from None


def _flags(ctx: click.Context) -> Tree:
    """Return what was said with the command or by its variables; defaults are the tree's own."""
    tree: Tree = {}
    for name, value in ctx.params.items():
        if name in PLACES and ctx.get_parameter_source(name) in SAID:
            *sections, leaf = PLACES[name]
            branch = tree
            for section in sections:
                branch = branch.setdefault(section, {})
            branch[leaf] = value
    return tree


def _file(ctx: click.Context, caller: Caller) -> Tree:
    named: str | None = ctx.params["config"]
    if named == "":
        raise BadUsage("--config takes a file. To go without any, write --config /dev/null")
    path = named or user_file(caller.environ)
    tree = read_file(path, USER, required=named is not None)
    if caller.verbose and tree:
        caller.tell(f"settings of {path}: {', '.join(tree)}")
    return tree


def _in_flags(what: str) -> str:
    """Return a message of the settings with the names of settings written as flags."""
    for name in sorted(PLACES, key=len, reverse=True):
        if "_" in name:
            what = re.sub(rf"\b{name}\b", f"--{name.replace('_', '-')}", what)
    return what
