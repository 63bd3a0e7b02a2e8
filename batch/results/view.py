"""How a record looks on a terminal: what was asked and what came of it, side by side if it is wide.

What data hold is written so that no terminal obeys it: nothing moves a cursor or changes a color.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Final, Literal, TypeAlias
from unicodedata import combining, east_asian_width

import msgspec

from batch.results.record import Record
from batch.wire import Piece
from batch.wording import counted, spelled

Role: TypeAlias = Literal["head", "failed", "who", "text"]
Paint: TypeAlias = Callable[[str, Role], str]
SIDE_BY_SIDE: Final = 80  # columns of a terminal from which on two texts stand beside each other
_BETWEEN: Final = " │ "
_NO_WIDTH: Final = "\u200b\u200c\u200d\ufe0e\ufe0f"  # some are needed to write emoji and Persian
_TAB: Final = " " * 4
_NUMBERS: Final = 4  # of a vector that are shown
_BODY: Final = 2000  # characters of a body that nothing else is known of
_Line: TypeAlias = tuple[str, Role]


class Shown(msgspec.Struct, frozen=True):
    """A record to be shown, and what its line asked."""

    record: Record
    prompt: Sequence[Piece]
    folder: str = ""  # of the run, as people would type it


class Frame(msgspec.Struct, frozen=True):
    """How much room there is."""

    width: int  # columns
    most: int | None  # lines of a text; None: all of it


def answer(shown: Shown) -> list[Piece]:
    """Return what came of a line, piece by piece."""
    record = shown.record
    told, body, wire = record.x_run, record.body, record.wire
    pieces = []
    if told.label is not None and "value" in told.label:
        pieces.append(Piece("label", spelled(told.label["value"])))
    if record.failed:
        pieces.append(Piece(told.class_ or "error", record.message or "no message"))
    elif wire is not None:
        text = wire.text(body)
        pieces += [Piece("", text)] if text else []
        pieces += wire.beside(body)
        pieces += [Piece("embedding", _vector(one)) for one in wire.vectors(body)]
    for file in told.files:
        where = os.path.join(shown.folder, "files", file.path)
        pieces.append(Piece("file", f"{where}  {file.type}, {counted(file.bytes, 'byte')}"))
    if not pieces:
        whole = body.decode("utf-8", "replace")
        pieces.append(Piece("body", whole if len(whole) <= _BODY else f"{whole[:_BODY]}…"))
    return pieces


def head(record: Record) -> str:
    """Return who the line is and what it took, in one line."""
    told, counts = record.x_run, record.x_run.counts
    read = counts.input_tokens if counts is not None else None
    made = counts.output_tokens if counts is not None else None
    tokens = "" if read is None and made is None else f"{_count(read)} in, {_count(made)} out"
    parts = [
        f"line {told.line}",
        record.custom_id,
        told.model,
        told.class_ or told.finish,
        tokens,
        f"{told.ms:,} ms" if told.started_at else "not sent",
        f"{told.attempts} attempts" if told.attempts > 1 else "",
    ]
    return " · ".join(part for part in parts if part)


def lines(shown: Shown, frame: Frame, paint: Paint) -> Iterator[str]:
    """Yield the lines of a record, none of them wider than the frame."""
    record = shown.record
    title = cut(clean(f"── {head(record)} "), frame.width)
    title += "─" * (frame.width - width_of(title))
    yield paint(title, "failed" if record.failed else "head")
    if not shown.prompt or frame.width < SIDE_BY_SIDE:
        parts = [part for part in (shown.prompt, answer(shown)) if part]
        for number, part in enumerate(parts):
            if number:
                yield paint("──", "who")
            for text, role in _block(part, frame.width, frame.most):
                yield paint(text, role)
        return
    left = (frame.width - len(_BETWEEN)) // 2
    right = frame.width - len(_BETWEEN) - left
    asked = _block(shown.prompt, left, frame.most)
    for one, other in zip_longest(
        asked, _block(answer(shown), right, frame.most), fillvalue=("", "text")
    ):
        space = " " * (left - width_of(one[0]))
        yield f"{paint(*one)}{space}{paint(_BETWEEN, 'who')}{paint(*other)}".rstrip()


def _block(pieces: Sequence[Piece], width: int, most: int | None) -> list[_Line]:
    """Return pieces as lines, at most so many, the last of them saying that there is more."""
    every = _flow(pieces, width)
    if most is None:
        return list(every)
    found = list(islice(every, most + 1))
    if len(found) > most:
        found[most - 1 :] = [(cut("… more: --full", width), "who")]
    return found


def _flow(pieces: Sequence[Piece], width: int) -> Iterator[_Line]:
    for piece in pieces:
        if piece.who:
            yield cut(clean(f"{piece.who}:"), width), "who"
        for line in piece.text.split("\n"):
            for row in wrapped(line.removesuffix("\r"), width):
                yield row, "text"


def clean(text: str) -> str:
    """Return a text of one line in which everything that is not printed is spelled out."""
    if text.isprintable():
        return text
    return "".join(_printed(char) for char in text)


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield a text of one line in lines of a width, broken after spaces and wide characters."""
    start = begun = 0  # of the line under way: the first character, and the first that may follow
    line = clean(text)
    used = 0
    for place, char in enumerate(line):
        taken = _columns(char)
        if used + taken > width and place > start:
            end = begun if begun > start else place
            yield line[start:end].rstrip()
            start = begun = end
            used = width_of(line[end:place])
        used += taken
        if char == " " or taken > 1:
            begun = place + 1
    yield line[start:]


def cut(text: str, width: int) -> str:
    """Return a text that is at most so wide."""
    if width_of(text) <= width:
        return text
    used = 0
    for place, char in enumerate(text):
        used += _columns(char)
        if used >= width:
            return f"{text[:place]}…"
    return text


def width_of(text: str) -> int:
    """Return the columns that a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if combining(char) or char in _NO_WIDTH:
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def _printed(char: str) -> str:
    if char.isprintable() or char in _NO_WIDTH:
        return char
    return _TAB if char == "\t" else char.encode("unicode_escape").decode()


def _vector(vector: bytes) -> str:
    size = len(vector) // 4
    first = struct.unpack_from(f"<{min(size, _NUMBERS)}f", vector)
    more = ", …" if size > _NUMBERS else ""
    return f"{size:,} numbers: {', '.join(f'{one:.4g}' for one in first)}{more}"


def _count(count: float | None) -> str:
    return "?" if count is None else f"{count:,}"
