"""Bad lines of prompts and bad rows of tables: what stands there, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tests.catalogues.bad_inputs_lines import Line, deep
from tests.catalogues.bad_inputs_names import BEYOND


def _prompt(name: str, raw: bytes, code: str, says: str) -> Line:
    return Line(name, BEYOND, raw, code, says)


def _asked(name: str, raw: bytes, body: bytes) -> Line:
    return Line(name, BEYOND, raw, body=body)


_BUILT: Final = b'{"messages":[{"role":"user","content":"x"}],%b,"model":"gpt-4o-mini"}'

PROMPTS: Final[Sequence[Line]] = (
    Line("a good prompt", BEYOND, b'{"prompt":"' + b"first " * 50_000 + b'"}'),
    _prompt("an empty prompt", b'{"prompt":""}', "empty_prompt", "empty"),
    _prompt("a prompt of blanks", '{"prompt":" \\n\u3000"}'.encode(), "empty_prompt", "empty"),
    _prompt("a prompt that is null", b'{"prompt":null}', "empty_prompt", "prompt"),
    _prompt("no prompt", b'{"text":"x"}', "empty_prompt", 'no "prompt"'),
    _prompt(
        "a prompt that is a number", b'{"prompt":5}', "invalid_request", '"prompt" must be a text'
    ),
    _prompt(
        "a prompt that is a list",
        b'{"prompt":["a","b"]}',
        "invalid_request",
        '"prompt" must be a text',
    ),
    _prompt(
        "a system text that is a number",
        b'{"prompt":"x","system":5}',
        "invalid_request",
        '"system" must be a text',
    ),
    _prompt(
        "a model that is a list",
        b'{"prompt":"x","model":[]}',
        "invalid_request",
        '"model" must be a text',
    ),
    _prompt(
        "an id that is a float",
        b'{"prompt":"x","id":0.5}',
        "invalid_request",
        '"id" must be a text',
    ),
    _asked(
        "65 bits beside a prompt",
        b'{"prompt":"x","seed":18446744073709551616}',
        _BUILT % b'"seed":18446744073709551616',
    ),
    _asked(
        "300 levels beside a prompt",
        b'{"prompt":"x","y":%b}' % deep(300),
        _BUILT % (b'"y":%b' % deep(300)),
    ),
    _asked(
        "keys of other languages",
        b'{"prompt":"x","__proto__":{"a":1},"":2}',
        _BUILT % b'"__proto__":{"a":1},"":2',
    ),
    _prompt(
        "a prompt that has messages too",
        b'{"prompt":"x","messages":[]}',
        "invalid_request",
        "messages",
    ),
    _prompt(
        "a prompt that is a stream, in words",
        b'{"prompt":"x","stream":"yes"}',
        "invalid_request",
        "stream",
    ),
)


class Cell(msgspec.Struct, frozen=True):
    """A record of a table, as it is written, and what becomes of it."""

    name: str
    raw: bytes
    prompt: str = ""  # that is sent; "": none is
    code: str | None = None
    says: str = ""


COLUMNS: Final = b"id,text"
ROWS: Final[Sequence[Cell]] = (
    Cell("doubled quotes", b'q1,"a ""b"" c"', 'a "b" c'),
    Cell("a quote within a field", b'q2,5" disk', '5" disk'),
    Cell("something behind a quote", b'q3,"a"b', "ab"),
    Cell("a blank before a quote", b'q4, "a, b"', code="invalid_row", says="3 fields"),
    Cell("a quoted line break", b'q5,"a\nb\r\nc"', "a\nb\r\nc"),
    Cell("empty quotes", b'q6,""', code="empty_prompt", says="empty"),
    Cell("too few fields", b"q7", code="invalid_row", says="1 field"),
    Cell("too many fields", b"q8,a,b,c", code="invalid_row", says="4 fields"),
    Cell("a NUL in a field", b"q9,a\0b", "a\0b"),
    Cell("a carriage return in a field", b"q10,a\rb", code="invalid_row", says="carriage return"),
    Cell("a wrong byte", b"q11,caf\xe9", code="invalid_encoding", says="byte 8 is wrong"),
    Cell(
        "the names of the columns again",
        b"id,text",
        code="invalid_row",
        says="names of the columns",
    ),
    Cell("a formula", b"q13,\"=cmd|'/C calc'!A0\"", "=cmd|'/C calc'!A0"),
    Cell("a template in a field", b"q14,{{ 7 * 7 }}{% raw %}", "{{ 7 * 7 }}{% raw %}"),
    Cell("100,000 quotes", b'q15,"' + b'""' * 100_000 + b'"', '"' * 100_000),
    Cell("an id that is blank", b",nameless", "nameless"),
)
