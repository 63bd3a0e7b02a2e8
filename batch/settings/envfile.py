"""A ``.env`` file: variables beside those of the environment, which outranks it.

They are for this process alone: none is exported, and no child sees any.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Mapping
from typing import Final

import msgspec

from batch.errors import BadConfig

LARGEST: Final = 1 << 20  # bytes; a larger file holds something else


class EnvFile(msgspec.Struct, frozen=True):
    """The variables of a file, and the line of each. ``shared``: every user may read it."""

    path: str = ""
    values: Mapping[str, str] = {}
    lines: Mapping[str, int] = {}
    shared: bool = False

    def under(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables of both, those of the environment where both have one."""
        return {**self.values, **environ}

    def where(self, name: str, environ: Mapping[str, str]) -> str:
        """Return where a variable stands: its file and line, or the environment."""
        if name in environ or name not in self.values:
            return "the environment"
        return f"{self.path}:{self.lines[name]}"


def read_env_file(path: str | None) -> EnvFile:
    """Read the variables of a file; None: there is none. Raises ``BadConfig``, by file and line."""
    if path is None:
        return EnvFile()
    # Not at the top: most runs have no such file.
    from dotenv.parser import parse_stream  # noqa: PLC0415

    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    text, shared = _read(path)
    for one in parse_stream(io.StringIO(text)):
        blank = len(one.original.string) - len(one.original.string.lstrip())
        line = one.original.line + one.original.string.count("\n", 0, blank)
        if one.error:
            raise BadConfig(
                f"{path}:{line}: this is no variable. Write NAME=value on a line, or go without "
                "the file: --env-file /dev/null"
            )
        if one.key is not None and one.value is not None:
            values[one.key], lines[one.key] = one.value, line
    return EnvFile(path, values, lines, shared)


def _read(path: str) -> tuple[str, bool]:
    """Return the text of a file, and whether it is open to every user."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise BadConfig(f"cannot read the variables in {path}: {error.strerror}") from None
    if len(data) > LARGEST:
        raise BadConfig(f"{path} is too large to be a file of variables")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadConfig(f"{path}:{line}: this is no UTF-8") from None
    return text, stat.S_ISREG(mode) and bool(mode & stat.S_IRWXO)
