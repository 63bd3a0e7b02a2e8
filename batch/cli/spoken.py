"""What is said with a command: by its flags, by variables, by those of a ``.env`` file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

from batch.cli.options import PLACES
from batch.cli.shape import PREFIX
from batch.errors import BadConfig, BadUsage
from batch.settings.checker import Layer, Origin, Path, Tree
from batch.settings.envfile import EnvFile

JOB_ENDING: Final = ".toml"
# The arguments in which a job may stand.
_ARGUMENTS: Final = ("inputs", "output", "run", "job")
_SAID: Final = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
# What is read before it is known which .env there is.
_TOO_EARLY: Final = ("config", "env_file")


def job_of(ctx: click.Context) -> str | None:
    """Return the job that stands where inputs or an output may stand. Raises ``BadUsage``."""
    given = _arguments(ctx)
    jobs = [one for one in given if one.endswith(JOB_ENDING)]
    if len(jobs) > 1 or (jobs and given[0] != jobs[0]):
        raise BadUsage(
            "one job is run at a time, and it stands first: wbatch run JOB.toml. Files after it "
            "are read in the place of the job's inputs"
        )
    return jobs[0] if jobs else None


def _arguments(ctx: click.Context) -> tuple[str, ...]:
    given = [ctx.params[name] for name in _arguments_of(ctx.command)]
    said = given[0] if given else None
    return (said,) if isinstance(said, str) else tuple(said or ())


def _arguments_of(command: click.Command) -> list[str]:
    """Return the arguments in which a job may stand, there being no option of the name."""
    params = [one for one in command.params if isinstance(one, click.Argument)]
    return [str(one.name) for one in params if one.name in _ARGUMENTS]


def spoken(ctx: click.Context, job: str | None) -> Layer:
    """Return what was said with the command or by its variables; defaults are the tree's own."""
    tree: Tree = {}
    origins: dict[Path, Origin] = {}
    for param in ctx.command.params:
        name = str(param.name)
        source = ctx.get_parameter_source(name)
        if name not in PLACES or name not in ctx.params or source not in _SAID:
            continue
        value = ctx.params[name]
        if job and name in _arguments_of(ctx.command):
            value = value[1:] if isinstance(value, tuple) else None
            if not value:
                continue
        if source is ParameterSource.ENVIRONMENT:
            where = variable(name)
        else:
            where = max(param.opts, key=len) if isinstance(param, click.Option) else "argument"
        _put(tree, origins, name, value, Origin(where))
    return Layer(tree, origins)


def noted(ctx: click.Context, env: EnvFile) -> Layer:
    """Return what the variables in .env say, read as click reads those of the environment."""
    for early in _TOO_EARLY:
        if variable(early) in env.values:
            raise BadConfig(
                f"{env.path}:{env.lines[variable(early)]}: {variable(early)} is needed before "
                f"this file is read. Export it, or give --{early.replace('_', '-')}"
            )
    tree: Tree = {}
    origins: dict[Path, Origin] = {}
    for param in ctx.command.params:
        name = str(param.name)
        text = env.values.get(variable(name))
        if not text or name not in PLACES or name not in ctx.params:
            continue
        where = f"{env.path}:{env.lines[variable(name)]}"
        try:
            given = param.type.split_envvar_value(text) if param.multiple else text
            value = param.process_value(ctx, given)
        except (click.BadParameter, BadUsage) as wrong:
            raise BadConfig(f"{where}: {variable(name)}: {wrong}") from None
        _put(tree, origins, name, value, Origin(f"{where}, {variable(name)}"))
    return Layer(tree, origins)


def variable(name: str) -> str:
    """Return the variable that says what a flag would."""
    return f"{PREFIX}_{name.upper()}"


def _put(tree: Tree, origins: dict[Path, Origin], name: str, value: Any, origin: Origin) -> None:
    *sections, leaf = path = PLACES[name]
    branch = tree
    for section in sections:
        branch = branch.setdefault(section, {})
    branch[leaf] = value
    for one, _ in leaves(value, path):
        origins[one] = origin


def leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every value that stands in another, with its place; a list of plain ones is one."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, str(number)))
    else:
        yield path, value
