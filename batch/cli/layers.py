"""From flags, variables, a job and the user's file of settings to one tree: the nearest one wins.

Flag, then the environment's ``WBATCH_*``, then those of ``.env``, then the job, then the user's
own file, then what is built in.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
import msgspec
from click.core import ParameterSource

from batch.cli.caller import Caller
from batch.cli.dates import Dates
from batch.cli.options import PLACES
from batch.cli.spoken import JOB_ENDING, job_of, noted, spoken, variable
from batch.errors import BadConfig, BadUsage
from batch.fill import Values, fill
from batch.nightly.shelf import whereabouts
from batch.settings.checker import Layer, Origin, Path, Tree, dotted
from batch.settings.config import JOB, USER, laid, read_layer, user_file
from batch.settings.envfile import EnvFile, read_env_file
from batch.settings.tree import BadSetting, S, Settings, build, is_date, is_time_zone
from batch.wording import shown

ENV_FILE: Final = ".env"
# What of a job is part of the run's identity; plan.py says it in full.
_IDENTITY: Final = ("request", "label")
_NOWHERE: Final = Layer()


class Gathered(msgspec.Struct, frozen=True):
    """All layers as one, and the files that they came from."""

    layer: Layer
    job: str | None
    env: EnvFile
    dates: Dates


def output_of(ctx: click.Context, caller: Caller, said: str) -> str:
    """Return the output that was named, or that of the job which was. Raises ``BadConfig``."""
    if job_of(ctx) is None:
        return said
    found = gather(ctx, caller)
    _require_files(found, ctx)
    return output_in(found.layer.tree)


def output_in(tree: Mapping[str, Any]) -> str:
    """Return the output that a tree says; that of a nightly job where it stands now.

    Which is its folder, or the one in which it is made. Raises ``BadConfig``.
    """
    output = str(tree["output"])
    if "nightly" not in tree:
        return output
    return whereabouts(tree.get("run", {}).get("date"), output)


def settings_of(ctx: click.Context, caller: Caller, shape: type[S], day: str | None = None) -> S:
    """Return the settings of a command. Raises ``BadUsage``, naming the flag, or ``BadConfig``.

    ``day`` is one of several that a command is for; what is to be said is said once for all.
    """
    found = gather(ctx, caller, day)
    if shape is Settings:
        if _logs_to_stderr(ctx, found.layer.tree):
            caller.log_to_stderr()
        _require_files(found, ctx)
        for remark in () if caller.quiet or day else _remarks(found):
            caller.tell(remark)
    # A command may have options of its own under names that are those of a run's settings.
    kept = {name: one for name, one in found.layer.tree.items() if name in shape.__struct_fields__}
    return built(kept, shape, found.layer)


def _logs_to_stderr(ctx: click.Context, tree: Tree) -> bool:
    log = tree.get("log", {})
    return "log_format" in ctx.params and log.get("format") == "json" and not log.get("file")


def built(tree: Mapping[str, Any], shape: type[S], layer: Layer = _NOWHERE) -> S:
    """Return a tree as settings.

    Raises ``BadUsage``, naming the variable of ``layer`` or the flag that may have been meant.
    """
    try:
        return build(tree, shape)
    except BadSetting as wrong:
        names = [name for name, place in PLACES.items() if wrong.path[: len(place)] == place]
        where = f"{_said_by(names[0], layer)}: " if names else ""
        raise BadUsage(where + _as_said(wrong.what, layer)) from None


def _said_by(name: str, layer: Layer) -> str:
    """Return what a person would mend: the variable that says it, else the flag."""
    origin = layer.origins.get(PLACES[name])
    if origin is not None and variable(name) in origin.where:
        return origin.where
    return f"--{name.replace('_', '-')}"


def gather(ctx: click.Context, caller: Caller, day: str | None = None) -> Gathered:
    """Return what all layers say. Raises ``BadConfig``, by file and line, and ``BadUsage``.

    ``day`` is what {date} stands for, whatever they say of it.
    """
    job = job_of(ctx)
    said = spoken(ctx, job)
    _require_day(said)
    if caller.verbose:
        said = laid(_verbose(caller.verbose), said)
    user = _user(ctx, caller)
    dates = Dates(caller.clock(), day)
    below: list[tuple[EnvFile, Layer]] = []

    def supply(raw: Tree) -> Values:
        """Find .env as soon as it is known what the job calls it: its texts may need it."""
        env = read_env_file(_env_path(job, (said.tree, raw, user.tree), caller.environ))
        variables = noted(ctx, env)
        below.append((env, variables))
        environ = env.under(caller.environ)
        dates.learn(environ, said.tree, variables.tree, raw)
        return Values(environ, dates)

    of_job = read_layer(job, JOB, supply, required=True) if job else Layer()
    if job is None:
        supply({})
    env, variables = below[0]
    if job:
        _expand(of_job.tree, os.path.dirname(job))
        said, variables = _dated(said, dates), _dated(variables, dates)
        _talk(caller, job, of_job.tree)
    _require_use_of_date(ctx, job, dates)
    layer = laid(said, laid(variables, laid(of_job, user)))
    return Gathered(_completed(_named(layer, job), env, dates), job, env, dates)


def _require_day(said: Layer) -> None:
    """Refuse a day or a zone that is none here, before a path of the job seems to be wrong."""
    run = said.tree.get("run", {})
    for name, is_one, example in (
        ("date", is_date, "day such as 2026-11-26"),
        ("tz", is_time_zone, "time zone such as Europe/Berlin"),
    ):
        # What is no text, as a program may give, the settings refuse.
        if isinstance(run.get(name), str) and not is_one(run[name]):
            raise BadUsage(f"{_said_by(name, said)}: {shown(run[name])} is no {example}")


def _verbose(level: int) -> Layer:
    return Layer({"run": {"verbose": level}}, {("run", "verbose"): Origin("--verbose")})


def _user(ctx: click.Context, caller: Caller) -> Layer:
    named: str | None = ctx.params.get("config")
    if named == "":
        raise BadUsage("--config takes a file. To go without any, write --config /dev/null")
    path = named or user_file(caller.environ)
    layer = read_layer(path, USER, required=named is not None)
    _talk(caller, path, layer.tree)
    return layer


def _talk(caller: Caller, path: str, tree: Tree) -> None:
    if caller.verbose and tree:
        caller.tell(f"settings of {path}: {', '.join(tree)}")


def _env_path(
    job: str | None, trees: tuple[Tree, Tree, Tree], environ: Mapping[str, str]
) -> str | None:
    """Return which file of variables counts: one that is named, else beside the job, else here.

    ``trees`` are what was said, what the job says, unchecked, and what the user's file says.
    """
    folder = os.path.dirname(job or "")
    for tree, beside in zip(trees, ("", folder, ""), strict=True):
        named = _named_env_file(tree)
        if named and tree is trees[1]:
            try:
                named = fill(named, Values(environ, str), path=False).text
            except ValueError as wrong:
                raise BadConfig(f"{job}: gateway.env_file {wrong}") from None
        if named and "\0" in named:
            raise BadConfig("gateway.env_file takes a path")
        if named:
            return os.path.join(beside, os.path.expanduser(named))
    there = (os.path.join(folder, ENV_FILE), ENV_FILE)
    return next((path for path in there if os.path.isfile(path)), None)


def _named_env_file(tree: Mapping[str, Any]) -> str | None:
    gateway = tree.get("gateway")
    named = gateway.get("env_file") if isinstance(gateway, Mapping) else None
    return named if isinstance(named, str) else None


def _expand(tree: Tree, folder: str) -> None:
    """Replace a job's patterns of inputs by the files there are, by name: a job has no shell.

    One that matches nothing stays, and is then a missing input.
    """
    if "inputs" in tree:
        tree["inputs"] = [
            found for place in tree["inputs"] for found in _matches(place, folder) or [place]
        ]


def _matches(place: str, folder: str) -> list[str]:
    if place == "-" or os.path.exists(place):
        return []
    # Only what the job says is a pattern; the name of its folder may hold anything.
    within = place.removeprefix(folder)
    return sorted(glob.glob(glob.escape(place[: len(place) - len(within)]) + within))


def _dated(layer: Layer, dates: Dates) -> Layer:
    """Return flags or variables with the date in their paths, as in those of the job."""
    tree = dict(layer.tree)
    try:
        if "output" in tree:
            tree["output"] = _with_date(tree["output"], dates)
        if "inputs" in tree:
            tree["inputs"] = tuple(_with_date(one, dates) for one in tree["inputs"])
    except ValueError as wrong:
        raise BadUsage(f"the path of a flag {wrong}") from None
    return Layer(tree, layer.origins)


def _with_date(path: str, dates: Dates) -> str:
    return path.replace("{date}", dates()) if "{date}" in path else path


def _require_use_of_date(ctx: click.Context, job: str | None, dates: Dates) -> None:
    """Refuse a date that says nothing: each night would be the same run."""
    said = ctx.params.get("date") and ctx.get_parameter_source("date")
    if dates.date is None and said is ParameterSource.COMMANDLINE:
        where = f"no path of {job} holds" if job else "it is for a job, some path of which holds"
        raise BadUsage(f"--date: {where} {{date}}")


def _named(layer: Layer, job: str | None) -> Layer:
    """Return the layers with a name for the job: that of its file, if none of them says one."""
    if job is None or "name" in layer.tree:
        return layer
    stem = os.path.basename(job).removesuffix(JOB_ENDING)
    return Layer({**layer.tree, "name": stem}, {**layer.origins, ("name",): Origin("its file")})


def _completed(layer: Layer, env: EnvFile, dates: Dates) -> Layer:
    """Return the layers with what was found out while they were read."""
    tree, origins = {**layer.tree}, dict(layer.origins)
    if env.path:
        tree["gateway"] = {**tree.get("gateway", {}), "env_file": env.path}
        origins.setdefault(("gateway", "env_file"), Origin("found there"))
    if dates.given:
        tree["run"] = {**tree.get("run", {}), "date": dates.given}
    if dates.zone:
        tree["run"] = {**tree.get("run", {}), "date": dates.date}
        origins["run", "date"] = Origin(f"yesterday in {dates.zone}")
    return Layer(tree, origins)


def _require_files(found: Gathered, ctx: click.Context) -> None:
    if found.job is None:
        return
    tree = found.layer.tree
    if not tree.get("output"):
        raise BadConfig(
            f'{found.job}: where should the answers go? Write output = "out.jsonl" at its top, '
            "before the first [section], or give -o"
        )
    if "inputs" in ctx.params and not tree.get("inputs"):
        raise BadConfig(
            f'{found.job}: what should be sent? Write inputs = ["in.jsonl"] at its top, before '
            "the first [section], or name files after the job"
        )


def _remarks(found: Gathered) -> Iterator[str]:
    """Yield what a job takes from where nobody may look for it."""
    if found.dates.zone:
        yield f"{{date}} is {found.dates.date}: yesterday in {found.dates.zone}"
    for path, origin in found.layer.origins.items():
        if origin.names and path[0] in _IDENTITY:
            yield (
                f"{origin.where}: {dotted(path)} is {value_at(found.layer.tree, path)}, by "
                f"${{{origin.names[0]}}}. It is part of what makes the run: another value is "
                "another run"
            )


def value_at(tree: Any, path: Path) -> Any:
    """Return what stands at a place of a tree."""
    for part in path:
        tree = tree[int(part)] if isinstance(tree, list | tuple) else tree[part]
    return tree


def _as_said(what: str, layer: Layer) -> str:
    """Return a message of the settings with their names written as flags, or as the variables."""
    names = "|".join(name for name in PLACES if "_" in name)
    return re.sub(rf"\b(?:{names})\b", lambda found: _said_by(found[0], layer), what)
