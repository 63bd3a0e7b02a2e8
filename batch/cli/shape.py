"""What the commands have in common: help in sections, the manners, and being loaded late."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from batch.cli.caller import Caller
from batch.signals import loaded

PREFIX: Final = "WBATCH"
HELP_NAMES: Final = ["-h", "--help"]
EVERYWHERE: Final = "With every command"
# What stands for a path in the help → what a shell completes it with.
PATHS: Final = {"FILE": "file", "OUT": "file", "DIR": "dir"}
COLUMN: Final = 24  # characters for the names of an option, the same in each section
EXIT_CODES: Final = (
    (0, "every line has an answer"),
    (1, "an unexpected error: a bug in wbatch"),
    (2, "a flag or an argument is wrong, or it asked and was told no"),
    (3, "all is done, and some lines ended with an error"),
    (4, "stopped at a limit of the budget, such as --max-cost; it can go on"),
    (65, "the input, or what an earlier run left, is not what it must be"),
    (66, "an input is missing"),
    (69, "the gateway gave no answer for too long"),
    (73, "a file cannot be written"),
    (75, "another process holds the run; of retry: lines are still pending"),
    (77, "the gateway refuses the key, the model or the account"),
    (78, "a setting is wrong or missing"),
    (130, "interrupted; the same command carries on (143: terminated)"),
)

F = TypeVar("F", bound=Callable[..., Any])


class Option(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *args: Any, section: str = EVERYWHERE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Leave paths to the shell; choices are named."""
        if self.metavar in PATHS:
            return [_path(incomplete, PATHS[self.metavar])]
        return super().shell_complete(ctx, incomplete)


class Argument(click.Argument):
    """An argument: a path, unless it has a type that says otherwise."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Leave paths to the shell; choices are named."""
        if self.type is click.STRING:
            return [_path(incomplete, PATHS.get(str(self.metavar), "file"))]
        return super().shell_complete(ctx, incomplete)


def _path(begun: str, kind: str) -> CompletionItem:
    """Have a shell complete a path, in which no stray byte keeps anything from being written."""
    return CompletionItem(begun.encode("utf-8", "ignore").decode(), type=kind)


class Placed(click.Command):
    """A command whose help groups its options, and ends with fixed lines under headings."""

    def __init__(self, *args: Any, endings: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.endings = endings

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section, what every command takes at the end."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", EVERYWHERE), []).append(record)
        sections[EVERYWHERE] = sections.pop(EVERYWHERE)
        for name, records in sections.items():
            with formatter.section(name):
                rows = [(names.ljust(COLUMN), text) for names, text in records]
                formatter.write_dl(rows, col_max=COLUMN)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the endings line by line: examples must not be wrapped."""
        for heading, text in self.endings:
            with formatter.section(heading):
                for line in text.strip("\n").split("\n"):
                    formatter.write(f"{'':{formatter.current_indent}}{line}".rstrip() + "\n")


class LazyCommand(click.Command):
    """Stands for a command whose file is loaded only when the command is called."""

    def __init__(self, name: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return a context of the real command, which click then invokes."""
        real: click.Command = importlib.import_module(f"batch.cli.{self.name}").command
        loaded()
        return real.make_context(info_name, args, parent, **extra)


def make_command(
    *, usage: str = "[OPTIONS]", prefix: str = PREFIX, endings: Sequence[tuple[str, str]] = ()
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command whose options can also be set as ``prefix_NAME``."""
    environment = ("Environment", f"--some-name can also be set as {prefix}_SOME_NAME.")
    return lambda function: click.command(
        cls=Placed,
        context_settings={"help_option_names": HELP_NAMES, "auto_envvar_prefix": prefix},
        options_metavar=usage,
        endings=(*endings, environment),
    )(manners(function))


def option(section: str, *names: str, **kwargs: Any) -> Callable[[F], F]:
    """Declare an option under a heading of the help."""
    return click.option(*names, cls=Option, section=section, **kwargs)


def argument(name: str, **kwargs: Any) -> Callable[[F], F]:
    """Declare an argument that a shell completes."""
    return click.argument(name, cls=Argument, **kwargs)


def manners(function: F) -> F:
    """Add the options that every command takes, and that may also stand before it."""
    for names, kwargs in reversed(_MANNERS):
        given = {"callback": _note, "expose_value": False, **kwargs}
        function = option(EVERYWHERE, *names, **given)(function)
    return function


def _note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a manner with the caller; what stands after the command outranks what is before it."""
    source = ctx.get_parameter_source(param.name or "")
    spoken = source is ParameterSource.COMMANDLINE
    if spoken or (source is ParameterSource.ENVIRONMENT and ctx.parent is None):
        setattr(ctx.ensure_object(Caller), str(param.name), value)


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import platform  # noqa: PLC0415 - only here

    from batch import __version__  # noqa: PLC0415 - only here

    click.echo(f"wbatch {__version__} (Python {platform.python_version()}, {platform.platform()})")
    ctx.exit()


_MANNERS: Final[tuple[tuple[tuple[str, ...], dict[str, Any]], ...]] = (
    (("-q", "--quiet"), {"is_flag": True, "help": "Say nothing unless it fails."}),
    (("-v", "--verbose"), {"count": True, "help": "Say more; also what is behind an error."}),
    (("--json",), {"is_flag": True, "help": "Write the summary to stdout, as one JSON object."}),
    (
        ("--progress",),
        {
            "type": click.Choice(("auto", "bar", "plain", "none")),
            "default": "auto",
            "metavar": "HOW",
            "help": "auto, bar, plain or none; auto: a bar on a terminal, else a line a minute.",
        },
    ),
    (("--no-color",), {"is_flag": True, "help": "No colors, as with NO_COLOR=1."}),
    (
        ("--version",),
        {
            "is_flag": True,
            "is_eager": True,
            "callback": _show_version,
            "allow_from_autoenv": False,  # containers set such a variable for reasons of their own
            "help": "Show the versions of wbatch, Python and the system.",
        },
    ),
)
