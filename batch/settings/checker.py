"""Checks a file of settings against the tree of settings, and says where each one stands.

A refusal names file, line and setting, says what is allowed, and repeats no value: it may be a key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NoReturn, TypeAlias, get_args, get_origin

import msgspec
from msgspec import inspect
from msgspec.structs import fields

from batch.allowed import allowed, is_place, is_section, without_none
from batch.errors import BadConfig
from batch.fill import Values, fill
from batch.settings.toml import Lines
from batch.settings.tree import Settings, looks_like_a_key

Tree: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
Shape: TypeAlias = type[msgspec.Struct]

_PROXY: Final = ("gateway", "proxy")
_AT: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Scope(msgspec.Struct, frozen=True):
    """What a kind of file may set: ``shape``. The rest of the tree is refused, with a reason."""

    shape: Shape
    refusal: str


class Origin(msgspec.Struct, frozen=True):
    """Where a value came from, for people."""

    where: str  # file and line, a variable, a flag
    written: str | None = None  # the text, where variables were put into it
    names: tuple[str, ...] = ()  # these variables
    dated: bool = False  # the run's date was put into it


class Layer(msgspec.Struct, frozen=True):
    """What one source sets, and where each value of it came from."""

    tree: Tree = {}
    origins: Mapping[Path, Origin] = {}


# From what a file says, unchecked, to what may be put into its texts.
Supply: TypeAlias = Callable[[Tree], Values]


class Checker:
    """Checks one file."""

    def __init__(self, name: str, text: str, scope: Scope) -> None:
        self._name = name
        self._text = text
        self._scope = scope
        self._lines = Lines(text)
        self._values: Values | None = None
        self._origins: dict[Path, Origin] = {}

    def layer(self, supply: Supply | None = None) -> Layer:
        """Return what the file sets, its paths as seen from its folder. Raises ``BadConfig``."""
        try:
            tree = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise BadConfig(self._no_toml(str(error))) from None
        self._refuse_keys(tree, ())
        self._values = supply(tree) if supply else None
        return Layer(self._section(tree, self._scope.shape, ()), self._origins)

    def _no_toml(self, message: str) -> str:
        found = _AT.search(message)
        line = found[1] if found and found[1] else self._text.count("\n") + 1
        what = _AT.sub("", message)
        words = re.findall(r"[\w-]+", what)
        said = "" if any(map(looks_like_a_key, words)) else f": {what}"
        return f"{self._name}:{line}: this is no TOML{said}"

    def _refuse_keys(self, value: object, path: Path) -> None:
        """Refuse a key that was written down itself, wherever it stands."""
        if isinstance(value, dict):
            for name, inner in value.items():
                if looks_like_a_key(name):
                    self._refuse_key(path)
                self._refuse_keys(inner, (*path, name))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                self._refuse_keys(inner, (*path, str(number)))
        elif isinstance(value, str) and looks_like_a_key(value):
            self._refuse_key(path)
        elif path == _PROXY and isinstance(value, str) and "@" in value and "${" not in value:
            self._refuse(
                path,
                f"{dotted(path)} holds a user or a password. Take them out, and put the whole "
                "address into the variable HTTPS_PROXY, in the environment or in .env",
            )

    def _refuse_key(self, path: Path) -> NoReturn:
        where = f"{dotted(path)} holds" if path else "here stands"
        self._refuse(
            path,
            f"{where} what looks like a key itself. Take it out, and name the place of a key: "
            'env = "NAME" or file = "PATH", in [[keys]]',
        )

    def _section(self, tree: Tree, shape: Shape, path: Path) -> Tree:
        kinds = {one.name: one.type for one in fields(shape)}
        for name in tree:
            if name not in kinds:
                if isinstance(tree[name], dict):
                    self._refuse_dots((*path, name))
                self._refuse((*path, name), self._unknown((*path, name), kinds))
        section = {
            name: self._value(value, kinds[name], (*path, name)) for name, value in tree.items()
        }
        # What another layer may still say is not missing here.
        needed = [one.name for one in fields(shape) if one.required] if not path else ()
        try:
            msgspec.convert({**dict.fromkeys(needed, ""), **section}, shape)
        except msgspec.ValidationError as wrong:
            what = str(wrong).partition(" - at `$")[0].replace("`", "")
            self._refuse(path, f"{dotted(path)}: {what}" if path else what)
        return section

    def _value(self, value: Any, kind: Any, path: Path) -> Any:
        kind = without_none(kind)
        inside = get_args(kind)
        if is_section(kind):
            if not isinstance(value, dict):
                self._refuse(path, f"{dotted(path)} is a section: write [{dotted(path)}]")
            return self._section(value, kind, path)
        if get_origin(kind) is tuple and is_section(inside[0]):
            if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                self._refuse(path, f"write [[{dotted(path)}]], once for each of them")
            return [
                self._section(one, inside[0], (*path, str(number)))
                for number, one in enumerate(value)
            ]
        if get_origin(kind) is dict and isinstance(value, dict):
            return {name: self._value(one, inside[1], (*path, name)) for name, one in value.items()}
        if kind is Any and isinstance(value, dict):
            return {name: self._value(one, Any, (*path, name)) for name, one in value.items()}
        if get_origin(kind) is tuple and isinstance(value, list):
            return [self._leaf(one, inside[0], path) for one in value]
        return self._leaf(value, kind, path)

    def _leaf(self, value: Any, kind: Any, path: Path) -> Any:
        place = is_place(kind)
        value = self._filled(value, path, place=place)
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            self._refuse(path, f"{dotted(path)} takes {allowed(inspect.type_info(kind))}")
        return self._from_here(value, path) if place else value

    def _filled(self, value: Any, path: Path, *, place: bool) -> Any:
        """Return a value with the marks in it replaced, and note where it came from."""
        origin = Origin(f"{self._name}:{self._lines.of(path)}")
        if isinstance(value, str) and self._values is not None:
            try:
                filled = fill(value, self._values, path=place)
            except ValueError as wrong:
                self._refuse(path, f"{dotted(path)} {wrong}")
            if filled.names and looks_like_a_key(filled.text):
                self._refuse(
                    path,
                    f"{dotted(path)} would hold what looks like a key, from the variable "
                    f'{filled.names[0]}. Name the place of a key: env = "NAME", in [[keys]]',
                )
            written = value if filled.names else None
            value = filled.text
            origin = Origin(origin.where, written, filled.names, filled.dated)
        self._origins[path] = _joined(self._origins.get(path), origin)
        return value

    def _from_here(self, place: str, path: Path) -> str:
        """Return a path as seen from the folder of the file, as cron starts runs anywhere."""
        if not place or "\0" in place:
            self._refuse(path, f"{dotted(path)} takes a path")
        if place == "-" and path == ("inputs",):
            return place  # standard input
        return os.path.join(os.path.dirname(self._name), os.path.expanduser(place))

    def _refuse_dots(self, path: Path) -> None:
        """Refuse a model like gpt-4.1 that stands without quotes, which is a table in a table."""
        if path[:2] == ("prices", "models") and len(path) > 3:
            model = ".".join(path[2:])
            self._refuse(
                path, f'a name with dots in it stands in quotes: [prices.models."{model}"]'
            )

    def _unknown(self, path: Path, kinds: Mapping[str, Any]) -> str:
        name = dotted(path)
        if name in _names(Settings):
            return f"{name} {self._scope.refusal}"
        near = get_close_matches(path[-1], kinds, 1)
        others = [one for one in _names(self._scope.shape) if one.split(".")[-1] == path[-1]]
        meant = dotted((*path[:-1], near[0])) if near else " or ".join(others)
        if not meant:
            return f"unknown setting {name}. Here may stand: {', '.join(kinds)}"
        at_top = len(path) > 1 and "." not in meant
        where = ", which stands at the top, before the first [section]" if at_top else ""
        return f"unknown setting {name}. Did you mean {meant}{where}?"

    def _refuse(self, path: Path, what: str) -> NoReturn:
        raise BadConfig(f"{self._name}:{self._lines.of(path)}: {what}")


def dotted(path: Path) -> str:
    """Return a setting's name; which of several tables is meant, the line tells."""
    return ".".join(part for part in path if not part.isdigit())


def _joined(before: Origin | None, now: Origin) -> Origin:
    """Return one origin for the parts of a list."""
    if before is None:
        return now
    return Origin(
        now.where,
        before.written or now.written,
        tuple(dict.fromkeys((*before.names, *now.names))),
        before.dated or now.dated,
    )


def _names(shape: Shape, path: Path = ()) -> Iterator[str]:
    for one in fields(shape):
        here = (*path, one.name)
        yield dotted(here)
        for kind in (one.type, *get_args(one.type)):
            if is_section(kind):
                yield from _names(kind, here)
