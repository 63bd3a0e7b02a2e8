"""What is replaced in the texts of a job: ``${NAME}`` by a variable, ``{date}`` in paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

# In one pass, so that nothing is replaced in what a variable holds.
_MARK: Final = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<name>[^}]*)(?P<end>\}?)|\{(?P<word>\w+)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Values(msgspec.Struct, frozen=True):
    """What may stand for a mark. ``date`` raises ``ValueError`` if there is none."""

    environ: Mapping[str, str]
    date: Callable[[], str]


class Filled(msgspec.Struct, frozen=True):
    """A text in which the marks are replaced, and the variables that took part."""

    text: str
    names: tuple[str, ...] = ()
    dated: bool = False


def fill(text: str, values: Values, *, path: bool) -> Filled:
    """Return a text with its marks replaced; ``{date}`` only in a path. Raises ``ValueError``."""
    names: list[str] = []
    dates: list[str] = []

    def replace(mark: re.Match[str]) -> str:
        if mark["escaped"]:
            return "${"
        if mark["name"] is not None:
            if not mark["end"] or not _NAME.fullmatch(mark["name"]):
                raise ValueError("takes the name of a variable in ${}; a plain ${ is written $${")
            names.append(mark["name"])
            return _variable(mark["name"], values.environ)
        if not path:
            return mark[0]
        if mark["word"] != "date":
            raise ValueError(f"holds {mark[0]}. Of such marks a path may hold {{date}}, no other")
        dates.append(values.date())
        return dates[-1]

    return Filled(_MARK.sub(replace, text), tuple(dict.fromkeys(names)), bool(dates))


def _variable(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if not value:
        raise ValueError(
            f"needs the variable {name}, which is empty or not set. Export it, or write it "
            "into .env"
        )
    return value
