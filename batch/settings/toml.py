"""What the standard library lacks of TOML: the line of a setting, and how a text is written."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED: Final = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_SETTING: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_QUOTES: Final = ('"""', "'''")


class Lines:
    """The lines of the settings in a text that is TOML.

    Found by looking at how lines begin, which sees neither escapes in names nor what stands inside
    ``{}``: the line is then that of the setting around it.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        self._tables: dict[tuple[str, ...], int] = {}  # of several, how many came so far
        table: tuple[str, ...] = ()
        inside = ""  # the quotes of a text that goes on over lines
        for number, line in enumerate(text.split("\n"), 1):
            if inside:
                inside = "" if inside in line else inside
                continue
            if header := _HEADER.match(line):
                table = self._table(_parts(header[2]), several=header[1] == "[[")
                self._note(table, number)
            elif setting := _SETTING.match(line):
                self._note((*table, *_parts(setting[1])), number)
            inside = next((quotes for quotes in _QUOTES if line.count(quotes) % 2), "")

    def of(self, path: tuple[str, ...]) -> int:
        """Return the line of a setting, else of what is around it, from 1.

        Of several tables of one name, the path has their numbers, from 0.
        """
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _table(self, names: tuple[str, ...], *, several: bool) -> tuple[str, ...]:
        """Return the path of a table, with the numbers of those of several that it is in."""
        path: tuple[str, ...] = ()
        for place, name in enumerate(names, 1):
            path = (*path, name)
            if several and place == len(names):
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path = (*path, str(self._tables[path]))
        return path

    def _note(self, path: tuple[str, ...], number: int) -> None:
        for end in range(1, len(path) + 1):
            self._lines.setdefault(path[:end], number)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_NAME, dotted))


def quoted(text: str) -> str:
    """Return a text as TOML writes it, with nothing in it that a terminal would obey."""
    return f'"{"".join(map(_spelled, text))}"'


def _spelled(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08X}"
