"""Commands that take all that ``run`` takes, as people change the word in a command line of it."""

from __future__ import annotations

import copy

import click

from batch.cli.run import command as run


def taking_all_of_run(command: click.Command) -> click.Command:
    """Add the options of ``run`` that a command lacks. They set what they set, and no help says so.

    A command has no use for some of them; what is wrong with their values it says all the same.
    """
    known = {param.name for param in command.params}
    for param in run.params:
        if isinstance(param, click.Option) and param.name not in known:
            added = copy.copy(param)
            added.hidden = True
            command.params.append(added)
    return command
