"""The command ``wbatch``: reads flags and environment, starts a use, ends with its exit code.

A command is a file here, loaded only when it is called. Law of this room: stdout carries nothing
but what was asked for: the one object of ``--json``, help, and the list that ``models`` makes.
People are spoken to on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NoReturn

import click
from click.core import ParameterSource

from batch.cli.caller import Caller
from batch.cli.failing import complain_of
from batch.cli.misused import example_of, in_words
from batch.cli.shape import HELP_NAMES, PREFIX, LazyCommand, Placed, manners

# In the order of a day's work.
COMMANDS: Final = {
    "init": "Write a folder with a job that runs as it is, to begin from.",
    "check": "Look at every line and setting before anything is sent.",
    "estimate": "Say what a run would send, take and cost, before anything is sent.",
    "run": "Send every line of the inputs, or carry on where it stopped.",
    "status": "Say how far a run is, from its files alone.",
    "retry": "Send again the lines of a run that ended with an error.",
    "show": "Show prompts and answers side by side.",
    "export": "Write the answers for other programs: CSV, JSONL, Parquet, arrays.",
    "score": "Say how good labels are, beside those that people gave.",
    "report": "Say what runs cost, by day, model, job and more.",
    "models": "Say which models each key may call.",
    "config": "Say of each setting what it is and where it comes from.",
    "mock": "Serve a gateway on this machine that needs no key and costs nothing.",
    "completion": "Write what lets bash, zsh or fish complete commands and flags.",
}
_TOLD_BY_CLICK: Final = frozenset({*HELP_NAMES, "--version"})
INTERRUPTED: Final = 130
UNSUPPORTED: Final = 78


class _Group(Placed, click.Group):
    """The command itself; its options may stand before or after the name of a command."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are used."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


@click.command(
    cls=_Group,
    commands={name: LazyCommand(name, text) for name, text in COMMANDS.items()},
    context_settings={"help_option_names": HELP_NAMES, "auto_envvar_prefix": PREFIX},
    endings=(
        (
            "Start here, without a key",
            "wbatch init reviews\nwbatch run reviews/label_reviews.toml --mock",
        ),
    ),
)
@manners
def wbatch() -> None:
    """Answer every line of a file of prompts exactly once, through an OpenAI-compatible gateway.

    The same command again carries on after anything that went wrong.
    """


def main() -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    caller = Caller()
    if os.name == "nt":
        caller.complain("wbatch needs locks and syncs that Windows lacks. Run it in WSL 2")
        sys.exit(UNSUPPORTED)
    secure_streams()
    leave_no_core()
    code = answer(sys.argv[1:], caller)
    caller.flush()
    sys.exit(code)


def secure_streams() -> None:
    """Open what of the three standard streams the process was started without.

    A file or a socket that took the number of one of them would be written to by mistake, and
    uvloop aborts on it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def leave_no_core() -> None:
    """Have the system write no core of this process: the key is in its memory."""
    import resource  # noqa: PLC0415 - where there are none of its kind, main has ended already

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def answer(args: Sequence[str], caller: Caller) -> int:
    """Run a command line and return its exit code. What is to be said of a failure is said."""
    stdout = sys.stdout
    try:
        code = wbatch.main(list(args), "wbatch", standalone_mode=False, obj=caller)
    except click.exceptions.NoArgsIsHelpError as wrong:
        caller.tell_raw(wrong.format_message())
        return wrong.exit_code
    except click.ClickException as wrong:
        return _misused(wrong, args, caller)
    except click.Abort as abort:
        # Click makes one of Ctrl-C and of every EOFError, and the second would be our bug.
        cause = abort.__cause__
        return complain_of(cause, caller) if isinstance(cause, EOFError) else INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place that knows what to say of any failure
        _heed_log(args, caller)
        return complain_of(error, caller)
    except SystemExit:
        # Click puts another stdout in its place, and leaves, where nobody reads on. That its help
        # was not read to the end is no failure; of anything else it would be one.
        if sys.stdout is not stdout and not _TOLD_BY_CLICK.isdisjoint(args):
            return 0
        raise
    return code if isinstance(code, int) else 0


def _heed_log(args: Sequence[str], caller: Caller) -> None:
    """Have stderr be a log of JSON as it was to be, also if nothing came of the command line."""
    asked = "--log-format=json" in args or ("--log-format", "json") in pairwise(args)
    if asked and not any(one.partition("=")[0] == "--log-file" for one in args):
        caller.log_to_stderr()


def _misused(wrong: click.ClickException, args: Sequence[str], caller: Caller) -> int:
    caller.no_color |= "--no-color" in args  # nothing noted it: the line was not understood
    _heed_log(args, caller)
    caller.complain(in_words(wrong) + _of_variable(wrong))
    if isinstance(wrong, click.UsageError) and wrong.ctx is not None:
        example = example_of(wrong.ctx.command)
        if example and isinstance(wrong, click.MissingParameter):
            caller.tell(f"such as: {example}")
        caller.tell(f"help: {wrong.ctx.command_path} --help")
    return wrong.exit_code


def _of_variable(wrong: click.ClickException) -> str:
    """Return which variable says what is wrong; "" if none does."""
    if not isinstance(wrong, click.BadParameter) or wrong.ctx is None or wrong.param is None:
        return ""
    if wrong.ctx.get_parameter_source(wrong.param.name or "") is not ParameterSource.ENVIRONMENT:
        return ""
    named = f"{wrong.ctx.auto_envvar_prefix}_{wrong.param.name or ''}".upper()
    return f" The variable {named} says so."
