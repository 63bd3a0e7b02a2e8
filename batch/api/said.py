"""Keyword arguments as settings: in the place of the flags, above all that holds for the command.

So a job, variables, ``.env`` and the user's own file count here as they do there.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, Literal, TypedDict

import click
import orjson
from click.core import ParameterSource

from batch.cli import layers
from batch.cli.caller import Caller
from batch.cli.export import command as export
from batch.cli.run import command
from batch.cli.spoken import job_of
from batch.errors import BadUsage, Refusal
from batch.settings.tree import Settings, UserSettings

log = logging.getLogger("batch")


class Options(TypedDict, total=False):
    """The settings of a run, by the names of the flags; None is as good as nothing said."""

    config: str | os.PathLike[str] | None
    model: str | None
    override_model: str | None
    endpoint: str | None
    add_usage: bool | None
    pack: int | None
    prompt: str | os.PathLike[str] | None
    system: str | os.PathLike[str] | None
    params: Mapping[str, Any] | None
    encoding: str | None
    id_column: str | None
    labels: Sequence[str] | None
    label_schema: Mapping[str, Any] | str | os.PathLike[str] | None
    label_field: str | None
    label_retries: int | None
    votes: int | None
    tie: Literal["first", "abstain"] | None
    makes: Mapping[str, str] | None
    allow_files: str | os.PathLike[str] | None
    inline_media: bool | None
    base_url: str | None
    proxy: str | None
    keys: Mapping[str, str] | None
    env_file: str | os.PathLike[str] | None
    ca_bundle: str | os.PathLike[str] | None
    allow_http: bool | None
    timeout: float | None
    connect_timeout: float | None
    idle_timeout: float | None
    media_timeout: float | None
    task_timeout: float | None
    concurrency: int | None
    rpm: int | None
    tpm: int | None
    rpm_bucket: int | None
    tpm_bucket: int | None
    max_attempts: int | None
    max_line_bytes: int | None
    max_inflight_bytes: int | str | None
    max_cost: float | None
    max_requests: int | None
    max_duration: float | str | None
    finish_by: str | None
    prices: Sequence[str | os.PathLike[str]] | None
    name: str | None
    tags: Mapping[str, str] | None
    new_run: bool | None
    keep_answers: bool | None
    head: int | None
    sample: int | None
    seed: int | None
    date: str | None
    tz: str | None
    mock: bool | None
    mock_fail: str | None
    mock_latency: float | None
    mock_seed: int | None
    verbose: int | None


NAMES: Final = frozenset(Options.__annotations__)
# What takes several is called by the plural here, as in a job.
_PLURALS: Final[Mapping[str, str]] = {"params": "param", "keys": "key", "tags": "tag"}
_SINGULARS: Final = {flag: name for name, flag in _PLURALS.items()}
_TEXTS: Final = ("prompt", "system")
_FILE_LOOK: Final = re.compile(r"\S+\.(?:txt|md|j2|jinja2?|prompt|tmpl)")
# A flag that takes a name and a value, with both: --param max_tokens=500.
_PAIR: Final = re.compile(r"--([a-z]+) '?([^\s'=]+)=([^\s',;()]*\w)'?")
_FLAG: Final = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


class Scratch:
    """Texts of a call as files, since a run reads its templates from such. Gone with the run."""

    def __init__(self) -> None:
        self._folder = ""

    def put(self, name: str, data: bytes) -> str:
        """Write a file, and return its path."""
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix="wbatch-")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = os.path.join(self._folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


class _Quiet(Caller):
    """Who calls: a program, which is told by its log."""

    def tell(self, line: str) -> None:
        """Log a line for people."""
        log.info(line)


def require_known(names: Iterable[str]) -> None:
    """Raise TypeError for a name that is no setting, as Python does for any function."""
    for name in names:
        if name not in NAMES:
            near = _SINGULARS.get(name) or next(iter(get_close_matches(name, NAMES, 1)), None)
            meant = f". Did you mean {near!r}?" if near else ""
            raise TypeError(f"{name!r} is no setting of a run{meant}")


def settings_of(
    inputs: Sequence[str],
    output: str | None,
    job: str | None,
    options: Mapping[str, Any],
    scratch: Scratch,
) -> Settings:
    """Return the settings of a run. Raises BadUsage and BadConfig, in the words of Python."""
    said = {
        _PLURALS.get(name, name): _as_flag(name, value, scratch)
        for name, value in options.items()
        if value is not None
    }
    if output is not None:
        said["output"] = output
    try:
        words = ["--", *((job,) if job else ()), *inputs]
        context = command.make_context("run", words, obj=_Quiet())
        _say(context, said)
        if job_of(context) is None and not context.params.get("output"):
            raise BadUsage(
                "output: where should the answers go? Name a file, such as out.jsonl: the same "
                "call with the same file carries on with a run"
            )
        return layers.settings_of(context, context.obj, Settings)
    except click.ClickException as wrong:
        raise BadUsage(in_python(wrong.format_message())) from None
    except Refusal as wrong:
        raise as_told(wrong) from None


def user_settings(options: Mapping[str, Any]) -> UserSettings:
    """Return the settings that hold for all runs of a user. Raises BadUsage and BadConfig."""
    try:
        context = export.make_context("export", ["-", "-o", "-"], obj=_Quiet())
        _say(context, options)
        return layers.settings_of(context, context.obj, UserSettings)
    except click.ClickException as wrong:
        raise BadUsage(in_python(wrong.format_message())) from None
    except Refusal as wrong:
        raise as_told(wrong) from None


def as_told(refusal: Refusal) -> Refusal:
    """Return a refusal with its message in the words of Python."""
    refusal.args = (in_python(str(refusal)),)
    return refusal


def in_python(message: str) -> str:
    """Return a message in which keyword arguments stand for the flags of the command."""
    message = _PAIR.sub(_as_dict, message)
    return _FLAG.sub(lambda found: _keywords().get(found[0], found[0]), message)


def _as_dict(found: re.Match[str]) -> str:
    flag, name, value = found.groups()
    if flag not in _SINGULARS:
        return found[0]
    said = value if value.isdecimal() else f'"{value}"'
    return f'{_SINGULARS[flag]}={{"{name}": {said}}}'


@cache
def _keywords() -> Mapping[str, str]:
    """Return how each flag is written here."""
    found: dict[str, str] = {}
    for param in command.params:
        name = _SINGULARS.get(str(param.name), str(param.name))
        if isinstance(param, click.Option) and (name in NAMES or name == "output"):
            for flag in param.opts:
                found[flag] = f"{name}=True" if param.is_flag else name
            for flag in param.secondary_opts:
                found[flag] = f"{name}=False"
    return found


def _say(context: click.Context, said: Mapping[str, Any]) -> None:
    """Have values count as if they had been typed."""
    for name, value in said.items():
        context.params[name] = value
        context.set_parameter_source(name, ParameterSource.COMMANDLINE)


def _as_flag(name: str, value: Any, scratch: Scratch) -> Any:
    """Return a value as the flag of its name would give it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if name in _TEXTS and isinstance(value, str):
        _refuse_path(name, value)
        return scratch.put(f"{name}.txt", value.encode())
    if name == "label_schema" and isinstance(value, Mapping):
        return scratch.put("schema.json", orjson.dumps(value))
    if name == "keys" and isinstance(value, Mapping):
        flags = tuple(f"{pattern}={place}" for pattern, place in value.items())
        return _callback("key")(None, None, flags)
    if name == "prices" and not isinstance(value, str):
        return tuple(map(os.fspath, value))
    return dict(value) if isinstance(value, Mapping) else value


def _callback(name: str) -> Callable[..., Any]:
    """Return what takes the values of a flag apart."""
    found = next(param.callback for param in command.params if param.name == name)
    assert found is not None
    return found


def _refuse_path(name: str, text: str) -> None:
    """Refuse a text that is more likely the name of a file: it would be sent, and paid."""
    if _FILE_LOOK.fullmatch(text) or ("\n" not in text and os.path.isfile(text)):
        raise BadUsage(
            f"{name}: {text!r} looks like the path of a file, and a str is the text itself. "
            f"To read the file, write {name}=Path({text!r})"
        )
