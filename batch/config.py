"""A file of settings: TOML, checked against the tree of the settings, to be laid under the flags.

A refusal names file, line and setting, says what is allowed, and repeats no value: it may be a key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Any, Final, NoReturn, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import inspect
from msgspec.structs import fields

from batch.errors import BadConfig
from batch.settings import Settings, UserSettings, looks_like_a_key
from batch.toml import Lines

Tree: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
Shape: TypeAlias = type[msgspec.Struct]

LARGEST: Final = 1 << 20  # bytes; a larger file holds something else
JOINED: Final = ("keys",)  # lists of which each layer adds its own, after those that outrank it
_AT: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Scope(msgspec.Struct, frozen=True):
    """What a kind of file may set: ``shape``. The rest of the tree is refused, with a reason."""

    shape: Shape
    refusal: str


USER: Final = Scope(
    UserSettings, "is for one run and not for all of them: give it to the run, as a flag"
)


def user_file(environ: Mapping[str, str]) -> str:
    """Return where the user's own settings are, if there are any."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # such a one is to be ignored, by the standard that it is of
        home = os.path.expanduser("~/.config")
    return os.path.join(home, "wbatch", "config.toml")


def read_file(path: str, scope: Scope, *, required: bool) -> Tree:
    """Return what a file sets; nothing if it is missing and not required. Raises ``BadConfig``."""
    path = os.path.expanduser(path)
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        if not required and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return {}
        raise BadConfig(f"cannot read the settings in {path}: {error.strerror}") from None
    if len(data) > LARGEST:
        raise BadConfig(f"{path} is too large to be a file of settings")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadConfig(f"{path}:{line}: this is no UTF-8") from None
    return _Checker(path, text, scope).tree()


def merged(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> Tree:
    """Return two trees as one in which ``upper`` outranks ``lower`` and comes first."""
    tree = {**upper, **{name: value for name, value in lower.items() if name not in upper}}
    for name in upper.keys() & lower.keys():
        above, below = upper[name], lower[name]
        if isinstance(above, Mapping) and isinstance(below, Mapping):
            tree[name] = merged(above, below)
        elif name in JOINED:
            tree[name] = [*above, *below]
    return tree


class _Checker:
    """Checks one file."""

    def __init__(self, name: str, text: str, scope: Scope) -> None:
        self._name = name
        self._text = text
        self._scope = scope
        self._lines = Lines(text)

    def tree(self) -> Tree:
        """Return the tree, checked, its paths made absolute. Raises ``BadConfig``."""
        try:
            tree = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise BadConfig(self._no_toml(str(error))) from None
        self._refuse_keys(tree, ())
        return self._section(tree, self._scope.shape, ())

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

    def _refuse_key(self, path: Path) -> NoReturn:
        where = f"{_dotted(path)} holds" if path else "here stands"
        self._refuse(
            path,
            f"{where} what looks like a key itself. Take it out, and name the place of a key: "
            'env = "NAME" or file = "PATH", in [[keys]]',
        )

    def _section(self, tree: Tree, shape: Shape, path: Path) -> Tree:
        kinds = {one.name: one.type for one in fields(shape)}
        for name in tree:
            if name not in kinds:
                self._refuse((*path, name), self._unknown((*path, name), kinds))
        section = {
            name: self._value(value, kinds[name], (*path, name)) for name, value in tree.items()
        }
        try:
            msgspec.convert(section, shape)
        except msgspec.ValidationError as wrong:
            what = str(wrong).partition(" - at `$")[0].replace("`", "")
            self._refuse(path, f"{_dotted(path)}: {what}" if path else what)
        return section

    def _value(self, value: Any, kind: Any, path: Path) -> Any:
        kind = _without_none(kind)
        inside = get_args(kind)
        if _is_section(kind):
            if not isinstance(value, dict):
                self._refuse(path, f"{_dotted(path)} is a section: write [{_dotted(path)}]")
            return self._section(value, kind, path)
        if get_origin(kind) is tuple and _is_section(inside[0]):
            if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
                self._refuse(path, f"write [[{_dotted(path)}]], once for each of them")
            return [
                self._section(one, inside[0], (*path, str(number)))
                for number, one in enumerate(value)
            ]
        if get_origin(kind) is dict and isinstance(value, dict):
            return {name: self._value(one, inside[1], (*path, name)) for name, one in value.items()}
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            allowed = _allowed(inspect.type_info(kind))
            self._refuse(path, f"{_dotted(path)} takes {allowed}")
        return self._absolute(value, path) if _is_place(kind) else value

    def _absolute(self, place: str, path: Path) -> str:
        """Return a path as seen from the folder of the file, as cron starts runs anywhere."""
        if not place or "\0" in place:
            self._refuse(path, f"{_dotted(path)} takes a path")
        return os.path.join(os.path.dirname(os.path.abspath(self._name)), os.path.expanduser(place))

    def _unknown(self, path: Path, kinds: Mapping[str, Any]) -> str:
        name = _dotted(path)
        if name in _names(Settings):
            return f"{name} {self._scope.refusal}"
        near = get_close_matches(path[-1], kinds, 1)
        if near:
            return f"unknown setting {name}. Did you mean {_dotted((*path[:-1], near[0]))}?"
        others = [one for one in _names(self._scope.shape) if one.split(".")[-1] == path[-1]]
        if others:
            return f"unknown setting {name}. Did you mean {' or '.join(others)}?"
        return f"unknown setting {name}. Here may stand: {', '.join(kinds)}"

    def _refuse(self, path: Path, what: str) -> NoReturn:
        raise BadConfig(f"{self._name}:{self._lines.of(path)}: {what}")


def _dotted(path: Path) -> str:
    """Return a setting's name; which of several tables is meant, the line tells."""
    return ".".join(part for part in path if not part.isdigit())


def _names(shape: Shape, path: Path = ()) -> Iterator[str]:
    for one in fields(shape):
        here = (*path, one.name)
        yield _dotted(here)
        for kind in (one.type, *get_args(one.type)):
            if _is_section(kind):
                yield from _names(kind, here)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _without_none(kind: Any) -> Any:
    """Return a type without None, which no file of TOML can say."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(one for one in get_args(kind) if one is not type(None))


def _is_place(kind: Any) -> bool:
    info = inspect.type_info(kind)
    return isinstance(info, inspect.Metadata) and "place" in (info.extra or {})


def _allowed(info: inspect.Type) -> str:
    """Return in words what a setting takes."""
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_bounds(info)}"
        case inspect.FloatType():
            return f"a number{_bounds(info)}"
        case inspect.LiteralType():
            return f"one of {', '.join(map(str, info.values))}"
        case inspect.DictType():
            return f"pairs of a name and {_allowed(info.value_type)}"
        case _:
            return "text, in quotes"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    said = (("above", info.gt), ("of at least", info.ge), ("of at most", info.le))
    return " and".join(f" {word} {bound:g}" for word, bound in said if bound is not None)
