"""What a file holds, told by its head: the form of its lines, or why they must not be asked.

The name of a file says at most that it is a table. Everything else its first lines say, and all of
them must say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from batch.errors import BadBody, BadData, BadUsage
from batch.inputs.foreign import (
    looks_like_a_table,
    parsed,
    refuse_binary,
    refuse_layout,
    refuse_other_text,
)
from batch.inputs.form import UTF8, Form
from batch.inputs.kinds import is_envelope, kind_of
from batch.inputs.lines import UTF8_MARK, records
from batch.inputs.settings import Reading
from batch.inputs.table import TAB, Table, decoded, read_head
from batch.wording import shown

PROMPT: Final = "prompt"
_FIELD: Final = "text"  # that rows may have, as templates name it
_LOOK_AT: Final = 100  # lines
_NAMED: Final = 6  # fields that a message names
_CAP: Final = 16 << 20  # bytes of a record of the head: all of it, should it come to that
_TABLES: Final = ((".csv", None), (".tsv", TAB), (".tab", TAB))

_Lines = Sequence[tuple[int, bytes]]


class _Head(msgspec.Struct, frozen=True):
    """The first bytes of a file, to be cut into records."""

    name: str
    content: bytes
    table: Table | None = None

    def chunks(self) -> Iterator[bytes]:
        return iter((self.content,))


def recognise(name: str, path: str, head: bytes, reading: Reading) -> Form:
    """Return the form of a file's lines; ``head`` may end within one, which is then not judged.

    Raises ``BadData`` for a file that holds nothing to ask, ``BadUsage`` for a template that has
    nothing to fill.
    """
    refuse_binary(name, head)
    lines = list(_first_lines(head.removeprefix(UTF8_MARK)))
    empty = not lines
    texts = [b"{}"] if empty else [text for _, text in lines]
    suffix = path.lower().removesuffix(".gz")
    named = next((one for one in _TABLES if suffix.endswith(one[0])), None)
    begins_json = not empty and texts[0][:1] in (b"{", b"[")
    if (named and not begins_json and not empty) or looks_like_a_table(texts):
        return _tabular(_Head(name, head), named[1] if named else None, reading)
    if not empty:
        refuse_layout(f"{name}:{lines[0][0]}", texts)
    return _documents(name, lines, reading)


def _first_lines(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the first lines that are not blank, with their numbers."""
    numbered = ((number, line.strip()) for number, line in enumerate(head.split(b"\n"), 1))
    return islice((one for one in numbered if one[1]), _LOOK_AT)


def _tabular(head: _Head, separator: str | None, reading: Reading) -> Form:
    """Return the form of a table."""
    rows = records(head, _CAP, separator or ",")
    number, first = next((number, raw) for number, _, raw in rows if raw.strip())
    where = f"{head.name}:{number}"
    table = read_head(where, first, separator, reading.encoding)
    _refuse_encoding(head, table)
    if reading.id_column and reading.id_column not in table.columns:
        raise BadData(
            f'{where}: no column is called "{shown(reading.id_column)}", as --id-column says. '
            f"There are {_listed(table.columns)}."
        )
    kind = "TSV" if table.separator == TAB else "CSV"
    what = f"{kind} with the columns {_listed(table.columns)}"
    if reading.prompt is not None:
        return Form("rows", what, table, reading.encoding)
    if PROMPT in table.columns:
        return Form("prompts", what, table, reading.encoding)
    if not reading.asking:
        return Form("rows", what, table, reading.encoding)
    raise BadData(f"{where}: this is {what}. {_ask(table.columns)}.")


def _refuse_encoding(head: _Head, table: Table) -> None:
    """Refuse a table whose first lines are in another encoding: most likely all are."""
    lines = list(_first_lines(head.content))
    for number, text in lines[:-1] or lines:
        try:
            decoded(text, table.encoding)
        except BadBody as error:
            raise BadData(f"{head.name}:{number}: {error}") from None


def _documents(name: str, lines: _Lines, reading: Reading) -> Form:
    """Return the form of lines that are a JSON document each."""
    found = [(number, one) for number, text in lines for one in _parsed(text, reading.encoding)]
    told = [(number, one, kind) for number, one in found if (kind := kind_of(one))]
    if not told:
        refuse_other_text(name, lines, PROMPT if reading.prompt is None else _FIELD)
    if reading.prompt is not None:
        rows = [one for _, one in found if isinstance(one, dict)]
        if rows and all(map(is_envelope, rows)):
            raise _nothing_to_fill(name, "OpenAI batch lines", reading)
        return Form("rows", "data rows", None, reading.encoding)
    if not told:
        objects = [(number, one) for number, one in found if isinstance(one, dict)]
        # With an endpoint even odd bodies may be meant; without one they are asked nothing.
        if objects and reading.asking and not reading.any_body:
            number, one = objects[0]
            what = f"data with the fields {_listed(tuple(one))}" if one else "empty objects"
            raise BadData(f"{name}:{number}: this is {what}. {_ask(tuple(one))}.")
        return Form(encoding=reading.encoding)
    first, _, kind = told[0]
    odd = next((one for one in told if one[2] != kind), None)
    if odd is not None:
        raise BadData(
            f"{name}:{odd[0]}: the file is mixed: line {first} looks like {kind.what}, and line "
            f"{odd[0]} like {odd[2].what}. Give each kind a file of its own."
        )
    if kind.use == "refused":
        raise BadData(f"{name}:{first}: this is {kind.what}. {kind.todo}.")
    if kind.use == "prompts":
        return Form("prompts", kind.what, None, reading.encoding)
    urls = any("url" in one for _, one, _ in told)
    what = kind.what if urls or not any("body" in one for _, one, _ in told) else _WITHOUT_URL
    if reading.system is not None or reading.params:
        raise _nothing_to_fill(name, what, reading)
    return Form("requests", what, None, reading.encoding)


_WITHOUT_URL: Final = "batch lines without a url"


def _parsed(text: bytes, encoding: str) -> list[Any]:
    if encoding == UTF8:
        return parsed(text)
    try:
        return parsed(decoded(text, encoding).encode())
    except BadBody:
        return []


def _nothing_to_fill(name: str, what: str, reading: Reading) -> BadUsage:
    given = {"--prompt": reading.prompt, "--system": reading.system, "--param": reading.params}
    flags = " and ".join(flag for flag, value in given.items() if value)
    return BadUsage(
        f"{name} holds {what}, which say all that is asked: {flags} would change nothing. Leave "
        "that away, or name a file of prompts or data"
    )


def _ask(fields: Sequence[str]) -> str:
    """Say how data is asked about."""
    likely = next((name for name in fields if name in ("text", "content", "question")), "")
    name = likely or (fields[-1] if fields else "text")
    hole = f"{{{{ {name} }}}}" if name.isidentifier() else f'{{{{ row["{name}"] }}}}'
    return f"Say with a template what to ask of each row: -p prompt.txt, with {shown(hole)} in it"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(shown(str(name), 40) or '""' for name in names[:_NAMED]) + more
