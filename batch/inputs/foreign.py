"""Files that are no text in lines, told by their first bytes and by how these are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from batch.errors import BadData
from batch.wording import shown

_UTF16: Final = "UTF-16 or UTF-32 text. Save it as UTF-8: iconv -f UTF-16 -t UTF-8"
_ZSTD: Final = "packed with zstd. Unpack it, or pipe it in: zstd -dc FILE"
_PICTURE: Final = "a picture. Name it in a line that asks about it, and give a file of such lines"
_COLUMNS: Final = (b",", b"\t", b";")
_BEGINNING: Final = 24  # characters of a line that a message shows
_PAGES: Final = (b"<!doctype", b"<html", b"<?xml")
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\r\f\x1b")  # what no text has within a line

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
    (b"\x00\x00\xfe\xff", _UTF16),
    (b"{\x00", _UTF16),
    (b"\x00{", _UTF16),
    (b"\x1f\x8b", "packed with gzip twice. Unpack it once: gunzip"),
    (b"\x28\xb5\x2f\xfd", _ZSTD),
    (b"BZh", "packed with bzip2. Unpack it, or pipe it in: bzip2 -dc FILE"),
    (b"\xfd7zXZ\x00", "packed with xz. Unpack it, or pipe it in: xz -dc FILE"),
    (
        b"PK\x03\x04",
        "a zip archive or an office document. Give the file inside it, or save its table as CSV",
    ),
    (b"PAR1", "a Parquet file. Convert it to JSONL first"),
    (b"SQLite format 3\x00", "an SQLite database. Export the rows as JSONL first"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an office document of the old kind. Save its table as CSV",
    ),
    (b"\x50\x2a\x4d\x18", _ZSTD),  # frames that zstd passes over may come first
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive. Give the file inside it"),
    (b"Rar!", "a RAR archive. Give the file inside it"),
    (b"%PDF-", "a PDF. Make lines of its text first"),
    (b"\x89PNG\r\n", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"\x93NUMPY", "a file of NumPy. Make lines of its rows first"),
    (b"ARROW1", "an Arrow file. Convert it to JSONL first"),
)
_TAR: Final = (257, b"ustar")  # where a tar says that it is one
_ARRAY: Final = "one JSON array, not one JSON object a line. Convert it: jq -c '.[]' FILE"
_SPREAD: Final = "JSON spread over several lines. Convert it: jq -c . FILE"


def refuse_binary(name: str, head: bytes) -> None:
    """Raise ``BadData`` if the first bytes of a file show that it is no text in UTF-8's kin."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise BadData(f"{name} is {what}.")
    if _is_wide(head):
        raise BadData(f"{name} is {_UTF16}.")
    at, sign = _TAR
    if head.startswith(sign, at):
        raise BadData(f"{name} is a tar archive. Give the file inside it.")


def _is_wide(head: bytes) -> bool:
    """Return whether text without a mark has a NUL in every second byte: letters of UTF-16."""
    start = head[:8]
    odd, even = start[1::2], start[::2]
    return len(start) == 8 and ({*odd} == {0}) != ({*even} == {0})


def refuse_layout(where: str, lines: Sequence[bytes]) -> None:
    """Raise ``BadData`` for JSON that is not laid out as one document a line."""
    first, *others = lines
    if first.startswith(b"[") and not (others and parsed(first)):
        raise BadData(f"{where}: this is {_ARRAY}.")
    if first == b"{":
        raise BadData(f"{where}: this is {_SPREAD}.")


def refuse_other_text(name: str, lines: Sequence[tuple[int, bytes]], field: str) -> None:
    """Raise ``BadData`` if no line of a file's head begins an object: none of them asks anything.

    A single such line among good ones is a line that fails. ``field`` is one that lines may have.
    """
    if not lines or any(text.startswith(b"{") for _, text in lines):
        return
    number, first = lines[0]
    beginning = shown(first[: 4 * _BEGINNING].decode(errors="backslashreplace"), _BEGINNING)
    raise BadData(
        f'{name} is no JSONL: line {number} begins with "{beginning}", and each line must be an '
        f'object such as {{"{field}": "..."}}. {_way_out(first, field)}.'
    )


def _way_out(first: bytes, field: str) -> str:
    """Say how lines are made of a file, told by its first line."""
    if first.lower().startswith(_PAGES):
        return "It is a web page or XML: fetch the file itself, or make lines of its text"
    if _CONTROLS.intersection(first):
        return "It is no text: make lines of what is in it first"
    raw = "" if parsed(first) else "R"
    return f"If each line is a text to ask, convert it: jq -{raw}c '{{{field}: .}}' FILE"


def looks_like_a_table(lines: Sequence[bytes]) -> bool:
    """Return whether lines are fields between separators, and none of them is JSON."""
    first, *others = lines
    columns = any(mark in first for mark in _COLUMNS)
    json = any(line.startswith(b"{") or parsed(line) for line in lines)
    return columns and bool(others) and not json


def parsed(line: bytes) -> list[Any]:
    """Return the document on a line, or nothing."""
    try:
        return [orjson.loads(line)]
    except orjson.JSONDecodeError:
        return []
