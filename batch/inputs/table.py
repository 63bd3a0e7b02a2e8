"""A table as text: CSV and its kin, whose columns are named by the first record.

Fields in quotes may hold separators and line breaks, and a quote in them is doubled. A quote within
a field that does not begin with one is text, as in ``5" disk``.
"""

from __future__ import annotations

import csv
from hashlib import blake2b
from typing import Final

import msgspec

from batch.errors import BadBody, BadData
from batch.wording import counted, shown

QUOTE: Final = b'"'
TAB: Final = "\t"
SEPARATORS: Final = (TAB, ",", ";")  # the likelier before: commas stand in texts, too
OTHER_ENCODING: Final = " Another one is named with --encoding, such as gb18030."
_SALT_BYTES: Final = 16
# The library's own cap on a field is 128 kB; how long a line may be, the settings say.
_FIELD_BYTES: Final = 2**31 - 1


class Table(msgspec.Struct, frozen=True):
    """How the records of a source are laid out."""

    separator: str  # between fields
    columns: tuple[str, ...]
    salt: bytes  # of the first record: with other columns every record says something else
    encoding: str = "utf-8"

    def fields(self, raw: bytes) -> dict[str, str]:
        """Return a record's fields by column. Raises ``BadBody``."""
        found = split(decoded(raw, self.encoding), self.separator)
        if len(found) != len(self.columns):
            raise BadBody(
                f"The row has {counted(len(found), 'field')}, and the first one names "
                f"{counted(len(self.columns), 'column')}.",
                "invalid_row",
            )
        # A single word may be data, and no header at all.
        if len(found) > 1 and self._is_head(found):
            raise BadBody(
                "The row repeats the names of the columns, as where tables were put together.",
                "invalid_row",
            )
        return dict(zip(self.columns, found, strict=True))

    def _is_head(self, found: list[str]) -> bool:
        # The first name tells nearly all rows from it, in a tenth of the time.
        first = found[0].strip() == self.columns[0]
        return first and self.columns == tuple(name.strip() for name in found)


def read_head(where: str, raw: bytes, separator: str | None, encoding: str) -> Table:
    """Return the table that a first record begins. Raises ``BadData``."""
    csv.field_size_limit(_FIELD_BYTES)  # of this process, once
    try:
        text = decoded(raw, encoding)
        separator = separator or _separator(text)
        columns = tuple(name.strip() for name in split(text, separator))
    except BadBody as error:
        raise BadData(f"{where}: {error}") from None
    if twice := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise BadData(
            f'{where}: two columns are called "{shown(twice[0])}". Give each a name of its own.'
        )
    return Table(separator, columns, blake2b(raw, digest_size=_SALT_BYTES).digest(), encoding)


def _separator(text: str) -> str:
    """Return what most likely stands between the names of columns."""
    widths = {mark: _width(text, mark) for mark in SEPARATORS}
    widest = max(SEPARATORS, key=lambda mark: widths[mark])
    return widest if widths[widest] > 1 else ","


def _width(text: str, separator: str) -> int:
    """Return the fields that a separator makes of a text; none where it stands within quotes."""
    try:
        return len(next(csv.reader([text], delimiter=separator, strict=True), ()))
    except csv.Error:
        return 0


def decoded(raw: bytes, encoding: str) -> str:
    """Return bytes as text. Raises ``BadBody`` if they are no text in that encoding."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as flaw:
        hint = OTHER_ENCODING if encoding == "utf-8" else ""
        name = encoding.upper()
        raise BadBody(
            f"The line is not {name}: byte {flaw.start + 1} is wrong.{hint}", "invalid_encoding"
        ) from None


def split(text: str, separator: str) -> list[str]:
    """Return the fields of one record. Raises ``BadBody``."""
    try:
        found = list(csv.reader([text], delimiter=separator))
    except csv.Error as error:
        why = f"{error}"
        if "\r" in text:
            why = (
                "a carriage return stands outside of quotes, and a row ends with a line feed. "
                "Convert the file: tr '\\r' '\\n' < FILE"
            )
        raise BadBody(f"The row cannot be read: {why}.", "invalid_row") from None
    return found[0] if found else []


def ends_within_quotes(line: bytes, separator: bytes, within: bool) -> bool:
    """Return whether a quoted field goes on after a line that begins within one, or not."""
    if not within and QUOTE not in line:
        return False
    at = 0
    if not within:
        at = _next_quoted(line, separator, -1)
        within = at >= 0
    while within:
        at = line.find(QUOTE, at)
        if at < 0:
            return True
        if line[at + 1 : at + 2] == QUOTE:
            at += 2
            continue
        at = _next_quoted(line, separator, at + 1)
        within = at >= 0
    return False


def _next_quoted(line: bytes, separator: bytes, at: int) -> int:
    """Return where, from a place on, the text of the next quoted field begins; -1: nowhere."""
    if at < 0 and line.startswith(QUOTE):
        return 1
    found = line.find(separator + QUOTE, max(at, 0))
    return found + len(separator) + 1 if found >= 0 else -1
