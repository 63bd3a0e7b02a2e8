"""What click says of a command line that it cannot read, in words for who typed it."""

from __future__ import annotations

import re
from typing import Final

import click

from batch.cli.shape import Placed

_NUMBER: Final = re.compile(r"Invalid value for '(.+?)': (.*) is not a valid (\w+)(?: range)?\.$")
_KINDS: Final = {"integer": "whole number", "float": "number"}
_OUTSIDE: Final = re.compile(
    r"Invalid value for '(.+?)': (.*) is not in the range (?:x>=)?(\d+)(?:<=x<=(\d+))?\.$"
)


def in_words(wrong: click.ClickException) -> str:
    """Return what is wrong, on one line."""
    said = " ".join(wrong.format_message().split())
    number = _NUMBER.match(said)
    if number is not None and number[3] in _KINDS:
        return f"{_named(number[1])}: {number[2]} is no {_KINDS[number[3]]}."
    outside = _OUTSIDE.match(said)
    if outside is None:
        return said
    name, value, least, most = outside.groups()
    upper = f" and at most {most}" if most else ""
    return f"{_named(name)}: {value} is not at least {least}{upper}."


def _named(option: str) -> str:
    """Return how an option or an argument is called.

    Click puts the long name last, and ``[]`` around what may be left out.
    """
    return option.rpartition("' / '")[2].strip("[]")


def example_of(command: click.Command) -> str:
    """Return the first example of a command's help; "" if it has none."""
    endings = dict(command.endings) if isinstance(command, Placed) else {}
    return endings.get("Examples", "").strip().partition("\n")[0].partition("    #")[0].strip()
