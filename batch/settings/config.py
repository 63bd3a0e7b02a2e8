"""Files of settings, TOML: the user's own, and jobs; laid over one another, the nearest wins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from batch.errors import BadConfig
from batch.settings.checker import Checker, Layer, Origin, Path, Scope, Supply, Tree
from batch.settings.tree import Settings, UserSettings

LARGEST: Final = 1 << 20  # bytes; a larger file holds something else
JOINED: Final = ("keys",)  # lists of which each layer adds its own, after those that outrank it

USER: Final = Scope(
    UserSettings,
    "is for one run and not for all of them: give it to the run, as a flag or in a job file",
)
JOB: Final = Scope(Settings, "")


def user_file(environ: Mapping[str, str]) -> str:
    """Return where the user's own settings are, if there are any."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # such a one is to be ignored, by the standard that it is of
        home = os.path.expanduser("~/.config")
    return os.path.join(home, "wbatch", "config.toml")


def read_file(path: str, scope: Scope, *, required: bool) -> Tree:
    """Return what a file sets; nothing if it is missing and not required. Raises ``BadConfig``."""
    return read_layer(path, scope, required=required).tree


def read_layer(path: str, scope: Scope, supply: Supply | None = None, *, required: bool) -> Layer:
    """Return what a file sets and where each value stands; what marks mean is asked of ``supply``.

    Nothing if the file is missing and not required. Raises ``BadConfig``.
    """
    path = os.path.expanduser(path)
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        if not required and isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return Layer()
        raise BadConfig(f"cannot read the settings in {path}: {error.strerror}") from None
    if len(data) > LARGEST:
        raise BadConfig(f"{path} is too large to be a file of settings")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadConfig(f"{path}:{line}: this is no UTF-8") from None
    return Checker(path, text, scope).layer(supply)


def laid(upper: Layer, lower: Layer) -> Layer:
    """Return two layers as one in which ``upper`` outranks ``lower`` and comes first."""
    shifts = {name: len(upper.tree.get(name, ())) for name in JOINED}
    origins: dict[Path, Origin] = {}
    for path, origin in lower.origins.items():
        moved = path
        if path[0] in shifts and len(path) > 1:
            moved = (path[0], str(int(path[1]) + shifts[path[0]]), *path[2:])
        origins[moved] = origin
    return Layer(merged(upper.tree, lower.tree), {**origins, **upper.origins})


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
